package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// rslvDef is a subscriber with a Resolve and a Start.
func rslvDef(name string, resolve func(*tasks.App) (any, error), start func(*tasks.App) error) *enqHandmade {
	return msgSubscriber(name, func(context.Context, *transport.Delivery) error { return nil }, func(s *tasks.Spec) { s.Resolve, s.Start = resolve, start })
}

func rslvAs(v any, err error) func(*tasks.App) (any, error) {
	return func(*tasks.App) (any, error) { return v, err }
}

// rslvGone fails unless app knows nothing of the definitions.
func rslvGone(t *testing.T, app *tasks.App, defs ...*enqHandmade) {
	t.Helper()
	for d := range app.Definitions() {
		t.Errorf("%q is registered", d.Spec().Name)
	}
	for _, d := range defs {
		if v := d.Resolved(app); v != nil {
			t.Errorf("%q is resolved as %v", d.spec.Name, v)
		}
		if _, err := d.App(t.Context()); !errors.Is(err, tasks.ErrNotRegistered) || errors.Is(err, tasks.ErrShutdown) {
			t.Errorf("%q belongs to an App, or did: %v", d.spec.Name, err)
		}
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/"+d.spec.Path, msgBody(dlvBody))), http.StatusNotFound, "not_found")
	}
}

func TestRegister_ResolvesForEachApp(t *testing.T) {
	t.Parallel()
	d := rslvDef("audit", func(app *tasks.App) (any, error) { return app.Config().Name + "--audit", nil }, nil)
	shop, bank, other := dlvApp(t, tasks.Config{Name: "shop"}, d), dlvApp(t, tasks.Config{Name: "bank"}, d), dlvApp(t, tasks.Config{})
	for app, want := range map[*tasks.App]any{shop: "shop--audit", bank: "bank--audit", other: nil, nil: nil} {
		if got := d.Resolved(app); got != want {
			t.Errorf("resolved as %v, want %v", got, want)
		}
	}
	if err := shop.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, left := d.Resolved(shop), d.Resolved(bank); got != nil || left != "bank--audit" {
		t.Errorf("after one App's end resolved as %v and %v", got, left)
	}
	if plain := rslvDef("plain", nil, nil); other.Register(plain) != nil || plain.Resolved(other) != nil {
		t.Error("without a Resolve there is a value")
	}
}

func TestRegister_WhatDoesNotResolve_RegistersNothing(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	started := 0
	start := func(*tasks.App) error { started++; return nil }
	good := rslvDef("good", rslvAs(1, nil), start)
	one, two := rslvDef("one", rslvAs(nil, errors.New("no topic")), start), rslvDef("two", rslvAs(2, errors.Join(errors.New("no name"), errors.New("no data"))), start)
	broken := rslvDef("broken", func(*tasks.App) (any, error) { t.Error("what is broken was resolved"); return nil, nil }, start)
	broken.spec.Err = errors.New("broken by itself")
	err := app.Register(good, one, two, broken)
	enqSays(t, err, `subscriber "one": no topic`, `subscriber "two": no name`, `subscriber "two": no data`, `subscriber "broken": broken by itself`)
	if strings.Contains(err.Error(), "good") || started > 0 {
		t.Errorf("started %d, and the error says\n%v", started, err)
	}
	rslvGone(t, app, good, one, two, broken)
	if err := app.Register(good); err != nil || started != 1 || good.Resolved(app) != 1 {
		t.Errorf("without the others: %v, started %d", err, started)
	}
}

func TestRegister_Start_SeesItRegistered(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	var d *enqHandmade
	started := 0
	d = rslvDef("audit", rslvAs("value", nil), func(a *tasks.App) error {
		started++
		if a != app || d.Resolved(a) != "value" {
			t.Errorf("Start of %v sees %v", a, d.Resolved(a))
		}
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(dlvBody))), http.StatusOK, "executed")
		return nil
	})
	if err := app.Register(d); err != nil || started != 1 {
		t.Errorf("%v, started %d times", err, started)
	}
}

func TestRegister_StartThatFails_UndoesIt(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	good := rslvDef("good", rslvAs(1, nil), nil)
	one, two := rslvDef("one", nil, func(*tasks.App) error { return errDlv }), rslvDef("two", nil, func(*tasks.App) error { return errors.New("no broker") })
	err := app.Register(good, one, two)
	enqSays(t, err, `tasks: register`, `subscriber "one": `+errDlv.Error(), `subscriber "two": no broker`)
	if !errors.Is(err, errDlv) {
		t.Errorf("the cause is lost: %v", err)
	}
	rslvGone(t, app, good, one, two)

	first := rslvDef("first", rslvAs("first", nil), nil)
	if err := app.Register(first); err != nil {
		t.Fatal(err)
	}
	enqSays(t, app.Register(good, one), `subscriber "one"`)
	if got := first.Resolved(app); got != "first" {
		t.Errorf("what was registered before is resolved as %v", got)
	}
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/first", msgBody(dlvBody))), http.StatusOK, "executed")
	if err := app.Register(good); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// rslvSeat goes with no other of its number.
type rslvSeat int

func (s rslvSeat) Conflict(other any, whose string) error {
	if other == any(s) {
		return fmt.Errorf("seat %d is that of %s", s, whose)
	}
	return nil
}

func TestRegister_ValuesThatConflict_AreRefused(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	first, second := rslvDef("first", rslvAs(rslvSeat(1), nil), nil), rslvDef("second", rslvAs(rslvSeat(2), nil), nil)
	plain, also := rslvDef("plain", rslvAs(1, nil), nil), rslvDef("also", rslvAs(1, nil), nil) // without the method
	wrong := rslvDef("wrong", rslvAs(rslvSeat(3), errors.New("no name")), nil)
	third, fourth := rslvDef("third", rslvAs(rslvSeat(3), nil), nil), rslvDef("fourth", rslvAs(rslvSeat(1), nil), nil)
	err := app.Register(first, plain, also, wrong, third, fourth, second)
	enqSays(t, err, `subscriber "wrong": no name`, `subscriber "fourth": seat 1 is that of subscriber "first"`)
	if n := strings.Count(err.Error(), "seat"); n != 1 { // what does not resolve holds no seat
		t.Errorf("%d conflicts, want 1:\n%v", n, err)
	}
	rslvGone(t, app, first, second, plain, also, wrong, third, fourth)
	if err := app.Register(first, plain, also); err != nil {
		t.Fatal(err)
	}
	enqSays(t, app.Register(second, fourth), `subscriber "fourth": seat 1 is that of subscriber "first"`)
	if err := app.Register(second); err != nil {
		t.Error(err)
	}
}

func TestRegister_ChecksHowMessagesBecomeTasks(t *testing.T) {
	t.Parallel()
	anything := func(error) bool { return true }
	for _, c := range []struct {
		name string
		set  func(*tasks.Spec)
		says string // empty: it is fine
	}{
		{"nothing", func(*tasks.Spec) {}, ""},
		{"good options", msgOptions(tasks.In(time.Hour), tasks.OnQueue("slow"), tasks.WithHeader("X-A", "1"), tasks.WithTimeout(time.Minute)), ""},
		{"an id", msgOptions(tasks.WithID("me")), "WithID: one id for all messages"},
		{"a nil option", msgOptions(nil), "an option is nil"},
		{"two times", msgOptions(tasks.In(time.Hour), tasks.At(time.Now())), "exclude each other"},
		{"a bad queue", msgOptions(tasks.OnQueue("a_b")), "OnQueue"},
		{"too far a time", msgOptions(tasks.In(25 * time.Hour)), "at most 24h0m0s"},
		{"too far a day", msgOptions(tasks.Before(time.Now().Add(1000 * time.Hour))), "at most 24h0m0s"},
		{"a bad policy", msgOptions(tasks.WithEnqueueRetry(backoff.Policy{Multiplier: 0.5})), "WithEnqueueRetry"},
		{"a policy that the App's makes bad", msgOptions(tasks.WithEnqueueRetry(backoff.Policy{Maximum: time.Second})), "WithEnqueueRetry over Config.EnqueueRetry"},
		{"a bad header", func(s *tasks.Spec) { s.Header = http.Header{"X-A": {"a\nb"}} }, "headers: header X-A"},
		{"too many headers", func(s *tasks.Spec) {
			s.Header = http.Header{"X-A": {strings.Repeat("x", 70<<10)}}
			s.TaskOptions = []tasks.EnqueueOption{tasks.WithHeader("X-B", strings.Repeat("x", 70<<10))}
		}, "headers: "},
	} {
		app := dlvApp(t, tasks.Config{MaxETA: 24 * time.Hour, EnqueueRetry: backoff.Policy{On: anything, Initial: time.Minute, Maximum: time.Hour, Deadline: 2 * time.Hour}})
		err := app.Register(msgSubscriber("audit", (&msgRuns{}).handle(nil), c.set))
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || strings.Count(err.Error(), c.says) != 1 || !strings.Contains(err.Error(), `subscriber "audit": `) {
			t.Errorf("%s: the error is %v, want %q, once", c.name, err, c.says)
		}
	}
}

func TestSpec_Also_IsServedWhereItIsFree(t *testing.T) {
	t.Parallel()
	def := func(name string, also ...string) *enqHandmade {
		return msgSubscriber(name, nil, func(s *tasks.Spec) {
			s.Also = also
			s.Handle = func(context.Context, *transport.Delivery) (any, error) { return name, nil }
		})
	}
	aliased := def("aliased")
	aliased.spec.Aliases = []string{"old"}
	unserved := def("unserved", "nowhere")
	unserved.spec.Path = ""
	app := dlvApp(t, tasks.Config{}, def("a", "Free", "Free", "Both", "b", "old", "order", "a", "Late"), def("b", "Both"), aliased, unserved, dlvTask(dlvReturns(nil)))
	check := func(want map[string]string) {
		t.Helper()
		for name, by := range want {
			got := dlvServe(t, app, dlvPost("/subscriptions/"+name, msgBody(dlvBody)))
			if by == "" {
				dlvWant(t, got, http.StatusNotFound, "not_found")
			} else if got.result != fmt.Sprintf("%q", by) {
				t.Errorf("%s is served by %s, want %s", name, got.result, by)
			}
		}
	}
	check(map[string]string{"a": "a", "b": "b", "aliased": "aliased", "old": "aliased", "Free": "a", "Late": "a", "order": "a", "Both": "", "nowhere": ""})
	if err := app.Register(def("Late"), def("c", "Free")); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{"a": "a", "Late": "Late", "Free": "", "old": "aliased"})
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed")
}

func TestSpec_Also_IsServedInThisProcessToo(t *testing.T) {
	t.Parallel()
	local, runs := &dlvLocal{}, &msgRuns{}
	dlvApp(t, tasks.Config{Transport: local}, msgSubscriber("a", runs.handle(nil), func(s *tasks.Spec) { s.Also = []string{"Free"} }))
	d := &transport.Delivery{Task: transport.Task{URL: "https://shop.example.com/subscriptions/Free"}, Message: &transport.Message{ID: "1"}}
	if status, _, err := local.handler(t.Context(), d); status != http.StatusOK || err != nil {
		t.Errorf("answered %d, %v", status, err)
	}
	runs.one(t)
}
