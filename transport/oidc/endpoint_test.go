package oidc_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

type welcome struct {
	UserID int `json:"user_id" validate:"required"`
}

// endpoint is an App behind an Authenticator.
type endpoint struct {
	app  *tasks.App
	url  string // where it is served; "": it is called in place of a server, for there are no sockets in a bubble
	runs atomic.Int64
	logs logs
}

func newEndpoint(t testing.TB, auth tasks.Authenticator) *endpoint {
	t.Helper()
	e := &endpoint{}
	var err error
	e.app, err = tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Endpoint: audience + "/_tasks", Authenticator: auth, Logger: e.logs.logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	run := func(context.Context, welcome) error { e.runs.Add(1); return nil }
	if err := e.app.Register(tasks.New(run, tasks.WithName("Welcome"))); err != nil {
		t.Fatal(err)
	}
	return e
}

// serve serves it over HTTP. maxHeader 0: as much as a server takes.
func (e *endpoint) serve(t testing.TB, maxHeader int) {
	t.Helper()
	server := httptest.NewUnstartedServer(e.app)
	server.Config.MaxHeaderBytes = maxHeader
	server.Start()
	t.Cleanup(server.Close)
	e.url = server.URL
}

// answer is what came of a push.
type answer struct {
	status          int
	challenge, body string
}

// push delivers a task with values of Authorization, and with further headers: names and values in turn.
func (e *endpoint) push(t testing.TB, authorization []string, further ...string) answer {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, e.url+"/_tasks/tasks/Welcome", strings.NewReader(`{"user_id":7}`))
	req.Header.Set("X-CloudTasks-TaskName", "forged") // proves nothing
	for i := 0; i < len(further); i += 2 {
		req.Header.Set(further[i], further[i+1])
	}
	if len(authorization) > 0 {
		req.Header["Authorization"] = authorization
	}
	res, err := e.roundTrip(req)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{res.StatusCode, strings.Join(res.Header.Values("WWW-Authenticate"), "|"), strings.TrimSpace(string(body))}
}

func (e *endpoint) roundTrip(req *http.Request) (*http.Response, error) {
	if e.url == "" {
		w := httptest.NewRecorder()
		e.app.ServeHTTP(w, req)
		return w.Result(), nil
	}
	transport := &http.Transport{DisableKeepAlives: true}
	return transport.RoundTrip(req)
}

const invalidToken = `Bearer error="invalid_token"`

// answered is all that a caller with a token is told.
func answered(status int) answer {
	return map[int]answer{
		http.StatusOK:           {status, "", `{"status":"executed","result":null,"error":null}`},
		http.StatusForbidden:    {status, "", `{"status":"forbidden","result":null,"error":null}`},
		http.StatusUnauthorized: {status, invalidToken, `{"status":"unauthenticated","result":null,"error":null}`},
	}[status]
}

// check pushes as a case of the matrix has it: it wants the answer, the reason in the log, and a run of the task if it is
// let in, and none if not.
func (e *endpoint) check(t testing.TB, c matrixCase, further ...string) {
	t.Helper()
	before := e.runs.Load()
	e.logs.taken()
	got := e.push(t, c.authorization, further...)
	ran, logged := e.runs.Load()-before, e.logs.taken()
	if got.status != c.status || (ran == 1) != (c.status == http.StatusOK) || ran > 1 {
		t.Fatalf("answered with %d, and ran %d tasks, want %d; logged %s", got.status, ran, c.status, logged)
	}
	want := answered(c.status)
	if c.reason == oidc.ReasonMissing {
		want.challenge = "Bearer"
	}
	if got != want {
		t.Errorf("answered with %+v, want %+v", got, want)
	}
	if c.reason != "" && !strings.Contains(logged, "oidc: "+string(c.reason)) {
		t.Errorf("logged %s, want the reason %s", logged, c.reason)
	}
	for _, value := range c.authorization {
		if signature := value[strings.LastIndexByte(value, '.')+1:]; len(signature) > 40 && strings.Contains(logged, signature) {
			t.Errorf("the log has the signature: %s", logged)
		}
	}
}

// mustRun and mustRefuse push with a token.
func (e *endpoint) mustRun(t testing.TB, token string) {
	t.Helper()
	e.check(t, matrixCase{authorization: bearer(token), status: http.StatusOK})
}

func (e *endpoint) mustRefuse(t testing.TB, token string, reason oidc.Reason) {
	t.Helper()
	e.check(t, matrixCase{authorization: bearer(token), status: http.StatusUnauthorized, reason: reason})
}
