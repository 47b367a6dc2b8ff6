package plan

import "context"

// Progress hears of each resource that is done with, from several goroutines but one at a time: how many of a phase's
// resources are, and of how many; a total of 0 is not known. kind is what they are, in the singular.
type Progress func(done, total int, kind string)

type progressKey struct{}

// WithProgress returns a ctx under which what takes a while reports its progress to f: the Syncs, and DeleteAll of tasks.
func WithProgress(ctx context.Context, f Progress) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// ProgressFrom returns what WithProgress put into ctx, else a function that does nothing.
func ProgressFrom(ctx context.Context) Progress {
	if f, ok := ctx.Value(progressKey{}).(Progress); ok && f != nil {
		return f
	}
	return func(int, int, string) {}
}
