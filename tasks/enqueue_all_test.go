package tasks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

var errEnqDown = errors.New("fake: the service is down")

func TestEnqueueAll_KeepsTheOrder_AndFailsOneByOne(t *testing.T) {
	t.Parallel()
	refuse := func(_ int, x *transport.Task) enqFault {
		if strings.Contains(string(x.Body), "down") {
			return enqFault{before: errEnqDown}
		}
		return enqFault{}
	}
	payloads := []enqMail{{To: "a"}, {}, {To: "down"}, {To: "b"}, {To: "c", Text: strings.Repeat("x", 41)}, {To: "d"}}
	for _, c := range []struct {
		why string
		of  func(*enqFake) transport.Transport
	}{
		{"one by one", func(f *enqFake) transport.Transport { return f }},
		{"in a batch", func(f *enqFake) transport.Transport { return &enqBatching{enqFake: f} }},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			fake, task := &enqFake{fault: refuse}, tasks.New(enqDone[enqMail])
			enqApp(t, tasks.Config{Transport: c.of(fake)}, task)
			results := task.EnqueueAll(t.Context(), payloads, tasks.OnQueue("bulk"), tasks.In(time.Hour))
			if len(results) != len(payloads) {
				t.Fatalf("%d results for %d payloads", len(results), len(payloads))
			}
			sent := fake.all()
			for i, r := range results {
				switch payloads[i].To {
				case "a", "b", "d":
					if r.Err != nil || len(sent) == 0 || r.Receipt.ID != sent[0].ID || r.Receipt.Queue != "bulk" || r.Receipt.ETA.IsZero() ||
						string(sent[0].Body) != `{"to":"`+payloads[i].To+`"}` {
						t.Fatalf("payload %d: %+v", i, r)
					}
					sent = sent[1:]
				case "down":
					if !errors.Is(r.Err, errEnqDown) || !strings.HasPrefix(r.Err.Error(), "tasks: enqMail: ") {
						t.Errorf("payload %d: %v, want the transport's error", i, r.Err)
					}
				default:
					if _, ok := errors.AsType[*tasks.ValidationError](r.Err); !ok {
						t.Errorf("payload %d: %v, want a *ValidationError", i, r.Err)
					}
				}
			}
			if len(sent) != 0 {
				t.Errorf("%d more tasks were sent than reported", len(sent))
			}
		})
	}
}

func TestEnqueueAll_UsesTheBatcher(t *testing.T) {
	t.Parallel()
	b, task := &enqBatching{enqFake: &enqFake{}}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: b}, task)
	task.EnqueueAll(t.Context(), enqMails(250))
	enqMust(task.Enqueue(t.Context(), enqMail{To: "one"}))(t)
	if !slices.Equal(b.sizes, []int{250}) || len(b.all()) != 251 {
		t.Errorf("batches of %v, %d tasks", b.sizes, len(b.all()))
	}
}

// enqDecorated counts what passes, and shows what it wraps.
type enqDecorated struct {
	transport.Transport
	seen int
}

func (d *enqDecorated) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	d.seen++
	return d.Transport.Enqueue(ctx, t)
}

func (d *enqDecorated) Unwrap() transport.Transport { return d.Transport }

func TestEnqueueAll_Decorator_IsNeverBypassed(t *testing.T) {
	t.Parallel()
	b := &enqBatching{enqFake: &enqFake{}}
	d, task := &enqDecorated{Transport: b}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: d}, task)
	task.EnqueueAll(t.Context(), enqMails(5))
	if d.seen != 5 || len(b.sizes) != 0 {
		t.Errorf("the decorator saw %d of 5; batches past it: %v", d.seen, b.sizes)
	}
}

func TestEnqueueAll_WithID_IsRefusedForSeveral(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	for i, r := range task.EnqueueAll(t.Context(), enqMails(2), tasks.WithID("one")) {
		if !errors.Is(r.Err, tasks.ErrInvalid) {
			t.Errorf("payload %d: %v, want ErrInvalid", i, r.Err)
		}
	}
	if fake.calls != 0 {
		t.Errorf("the transport was called %d times", fake.calls)
	}
	if r := task.EnqueueAll(t.Context(), enqMails(1), tasks.WithID("one")); len(r) != 1 || r[0].Err != nil || r[0].Receipt.ID != "one" {
		t.Errorf("for one payload: %+v", r)
	}
}

func TestEnqueueAll_Empty_DoesNothing(t *testing.T) {
	t.Parallel()
	b, task := &enqBatching{enqFake: &enqFake{}}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: b}, task)
	for _, none := range [][]enqMail{nil, {}} {
		if r := task.EnqueueAll(t.Context(), none); len(r) != 0 {
			t.Errorf("results: %v", r)
		}
	}
	if r := task.EnqueueAll(t.Context(), make([]enqMail, 3)); len(r) != 3 { // none of them valid
		t.Errorf("results: %v", r)
	}
	if len(b.sizes) != 0 {
		t.Errorf("batches of %v", b.sizes)
	}
}

func TestEnqueueAll_Unique_ReportsDuplicatesOneByOne(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqKeyed], tasks.Unique())
	enqApp(t, tasks.Config{Transport: fake}, task)
	results := task.EnqueueAll(t.Context(), []enqKeyed{{Key: "a"}, {Key: "b"}, {Key: "a"}})
	for i, r := range results {
		if r.Err != nil || r.Receipt.Duplicate != (i == 2) {
			t.Errorf("payload %d: %+v", i, r)
		}
	}
}

// enqShort is a Batcher that breaks its contract.
type enqShort struct{ enqFake }

func (*enqShort) EnqueueBatch(context.Context, []*transport.Task) []transport.Result {
	return make([]transport.Result, 1)
}

func TestEnqueueAll_BatcherWithTooFewResults_LeavesNothingUntold(t *testing.T) {
	t.Parallel()
	task := tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: &enqShort{}}, task)
	for _, r := range task.EnqueueAll(t.Context(), enqMails(3)) {
		enqSays(t, r.Err, "*tasks_test.enqShort answered 1 results for 3 tasks", "unknown")
	}
}

func TestEnqueueAll_CancelledContext_FailsEach(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, r := range task.EnqueueAll(ctx, enqMails(3)) {
		if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("payload %d: %v, want context.Canceled", i, r.Err)
		}
	}
}
