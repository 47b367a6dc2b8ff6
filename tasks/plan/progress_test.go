package plan_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/tasks/plan"
)

func TestProgress_ComesFromItsContext(t *testing.T) {
	t.Parallel()
	var heard []any
	ctx := plan.WithProgress(t.Context(), func(done, total int, kind string) { heard = append(heard, done, total, kind) })
	plan.ProgressFrom(ctx)(3, 7, "queue")
	if len(heard) != 3 || heard[0] != 3 || heard[1] != 7 || heard[2] != "queue" {
		t.Errorf("heard %v", heard)
	}
}

func TestProgress_NobodyListens_DoesNothing(t *testing.T) {
	t.Parallel()
	plan.ProgressFrom(t.Context())(1, 1, "queue")
	plan.ProgressFrom(plan.WithProgress(t.Context(), nil))(1, 1, "queue")
}
