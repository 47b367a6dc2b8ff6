package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestRegister_WhatIsWrong_IsSaidWithTheFix(t *testing.T) {
	t.Parallel()
	nightly := schedule.Cron("0 3 * * *")
	report := schNothing[schReport]
	type unnamed = struct{ A int }
	for _, c := range []struct {
		name string
		def  tasks.Definition
		says []string
		is   error
	}{
		{"no function", schedule.New[schReport](nil, nightly), []string{`periodic "schReport"`, "the function is nil: pass one to schedule.New"}, nil},
		{"no schedule", schedule.New(report, nil), []string{"the schedule is nil: pass schedule.New a Cron, Every or Interval"}, nil},
		{"a zero Periodic", new(schedule.Periodic[schReport]), []string{"a zero Periodic: make it with schedule.New"}, nil},
		{"a nil Periodic", (*schedule.Periodic[schReport])(nil), []string{"definition 1 is nil"}, nil},
		{"a nil option", schedule.New(report, nightly, nil), []string{"an option is nil"}, nil},
		{"a nil option of the task", schedule.New(report, nightly, schedule.Task(nil)), []string{"an option is nil"}, nil},

		{"there is no day 0", schedule.New(report, schedule.Cron("* * 0 0")), []string{`Cron: schedule "* * 0 0"`, "day of month: 0 is outside 1 to 31"}, nil},
		{"a date that never comes", schedule.New(report, schedule.Cron("0 0 30 2 *")), []string{"Cron", "30 2"}, nil},
		{"seconds", schedule.New(report, schedule.Cron("0 0 3 * * *")), []string{"Cron", "6 fields"}, nil},
		{"an empty expression", schedule.New(report, schedule.Cron(" ")), []string{"Cron", "empty"}, nil},
		{"@every", schedule.New(report, schedule.Cron("@every 1h")), []string{"Cron", "has no @every"}, nil},
		{"English for Cron", schedule.New(report, schedule.Cron("every 2 hours")), []string{`Cron: "every 2 hours"`, "use schedule.Every"}, nil},
		{"no English", schedule.New(report, schedule.Every("every now and then")), []string{"Every", "\"now\" is not understood"}, nil},
		{"five fields for Every", schedule.New(report, schedule.Every("0 3 * * *")), []string{`Every: "0 3 * * *"`, "use schedule.Cron"}, nil},
		{"seconds for Every", schedule.New(report, schedule.Every("Every  10 seconds")), []string{`Every: Cloud Scheduler has no "Every 10 seconds"`, "use schedule.Interval for development"}, nil},
		{"@daily for Every", schedule.New(report, schedule.Every("@daily")), []string{`Every: "@daily"`, "use schedule.Cron"}, nil},
		{"an interval of nothing", schedule.New(report, schedule.Interval(0)), []string{"Interval: 0s is no interval"}, nil},
		{"an interval below zero", schedule.New(report, schedule.Interval(-time.Minute)), []string{"Interval: -1m0s is no interval"}, nil},
		{"an interval with a fraction", schedule.New(report, schedule.Interval(1500*time.Millisecond)), []string{"Interval: 1.5s is no whole number of seconds"}, nil},
		{"an interval of ages", schedule.New(report, schedule.Interval(100_000*time.Minute)), []string{"Interval: 1666h40m0s: ", "99999"}, nil},

		{"an unknown zone", schedule.New(report, nightly, schedule.TimeZone("America/Sao_Paolo")), []string{`TimeZone: time zone "America/Sao_Paolo"`}, nil},
		{"the machine's zone", schedule.New(report, nightly, schedule.TimeZone("Local")), []string{"TimeZone", "depends on the machine"}, nil},
		{"an empty zone", schedule.New(report, nightly, schedule.TimeZone("")), []string{"TimeZone: the name is empty: leave the option out for UTC"}, nil},
		{"a long description", schedule.New(report, nightly, schedule.Description(strings.Repeat("ä", 501))), []string{"Description: 501 characters, at most 500"}, nil},
		{"a description that is no text", schedule.New(report, nightly, schedule.Description("\xff")), []string{"Description", "UTF-8"}, nil},
		{"too many retries", schedule.New(report, nightly, schedule.Retry(transport.RetryConfig{MaxAttempts: 7})), []string{"Retry: RetryConfig.MaxAttempts 7 is outside 0 to 6"}, nil},
		{"retries without end", schedule.New(report, nightly, schedule.Retry(transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts})), []string{"Retry: RetryConfig.MaxAttempts -1"}, nil},
		{"backoffs the wrong way round", schedule.New(report, nightly, schedule.Retry(transport.RetryConfig{MinBackoff: 2, MaxBackoff: 1})), []string{"Retry: RetryConfig.MinBackoff 2ns is greater"}, nil},

		{"a short timeout", schNamed("n", schedule.Task(tasks.WithTimeout(time.Second))), []string{"WithTimeout: 1s is outside 15s to 30m0s"}, nil},
		{"a long timeout", schNamed("n", schedule.Task(tasks.WithTimeout(time.Hour))), []string{"WithTimeout: 1h0m0s"}, nil},
		{"no name", schedule.New(schNothing[unnamed], nightly), []string{"WithName"}, nil},
		{"a header of the platform's", schNamed("n", schedule.Task(tasks.WithHeader("X-CloudScheduler-JobName", "x"))), []string{"WithHeader", "reserved"}, nil},
		{"a credential", schNamed("n", schedule.NoOIDC(), schedule.Task(tasks.WithHeader("authorization", "Basic x"))), []string{"WithHeader", `"authorization" is reserved`}, nil},

		{"a zero payload that is not valid", schedule.New(schNothing[schBill], nightly), []string{"schBill of zero value, which is not valid: give it one with WithPayload", "customer"}, nil},
		{"a payload that is not valid", schedule.New(report, nightly).WithPayload(schReport{Days: 32}), []string{"WithPayload", "days"}, nil},
		{"a nil payload", schedule.New(schNothing[*schReport], nightly).WithPayload(nil), []string{"WithPayload", "nil"}, nil},
		{"a payload that does not encode", schedule.New(schNothing[schOdd], nightly).WithPayload(schOdd{errors.New("not today")}), []string{"payload", "not today"}, nil},
		{"one that panics", schedule.New(schNothing[schOdd], nightly), []string{"payload", "json codec: panic"}, nil},
		{"a payload that holds no data", schedule.New(schNothing[func()], nightly, schedule.Task(tasks.WithName("n"))), []string{"payload", "it holds no data"}, nil},
		{"a payload too large", schNamed("n").WithPayload(schReport{Region: strings.Repeat("x", 1<<20)}), []string{`job "shop--n"`, "the job is too large"}, tasks.ErrTooLarge},
		{"headers too large", schNamed("n", schedule.Task(tasks.WithHeader("X-A", strings.Repeat("a", 50<<10)), tasks.WithHeader("X-B", strings.Repeat("b", 50<<10)))), []string{"headers: header of 102434 bytes"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := schApp(t, tasks.Config{})
			err := app.Register(c.def)
			schSays(t, err, c.says...)
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v does not match %v", err, c.is)
			}
			for d := range app.Definitions() {
				t.Errorf("%s is registered all the same", d.Spec().Name)
			}
			if n := strings.Count(err.Error(), c.says[len(c.says)-1]); n != 1 {
				t.Errorf("it is said %d times:\n%v", n, err)
			}
		})
	}
}

// schOdd panics or fails where it is encoded.
type schOdd struct{ err error }

func (o schOdd) MarshalJSON() ([]byte, error) {
	if o.err == nil {
		panic("zero")
	}
	return nil, o.err
}

func TestRegister_AllThatIsWrong_IsSaidAtOnce(t *testing.T) {
	t.Parallel()
	app := schApp(t, tasks.Config{})
	err := app.Register(
		schedule.New[schReport](nil, schedule.Cron("61 * * * *"), nil, schedule.TimeZone("Mars"), schedule.Description(strings.Repeat("x", 501)),
			schedule.Retry(transport.RetryConfig{MaxAttempts: 7, MinBackoff: -1, MaxBackoff: -1}), schedule.Task(tasks.WithTimeout(1), tasks.OnQueue("a b"))),
		new(schedule.Periodic[schBill]), new(schedule.Periodic[schBill]),
	)
	schSays(t, err, "function is nil", "Cron", "minute", "an option is nil", "TimeZone", "Mars", "Description", "MaxAttempts 7", "MinBackoff -1ns", "MaxBackoff -1ns", "WithTimeout", "OnQueue")
	if n := strings.Count(err.Error(), "a zero Periodic"); n != 2 {
		t.Errorf("two zero Periodics are told of %d times:\n%v", n, err)
	}
	lines := strings.Split(err.Error(), "\n")
	for _, line := range lines {
		if !strings.Contains(line, `periodic "`) {
			t.Errorf("a line without the definition: %q", line)
		}
	}
}

func TestRegister_ZeroPeriodic_DoesNothing(t *testing.T) {
	t.Parallel()
	var p schedule.Periodic[schReport]
	ctx := t.Context()
	_, err := p.Enqueue(ctx, schReport{})
	_, all := p.DeleteAll(ctx)
	for what, err := range map[string]error{
		"Enqueue": err, "EnqueueAll": p.EnqueueAll(ctx, []schReport{{}})[0].Err, "Run": p.Run(ctx, schReport{}),
		"Debug": p.Debug(ctx, "1"), "Delete": p.Delete(ctx, "1"), "DeleteAll": all,
	} {
		if !errors.Is(err, tasks.ErrNotRegistered) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if p.WithPayload(schReport{}) != &p {
		t.Error("WithPayload returns another")
	}
	if got := (*schedule.Periodic[schReport])(nil).WithPayload(schReport{}); got != nil {
		t.Error("WithPayload of nil returns something")
	}
	_, err = p.NextRuns(1)
	schSays(t, err, "zero Periodic")
}

func TestRegister_TwoTasksOfOneJob_AreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second string
		says          []string // none: they go together
	}{
		{"a.b", "a-b", []string{`periodic "a-b": the job "shop--a-b" is that of periodic "a.b" already`, "tasks.WithName"}},
		{"a-b", "a.b", []string{`periodic "a.b": the job "shop--a-b"`, `periodic "a-b"`}},
		{"a.b", "a_b", nil},
		{"a", "A", nil},
	} {
		for _, together := range []bool{true, false} {
			app := schApp(t, tasks.Config{})
			first, second := schNamed(c.first), schNamed(c.second)
			var err error
			if together {
				err = app.Register(first, second)
			} else {
				schRegister(t, app, first)
				err = app.Register(second)
			}
			switch {
			case c.says != nil:
				schSays(t, err, c.says...)
			case err != nil:
				t.Errorf("%s and %s: %v", c.first, c.second, err)
			}
		}
	}
	// A task of that name has no job.
	schRegister(t, schApp(t, tasks.Config{}), schNamed("a.b"), tasks.New(schNothing[schReport], tasks.WithName("a-b")))
}

func TestSpec(t *testing.T) {
	t.Parallel()
	p := schNamed("n", schedule.Task(tasks.OnQueue("slow"), tasks.WithTimeout(time.Minute), tasks.WithAliases("o"), tasks.WithHeader("X-A", "1"),
		tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3})))
	s := p.Spec()
	if s.Kind != tasks.KindPeriodic || s.Name != "n" || s.Path != "n" || s.Queue != "slow" || s.Timeout != time.Minute || s.Err != nil || s.Aliases[0] != "o" {
		t.Errorf("%+v", s)
	}
	if len(s.Header) != 1 || s.Header.Get("X-A") != "1" {
		t.Errorf("headers %v: those of the queue's retries are no business of a scheduler's", s.Header)
	}
	for _, c := range []struct {
		retry transport.RetryConfig
		want  bool
	}{
		{transport.RetryConfig{}, false}, {transport.RetryConfig{MaxAttempts: 1, MinBackoff: 1}, false},
		{transport.RetryConfig{MaxAttempts: 2}, true}, {transport.RetryConfig{MaxRetryDuration: 1}, true},
	} {
		if got := schNamed("n", schedule.Retry(c.retry)).Spec().JobRetries; got != c.want {
			t.Errorf("%+v: retries: %t", c.retry, got)
		}
	}
	var typed tasks.Typed[schReport] = p
	if typed.Spec().Payload.Name() != "schReport" {
		t.Errorf("payload %v", typed.Spec().Payload)
	}
	p.Spec().Header.Set("X-A", "2")
	if p.Spec().Header.Get("X-A") != "1" {
		t.Error("the header is shared")
	}
}
