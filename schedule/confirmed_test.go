package schedule_test

import (
	"errors"
	"testing"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
)

// What somebody has confirmed is an older look at the scheduler.
func TestSync_Confirmed_DeletesNothingElse(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	s.put(schJob("shop--old", schTasks+"old"))
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("n", schedule.NoOIDC()))
	planned := schSync(t, app, schedule.DryRun())
	s.put(schJob("shop--older", schTasks+"older"))
	p, err := schedule.Sync(converge.WithConfirmed(t.Context(), planned), app)
	if !errors.Is(err, schedule.ErrBlocked) {
		t.Errorf("error %v", err)
	}
	schPlan(t, p,
		"[+] schedule shop--n: created: 0 3 * * * (UTC), post to "+schTasks+"n",
		"[-] schedule shop--old: deleted: no periodic task declares it any more",
		"[!] schedule shop--older: blocked: not in the plan that was confirmed: sync again",
		"1 created, 1 deleted, 1 blocked")
	if got := s.names(); got != "shop--n shop--older" {
		t.Errorf("left %s", got)
	}
}
