package schedule_test

import (
	"errors"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
)

func TestNil_IsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	var none *schedule.Periodic[schReport]
	describe := func(d tasks.Definition) func() error {
		return func() error {
			job, err := schedule.Describe(tasks.Config{}, d)
			if job != nil {
				t.Errorf("a job of nil: %+v", job)
			}
			return err
		}
	}
	for name, do := range map[string]func() error{
		"Sync":                     func() error { _, err := schedule.Sync(t.Context(), nil); return err },
		"Sync, dry":                func() error { _, err := schedule.Sync(t.Context(), nil, schedule.DryRun()); return err },
		"NextRuns":                 func() error { _, err := none.NextRuns(1); return err },
		"NextRunsAfter":            func() error { _, err := none.NextRunsAfter(time.Now(), 1); return err },
		"WithPayload":              func() error { _, err := none.WithPayload(schReport{}).NextRuns(1); return err },
		"Describe":                 describe(nil),
		"Describe of a nil Period": describe(none),
		"Describe of a nil Task":   describe((*tasks.Task[schReport])(nil)),
	} {
		if err := do(); !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("%s: %v does not match ErrInvalid", name, err)
		} else {
			schSays(t, err, "schedule: ", "nil")
		}
	}
}
