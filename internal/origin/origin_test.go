package origin_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/internal/origin"
)

func TestFrom_ReturnsTheInnermostPublisher(t *testing.T) {
	ctx := t.Context()
	if got := origin.From(ctx); got != "" {
		t.Errorf("without one: %q", got)
	}
	ctx = origin.With(origin.With(ctx, "outer"), "inner")
	if got := origin.From(ctx); got != "inner" {
		t.Errorf("got %q, want inner", got)
	}
}
