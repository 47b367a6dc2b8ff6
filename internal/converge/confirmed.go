package converge

import (
	"context"
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/tasks/plan"
)

// ErrUnconfirmed: a resource would be deleted, or replaced, that the confirmed plan did not tell of.
var ErrUnconfirmed = errors.New("not in the plan that was confirmed: sync again")

type (
	confirmedKey struct{}
	resource     struct{ kind, name string }
)

// WithConfirmed returns a ctx under which a sync destroys what p deletes or replaces, and nothing else: what somebody
// has confirmed is an older look at things than that of the sync that follows.
func WithConfirmed(ctx context.Context, p plan.Plan) context.Context {
	confirmed := map[resource]bool{}
	for _, c := range p.Changes {
		if c.Verb == plan.Deleted || c.Verb == plan.Replaced {
			confirmed[resource{c.Kind, c.Name}] = true
		}
	}
	return context.WithValue(ctx, confirmedKey{}, confirmed)
}

// MayDestroy reports whether a resource may be deleted or replaced under ctx: any may where no plan was confirmed.
func MayDestroy(ctx context.Context, kind, name string) bool {
	confirmed, asked := ctx.Value(confirmedKey{}).(map[resource]bool)
	return !asked || confirmed[resource{kind, name}]
}

// Unconfirmed is the outcome of a resource that stays because [MayDestroy] says so. Its error matches [ErrUnconfirmed]
// and blocked.
func Unconfirmed(kind, name string, blocked error) Outcome {
	o := One(plan.Blocked, kind, name, ErrUnconfirmed.Error())
	o.Err = fmt.Errorf("%s %q: %w: %w", kind, name, blocked, ErrUnconfirmed)
	return o
}
