package soak_test

import (
	"slices"
	"strings"
	"testing"
)

// newBook returns a ledger with what it objects to.
func newBook() (*Ledger, *Faults) {
	f := &Faults{}
	return NewLedger("task", f), f
}

func TestLedger_PromisedAndRan_InEitherOrder_OwesNothing(t *testing.T) {
	l, f := newBook()
	a, b, c := l.Issue(), l.Issue(), l.Issue()
	l.Settle(a, Promised)
	l.Ran(a)
	l.Ran(b)
	l.Settle(b, Promised)
	l.Settle(c, Void)
	l.Ran(c)
	l.Ran(a)
	if owed := l.Owed(); len(owed) != 0 || l.Unsettled() != 0 || len(f.List()) != 0 {
		t.Errorf("Owed = %v, Unsettled = %d, faults %q", owed, l.Unsettled(), f.List())
	}
	if promises, runs, repeats := l.Counts(); promises != 2 || runs != 4 || repeats != 1 {
		t.Errorf("Counts = %d, %d, %d, want 2, 4, 1", promises, runs, repeats)
	}
}

func TestLedger_LostTask_IsOwed(t *testing.T) {
	l, _ := newBook()
	lost := map[int64]bool{1: true, 64: true, 65: true, 1024: true, 1025: true, 70_000: true}
	for range 200_000 {
		id := l.Issue()
		l.Settle(id, Promised)
		if !lost[id] {
			l.Ran(id)
		}
	}
	owed := l.Owed()
	slices.Sort(owed)
	if want := []int64{1, 64, 65, 1024, 1025, 70_000}; !slices.Equal(owed, want) {
		t.Errorf("Owed = %v, want %v", owed, want)
	}
	if most := keptPages + 6; len(l.pages) > most {
		t.Errorf("%d pages are kept, want %d at most", len(l.pages), most)
	}
	l.Ran(1)
	if len(l.Owed()) != 5 {
		t.Errorf("what ran late is still owed: %v", l.Owed())
	}
}

func TestLedger_WhatMustNotBe_IsAFault(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(l *Ledger)
		want string
	}{
		"refused, then ran":      {func(l *Ledger) { id := l.Issue(); l.Settle(id, Refused); l.Ran(id) }, "ran, and was refused"},
		"ran, then refused":      {func(l *Ledger) { id := l.Issue(); l.Ran(id); l.Settle(id, Refused) }, "ran, and was refused"},
		"ran, and nobody's":      {func(l *Ledger) { l.Ran(l.Issue() + 1) }, "nobody asked"},
		"ran, and has no id":     {func(l *Ledger) { l.Ran(0) }, "nobody asked"},
		"settled twice":          {func(l *Ledger) { id := l.Issue(); l.Settle(id, Void); l.Settle(id, Void) }, "settled twice"},
		"settled and not issued": {func(l *Ledger) { l.Settle(1, Promised) }, "never issued"},
	} {
		l, f := newBook()
		tc.do(l)
		if got := f.List(); len(got) != 1 || !strings.Contains(got[0], tc.want) {
			t.Errorf("%s: faults %q, want one that says %q", name, got, tc.want)
		}
	}
}

func TestLedger_Unsettled_CountsIssuedOnly(t *testing.T) {
	l, _ := newBook()
	for n := range int64(3 * pageIDs) {
		if l.Unsettled() != n-n/2 {
			t.Fatalf("after %d: Unsettled = %d, want %d", n, l.Unsettled(), n-n/2)
		}
		if id := l.Issue(); id%2 == 0 {
			l.Settle(id, Void)
		}
	}
}

func TestFaults_KeepsTheFirst(t *testing.T) {
	f := &Faults{}
	for n := range mostFaults + 3 {
		f.Addf("fault %d", n)
	}
	if got := f.List(); len(got) != mostFaults+1 || got[0] != "fault 0" || got[mostFaults] != "and 3 more" {
		t.Errorf("List = %q", got)
	}
}
