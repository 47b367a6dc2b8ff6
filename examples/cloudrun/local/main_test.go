package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/examples/internal/tour/tourtest"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_Tour_TellsTheQuickstartsStory(t *testing.T) {
	var out, logs bytes.Buffer
	if err := run(t.Context(), nil, &out, &logs); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	tourtest.RequireStory(t, out.String(),
		"A shop at http://127.0.0.1:PORT, its tasks in an emulator of Cloud Tasks at 127.0.0.1:PORT.")
	if logs.Len() > 0 {
		t.Errorf("without -v, it logs\n%s", &logs)
	}
}

// losing is a network that answers for the service where a request is for path, and tells.
type losing struct {
	path string
	tell func()
}

func (l losing) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, l.path) {
		l.tell()
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestVisit_LostDelivery_FailsNamingIt(t *testing.T) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	outOfPatience := errors.New("out of patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := func() { time.AfterFunc(100*time.Millisecond, func() { cancel(outOfPatience) }) }
	var out bytes.Buffer
	err := visit(ctx, &out, slog.New(slog.DiscardHandler), emulator.WithHTTPClient(&http.Client{Transport: losing{"/Shipment", wait}}))
	if !errors.Is(err, outOfPatience) || !strings.HasPrefix(err.Error(), "POST /orders: Shipment was executed 0 times, not 1") {
		t.Errorf("visit = %v, want the step and what was missing", err)
	}
	if !strings.HasSuffix(out.String(), "\nexecuted=2 rejected=1 retried=2 discarded=0 snoozed=0 duplicate=0 quarantined=0\n") {
		t.Errorf("the story does not end with the true counts:\n%s", &out)
	}
}

func TestRun_Interrupted_FailsNamingTheStep(t *testing.T) {
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &tourtest.Trigger{Text: "Shipment", Fire: func() { cancel(interrupted) }}
	err := run(ctx, nil, out, io.Discard)
	if !errors.Is(err, interrupted) || !strings.Contains(err.Error(), "Shipment was executed 0 times, not 1") {
		t.Errorf("run = %v, want %v and what was missing", err, interrupted)
	}
}

func TestRun_Verbose_ShowsWhatIsLogged(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var logs bytes.Buffer
	out := &tourtest.Trigger{Text: "retried", Fire: cancel}
	if err := run(ctx, []string{"-v"}, out, &logs); !errors.Is(err, context.Canceled) {
		t.Errorf("run = %v", err)
	}
	for _, want := range []string{"serving", "task executed", "task dispatched"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("with -v, the log lacks %q:\n%s", want, &logs)
		}
	}
}

func TestRun_Arguments(t *testing.T) {
	for _, c := range []struct {
		name, arg, location string
		fails               bool
		says                string
	}{
		{"help is no failure", "-h", "", false, "-v"},
		{"an unknown flag is one", "-nonsense", "", true, "-nonsense"},
		{"so is an environment that is wrong", "-v=false", "no location", true, "CLOUD_TASKS_LOCATION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("CLOUD_TASKS_LOCATION", c.location)
			var out, logs bytes.Buffer
			err := run(t.Context(), []string{c.arg}, &out, &logs)
			if (err != nil) != c.fails {
				t.Errorf("run = %v, want a failure: %t", err, c.fails)
			}
			if said := logs.String() + text(err); !strings.Contains(said, c.says) || out.Len() > 0 {
				t.Errorf("told %q and said %q, want nothing told and %q said", &out, said, c.says)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
