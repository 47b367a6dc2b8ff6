// Package origin tells who is around a publish, test kits and middleware, which publisher a message comes from.
package origin

import "context"

// Publisher is a definition that publishes.
type Publisher struct {
	Name      string
	Raw       bool // its data is the caller's own, and stays as it is
	ValidJSON bool // its data is JSON for certain
}

type key struct{}

// With returns a ctx that names the publisher under which messages are published. p is not to be changed any more.
func With(ctx context.Context, p *Publisher) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// From returns the publisher that ctx names, the zero one where it names none.
func From(ctx context.Context) Publisher {
	if p, _ := ctx.Value(key{}).(*Publisher); p != nil {
		return *p
	}
	return Publisher{}
}
