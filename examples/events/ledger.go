package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ledger tells what happens, each thing once, and knows when all has happened.
type ledger struct {
	out io.Writer

	mu      sync.Mutex
	seen    map[string]bool
	waiting map[string]bool
	done    chan struct{} // closed once nothing is waited for
}

func newLedger(out io.Writer) *ledger {
	return &ledger{out: out, seen: map[string]bool{}, waiting: map[string]bool{}, done: make(chan struct{})}
}

func (l *ledger) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, format+"\n", args...)
}

// expect names what must happen before wait returns.
func (l *ledger) expect(who, what string, orders ...int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range orders {
		l.waiting[event(who, what, id)] = true
	}
}

// tell writes what who did with an order. What is delivered twice, as Pub/Sub may, is told once; attempts that
// failed are told each time.
func (l *ledger) tell(who, what string, o Order, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := event(who, what, o.ID)
	if l.seen[key] && what != "failed" {
		return
	}
	l.seen[key] = true
	fmt.Fprintf(l.out, "  %-9s %-8s order %-3d %s  %s\n", who, what, o.ID, o.Region, why)
	if delete(l.waiting, key); len(l.waiting) == 0 {
		select {
		case <-l.done:
		default:
			close(l.done)
		}
	}
}

// first reports whether who meets an order for the first time.
func (l *ledger) first(who string, order int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := event(who, "met", order)
	met := l.seen[key]
	l.seen[key] = true
	return !met
}

// wait returns when all that was expected has happened.
func (l *ledger) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("still waiting for: %s: %w", strings.Join(slices.Sorted(maps.Keys(l.waiting)), ", "), context.Cause(ctx))
}

func event(who, what string, order int) string {
	return fmt.Sprintf("%s %s order %d", who, what, order)
}
