package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// dlvSecret stands for what must not leave in an answer.
const dlvSecret = "password=hunter2"

func TestServeHTTP_AnswersByOutcome(t *testing.T) {
	t.Parallel()
	secret := errors.New(dlvSecret)
	for _, c := range []struct {
		name   string
		body   string
		fn     func(context.Context, dlvOrder) error
		code   int
		status string
		error  string // JSON
		after  string // Retry-After
	}{
		{name: "executed", code: 200, status: "executed"},
		{name: "discarded", fn: dlvReturns(tasks.Discard(secret)), code: 202, status: "discarded"},
		{name: "snoozed", fn: dlvReturns(tasks.Snooze(time.Hour)), code: 200, status: "snoozed"},
		{name: "failed", fn: dlvReturns(secret), code: 500, status: "failed"},
		{name: "panicked", fn: func(context.Context, dlvOrder) error { panic(dlvSecret) }, code: 500, status: "failed"},
		{name: "retry later", fn: dlvReturns(tasks.RetryAfter(90*time.Second, secret)), code: 503, status: "retry_later", after: "90"},
		{name: "retry later, rounded up", fn: dlvReturns(tasks.RetryAfter(1100*time.Millisecond, nil)), code: 503, status: "retry_later", after: "2"},
		{name: "retry later, at once", fn: dlvReturns(tasks.RetryAfter(0, secret)), code: 503, status: "retry_later"},
		{name: "retry later, in the past", fn: dlvReturns(tasks.RetryAfter(-time.Hour, secret)), code: 503, status: "retry_later"},
		{name: "a required field is missing", body: `{}`, code: 400, status: "rejected", error: `"payload is not valid: id fails rule required"`},
		{name: "two fields fail", body: `{"email": "x"}`, code: 400, status: "rejected", error: `"payload is not valid: email fails rule email; id fails rule required"`},
		{name: "a field of another type", body: `{"id": "x"}`, code: 400, status: "rejected", error: `"payload is not valid json: id: want int, got string (offset 7)"`},
		{name: "trailing bytes", body: `{"id": 7} x`, code: 400, status: "rejected"},
		{name: "no body", body: ``, code: 400, status: "rejected"},
		{name: "unknown fields are accepted", body: `{"id": 7, "later": {}}`, code: 200, status: "executed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.fn == nil {
				c.fn = dlvReturns(nil)
			}
			if c.body == "" && c.name != "no body" {
				c.body = dlvBody
			}
			got := dlvServe(t, dlvApp(t, tasks.Config{}, dlvTask(c.fn)), dlvPost("/tasks/order", c.body))
			dlvWant(t, got, c.code, c.status)
			if got.result != "null" {
				t.Errorf("result %s, want null", got.result)
			}
			if after := got.header.Get("Retry-After"); after != c.after {
				t.Errorf("Retry-After %q, want %q", after, c.after)
			}
			if c.code == http.StatusBadRequest && (got.error == "null" || c.error != "" && got.error != c.error) {
				t.Errorf("error %s, want %s", got.error, c.error)
			}
			if strings.Contains(got.error, dlvSecret) {
				t.Errorf("error %s leaks the function's", got.error)
			}
		})
	}
}

func TestServeHTTP_NotPOST_AnswersAllow(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "post"} {
		for _, path := range []string{"/tasks/order", "/nowhere"} {
			r := httptest.NewRequest(method, path, strings.NewReader(dlvBody))
			got := dlvServe(t, app, r)
			dlvWant(t, got, http.StatusMethodNotAllowed, "method_not_allowed")
			if allow := got.header.Get("Allow"); allow != "POST" {
				t.Errorf("%s %s: Allow %q, want POST", method, path, allow)
			}
		}
	}
}

func TestServeHTTP_UnknownPath_AnswersTheSameEverywhere(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil), tasks.WithAliases("order.v1")))
	var answers []string
	for _, path := range []string{"/", "/tasks", "/tasks/", "/tasks/nobody", "/tasks/orde", "/tasks/Order", "/tasks/order/", "/order", "/subscriptions/order", "/x/tasks/order"} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, dlvPost(path, dlvBody))
		dlvWant(t, dlvParse(t, w.Code, w.Header(), w.Body.Bytes()), http.StatusNotFound, "not_found")
		answers = append(answers, fmt.Sprint(w.Header(), w.Body))
		if answers[0] != answers[len(answers)-1] {
			t.Errorf("%s is answered %s, / %s", path, answers[len(answers)-1], answers[0])
		}
	}
}

// dlvAuth refuses with its error.
type dlvAuth struct{ err error }

func (a dlvAuth) Authenticate(*http.Request) error { return a.err }

func TestServeHTTP_Authenticator_DecidesBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		path   string
		code   int
		status string
	}{
		{"let in", nil, "/tasks/order", 200, "executed"},
		{"let in to nowhere", nil, "/tasks/nobody", 404, "not_found"},
		{"unknown caller", errors.New(dlvSecret), "/tasks/order", 401, "unauthenticated"},
		{"unknown caller learns no names", errors.New(dlvSecret), "/tasks/nobody", 401, "unauthenticated"},
		{"known caller not allowed", fmt.Errorf("%s: %w", dlvSecret, tasks.ErrForbidden), "/tasks/order", 403, "forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ran, log := false, &dlvLog{}
			app := dlvApp(t, tasks.Config{Authenticator: dlvAuth{c.err}, Logger: slog.New(log)},
				dlvTask(func(context.Context, dlvOrder) error { ran = true; return nil }))
			dlvWant(t, dlvServe(t, app, dlvPost(c.path, dlvBody)), c.code, c.status)
			if ran != (c.code == http.StatusOK) {
				t.Errorf("the function ran: %t", ran)
			}
			if records := log.taken(); c.err != nil && (len(records) != 1 || records[0].level != slog.LevelWarn || !strings.Contains(records[0].attrs["error"], dlvSecret)) {
				t.Errorf("logged %+v, want one warning with the reason", records)
			}
		})
	}
}

func TestServeHTTP_Refused_IsChallenged(t *testing.T) {
	t.Parallel()
	refused, other := errors.New(dlvSecret), fmt.Errorf("%s: %w", dlvSecret, tasks.ErrForbidden)
	for _, c := range []struct {
		name          string
		err           error
		authorization []string
		challenge     []string
	}{
		{"without a token", refused, nil, []string{"Bearer"}},
		{"with one", refused, []string{"Bearer abc"}, []string{`Bearer error="invalid_token"`}},
		{"in any case of letters", refused, []string{"bEARER abc"}, []string{`Bearer error="invalid_token"`}},
		{"with the scheme alone", refused, []string{"Bearer"}, []string{`Bearer error="invalid_token"`}},
		{"with another scheme", refused, []string{"Basic abc"}, []string{"Bearer"}},
		{"with a scheme that begins alike", refused, []string{"Bearers abc"}, []string{"Bearer"}},
		{"with two", refused, []string{"Basic abc", "Bearer abc"}, []string{`Bearer error="invalid_token"`}},
		{"known and not allowed", other, []string{"Bearer abc"}, nil},
		{"let in", nil, []string{"Bearer abc"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := dlvApp(t, tasks.Config{Authenticator: dlvAuth{c.err}}, dlvTask(dlvReturns(nil)))
			w, r := httptest.NewRecorder(), dlvPost("/tasks/order", dlvBody)
			r.Header["Authorization"] = c.authorization
			app.ServeHTTP(w, r)
			if got := w.Header().Values("WWW-Authenticate"); !slices.Equal(got, c.challenge) {
				t.Errorf("answered %d with the challenge %q, want %q", w.Code, got, c.challenge)
			}
		})
	}
}

func TestServeHTTP_AfterShutdown_Answers503(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	if err := app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusServiceUnavailable, "shutting_down")
}

type dlvPanicky struct{}

func (dlvPanicky) MarshalJSON() ([]byte, error) { panic(dlvSecret) }

func TestServeHTTP_Result_IsInTheAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		value  any
		err    error
		code   int
		result string
		logged bool // that it does not encode
	}{
		{"object", map[string]any{"price": 12.5, "tags": []string{"a"}}, nil, 200, `{"price":12.5,"tags":["a"]}`, false},
		{"scalar", 42, nil, 200, `42`, false},
		{"text", `a "b"`, nil, 200, `"a \"b\""`, false},
		{"nil", nil, nil, 200, `null`, false},
		{"nil pointer", (*dlvOrder)(nil), nil, 200, `null`, false},
		{"not encodable: it ran all the same", make(chan int), nil, 200, `null`, true},
		{"panics when encoded: it ran all the same", dlvPanicky{}, nil, 200, `null`, true},
		{"dropped beside an error", 42, errors.New("x"), 500, `null`, false},
		{"dropped beside Discard", 42, tasks.Discard(nil), 202, `null`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			log := &dlvLog{}
			app := dlvApp(t, tasks.Config{Logger: slog.New(log)},
				tasks.NewWithResult(func(context.Context, dlvOrder) (any, error) { return c.value, c.err }, tasks.WithName("order")))
			got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody))
			if got.code != c.code || got.result != c.result {
				t.Errorf("answered %d with the result %s, want %d with %s", got.code, got.result, c.code, c.result)
			}
			if records := log.taken(); c.logged && (len(records) != 1 || records[0].level != slog.LevelError || records[0].attrs["task"] != "order") {
				t.Errorf("logged %+v, want one error", records)
			}
		})
	}
}
