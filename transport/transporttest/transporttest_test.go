package transporttest_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_CorrectDrivers_Pass(t *testing.T) {
	for _, c := range []struct {
		what      string
		newDriver func(testing.TB) transporttest.Driver
	}{
		{"every ability, in bubbles", func(testing.TB) transporttest.Driver {
			return transporttest.Driver{Transport: newReference(""), Bubble: true}
		}},
		{"every ability, on the real clock", func(testing.TB) transporttest.Driver {
			return transporttest.Driver{Transport: newReference(""), Grace: 20 * time.Millisecond}
		}},
		{"unknown queues refused", strict("")},
		{"no ability, on the real clock", func(testing.TB) transporttest.Driver {
			r := newReference("")
			return transporttest.Driver{
				Transport: bare{r}, Serve: r.Serve, Patience: time.Minute, Endpoint: "http://127.0.0.1:8080/_tasks", Queue: "mail", OtherQueue: "news",
			}
		}},
		{"pushes over HTTP", pushing},
		{"no memory of ids", func(testing.TB) transporttest.Driver {
			return transporttest.Driver{Transport: newReference("forgets ids of finished tasks"), Bubble: true, NoTombstones: true}
		}},
		{"no delay", func(testing.TB) transporttest.Driver {
			return transporttest.Driver{Transport: newReference("is always on time"), Bubble: true, NoDelay: true}
		}},
		{"in the caller", inCaller("")},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			transporttest.Run(t, c.newDriver)
		})
	}
}

func TestCheck_Failure_QuotesTheLawAndItsSource(t *testing.T) {
	failures := transporttest.Check(t, func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: newReference("loses zero bytes"), Bubble: true}
	})
	if len(failures) != 1 {
		t.Fatalf("%d failures, want 1: %v", len(failures), failures)
	}
	f := failures[0]
	if f.Case != "enqueue/body" || !strings.HasPrefix(f.Law, "Every byte of a task's body ") {
		t.Errorf("case %q, law %q", f.Case, f.Law)
	}
	line := regexp.MustCompile(`^enqueue\.go:\d+`)
	if !line.MatchString(f.Source) {
		t.Errorf("source %q, want a line of enqueue.go", f.Source)
	}
	for _, seen := range f.Seen {
		if !line.MatchString(seen) || !strings.Contains(seen, `sent 1 bytes "\x00", received 0 bytes ""`) {
			t.Errorf("saw %q, want what was sent and received, with a line of enqueue.go", seen)
		}
	}
	for _, part := range append([]string{f.Case, f.Law, f.Source}, f.Seen...) {
		if !strings.Contains(f.Error(), part) {
			t.Errorf("the text lacks %q:\n%s", part, f.Error())
		}
	}
}

func TestCheck_ManyObservations_ListsTheFirst(t *testing.T) {
	failures := transporttest.Check(t, func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: newReference("makes illegal ids"), Bubble: true}
	})
	if len(failures) != 1 {
		t.Fatalf("%d failures, want 1: %v", len(failures), failures)
	}
	if seen := failures[0].Seen; len(seen) != 9 || seen[8] != "92 more" {
		t.Errorf("of 100 illegal ids it lists %d: %q", len(seen), seen)
	}
}

func TestCheck_Twice_ReportsInTheSameOrder(t *testing.T) {
	check := func() (names []string) {
		for _, f := range transporttest.Check(t, func(testing.TB) transporttest.Driver {
			return transporttest.Driver{Transport: newReference("accepts anything"), Bubble: true}
		}) {
			names = append(names, f.Case)
		}
		return names
	}
	if first, second := check(), check(); len(first) < 2 || !slices.Equal(first, second) {
		t.Errorf("first %q, then %q", first, second)
	}
}

func TestCheck_IncompleteDriver_IsTheOnlyFailure(t *testing.T) {
	for _, c := range []struct {
		what   string
		driver transporttest.Driver
		want   string
	}{
		{"no transport", transporttest.Driver{}, "Driver.Transport is nil"},
		{"nobody delivers", transporttest.Driver{Transport: bare{newReference("")}}, "set Driver.Serve"},
	} {
		t.Run(c.what, func(t *testing.T) {
			failures := transporttest.Check(t, func(testing.TB) transporttest.Driver { return c.driver })
			if len(failures) != 1 || failures[0].Case != "driver" || !strings.Contains(failures[0].Error(), c.want) {
				t.Errorf("failures %v, want one of the case driver that says %q", failures, c.want)
			}
		})
	}
}

// bare hides every ability but Enqueue.
type bare struct{ t transport.Transport }

func (b bare) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	return b.t.Enqueue(ctx, t)
}

// strict makes Drivers whose queues must exist.
func strict(fault string) func(testing.TB) transporttest.Driver {
	return func(t testing.TB) transporttest.Driver {
		r := newReference(fault)
		r.strict = true
		for _, queue := range []string{"mail", "news"} {
			if err := r.PutQueue(t.Context(), queue, transport.QueueConfig{}); err != nil {
				t.Fatal(err)
			}
		}
		return transporttest.Driver{Transport: r, Queue: "mail", OtherQueue: "news", MissingQueue: "missing", Bubble: true}
	}
}
