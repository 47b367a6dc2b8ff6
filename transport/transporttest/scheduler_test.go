package transporttest_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestRunScheduler_CorrectDrivers_Pass(t *testing.T) {
	for _, c := range []struct {
		what      string
		newDriver func(testing.TB) transporttest.SchedulerDriver
	}{
		{"every ability, in bubbles", scheduling("")},
		{"every ability, on the real clock", func(testing.TB) transporttest.SchedulerDriver {
			return transporttest.SchedulerDriver{Scheduler: newAlmanac(""), Grace: 20 * time.Millisecond}
		}},
		{"little ability, on the real clock", func(t testing.TB) transporttest.SchedulerDriver {
			a := newAlmanac("")
			t.Cleanup(func() { _ = a.Shutdown(t.Context()) })
			return transporttest.SchedulerDriver{
				Scheduler: calendar{a}, Endpoint: "http://127.0.0.1:8080/_tasks", Patience: time.Minute, Grace: 10 * time.Millisecond,
			}
		}},
		{"nothing but PutJob, DeleteJob and Jobs, in bubbles", func(t testing.TB) transporttest.SchedulerDriver {
			a := newAlmanac("")
			return transporttest.SchedulerDriver{Scheduler: calendar{a}, Serve: a.Serve, Close: func() error { return a.Shutdown(t.Context()) }, Bubble: true}
		}},
		{"no checks", func(testing.TB) transporttest.SchedulerDriver {
			return transporttest.SchedulerDriver{Scheduler: newAlmanac("takes any job"), Bubble: true, NoChecks: true}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			transporttest.RunScheduler(t, c.newDriver)
		})
	}
}

func TestCheckScheduler_Failure_QuotesTheLawAndItsSource(t *testing.T) {
	failures := transporttest.CheckScheduler(t, scheduling("loses the description"))
	if len(failures) == 0 || failures[0].Case != "put/creates" {
		t.Fatalf("failures %v, want the first of put/creates", failures)
	}
	f := failures[0]
	line := regexp.MustCompile(`^scheduler_put\.go:\d+`)
	if !strings.HasPrefix(f.Law, "A job that was put can be looked up") || !line.MatchString(f.Source) || !line.MatchString(f.Seen[0]) {
		t.Errorf("failure %+v, want the law and lines of scheduler_put.go", f)
	}
	if !strings.Contains(f.Seen[0], `has Description , want what the job is för`) {
		t.Errorf("saw %q, want what was put and what is there", f.Seen)
	}
}

func TestCheckScheduler_IncompleteDriver_IsTheOnlyFailure(t *testing.T) {
	failures := transporttest.CheckScheduler(t, func(testing.TB) transporttest.SchedulerDriver { return transporttest.SchedulerDriver{} })
	if len(failures) != 1 || failures[0].Case != "driver" || !strings.Contains(failures[0].Error(), "SchedulerDriver.Scheduler is nil") {
		t.Errorf("failures %v, want one of the case driver", failures)
	}
}

// scheduling makes SchedulerDrivers of schedulers with every ability.
func scheduling(fault string) func(testing.TB) transporttest.SchedulerDriver {
	return func(t testing.TB) transporttest.SchedulerDriver {
		a := newAlmanac(fault)
		t.Cleanup(a.stop)
		return transporttest.SchedulerDriver{Scheduler: a, Bubble: true}
	}
}

// calendar hides every ability but PutJob, DeleteJob and Jobs.
type calendar struct{ transport.Scheduler }
