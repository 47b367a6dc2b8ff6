package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Of Google's client: started by an import.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
	)
}

func TestRun_TellsTheStory(t *testing.T) {
	var out, logs bytes.Buffer
	if err := run(t.Context(), []string{"-v"}, &out, &logs); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), logs.String())
	}
	story := out.String()
	for _, want := range []string{
		"03:00 -03", "09:00 CE", // the zones' own time
		"Heartbeat  a heartbeat (job shop--Heartbeat",
		"Nightly    the stock report (by hand)",
		"[+] schedule shop--Nightly: created: ",
		"dry run, nothing was done: 2 created",
		"\n2 created\n",
		"[=] schedule shop--Monthly\n2 unchanged",
		"Nightly    the sales report (job shop--Nightly",
		"[~] schedule shop--Nightly: updated: ", "0 3 * * MON-FRI -> 30 4 * * MON-FRI",
		"[-] schedule shop--Monthly: deleted", "1 updated, 1 deleted",
		"is for development",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("the story lacks %q:\n%s", want, story)
		}
	}
	if n := strings.Count(story, "a heartbeat ("); n < 3 {
		t.Errorf("%d heartbeats, want 3 at least:\n%s", n, story)
	}
}

func TestRun_Interrupted(t *testing.T) {
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if err := run(ctx, nil, io.Discard, io.Discard); !errors.Is(err, context.Canceled) && !errors.Is(err, interrupted) {
		t.Errorf("run = %v, want it to be interrupted", err)
	}
}

func TestRun_Arguments(t *testing.T) {
	var logs bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, io.Discard, &logs); err != nil || !strings.Contains(logs.String(), "-v") {
		t.Errorf("-h: %v\n%s", err, logs.String())
	}
	if err := run(t.Context(), []string{"-nonsense"}, io.Discard, io.Discard); err == nil {
		t.Error("-nonsense is accepted")
	}
}
