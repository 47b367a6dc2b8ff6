// Package tourtest checks what a tour tells.
package tourtest

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// story is what the tour tells after its first line, with what differs from run to run replaced by letters.
const story = `

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

// RequireStory checks that out tells the whole story, line by line, after an opening of its own.
func RequireStory(t testing.TB, out, opening string) {
	t.Helper()
	got, want := strings.Split(steady(out), "\n"), strings.Split(opening+story, "\n")
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("the story ends before %q:\n%s", want[i], out)
		case i >= len(want):
			t.Fatalf("the story goes on with %q:\n%s", got[i], out)
		case got[i] != want[i]:
			t.Fatalf("line %d is\n%s\nnot\n%s\nin\n%s", i+1, got[i], want[i], out)
		}
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

// Trigger is a buffer that calls Fire when Text is written.
type Trigger struct {
	bytes.Buffer
	Text string
	Fire func()
}

// Write implements [io.Writer].
func (w *Trigger) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.Text)) {
		w.Fire()
	}
	return w.Buffer.Write(b)
}
