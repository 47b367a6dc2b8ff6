package tasks

import (
	"context"
	"sync"
)

// gate counts what is inside and can be shut: nothing enters then, and the last one out is waited for.
type gate struct {
	mu     sync.Mutex
	inside int
	shut   bool
	closed chan struct{} // closed once shut
	empty  chan struct{} // closed once shut and empty
}

func (g *gate) init() { g.closed, g.empty = make(chan struct{}), make(chan struct{}) }

// enter reports whether the gate is open; the caller leaves then.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.shut && g.inside == 0 {
		close(g.empty)
	}
}

// close shuts the gate; doing it again changes nothing.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return
	}
	g.shut = true
	close(g.closed)
	if g.inside == 0 {
		close(g.empty)
	}
}

// wait returns once the shut gate is empty, or with ctx's error.
func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.empty:
		return nil
	default:
	}
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}
