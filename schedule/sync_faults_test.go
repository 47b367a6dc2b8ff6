package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

const schTasks = "https://shop.example.com/_tasks/tasks/"

// Jobs have no labels: only the name and the target say whose they are.
func TestSync_Obsolete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  tasks.Config
		job  *transport.Job
		ours bool
	}{
		{"of this App", tasks.Config{}, schJob("shop--old", schTasks+"old"), true},
		{"a name with a dot", tasks.Config{}, schJob("shop--reports-old", schTasks+"reports.old"), true},
		{"under another path of the endpoint", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks/jobs/x"), true},
		{"at the endpoint itself", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks"), true},
		{"a task whose name has the delimiter", tasks.Config{}, schJob("shop--admin--old", schTasks+"admin--old"), true},
		{"with a query", tasks.Config{}, schJob("shop--admin--old", schTasks+"admin--old?a=b"), true},
		{"a host in other letters", tasks.Config{}, schJob("shop--old", "HTTPS://Shop.Example.COM/_tasks/tasks/old"), true},
		{"a path by a longer way", tasks.Config{}, schJob("shop--old", "https://shop.example.com/x/../_tasks//./tasks/old"), true},
		{"an endpoint written in its own way", tasks.Config{Endpoint: "https://Shop.example.com/a/../_tasks"}, schJob("shop--old", schTasks+"old"), true},
		{"an endpoint without a path", tasks.Config{Endpoint: "https://shop.example.com"}, schJob("shop--old", "https://shop.example.com/tasks/old"), true},
		{"another delimiter", tasks.Config{Delimiter: "_"}, schJob("shop_old", schTasks+"old"), true},
		{"a delimiter that no job id may hold", tasks.Config{Delimiter: "."}, schJob("shop-900b468d-old", schTasks+"old"), true},

		{"of the App shop--admin", tasks.Config{}, schJob("shop--admin--old", schTasks+"old"), false},
		{"of the App shop-", tasks.Config{}, schJob("shop---old", schTasks+"old"), false},
		{"of the App shop, seen by shop--admin", tasks.Config{Name: "shop--admin"}, schJob("shop--admin--old", schTasks+"admin--old"), false},
		{"of the App shop-admin, at a delimiter of one hyphen", tasks.Config{Delimiter: "-"}, schJob("shop-admin-old", schTasks+"old"), false},
		{"of the App shop-admin", tasks.Config{}, schJob("shop-admin--old", schTasks+"old"), false},
		{"of the App shopping", tasks.Config{}, schJob("shopping--old", schTasks+"old"), false},
		{"of the App SHOP", tasks.Config{}, schJob("SHOP--old", schTasks+"old"), false},
		{"without a prefix", tasks.Config{}, schJob("old", schTasks+"old"), false},
		{"the prefix alone", tasks.Config{}, schJob("shop--", schTasks+"old"), false},
		{"of another service", tasks.Config{}, schJob("shop--old", "https://other.example.com/_tasks/tasks/old"), false},
		{"of an endpoint that only looks like it", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks2/tasks/old"), false},
		{"... and one above it", tasks.Config{}, schJob("shop--old", "https://shop.example.com/tasks/old"), false},
		{"above the endpoint, spelled as one below", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks/../other"), false},
		{"... with escapes", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks/%2e%2E/other"), false},
		{"... with an escaped slash", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks%2F..%2Fother"), false},
		{"of another scheme", tasks.Config{}, schJob("shop--old", "http://shop.example.com/_tasks/tasks/old"), false},
		{"at another port", tasks.Config{}, schJob("shop--old", "https://shop.example.com:8443/_tasks/tasks/old"), false},
		{"of a host that begins like it", tasks.Config{Endpoint: "https://shop.example.com"}, schJob("shop--old", "https://shop.example.com.evil.org/old"), false},
		{"in the query only", tasks.Config{}, schJob("shop--old", "https://shop.example.com/?/_tasks/tasks/old"), false},
		{"of the App shop--admin, by a longer way", tasks.Config{}, schJob("shop--admin--old", schTasks+"admin--old/../old"), false},
		{"at no URL", tasks.Config{}, schJob("shop--old", "https://shop.example.com/_tasks/%zz"), false},
		{"a message to a topic", tasks.Config{}, schJob("shop--old", ""), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &schScheduler{}
			s.put(c.job)
			cfg := c.cfg
			cfg.Scheduler = s
			app := schApp(t, cfg)
			schRegister(t, app, schNamed("n"))
			dry := schSync(t, app, schedule.DryRun())
			if s.writes != nil {
				t.Fatalf("a dry run wrote %q", s.writes)
			}
			p := schSync(t, app)
			if p.Count(plan.Deleted) != dry.Count(plan.Deleted) {
				t.Errorf("the dry run said otherwise:\n%s\n%s", dry, p)
			}
			if gone := s.jobs[c.job.Name] == nil; gone != c.ours {
				t.Errorf("deleted: %t\n%s", gone, p)
			}
			if c.ours {
				if got, want := p.Changes[1].String(), "[-] schedule "+c.job.Name+": deleted: no periodic task declares it any more"; got != want {
					t.Errorf("%q, want %q", got, want)
				}
			}
			if again := schSync(t, app); again.Changed() {
				t.Errorf("once more:\n%s", again)
			}
		})
	}
}

func TestSync_Order_IsThatOfRegistrationThenOfNames(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	s.put(schJob("shop--z", schTasks+"z"), schJob("shop--y", schTasks+"y"), schJob("projects/p/locations/l/jobs/shop--x", schTasks+"x"), schJob("other", schTasks+"o"))
	s.jobs["shop--x"] = s.jobs["projects/p/locations/l/jobs/shop--x"] // a driver that lists full names, and one of them twice
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("c"), schNamed("a"), schNamed("b"))
	var order []string
	for _, c := range schSync(t, app).Changes {
		order = append(order, c.Verb[:1]+" "+c.Name)
	}
	if got, want := strings.Join(order, ", "), "c shop--c, c shop--a, c shop--b, d shop--x, d shop--y, d shop--z"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSync_TargetOfAnotherKind_IsBlocked(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	s.put(schJob("shop--b", ""))
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("a"), schNamed("b"), schNamed("c"))
	p, err := schedule.Sync(t.Context(), app)
	schSays(t, err, `schedule "shop--b": blocked: it is no HTTP request`, "tasks.WithName")
	if !errors.Is(err, schedule.ErrBlocked) {
		t.Errorf("%v", err)
	}
	if p.Count(plan.Created) != 2 || p.Changes[1].Verb != plan.Blocked || s.jobs["shop--b"].URL != "" {
		t.Errorf("%s\n%+v", p, s.jobs["shop--b"])
	}
}

func TestSync_PartialFailure_HindersNothingElse(t *testing.T) {
	t.Parallel()
	denied := func(name string) error {
		return &transport.Error{Op: transport.OpPutJob, Resource: transport.JobResource(name), Err: errors.New("permission denied")}
	}
	s := &schScheduler{faults: map[string]error{
		"put shop--b": denied("shop--b"), "put shop--d": errors.New("on fire"), "delete shop--y": denied("shop--y"),
		"delete shop--z": &transport.Error{Op: transport.OpDelete, Kind: transport.KindNotFound},
	}}
	s.put(schJob("shop--d", schTasks+"d"), schJob("shop--x", schTasks+"x"), schJob("shop--y", schTasks+"y"), schJob("shop--z", schTasks+"z"))
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("a"), schNamed("b"), schNamed("c"), schNamed("d"))
	p, err := schedule.Sync(t.Context(), app)
	schSays(t, err, `put job "shop--b": permission denied`, `schedule "shop--d": on fire`, `job "shop--y": permission denied`)
	var got []string
	for _, c := range p.Changes {
		got = append(got, c.Name+" "+c.Verb)
	}
	want := "shop--a created, shop--b failed, shop--c created, shop--d failed, shop--x deleted, shop--y failed, shop--z deleted"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if s.names() != "shop--a shop--c shop--d shop--y shop--z" { // the fake keeps z
		t.Error(s.names())
	}
}

func TestSync_ListFails_NothingIsChanged(t *testing.T) {
	t.Parallel()
	for _, page := range []int{0, 2} {
		s := &schScheduler{listErr: errors.New("page lost"), page: page}
		s.put(schJob("shop--x", schTasks+"x"), schJob("shop--y", schTasks+"y"), schJob("shop--z", schTasks+"z"))
		app := schApp(t, tasks.Config{Scheduler: s})
		schRegister(t, app, schNamed("a"))
		p, err := schedule.Sync(t.Context(), app)
		schSays(t, err, "schedule: sync: nothing was changed: page lost")
		if !errors.Is(err, s.listErr) || s.writes != nil || len(p.Changes) != 0 {
			t.Errorf("%v\n%s\nwrote %q", err, p, s.writes)
		}
	}
}

func TestSync_ContextEnds_BeginsNothingFurther(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	s := &schScheduler{before: func(ctx context.Context, _ string) {
		once.Do(cancel)
		<-ctx.Done()
	}}
	s.put(schJob("shop--old", schTasks+"old"))
	app := schApp(t, tasks.Config{Scheduler: s})
	var defs []tasks.Definition
	for i := range 40 {
		defs = append(defs, schNamed(fmt.Sprint("n", i)))
	}
	schRegister(t, app, defs...)
	p, err := schedule.Sync(ctx, app)
	schSays(t, err, "schedules were not begun")
	if !errors.Is(err, context.Canceled) || len(s.writes) >= 40 || s.jobs["shop--old"] == nil {
		t.Errorf("%v\n%d writes\n%s", err, len(s.writes), p)
	}

	s.writes = nil
	p, err = schedule.Sync(ctx, app)
	schSays(t, err, "nothing was changed")
	if !errors.Is(err, context.Canceled) || s.writes != nil || len(p.Changes) != 0 {
		t.Errorf("%v\nwrote %q\n%s", err, s.writes, p)
	}
}

func TestSync_ManyJobs_AreChangedAFewAtATime(t *testing.T) {
	t.Parallel()
	const n = 40
	var waiting sync.WaitGroup
	waiting.Add(4)
	arrived := make(chan struct{}, n)
	s := &schScheduler{}
	s.before = func(context.Context, string) {
		arrived <- struct{}{}
		if len(arrived) <= 4 { // the first four only go on together
			waiting.Done()
			waiting.Wait()
		}
	}
	app := schApp(t, tasks.Config{Scheduler: s})
	var defs []tasks.Definition
	for i := range n {
		defs = append(defs, schNamed(fmt.Sprint("n", i)))
	}
	schRegister(t, app, defs...)
	var heard []int
	ctx := plan.WithProgress(t.Context(), func(done, total int, kind string) {
		if total != n || kind != "schedule" {
			t.Errorf("%d of %d %s", done, total, kind)
		}
		heard = append(heard, done)
	})
	if _, err := schedule.Sync(ctx, app); err != nil {
		t.Fatal(err)
	}
	if len(s.jobs) != n || s.most < 4 || s.most > 8 || len(heard) != n || heard[n-1] != n {
		t.Errorf("%d jobs, %d at once, heard of %d", len(s.jobs), s.most, len(heard))
	}
}

// Two deploys at once, of one code, end as one would.
func TestSync_AtTheSameTime(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	s.put(schJob("shop--old", schTasks+"old"))
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("a"), schNamed("b"))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := schedule.Sync(t.Context(), app); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s.names() != "shop--a shop--b" || schSync(t, app).Changed() {
		t.Error(s.names())
	}
}
