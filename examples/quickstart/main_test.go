package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story is what the program tells, with what differs from run to run replaced by letters.
const story = `A shop at http://127.0.0.1:PORT, its tasks in memory.

POST /signup       a typed task, validated and executed
 T.TTTs  Welcome   enqueued     XXXXXXXX  {"user_id":7,"email":"ana@example.com"}
 T.TTTs  Welcome   executed     XXXXXXXX  attempt 1

POST /signup       a payload that breaks its rules, answered with 400
 T.TTTs  Welcome   rejected               email fails rule email, user_id fails rule required

POST /orders       retried twice; then it enqueues another task, delayed
 T.TTTs  Payment   enqueued     XXXXXXXX  {"order":17,"cents":4200}
 T.TTTs  Payment   retried      XXXXXXXX  attempt 1, the bank is busy, trace 4bf92f35
 T.TTTs  Payment   retried      XXXXXXXX  attempt 2, the bank is busy, trace 4bf92f35
 T.TTTs  Payment   executed     XXXXXXXX  attempt 3, trace 4bf92f35
 T.TTTs  Shipment  enqueued     XXXXXXXX  {"order":17}, due in Nms
 T.TTTs  Shipment  executed     XXXXXXXX  attempt 1, trace 4bf92f35

POST /refunds      too early: snoozed, then executed
 T.TTTs  Refund    enqueued     XXXXXXXX  {"order":12}
 T.TTTs  Refund    snoozed      XXXXXXXX  attempt 1, for 200ms
 T.TTTs  Refund    enqueued     XXXXXXXX  {"order":12}, due in Nms
 T.TTTs  Refund    executed     XXXXXXXX  attempt 2

POST /invoices     unique: the second is a duplicate
 T.TTTs  Invoice   enqueued     XXXXXXXX  {"order":17}
 T.TTTs  Invoice   executed     XXXXXXXX  attempt 1
 T.TTTs  Invoice   duplicate    XXXXXXXX  {"order":17}

from code          nothing to do, now or later: discarded
 T.TTTs  Reminder  enqueued     XXXXXXXX  {"cart":9,"items":0}
 T.TTTs  Reminder  discarded    XXXXXXXX  attempt 1, cart 9 is empty

from code          out of attempts: quarantined
 T.TTTs  Stock     enqueued     XXXXXXXX  {"item":"lamp"}
 T.TTTs  Stock     retried      XXXXXXXX  attempt 1, the supplier is gone
 T.TTTs  Stock     retried      XXXXXXXX  attempt 2, the supplier is gone
 T.TTTs  Stock     failed       XXXXXXXX  attempt 3, the supplier is gone
 T.TTTs  Stock     quarantined  XXXXXXXX  out of attempts: the supplier is gone

POST /_tasks/...   a push over HTTP, as Cloud Tasks sends it
 T.TTTs  Welcome   executed     push-1    attempt 1

from code          a thousand in one call
 T.TTTs  Digest    enqueued     x 1000    in one call
 T.TTTs  Digest    executed     x 1000    all of them

executed=1006 rejected=1 retried=4 discarded=1 snoozed=1 duplicate=1 quarantined=1
`

func TestRun_Tour_TellsWhatBecomesOfTasks(t *testing.T) {
	var out, logs bytes.Buffer
	if err := run(t.Context(), nil, &out, &logs); err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(steady(out.String()), "\n"), strings.Split(story, "\n")
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("the story ends before %q:\n%s", want[i], out.String())
		case i >= len(want):
			t.Fatalf("the story goes on with %q:\n%s", got[i], out.String())
		case got[i] != want[i]:
			t.Fatalf("line %d is\n%s\nnot\n%s\nin\n%s", i+1, got[i], want[i], out.String())
		}
	}
	if logs.Len() > 0 {
		t.Errorf("without -v, it logs\n%s", logs.String())
	}
}

// steady replaces what differs from run to run, and orders a section by task: its tasks run side by side.
func steady(out string) string {
	for _, r := range []struct{ differs, steady string }{
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`(?m)^ {0,2}\d+\.\d{3}s `, " T.TTTs "},
		{` [0-9a-f]{8} `, " XXXXXXXX "},
		{`in \d+ms`, "in Nms"},
	} {
		out = regexp.MustCompile(r.differs).ReplaceAllString(out, r.steady)
	}
	sections := strings.Split(out, "\n\n")
	for i, s := range sections {
		if lines := strings.Split(s, "\n"); len(lines) > 1 {
			slices.SortStableFunc(lines[1:], func(a, b string) int { return strings.Compare(task(a), task(b)) })
			sections[i] = strings.Join(lines, "\n")
		}
	}
	return strings.Join(sections, "\n\n")
}

// task is the second column of a line.
func task(line string) string {
	if columns := strings.Fields(line); len(columns) > 1 {
		return columns[1]
	}
	return "~" // the empty line at the end stays there
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
	out := &trigger{text: "Shipment", fire: func() { cancel(interrupted) }}
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

// trigger is a buffer that calls fire when text is written.
type trigger struct {
	bytes.Buffer
	text string
	fire func()
}

func (w *trigger) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.text)) {
		w.fire()
	}
	return w.Buffer.Write(b)
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
