package cron_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/internal/cron"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustParse(t testing.TB, expr string) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := cron.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// run is a schedule, a zone, an instant, and when the schedule fires after it, one after the other.
type run struct {
	expr, zone, after string // RFC 3339
	want              []string
}

func (r run) check(t *testing.T) {
	t.Helper()
	s, zone := mustParse(t, r.expr), mustZone(t, r.zone)
	at, err := time.Parse(time.RFC3339Nano, r.after)
	if err != nil {
		t.Fatal(err)
	}
	at = at.In(zone)
	for i, want := range r.want {
		at = s.Next(at)
		if got := at.Format(time.RFC3339); got != want {
			t.Fatalf("%q in %q after %s: run %d is at %s, want %s", r.expr, r.zone, r.after, i+1, got, want)
		}
		if at.Location() != zone {
			t.Fatalf("%q: the result is in %s, want %s", r.expr, at.Location(), zone)
		}
	}
}
