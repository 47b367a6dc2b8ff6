// Package aftermath lets middleware say under which context belongs what comes of a run once it has returned: the task
// that a Snooze enqueues, the quarantine, the line in the log. A run's own context is outside of all middleware, and
// knows nothing of the span that one of them began.
package aftermath

import "context"

// Key is what a run's context answers with its [Adopter].
type Key struct{}

// Adopter is a run.
type Adopter interface {
	Adopt(ctx context.Context, s Span)
}

// Span names a run's own, for its line in the log, in W3C Trace Context's terms. The zero value is none.
type Span struct {
	Trace   [16]byte
	ID      [8]byte
	Sampled bool
}

// Adopt makes ctx, derived from that of a run, the context of what comes of it. Without a run it does nothing.
func Adopt(ctx context.Context, s Span) {
	if a, ok := ctx.Value(Key{}).(Adopter); ok {
		a.Adopt(ctx, s)
	}
}
