package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func TestSync_FromNothing_Creates(t *testing.T) {
	t.Parallel()
	s := &schScheduler{account: "push@shop.example.com"}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("b"), tasks.New(schNothing[schReport]), schNamed("a", schedule.TimeZone("Europe/Berlin")))
	want := []string{
		"[+] schedule shop--b: created: 0 3 * * * (UTC), post to https://shop.example.com/_tasks/tasks/b",
		"[+] schedule shop--a: created: 0 3 * * * (Europe/Berlin), post to https://shop.example.com/_tasks/tasks/a",
	}
	schPlan(t, schSync(t, app, schedule.DryRun(), nil), append(want, "dry run, nothing was done: 2 created")...)
	if s.writes != nil || s.lists != 1 {
		t.Errorf("a dry run: %d listings, wrote %q", s.lists, s.writes)
	}
	schPlan(t, schSync(t, app), append(want, "2 created")...)
	if got := s.jobs["shop--a"].ServiceAccount; got != "push@shop.example.com" || s.names() != "shop--a shop--b" {
		t.Errorf("%s, account %q", s.names(), got)
	}
	writes := len(s.writes)
	again := schSync(t, app)
	schPlan(t, again, "[=] schedule shop--b", "[=] schedule shop--a", "2 unchanged")
	if again.Changed() || len(s.writes) != writes {
		t.Errorf("the second run wrote %q", s.writes[writes:])
	}
}

// Each field that is changed by hand is changed back, alone.
func TestSync_Drift(t *testing.T) {
	t.Parallel()
	full := func() *schedule.Periodic[schReport] {
		return schNamed("n", schedule.TimeZone("Europe/Berlin"), schedule.Description("each night"),
			schedule.Retry(transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * time.Second, MaxBackoff: time.Minute, MaxDoublings: 2}),
			schedule.Task(tasks.WithTimeout(time.Minute), tasks.WithHeader("X-Tenant", "a"))).WithPayload(schReport{Days: 7})
	}
	bare := func() *schedule.Periodic[schReport] { return schNamed("n") }
	long := func(c string) []byte { return []byte(strings.Repeat(c, 100)) }
	for _, c := range []struct {
		name   string
		def    func() *schedule.Periodic[schReport]
		change func(*transport.Job)
		want   []string // none: no drift
	}{
		{"nothing", full, func(*transport.Job) {}, nil},
		{"schedule", full, func(j *transport.Job) { j.Schedule = "0 4 * * *" }, []string{`schedule: 0 4 * * * -> 0 3 * * *`}},
		{"spaces in it", full, func(j *transport.Job) { j.Schedule = " 0  3 * * * " }, nil},
		{"zone", full, func(j *transport.Job) { j.TimeZone = "" }, []string{`time zone: UTC -> Europe/Berlin`}},
		{"the default zone", bare, func(j *transport.Job) { j.TimeZone = "Asia/Tokyo" }, []string{`time zone: Asia/Tokyo -> UTC`}},
		{"Etc/UTC", bare, func(j *transport.Job) { j.TimeZone = "Etc/UTC" }, nil},
		{"no zone", bare, func(j *transport.Job) { j.TimeZone = "" }, nil},
		{"description", full, func(j *transport.Job) { j.Description = "by hand" }, []string{`description: by hand -> each night`}},
		{"a description too many", bare, func(j *transport.Job) { j.Description = "a\nb" }, []string{`description: "a\nb" -> none`}},
		{"a description that looks like nothing", bare, func(j *transport.Job) { j.Description = "none" }, []string{`description: "none" -> none`}},
		{"a description that is no text", bare, func(j *transport.Job) { j.Description = "a\xff" }, []string{`description: "a\xff" -> none`}},
		{"a long description", bare, func(j *transport.Job) { j.Description = strings.Repeat("ä", 150) }, []string{"description: " + strings.Repeat("ä", 100) + "... -> none"}},
		{"method", full, func(j *transport.Job) { j.Method = http.MethodPut }, []string{`method: PUT -> POST`}},
		{"no method", full, func(j *transport.Job) { j.Method = "" }, nil},
		{"url", full, func(j *transport.Job) { j.URL = "https://old.example.com/tasks/n" },
			[]string{`url: https://old.example.com/tasks/n -> https://shop.example.com/_tasks/tasks/n`}},
		{"audience", full, func(j *transport.Job) { j.Audience = "" }, []string{`audience: none -> https://shop.example.com`}},
		{"account", full, func(j *transport.Job) { j.ServiceAccount = "other@x" }, []string{`service account: other@x -> push@x`}},
		{"a header's value", full, func(j *transport.Job) { j.Header.Set("X-Tenant", "b") }, []string{`header X-Tenant: b -> a`}},
		{"a header too few", full, func(j *transport.Job) { j.Header.Del("X-Tenant") }, []string{`header X-Tenant: none -> a`}},
		{"a header too many", full, func(j *transport.Job) { j.Header.Set("X-Hand", "1") }, []string{`header X-Hand: 1 -> none`}},
		{"the content type", full, func(j *transport.Job) { j.Header.Set("Content-Type", "application/octet-stream") },
			[]string{`header Content-Type: application/octet-stream -> application/json`}},
		{"no headers", bare, func(j *transport.Job) { j.Header = nil }, []string{`header Content-Type: none -> application/json`}},
		{"names of headers in small letters, and the platform's own", full, func(j *transport.Job) {
			j.Header = http.Header{"x-tenant": {"a"}, "content-type": {"application/json"}, "User-Agent": {"Google-Cloud-Scheduler"},
				"X-CloudScheduler": {"true"}, "x-google-a": {"1"}, "X-AppEngine-b": {"2"}, "Host": {"x"}, "Content-Length": {"3"}, "te": {"x"}, "Connection": {"close"}}
		}, nil},
		{"body", full, func(j *transport.Job) { j.Body = []byte(`{"days":8}`) }, []string{`body: {"days":8} -> {"days":7}`}},
		{"a body that looks like nothing", full, func(j *transport.Job) { j.Body = []byte("none") }, []string{`body: "none" -> {"days":7}`}},
		{"no body", full, func(j *transport.Job) { j.Body = nil }, []string{`body: none -> {"days":7}`}},
		{"a long body", full, func(j *transport.Job) { j.Body = long("x") }, []string{`body: 100 bytes -> 10 bytes`}},
		{"a body that is no text", full, func(j *transport.Job) { j.Body = []byte{0xff} }, []string{`body: 1 byte -> 10 bytes`}},
		{"deadline", full, func(j *transport.Job) { j.Deadline = 0 }, []string{`deadline: 3m -> 1m`}},
		{"the default deadline", bare, func(j *transport.Job) { j.Deadline = 90 * time.Second }, []string{`deadline: 1m30s -> 3m`}},
		{"the default deadline, said", bare, func(j *transport.Job) { j.Deadline = 3 * time.Minute }, nil},
		{"retries", full, func(j *transport.Job) { j.Retry.MaxAttempts = 6 }, []string{`retries: 5 -> 2`}},
		{"no retries", full, func(j *transport.Job) { j.Retry = nil }, []string{`retries: 0 -> 2`, `min backoff: 5s -> 10s`, `max backoff: 1h -> 1m`, `max doublings: 5 -> 2`}},
		{"the default retries", bare, func(j *transport.Job) {
			j.Retry = &transport.RetryConfig{MaxAttempts: 1, MinBackoff: 5 * time.Second, MaxBackoff: time.Hour, MaxDoublings: 5}
		}, nil},
		{"a duration of retries", bare, func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxRetryDuration: time.Hour} }, []string{`retry duration: 1h -> none`}},
		{"an update that failed", full, func(j *transport.Job) { j.State = transport.JobUpdateFailed }, []string{`state: UPDATE_FAILED -> ENABLED`}},
		{"two fields", full, func(j *transport.Job) { j.Schedule, j.Deadline = "0 4 * * *", time.Hour+time.Minute },
			[]string{`schedule: 0 4 * * * -> 0 3 * * *`, `deadline: 1h1m -> 1m`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &schScheduler{account: "push@x"}
			app := schApp(t, tasks.Config{Scheduler: s})
			schRegister(t, app, c.def())
			schSync(t, app)
			right := *s.jobs["shop--n"]
			drifted := right
			drifted.Header = right.Header.Clone()
			if right.Retry != nil {
				r := *right.Retry
				drifted.Retry = &r
			}
			c.change(&drifted)
			s.put(&drifted)
			s.writes = nil

			for _, opts := range [][]schedule.SyncOption{{schedule.DryRun()}, nil} {
				p := schSync(t, app, opts...)
				change := p.Changes[0]
				if len(p.Changes) != 1 || len(change.Fields) != len(c.want) {
					t.Fatalf("%s, want %q", p, c.want)
				}
				verb, why := plan.Unchanged, strings.Join(c.want, "; ")
				if c.want != nil {
					verb = plan.Updated
				}
				for i, f := range change.Fields {
					if got := f.Name + ": " + f.From + " -> " + f.To; got != c.want[i] {
						t.Errorf("%q, want %q", got, c.want[i])
					}
				}
				if change.Verb != verb || change.Why != why {
					t.Errorf("%s: %q, want %s: %q", change.Verb, change.Why, verb, why)
				}
				if opts != nil && s.writes != nil {
					t.Errorf("a dry run wrote %q", s.writes)
				}
			}
			if wrote := len(s.writes) > 0; wrote != (c.want != nil) {
				t.Errorf("wrote %q", s.writes)
			}
			if p := schSync(t, app); p.Changed() {
				t.Errorf("once more:\n%s", p)
			}
		})
	}
}

// Values that are cut are shown where they differ.
func TestSync_LongValuesThatBeginAlike_AreToldApart(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ name, from, to, want string }{
		{"in the middle", x(240) + "old" + x(240), x(240) + "new" + x(240),
			"..." + x(50) + "old" + x(147) + "... -> ..." + x(50) + "new" + x(147) + "..."},
		{"at the end", x(300), x(300) + "y", "..." + x(50) + " -> ..." + x(50) + "y"},
		{"in the last character shown", x(199) + "a" + x(10), x(199) + "b" + x(10), x(199) + "a... -> " + x(199) + "b..."},
		{"in the first one cut", x(200) + "a", x(200) + "b", "..." + x(50) + "a -> ..." + x(50) + "b"},
		{"in a character of several bytes", strings.Repeat("ä", 149) + "ä", strings.Repeat("ä", 149) + "ö",
			"..." + strings.Repeat("ä", 25) + "ä -> ..." + strings.Repeat("ä", 25) + "ö"},
		{"what reads like a cut", x(201), x(200) + "...", "..." + x(51) + " -> ..." + x(50) + "..."},
		{"what reads like nothing, and that quoted", "none", `"none"`, `"none" -> "\"none\""`},
		{"what is not printed", x(210) + "\x01", x(210) + "\x02", `"...` + x(50) + `\x01" -> "...` + x(50) + `\x02"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &schScheduler{}
			app := schApp(t, tasks.Config{Scheduler: s})
			schRegister(t, app, schNamed("n", schedule.Description(c.to)))
			schSync(t, app)
			s.jobs["shop--n"].Description = c.from
			if got, want := schSync(t, app).Changes[0].Why, "description: "+c.want; got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

func TestSync_BodyOfTheSameLength_IsToldApart(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("n").WithPayload(schReport{Region: strings.Repeat("x", 100)}))
	schSync(t, app)
	s.jobs["shop--n"].Body = []byte(strings.Repeat("x", len(s.jobs["shop--n"].Body)))
	if got, want := schSync(t, app).Changes[0].Why, "body: 113 bytes -> 113 other bytes"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSync_WithoutToken(t *testing.T) {
	t.Parallel()
	s := &schScheduler{account: "push@x"}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("n", schedule.NoOIDC()))
	schSync(t, app)
	if j := s.jobs["shop--n"]; j.Audience != "" || j.ServiceAccount != "" {
		t.Errorf("a token for %q of %q", j.Audience, j.ServiceAccount)
	}
	s.jobs["shop--n"].Audience, s.jobs["shop--n"].ServiceAccount = "a", "b"
	schPlan(t, schSync(t, app), "[~] schedule shop--n: updated: audience: a -> none; service account: b -> none", "1 updated")
}

// Where the scheduler's own account is not known, one that a job has stays.
func TestSync_UnknownAccount_IsLeft(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("n"))
	schSync(t, app)
	s.anonymous = true
	s.jobs["shop--n"].ServiceAccount = "hand@x"
	schPlan(t, schSync(t, app), "[=] schedule shop--n", "1 unchanged")
	s.jobs["shop--n"].Description = "drift"
	schSync(t, app)
	if j := s.jobs["shop--n"]; j.ServiceAccount != "hand@x" || j.Description != "" {
		t.Errorf("%+v", j)
	}
}

func TestSync_WhatDoesNotFire_StaysSo(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("a"), schNamed("b"), schNamed("c"))
	schSync(t, app)
	s.jobs["shop--a"].State = transport.JobPaused
	s.jobs["shop--b"].State = transport.JobDisabled
	s.jobs["shop--c"].State, s.jobs["shop--c"].Description = transport.JobPaused, "drift"
	schPlan(t, schSync(t, app),
		"[=] schedule shop--a: it is paused, and stays so",
		"[=] schedule shop--b: it is disabled by Cloud Scheduler, and stays so",
		"[~] schedule shop--c: updated: description: drift -> none; it is paused, and stays so",
		"1 updated, 2 unchanged")
	if got := s.jobs["shop--c"].State; got != transport.JobPaused {
		t.Error(got)
	}
}

func TestSync_Refuses(t *testing.T) {
	t.Parallel()
	seconds := func() tasks.Definition {
		return schedule.New(schNothing[schReport], schedule.Interval(30*time.Second))
	}
	for _, c := range []struct {
		name string
		cfg  tasks.Config
		def  tasks.Definition
		says []string
		is   error
	}{
		{"no scheduler", tasks.Config{}, schNamed("n"), []string{"schedule: sync: ", "Config.Scheduler", "cloudscheduler.New", "memory.New()"}, tasks.ErrNoScheduler},
		{"a nil scheduler of some type", tasks.Config{Scheduler: (*schScheduler)(nil)}, schNamed("n"), nil, tasks.ErrNoScheduler},
		{"no name", tasks.Config{Name: "-", Scheduler: &schScheduler{}}, schNamed("n"), []string{"Config.Name is empty"}, schedule.ErrNothingToSync},
		{"no periodic task", tasks.Config{Scheduler: &schScheduler{}}, tasks.New(schNothing[schReport]), []string{`the App "shop" has no periodic tasks`}, tasks.ErrNothingToSync},
		{"seconds", tasks.Config{Scheduler: &schScheduler{}}, seconds(), []string{`periodic "schReport"`, "schedule.Interval of 30s is for development", "whole minutes"}, tasks.ErrInvalid},
		{"no endpoint", tasks.Config{Endpoint: "-", Transport: memory.New(), Scheduler: &schScheduler{}}, schNamed("n"), []string{"Config.Endpoint is empty"}, tasks.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _ := c.cfg.Scheduler.(*schScheduler)
			if s != nil {
				s.put(schJob("shop--old", "https://shop.example.com/_tasks/tasks/old"))
			}
			app := schApp(t, c.cfg)
			schRegister(t, app, c.def)
			for _, opts := range [][]schedule.SyncOption{nil, {schedule.DryRun()}} {
				p, err := schedule.Sync(t.Context(), app, opts...)
				schSays(t, err, c.says...)
				if !errors.Is(err, c.is) {
					t.Errorf("%v does not match %v", err, c.is)
				}
				if len(p.Changes) != 0 {
					t.Errorf("a plan all the same: %s", p)
				}
			}
			if s != nil && (s.writes != nil || s.lists != 0) {
				t.Errorf("wrote %q, listed %d times", s.writes, s.lists)
			}
		})
	}
}

func TestSync_AfterShutdown_DeletesNothing(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("n"))
	schSync(t, app)
	if err := app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.writes = nil
	_, err := schedule.Sync(t.Context(), app)
	if !errors.Is(err, tasks.ErrShutdown) || s.writes != nil {
		t.Errorf("%v, wrote %q", err, s.writes)
	}
}

// A definition that says it is periodic and is not of this package would be deleted otherwise.
func TestSync_DefinitionOfAnotherKind_IsAnError(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	s.put(schJob("shop--own", "https://shop.example.com/_tasks/tasks/own"))
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schNamed("n"), &schOwn{})
	_, err := schedule.Sync(t.Context(), app)
	schSays(t, err, `periodic "own"`)
	if !errors.Is(err, tasks.ErrNotRegistered) || s.writes != nil {
		t.Errorf("%v, wrote %q", err, s.writes)
	}
}

type schOwn struct{ tasks.Binding }

func (*schOwn) Spec() tasks.Spec {
	return tasks.Spec{Kind: tasks.KindPeriodic, Name: "own", Path: "own",
		Handle: func(context.Context, *transport.Delivery) (any, error) { return nil, nil }}
}

func TestSync_LogsNothing(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := &schScheduler{faults: map[string]error{"put shop--n": errors.New("no")}}
	app := schApp(t, tasks.Config{Scheduler: s, Authenticator: tasks.TrustNetwork(), Quarantine: func(context.Context, tasks.Quarantined) error { return nil },
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	schRegister(t, app, schNamed("n"))
	if _, err := schedule.Sync(t.Context(), app); err == nil {
		t.Error("no error")
	}
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

// Cloud Scheduler's own messages cannot tell no doublings from none said, for which it may answer with its default.
func TestSync_NoDoublings_DefaultReadBack_IsNoDifference(t *testing.T) {
	s := &schScheduler{}
	app := schApp(t, tasks.Config{Scheduler: s})
	schRegister(t, app, schedule.New(func(context.Context, struct{}) error { return nil }, schedule.Cron("0 3 * * *"),
		schedule.Retry(transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * time.Second}), schedule.NoOIDC(), schedule.Task(tasks.WithName("n"))))
	schSync(t, app)
	readBack := func(doublings int) {
		r := *s.jobs["shop--n"].Retry
		r.MaxDoublings = doublings
		s.jobs["shop--n"].Retry = &r
	}
	readBack(transport.DefaultJobMaxDoublings)
	if plan := schSync(t, app); plan.Changed() {
		t.Errorf("plan:\n%s", plan)
	}
	readBack(3)
	if plan := schSync(t, app); !plan.Changed() {
		t.Errorf("doublings that somebody set are kept:\n%s", plan)
	}
}
