// Package origin tells a broker that asks for it, as test kits do, which publisher a message comes from.
package origin

import "context"

// Asker is a broker whose contexts of Publish are to name the publisher. Others are spared the cost.
type Asker interface{ AsksForPublisher() }

type key struct{}

// With returns a ctx that names the publisher under which messages are published.
func With(ctx context.Context, publisher string) context.Context {
	return context.WithValue(ctx, key{}, publisher)
}

// From returns the publisher that ctx names, empty where it names none.
func From(ctx context.Context) string {
	name, _ := ctx.Value(key{}).(string)
	return name
}
