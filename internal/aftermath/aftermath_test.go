package aftermath_test

import (
	"context"
	"testing"

	"github.com/typedtasks/typedtasks/internal/aftermath"
)

// run is a context that adopts another.
type run struct {
	context.Context
	adopted context.Context
	span    aftermath.Span
}

func (r *run) Adopt(ctx context.Context, s aftermath.Span) { r.adopted, r.span = ctx, s }

func (r *run) Value(key any) any {
	if key == (aftermath.Key{}) {
		return r
	}
	return r.Context.Value(key)
}

func TestAdopt_TellsTheRun(t *testing.T) {
	t.Parallel()
	r := &run{Context: t.Context()}
	inner, cancel := context.WithCancel(r)
	defer cancel()
	span := aftermath.Span{Trace: [16]byte{1}, ID: [8]byte{2}, Sampled: true}
	if aftermath.Adopt(inner, span); r.adopted != inner || r.span != span {
		t.Errorf("adopted %v and %v, want %v and %v", r.adopted, r.span, inner, span)
	}
	aftermath.Adopt(t.Context(), span) // of no run: nothing happens
}
