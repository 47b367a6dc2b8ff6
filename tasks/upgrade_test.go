package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// The payload of a mail over three versions of a program.
type (
	upV1 struct {
		To string `json:"to" validate:"required"`
	}
	upV2 struct {
		To   string `json:"to" validate:"required"`
		Lang string `json:"lang" validate:"required,len=2"`
	}
	upV3 struct {
		Recipients []string `json:"recipients" validate:"required,dive,email"`
		Lang       string   `json:"lang" validate:"required"`
	}
)

func upFromV1(_ context.Context, old upV1) (upV3, error) {
	return upV3{Recipients: []string{old.To}, Lang: "en"}, nil
}

func upFromV2(_ context.Context, old upV2) (upV3, error) {
	return upV3{Recipients: []string{old.To}, Lang: old.Lang}, nil
}

func TestUpgradeFrom_TriesTheNewestFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		ran        string // the payload; empty: rejected
		from       string // the type that it was, if it is another now
		says       []string
	}{
		{"as it is now", `{"recipients": ["a@example.com"], "lang": "pt"}`, "{[a@example.com] pt}", "", nil},
		{"of the version before", `{"to": "a@example.com", "lang": "pt"}`, "{[a@example.com] pt}", "tasks_test.upV2", nil},
		{"of the first version", `{"to": "a@example.com"}`, "{[a@example.com] en}", "tasks_test.upV1", nil},
		{"newer than this one", `{"recipients": ["a@example.com"], "lang": "pt", "urgent": true}`, "{[a@example.com] pt}", "", nil},

		{"the new one, broken", `{"recipients": ["nobody"], "lang": "pt"}`, "", "", []string{"recipients[0] fails rule email", "as a tasks_test.upV2: ", "recipients: there is no such field", "as a tasks_test.upV1: "}},
		{"an old one, broken", `{"to": "", "lang": "pt"}`, "", "", []string{"recipients fails rule required", "as a tasks_test.upV2: payload is not valid: to fails rule required", "lang: there is no such field"}},
		{"an old one, of another type", `{"to": 7}`, "", "", []string{"want string, got number"}},
		{"an old one with more in it", `{"to": "a@example.com", "lang": "pt", "x": 1}`, "", "", []string{"x: there is no such field"}},
		{"old, and nothing valid comes of it", `{"to": "nobody"}`, "", "", []string{"recipients fails rule required", "upgraded from a tasks_test.upV1: payload is not valid: recipients[0] fails rule email"}},
		{"no JSON", `{`, "", "", []string{"payload is not valid json", "as a tasks_test.upV2: payload is not valid json"}},
		{"nothing", ``, "", "", []string{"it is empty"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var ran string
			var kept []tasks.Quarantined
			mail := tasks.New(func(_ context.Context, p upV3) error { ran = fmt.Sprint(p); return nil },
				tasks.WithName("mail"), tasks.UpgradeFrom(upFromV2), tasks.UpgradeFrom(upFromV1))
			for _, quarantine := range []bool{false, true} {
				log := &dlvLog{least: slog.LevelDebug}
				cfg := tasks.Config{Logger: slog.New(log)}
				code, status := http.StatusBadRequest, "rejected"
				if quarantine {
					cfg.Quarantine = dlvKeep(&kept)
					code, status = http.StatusAccepted, "quarantined"
				}
				if c.ran != "" {
					code, status = http.StatusOK, "executed"
				}
				ran = ""
				got := dlvServe(t, dlvApp(t, cfg, mail), dlvPost("/tasks/mail", c.body))
				if dlvWant(t, got, code, status); ran != c.ran {
					t.Errorf("ran with %q, want %q", ran, c.ran)
				}
				logged := ""
				for _, r := range log.taken() {
					logged += r.attrs["error"]
					if from, want := r.attrs["upgraded_from"], c.from; r.attrs["outcome"] == "executed" && from != want {
						t.Errorf("logged as upgraded from %q, want %q", from, want)
					}
				}
				if strings.Contains(got.error, "upV") {
					t.Errorf("the answer speaks of types: %s", got.error)
				}
				for _, says := range c.says {
					if !strings.Contains(logged, says) {
						t.Errorf("the log does not say %q: %s", says, logged)
					}
					if quarantine && !strings.Contains(kept[0].Reason.Error(), says) {
						t.Errorf("the reason does not say %q: %s", says, kept[0].Reason)
					}
				}
			}
			if c.ran == "" {
				_, invalid := errors.AsType[*tasks.ValidationError](kept[0].Reason)
				_, undecoded := errors.AsType[*tasks.DecodeError](kept[0].Reason)
				if string(kept[0].Body) != c.body || kept[0].Kind != tasks.KindTask || !invalid && !undecoded {
					t.Errorf("kept %+v", kept[0])
				}
			}
		})
	}
}

func TestUpgradeFrom_WhatTheFunctionReturns_DecidesTheOutcome(t *testing.T) {
	t.Parallel()
	type old struct {
		Number int `json:"number"`
	}
	const body = `{"number": 7}`
	for _, c := range []struct {
		name    string
		upgrade func(context.Context, old) (dlvOrder, error)
		code    int
		status  string
	}{
		{"a payload", func(_ context.Context, o old) (dlvOrder, error) { return dlvOrder{ID: o.Number}, nil }, 200, "executed"},
		{"an error", func(context.Context, old) (dlvOrder, error) { return dlvOrder{ID: 7}, errDlv }, 400, "rejected"},
		{"no payload", func(context.Context, old) (dlvOrder, error) { return dlvOrder{}, nil }, 400, "rejected"},
		{"Discard", func(context.Context, old) (dlvOrder, error) { return dlvOrder{}, tasks.Discard(errDlv) }, 202, "discarded"},
		{"RetryAfter", func(context.Context, old) (dlvOrder, error) { return dlvOrder{}, tasks.RetryAfter(time.Second, errDlv) }, 503, "retry_later"},
		{"Snooze, wrapped", func(context.Context, old) (dlvOrder, error) {
			return dlvOrder{}, fmt.Errorf("not yet: %w", tasks.Snooze(time.Hour))
		}, 200, "snoozed"},
		{"a panic", func(context.Context, old) (dlvOrder, error) { panic("out of ink") }, 500, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ran, log := 0, &dlvLog{}
			app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, dlvTask(func(context.Context, dlvOrder) error { ran++; return nil }, tasks.UpgradeFrom(c.upgrade)))
			got := dlvServe(t, app, dlvPost("/tasks/order", body))
			dlvWant(t, got, c.code, c.status)
			if ran == 1 != (c.code == 200 && c.status == "executed") {
				t.Errorf("ran %d times", ran)
			}
			if c.name == "an error" && got.error != `"payload is not valid: id fails rule required"` {
				t.Errorf("the answer gives another reason than the payload's: %s", got.error)
			}
			rs := log.taken()
			if len(rs) > 0 && rs[0].attrs["upgraded_from"] != "tasks_test.old" {
				t.Errorf("logged %+v, want what it is upgraded from, whatever comes of it", rs)
			}
			if c.name == "an error" && (len(rs) != 1 || rs[0].attrs["error"] != "payload is not valid: id fails rule required; upgraded from a tasks_test.old: "+errDlv.Error()) {
				t.Errorf("logged %+v", rs)
			}
			if c.name == "a panic" && (len(rs) != 1 || rs[0].attrs["stack"] == "") {
				t.Errorf("logged %+v", rs)
			}
		})
	}
}

// What fails because time ran out says nothing about the body.
func TestUpgradeFrom_AfterTheDeadline_IsAFailedAttempt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil), tasks.UpgradeFrom(func(ctx context.Context, _ upV1) (dlvOrder, error) {
		cancel()
		return dlvOrder{}, ctx.Err()
	})))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", `{"to": "ana"}`).WithContext(ctx)), http.StatusInternalServerError, "failed")
}

func TestUpgradeFrom_RulesAtFault_FailTheAttempt(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]tasks.Option{
		"of the old payload": tasks.UpgradeFrom(func(context.Context, dlvBroken) (dlvOrder, error) { return dlvOrder{ID: 7}, nil }),
	} {
		app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil), opt))
		if got := dlvServe(t, app, dlvPost("/tasks/order", `{}`)); got.code != http.StatusInternalServerError {
			t.Errorf("%s: answered %d %s", name, got.code, got.error)
		}
	}
	broken := tasks.New(func(context.Context, dlvBroken) error { return nil }, tasks.WithName("broken"), tasks.UpgradeFrom(func(context.Context, upV1) (dlvBroken, error) { return dlvBroken{}, nil }))
	if got := dlvServe(t, dlvApp(t, tasks.Config{}, broken), dlvPost("/tasks/broken", `{}`)); got.code != http.StatusInternalServerError {
		t.Errorf("of the new one: answered %d %s", got.code, got.error)
	}
}

func TestUpgradeFrom_PointersAndOtherTypes(t *testing.T) {
	t.Parallel()
	var ran []string
	app := dlvApp(t, tasks.Config{},
		tasks.New(func(_ context.Context, p *upV2) error { ran = append(ran, fmt.Sprint(*p)); return nil }, tasks.WithName("pointer"),
			tasks.UpgradeFrom(func(_ context.Context, o *upV1) (*upV2, error) { return &upV2{To: o.To, Lang: "en"}, nil })),
		tasks.New(func(_ context.Context, p upV1) error { ran = append(ran, fmt.Sprint(p)); return nil }, tasks.WithName("scalar"),
			tasks.UpgradeFrom(func(_ context.Context, o string) (upV1, error) { return upV1{To: o}, nil }),
			tasks.UpgradeFrom(func(_ context.Context, o []string) (upV1, error) { return upV1{To: o[0]}, nil }),
			tasks.UpgradeFrom(func(context.Context, struct{}) (upV1, error) { return upV1{To: "nobody"}, nil })),
		tasks.New(func(context.Context, *upV2) error { return nil }, tasks.WithName("nil"),
			tasks.UpgradeFrom(func(context.Context, upV1) (*upV2, error) { return nil, nil })),
	)
	for _, c := range []struct {
		path, body string
		code       int
	}{
		{"/tasks/pointer", `{"to": "ana"}`, 200},
		{"/tasks/scalar", `"bo"`, 200},
		{"/tasks/scalar", `["cy"]`, 200},
		{"/tasks/scalar", ``, 200},
		{"/tasks/nil", `{"to": "ana"}`, 400},
	} {
		if got := dlvServe(t, app, dlvPost(c.path, c.body)); got.code != c.code {
			t.Errorf("%s %s is answered %d %s", c.path, c.body, got.code, got.error)
		}
	}
	if got := fmt.Sprint(ran); got != "[{ana en} {bo} {cy} {nobody}]" {
		t.Errorf("ran with %s", got)
	}
}

func TestUpgradeFrom_OtherCodecs_DecodeAsTheyDo(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]tasks.Codec{"strict JSON": tasks.JSONCodec{Strict: true}, "another": upLines{}} {
		ran := ""
		app := dlvApp(t, tasks.Config{Codec: codec}, tasks.New(func(_ context.Context, p upV2) error { ran = p.To + p.Lang; return nil }, tasks.WithName("mail"),
			tasks.UpgradeFrom(func(_ context.Context, o upV1) (upV2, error) { return upV2{To: o.To, Lang: "en"}, nil })))
		body := `{"to": "ana"}`
		if name == "another" {
			body = "ana"
		}
		if dlvWant(t, dlvServe(t, app, dlvPost("/tasks/mail", body)), http.StatusOK, "executed"); ran != "anaen" {
			t.Errorf("%s: ran with %q", name, ran)
		}
	}
}

// upLines is a codec of text, a field a line.
type upLines struct{}

func (upLines) Name() string                { return "lines" }
func (upLines) Marshal(any) ([]byte, error) { return nil, errDlv }

func (upLines) Unmarshal(b []byte, v any) error {
	lines := strings.Split(string(b), "\n")
	switch v := v.(type) {
	case *upV1:
		v.To = lines[0]
	case *upV2:
		if len(lines) < 2 {
			return errors.New("a line is missing")
		}
		v.To, v.Lang = lines[0], lines[1]
	}
	return nil
}

// upKeyed is a payload of which there is one task at a time for each key.
type upKeyed struct {
	Key string `json:"key" validate:"required"`
}

func (k upKeyed) UniqueKey() string { return k.Key }

// What was quarantined before the upgrade was written is enqueued again as it is.
func TestUpgradeFrom_BodiesThatAreMade_AreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	ran, fail := "", error(nil)
	task := tasks.New(func(_ context.Context, k upKeyed) error { ran = k.Key; return nil }, tasks.WithName("keyed"), tasks.Unique(),
		tasks.UpgradeFrom(func(_ context.Context, o upV1) (upKeyed, error) { return upKeyed{o.To}, fail }))
	app := dlvApp(t, tasks.Config{Transport: remote}, task)
	const old = `{"to": "ana"}`
	for _, body := range []string{old, `{"key": "ana"}`} {
		if _, err := tasks.EnqueueBody(app.Context(t.Context()), task, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if sent := remote.sent(); len(sent) != 2 || string(sent[0].Body) != old || sent[0].ID == "" || sent[0].ID != sent[1].ID {
		t.Errorf("enqueued %+v", sent)
	}
	if _, err := app.RunBody(t.Context(), task, []byte(old)); err != nil || ran != "ana" {
		t.Errorf("ran with %q: %v", ran, err)
	}
	_, err := tasks.EnqueueBody(app.Context(t.Context()), task, []byte(`{"from": "ana"}`))
	if _, ok := errors.AsType[*tasks.ValidationError](err); !ok || tasks.OutcomeOf(err) != tasks.OutcomeFailed || !strings.Contains(err.Error(), "as a tasks_test.upV1") {
		t.Errorf("neither a new nor an old one: %v", err)
	}
	fail = tasks.Discard(errDlv)
	if _, err := tasks.EnqueueBody(app.Context(t.Context()), task, []byte(old)); !errors.Is(err, errDlv) || tasks.OutcomeOf(err) != tasks.OutcomeFailed {
		t.Errorf("an upgrade that says no: %v", err)
	}
}

func TestUpgradeFrom_IsNotForEnqueue(t *testing.T) {
	t.Parallel()
	upgraded := 0
	task := dlvTask(dlvReturns(nil), tasks.UpgradeFrom(func(context.Context, upV1) (dlvOrder, error) { upgraded++; return dlvOrder{ID: 7}, nil }))
	remote := &dlvRemote{}
	dlvApp(t, tasks.Config{Transport: remote}, task)
	_, err := task.Enqueue(t.Context(), dlvOrder{})
	if _, ok := errors.AsType[*tasks.ValidationError](err); !ok || upgraded != 0 || len(remote.sent()) != 0 {
		t.Errorf("enqueued what is not valid: %v, upgraded %d times", err, upgraded)
	}
}

func TestRegister_UpgradeFromThatCannotServe_IsAnError(t *testing.T) {
	t.Parallel()
	type badTag struct {
		To string `json:"to" validate:"nonsense"`
	}
	fromV1 := func(context.Context, upV1) (dlvOrder, error) { return dlvOrder{}, nil }
	for _, c := range []struct {
		says string
		opts []tasks.Option
	}{
		{"UpgradeFrom[tasks_test.upV1, tasks_test.upV3](...) makes a tasks_test.upV3, and the payload of the task is a tasks_test.dlvOrder", []tasks.Option{tasks.UpgradeFrom(upFromV1)}},
		{"makes a *tasks_test.dlvOrder, and the payload of the task is a tasks_test.dlvOrder", []tasks.Option{tasks.UpgradeFrom(func(context.Context, upV1) (*dlvOrder, error) { return nil, nil })}},
		{"the old payload is the new one", []tasks.Option{tasks.UpgradeFrom(func(_ context.Context, o dlvOrder) (dlvOrder, error) { return o, nil })}},
		{"tasks_test.upV1 is given twice", []tasks.Option{tasks.UpgradeFrom(fromV1), tasks.UpgradeFrom(fromV1)}},
		{"the function is nil", []tasks.Option{tasks.UpgradeFrom[upV1, dlvOrder](nil)}},
		{"it holds no data", []tasks.Option{tasks.UpgradeFrom(func(context.Context, func()) (dlvOrder, error) { return dlvOrder{}, nil })}},
		{"has a bad validate tag", []tasks.Option{tasks.UpgradeFrom(func(context.Context, badTag) (dlvOrder, error) { return dlvOrder{}, nil })}},
	} {
		app := dlvApp(t, tasks.Config{})
		enqSays(t, app.Register(dlvTask(dlvReturns(nil), c.opts...)), `task "order": `, c.says)
	}
}
