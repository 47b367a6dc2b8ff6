package soak_test

import (
	"fmt"
	"math/bits"
	"sync"
)

const (
	pageIDs   = 1024 // ids of one page
	keptPages = 16   // pages that stay after all of theirs is settled: who comes late is still known
)

// Ledger holds what was promised against what ran, by ids that it issues in sequence. Settled pages are dropped, so
// that it does not grow with the length of a run; what is owed stays for as long as it is.
type Ledger struct {
	name   string
	faults *Faults

	mu       sync.Mutex
	next     int64
	pages    map[int64]*page
	promises int64
	runs     int64
	repeats  int64 // runs of what had run already: at least once is what is promised
}

// page is the state of pageIDs ids in a row.
type page struct {
	decided, promised, refused, ran bitmap

	undecided int // ids that were not issued, or nothing was said of
	owed      int // promised and not run
}

type bitmap [pageIDs / 64]uint64

func (b *bitmap) has(i int64) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b *bitmap) set(i int64)      { b[i/64] |= 1 << (i % 64) }

// Verdict is what an issued id came to.
type Verdict uint8

const (
	Void     Verdict = iota // no promise was heard: it may run, or not
	Promised                // it must run
	Refused                 // it must not run: a duplicate
)

// NewLedger returns an empty ledger that reports to faults what must not be.
func NewLedger(name string, faults *Faults) *Ledger {
	return &Ledger{name: name, faults: faults, pages: map[int64]*page{}}
}

// Issue returns an id that was not there before, from 1 on. Settle must follow.
func (l *Ledger) Issue() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next%pageIDs == 0 {
		p := &page{undecided: pageIDs}
		l.pages[l.next/pageIDs] = p
		l.sweep()
	}
	l.next++
	return l.next
}

// Settle notes what became of an id. It may have run before.
func (l *Ledger) Settle(id int64, v Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, i := l.find(id)
	if p == nil || p.decided.has(i) {
		l.faults.Addf("%s %d was settled twice, or never issued: the test is wrong", l.name, id)
		return
	}
	p.decided.set(i)
	p.undecided--
	switch v {
	case Promised:
		l.promises++
		p.promised.set(i)
		if !p.ran.has(i) {
			p.owed++
		}
	case Refused:
		p.refused.set(i)
		if p.ran.has(i) {
			l.faults.Addf("%s %d ran, and was refused", l.name, id)
		}
	}
}

// Ran notes that the work of an id is done.
func (l *Ledger) Ran(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs++
	p, i := l.find(id)
	switch {
	case id < 1 || id > l.next:
		l.faults.Addf("%s %d ran, and nobody asked for it", l.name, id)
	case p == nil || p.ran.has(i):
		l.repeats++
	default:
		p.ran.set(i)
		if p.promised.has(i) {
			p.owed--
		}
		if p.refused.has(i) {
			l.faults.Addf("%s %d ran, and was refused", l.name, id)
		}
	}
}

// Owed lists what was promised and has not run, in no order.
func (l *Ledger) Owed() (ids []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, p := range l.pages {
		for w := range p.promised {
			for rest := p.promised[w] &^ p.ran[w]; rest != 0; rest &= rest - 1 {
				ids = append(ids, n*pageIDs+int64(w*64+bits.TrailingZeros64(rest))+1)
			}
		}
	}
	return ids
}

// Unsettled is how many issued ids nothing was said of.
func (l *Ledger) Unsettled() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pages {
		n += int64(p.undecided)
	}
	if over := l.next % pageIDs; over > 0 { // the rest of the last page was not issued
		n -= pageIDs - over
	}
	return n
}

// Counts returns how much was promised, how much ran, and how much of that ran again.
func (l *Ledger) Counts() (promises, runs, repeats int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.promises, l.runs, l.repeats
}

func (l *Ledger) find(id int64) (*page, int64) {
	if id < 1 || id > l.next {
		return nil, 0
	}
	return l.pages[(id-1)/pageIDs], (id - 1) % pageIDs
}

// sweep drops the old pages that nothing is open in.
func (l *Ledger) sweep() {
	for n, p := range l.pages {
		if n < l.next/pageIDs-keptPages && p.undecided == 0 && p.owed == 0 {
			delete(l.pages, n)
		}
	}
}

// Faults collects what must not be: how many, and the first of them.
type Faults struct {
	mu    sync.Mutex
	n     int
	first []string
}

// mostFaults are kept.
const mostFaults = 20

// Addf notes one.
func (f *Faults) Addf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n <= mostFaults {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}

// List returns the first ones, and a line that tells of the rest.
func (f *Faults) List() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := append([]string(nil), f.first...)
	if more := f.n - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return list
}
