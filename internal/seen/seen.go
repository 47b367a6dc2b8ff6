// Package seen shows a run the payload that its definition has decoded, for its log.
package seen

import "context"

// Key is the key of the run's Func in its context.
type Key struct{}

// Func takes a pointer to the payload.
type Func func(payload any)

// By returns who looks at the payload of the run of ctx, nil where nobody does.
func By(ctx context.Context) Func {
	f, _ := ctx.Value(Key{}).(Func)
	return f
}
