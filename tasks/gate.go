package tasks

import (
	"context"
	"sync"
	"sync/atomic"
)

// gate counts what is inside and can be shut: nothing enters then, and the last one out is waited for.
type gate struct {
	state    atomic.Int64 // how many are inside, and shut
	shutting sync.Once
	emptying sync.Once
	closed   chan struct{} // closed once shut
	empty    chan struct{} // closed once shut and empty
}

const shut = 1 << 62

func (g *gate) init() { g.closed, g.empty = make(chan struct{}), make(chan struct{}) }

// enter reports whether the gate is open; the caller leaves then.
func (g *gate) enter() bool {
	if g.state.Add(1) > shut {
		g.leave()
		return false
	}
	return true
}

// isShut reports whether the gate is shut already.
func (g *gate) isShut() bool { return g.state.Load() >= shut }

func (g *gate) leave() {
	if g.state.Add(-1) == shut {
		g.emptying.Do(func() { close(g.empty) })
	}
}

// close shuts the gate; doing it again changes nothing.
func (g *gate) close() {
	g.shutting.Do(func() {
		g.state.Add(shut + 1) // inside itself, until others hear of it
		close(g.closed)
		g.leave()
	})
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

func (g *gate) count() int { return int(g.state.Load() &^ shut) }
