package schedule_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// schCreator creates in one write.
type schCreator struct{ schScheduler }

func (c *schCreator) CreateJob(ctx context.Context, j *transport.Job) error {
	return c.write(ctx, "create "+j.Name, j)
}

func TestSync_SchedulerThatCreates_IsAskedToWhereThereIsNone(t *testing.T) {
	t.Parallel()
	c := &schCreator{}
	failed := func(kind transport.Kind) error {
		return &transport.Error{Op: transport.OpCreate, Resource: "a job", Kind: kind}
	}
	c.faults = map[string]error{
		"create shop--came": failed(transport.KindExists), "create shop--cannot": failed(transport.KindUnsupported),
		"create shop--fails": errors.New("on fire"),
	}
	c.put(schJob("shop--old", schTasks+"old"), schJob("shop--there", schTasks+"there"))
	app := schApp(t, tasks.Config{Scheduler: c})
	schRegister(t, app, schNamed("new"), schNamed("came"), schNamed("cannot"), schNamed("fails"), schNamed("there"))
	dry, err := schedule.Sync(t.Context(), app, schedule.DryRun())
	if err != nil || c.writes != nil {
		t.Fatalf("a dry run: %v, wrote %q", err, c.writes)
	}
	p, err := schedule.Sync(t.Context(), app)
	schSays(t, err, `schedule "shop--fails": on fire`)
	if got, want := p.Summary(), "3 created, 1 updated, 1 deleted, 1 failed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := dry.Summary(), "dry run, nothing was done: 4 created, 1 updated, 1 deleted"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	slices.Sort(c.writes)
	want := "create shop--came, create shop--cannot, create shop--fails, create shop--new, delete shop--old, put shop--came, put shop--cannot, put shop--there"
	if got := strings.Join(c.writes, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if c.names() != "shop--came shop--cannot shop--new shop--there" {
		t.Error(c.names())
	}
}

// What stands before a scheduler sees all that is put in.
func TestSync_DecoratedScheduler_IsNotBypassed(t *testing.T) {
	t.Parallel()
	c := &schCreator{}
	app := schApp(t, tasks.Config{Scheduler: schWrapped{c}})
	schRegister(t, app, schNamed("n"))
	schSync(t, app)
	if !slices.Equal(c.writes, []string{"put shop--n"}) {
		t.Errorf("wrote %q", c.writes)
	}
}

// Each job of a first sync takes one write out of Cloud Scheduler's quota.
func TestSyncCloud_FirstTime_OneWriteForEachJob(t *testing.T) {
	c := newSchCloud(t)
	app := schApp(t, tasks.Config{Scheduler: c.scheduler})
	schRegister(t, app, schNamed("a"), schNamed("b"))
	schSync(t, app)
	calls := c.writes()
	slices.Sort(calls)
	if !slices.Equal(calls, []string{"CreateJob shop--a", "CreateJob shop--b"}) {
		t.Errorf("%q", calls)
	}
}

// A dry run promises nothing that cannot be done.
func TestSync_TokenWithoutAccount_FailsInThePlan(t *testing.T) {
	t.Parallel()
	s := &schScheduler{anonymous: true}
	known, unknown, old := schJob("shop--known", schTasks+"known"), schJob("shop--unknown", schTasks+"unknown"), schJob("shop--old", schTasks+"old")
	known.ServiceAccount = "hand@x"
	s.put(known, unknown, old)
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("new"), schNamed("known"), schNamed("unknown"), schNamed("open", schedule.NoOIDC()))
	for _, opts := range [][]schedule.SyncOption{{schedule.DryRun()}, nil} {
		p, err := schedule.Sync(t.Context(), app, opts...)
		schSays(t, err, `schedule "shop--new": `, `schedule "shop--unknown": `, `Audience "https://shop.example.com"`, "WithServiceAccount", "schedule.NoOIDC")
		if !errors.Is(err, tasks.ErrInvalid) || strings.Contains(err.Error(), "shop--known") || strings.Contains(err.Error(), "shop--open") {
			t.Errorf("%v", err)
		}
		var got []string
		for _, c := range p.Changes {
			got = append(got, c.Name+" "+c.Verb)
		}
		want := "shop--new failed, shop--known updated, shop--unknown failed, shop--open created, shop--old deleted"
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if why := p.Changes[0].Why; !strings.Contains(why, "needs a service account") {
			t.Errorf("why: %s", why)
		}
		if opts != nil && s.writes != nil {
			t.Errorf("a dry run wrote %q", s.writes)
		}
	}
	slices.Sort(s.writes)
	if got := strings.Join(s.writes, ", "); got != "delete shop--old, put shop--known, put shop--open" {
		t.Errorf("wrote %s", got)
	}
}
