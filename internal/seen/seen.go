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

// UpgradeKey is the key of who is told, in a run's context, that its payload is one of an older type.
type UpgradeKey struct{}

// UpgradeFunc takes the older type's name.
type UpgradeFunc func(from string)

// Upgraded tells that an upgrade begins. Outside of a run it does nothing.
func Upgraded(ctx context.Context, from string) {
	if tell, ok := ctx.Value(UpgradeKey{}).(UpgradeFunc); ok {
		tell(from)
	}
}
