package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/examples/internal/tour/tourtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_Tour_TellsWhatBecomesOfTasks(t *testing.T) {
	var out, logs bytes.Buffer
	if err := run(t.Context(), nil, &out, &logs); err != nil {
		t.Fatal(err)
	}
	tourtest.RequireStory(t, out.String(), "A shop at http://127.0.0.1:PORT, its tasks in memory.")
	if logs.Len() > 0 {
		t.Errorf("without -v, it logs\n%s", logs.String())
	}
}

func TestRun_Verbose_ShowsWhatTheAppLogs(t *testing.T) {
	var logs bytes.Buffer
	if err := run(t.Context(), []string{"-v"}, io.Discard, &logs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"task failed", "task discarded", "task snoozed", "task quarantined"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("with -v, the log lacks %q:\n%s", want, logs.String())
		}
	}
}

func TestRun_Interrupted_FailsNamingTheStep(t *testing.T) {
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &tourtest.Trigger{Text: "Shipment", Fire: func() { cancel(interrupted) }}
	err := run(ctx, nil, out, io.Discard)
	if !errors.Is(err, interrupted) {
		t.Fatalf("run = %v, want %v", err, interrupted)
	}
	for _, want := range []string{"POST /orders: ", "Shipment was executed 0 times, not 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("run = %q, want %q in it", err, want)
		}
	}
	if !strings.HasSuffix(out.String(), "snoozed=0 duplicate=0 quarantined=0\n") {
		t.Errorf("the story does not end with the summary:\n%s", out.String())
	}
}

func TestRun_Arguments(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name  string
		args  []string
		fails bool
		logs  string
	}{
		{"help is no failure", []string{"-h"}, false, "-serve"},
		{"an unknown flag is one", []string{"-nonsense"}, true, "-nonsense"},
		{"so is an address that is taken", []string{"-addr", taken.Addr().String()}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, logs bytes.Buffer
			if err := run(t.Context(), c.args, &out, &logs); (err != nil) != c.fails {
				t.Errorf("run = %v, want a failure: %t", err, c.fails)
			}
			if !strings.Contains(logs.String(), c.logs) || out.Len() > 0 {
				t.Errorf("told %q and logged %q, want nothing told and %q logged", out.String(), logs.String(), c.logs)
			}
		})
	}
}
