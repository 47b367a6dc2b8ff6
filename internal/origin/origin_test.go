package origin_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/internal/origin"
)

func TestFrom_ReturnsTheInnermostPublisher(t *testing.T) {
	ctx := t.Context()
	if got := origin.From(ctx); got != (origin.Publisher{}) {
		t.Errorf("without one: %+v", got)
	}
	inner := &origin.Publisher{Name: "inner", Raw: true}
	ctx = origin.With(origin.With(ctx, &origin.Publisher{Name: "outer"}), inner)
	if got := origin.From(ctx); got != *inner {
		t.Errorf("got %+v, want %+v", got, *inner)
	}
}
