package engine

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"
)

// agenda orders what waits in manual mode, across queues. Tasks that have left, or wait for another time by now,
// are dropped when their turn comes.
type agenda struct {
	mu     sync.Mutex
	later  laterHeap
	due    []candidate // in order; what take has seen to be due
	parked []candidate // may not run as things stand: paused, or under way
}

// candidate is a task that may run at eta.
type candidate struct {
	q   *queue
	ref ref
	gen uint32
	eta int64
	seq uint32
}

// byAge orders by due time, then as the tasks were created.
func byAge(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.eta, b.eta), cmp.Compare(a.seq, b.seq))
}

func (a *agenda) add(c candidate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	heap.Push(&a.later, c)
}

// unpark gives what could not run another chance.
func (a *agenda) unpark() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.parked {
		heap.Push(&a.later, c)
	}
	a.parked = a.parked[:0]
}

// first returns the candidate with the earliest time, and leaves it where it is.
func (a *agenda) first() (c candidate, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.later) > 0 {
		c, ok = a.later[0], true
	}
	if len(a.due) > 0 && (!ok || byAge(a.due[0], c) < 0) {
		c, ok = a.due[0], true
	}
	return c, ok
}

// admit reports whether c, which is first, may run. If not, it takes c away, and parks it if it may later.
func (a *agenda) admit(c candidate) bool {
	waits, may := c.q.judge(c)
	if waits && may {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case len(a.due) > 0 && a.due[0] == c:
		a.due = a.due[1:]
	case len(a.later) > 0 && a.later[0] == c:
		heap.Pop(&a.later)
	}
	if waits {
		a.parked = append(a.parked, c)
	}
	return false
}

// take removes a candidate that is due by now and may run, the first or the one that pick chooses.
func (a *agenda) take(now int64, pick func(n int) int) (candidate, bool) {
	for {
		c, ok := a.choose(now, pick)
		if !ok {
			return candidate{}, false
		}
		switch waits, may := c.q.judge(c); {
		case waits && may:
			return c, true
		case waits:
			a.mu.Lock()
			a.parked = append(a.parked, c)
			a.mu.Unlock()
		}
	}
}

func (a *agenda) choose(now int64, pick func(n int) int) (c candidate, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.later) > 0 && a.later[0].eta <= now {
		c := heap.Pop(&a.later).(candidate)
		at, _ := slices.BinarySearchFunc(a.due, c, byAge) // nearly always the end
		a.due = slices.Insert(a.due, at, c)
	}
	if len(a.due) == 0 {
		return c, false
	}
	if pick == nil {
		c, a.due = a.due[0], a.due[1:]
		return c, true
	}
	i := pick(len(a.due))
	c = a.due[i]
	a.due = slices.Delete(a.due, i, i+1)
	return c, true
}

// judge reports whether the task still waits as c says, and whether it may run now.
func (q *queue) judge(c candidate) (waits, may bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ent := q.tasks.get(c.ref.idx, c.gen)
	if ent == nil || ent.ver != c.ref.ver || q.stage != open {
		return false, false
	}
	return true, ent.flags&forced != 0 || ent.inflight == 0 && !q.paused
}

// laterHeap is a heap.Interface of candidates by age.
type laterHeap []candidate

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return byAge(h[i], h[j]) < 0 }
func (h laterHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *laterHeap) Push(x any) { *h = append(*h, x.(candidate)) }

// Pop implements heap.Interface.
func (h *laterHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = candidate{}
	*h = (*h)[:last]
	return c
}
