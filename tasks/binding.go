package tasks

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Binding says which Apps a definition belongs to. Embed it to make a [Definition]; the zero value belongs to
// none. It must not be copied.
type Binding struct {
	mu   sync.Mutex  // serializes changes
	left atomic.Bool // an App that it belonged to has been shut down
	apps atomic.Pointer[[]bound]
}

// bound is one App with what the definition's Resolve made of it.
type bound struct {
	app   *App
	value any
}

// App returns the App that work of this definition belongs to: the one in ctx, which must have registered
// it, else the only one that has. Errors match [ErrNotRegistered], [ErrAmbiguousApp] or [ErrShutdown].
func (b *Binding) App(ctx context.Context) (*App, error) {
	apps := b.list()
	if app := appFrom(ctx); app != nil {
		if slices.ContainsFunc(apps, func(b bound) bool { return b.app == app }) {
			return app, nil
		}
		if app.released.Load() {
			return nil, fmt.Errorf("%w any more with %s in the context: %w", ErrNotRegistered, app, ErrShutdown)
		}
		return nil, fmt.Errorf("%w with %s in the context: pass it to that App's Register", ErrNotRegistered, app)
	}
	switch len(apps) {
	case 1:
		return apps[0].app, nil
	case 0:
		if b.left.Load() {
			return nil, fmt.Errorf("%w any more: %w", ErrNotRegistered, ErrShutdown)
		}
		return nil, fmt.Errorf("%w with any live App: pass it to App.Register first", ErrNotRegistered)
	default:
		return nil, fmt.Errorf("%w: choose one with app.Context(ctx)", ErrAmbiguousApp)
	}
}

// Resolved returns what [Spec].Resolve made of the definition under app, nil where it is not registered there.
func (b *Binding) Resolved(app *App) any {
	for _, at := range b.list() {
		if at.app == app {
			return at.value
		}
	}
	return nil
}

func (b *Binding) binding() *Binding { return b }

func (b *Binding) list() []bound {
	if p := b.apps.Load(); p != nil {
		return *p
	}
	return nil
}

func (b *Binding) bind(a *App, value any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	apps := append(slices.Clone(b.list()), bound{a, value})
	b.apps.Store(&apps)
}

// release is unbind at the end of a.
func (b *Binding) release(a *App) {
	b.left.Store(true)
	b.unbind(a)
}

func (b *Binding) unbind(a *App) {
	b.mu.Lock()
	defer b.mu.Unlock()
	apps := slices.DeleteFunc(slices.Clone(b.list()), func(x bound) bool { return x.app == a })
	b.apps.Store(&apps)
}
