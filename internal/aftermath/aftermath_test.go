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
}

func (r *run) Adopt(ctx context.Context) { r.adopted = ctx }

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
	if aftermath.Adopt(inner); r.adopted != inner {
		t.Errorf("adopted %v, want %v", r.adopted, inner)
	}
	aftermath.Adopt(t.Context()) // of no run: nothing happens
}
