package schedule_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// schLocal is a scheduler in this process.
type schLocal struct {
	schScheduler
	declared []*transport.Job
	refuse   error
}

func (l *schLocal) DeclareJob(j *transport.Job) error {
	l.declared = append(l.declared, j)
	return l.refuse
}

func TestRegister_SchedulerInThisProcess_IsTold(t *testing.T) {
	t.Parallel()
	l := &schLocal{}
	app := schApp(t, tasks.Config{Endpoint: "-", Transport: schHere{}, Scheduler: schWrapped{l}})
	p := schedule.New(schNothing[schReport], schedule.Interval(5*time.Second)).WithPayload(schReport{Days: 2})
	schRegister(t, app, tasks.New(schNothing[schBill]), p)
	if len(l.declared) != 1 {
		t.Fatalf("%d were declared", len(l.declared))
	}
	if j := l.declared[0]; j.Name != "shop--schReport" || j.Schedule != "every 5 seconds" || j.URL != "http://localhost/tasks/schReport" || j.Audience != "" || string(j.Body) != `{"days":2}` {
		t.Errorf("%+v", j)
	}
	// What is for development is only refused elsewhere, and so is the endpoint that is none.
	schPlan(t, schSync(t, app), "[+] schedule shop--schReport: created: every 5 seconds (UTC), post to http://localhost/tasks/schReport", "1 created")
}

// schHere is a transport that delivers in this process.
type schHere struct {
	schNowhere
	schServer
}

type schServer struct{ transport.Server }

func (schServer) Serve(string, transport.Handler) error { return nil }
func (schServer) Shutdown(context.Context) error        { return nil }

// schWrapped is a scheduler around another.
type schWrapped struct{ transport.Scheduler }

func (w schWrapped) Unwrap() transport.Scheduler { return w.Scheduler }

func TestRegister_SchedulerInThisProcessRefuses_NothingIsRegistered(t *testing.T) {
	t.Parallel()
	l := &schLocal{refuse: errors.New("no room")}
	app := schApp(t, tasks.Config{Scheduler: l})
	p := schNamed("n")
	err := app.Register(p)
	schSays(t, err, `periodic "n"`, "no room")
	if _, err := p.Enqueue(t.Context(), schReport{}); !errors.Is(err, tasks.ErrNotRegistered) {
		t.Errorf("%v", err)
	}
}

func TestRegister_SchedulerElsewhere_IsNotAsked(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	schRegister(t, schApp(t, tasks.Config{Scheduler: s}), schNamed("n"))
	schRegister(t, schApp(t, tasks.Config{}), schNamed("n"))
	schRegister(t, schApp(t, tasks.Config{Eager: true}), schNamed("n"))
	if s.writes != nil || s.lists != 0 {
		t.Errorf("wrote %q, listed %d times", s.writes, s.lists)
	}
}

// One definition is looked at from many goroutines.
func TestPeriodic_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	p := schNamed("n", schedule.TimeZone("Europe/Berlin"))
	var group sync.WaitGroup
	for i := range 8 {
		app := schApp(t, tasks.Config{Scheduler: &schScheduler{}})
		group.Go(func() {
			p.WithPayload(schReport{Days: i})
			if _, err := p.NextRuns(1); err != nil {
				t.Error(err)
			}
			schRegister(t, app, p)
			if body := string(schDescribe(t, app, p).Body); !strings.HasPrefix(body, "{") {
				t.Error(body)
			}
			schSync(t, app)
		})
	}
	group.Wait()
}
