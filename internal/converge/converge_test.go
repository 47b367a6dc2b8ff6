package converge_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

var errDenied = errors.New("permission denied")

func queue(i int) string { return fmt.Sprintf("queue-%02d", i) }

func TestEach_AFewAtATime_InOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 30
		var r converge.Run
		var running, most, calls atomic.Int32
		began := time.Now()
		r.Each(t.Context(), "queue", n, func(i int) converge.Outcome {
			calls.Add(1)
			now := running.Add(1)
			for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
			}
			defer running.Add(-1)
			time.Sleep(time.Duration(n-i) * time.Second) // those begun last end first
			if i%10 == 7 {
				return converge.Failed("queue", queue(i), errDenied)
			}
			return converge.One(plan.Created, "queue", queue(i), "")
		})
		if calls.Load() != n || most.Load() != 8 {
			t.Errorf("%d calls, %d at a time; want %d and 8", calls.Load(), most.Load(), n)
		}
		if time.Since(began) > 100*time.Second { // one after the other it were 465 s
			t.Errorf("it took %s", time.Since(began))
		}
		if len(r.Plan.Changes) != n {
			t.Fatalf("%d changes", len(r.Plan.Changes))
		}
		for i, c := range r.Plan.Changes {
			if verb := c.Verb; c.Name != queue(i) || (verb == plan.Failed) != (i%10 == 7) {
				t.Errorf("change %d is %s", i, c)
			}
		}
		const want = "queue \"queue-07\": permission denied\nqueue \"queue-17\": permission denied\nqueue \"queue-27\": permission denied"
		if err := r.Err(); !errors.Is(err, errDenied) || err.Error() != want {
			t.Errorf("error %v", err)
		}
	})
}

func TestEach_ContextEnds_BeginsNoFurtherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var r converge.Run
		var calls atomic.Int32
		r.Each(ctx, "schedule", 20, func(i int) converge.Outcome {
			calls.Add(1)
			time.Sleep(time.Duration(i) * time.Second)
			if i == 3 {
				cancel()
			}
			return converge.One(plan.Created, "schedule", queue(i), "")
		})
		// 0 to 2 have ended before 3 does, which lets 8 to 10 begin; the slot that 3 leaves is for nobody.
		if calls.Load() != 11 || len(r.Plan.Changes) != 11 {
			t.Errorf("%d calls, %d changes", calls.Load(), len(r.Plan.Changes))
		}
		if err := r.Err(); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "9 of 20 schedules were not begun") {
			t.Errorf("error %v", err)
		}
		r.Each(ctx, "queue", 2, func(int) converge.Outcome { t.Error("begun"); return converge.Outcome{} })
		if err := r.Err(); !strings.Contains(err.Error(), "\n2 of 2 queues were not begun: context canceled") {
			t.Errorf("error %v", err)
		}
		failed := r.Err()
		r.Each(ctx, "queue", 0, nil)
		if r.Err().Error() != failed.Error() {
			t.Errorf("nothing to begin is an error: %v", r.Err())
		}
	})
}

func TestEach_TellsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string // unguarded: one call at a time
		ctx := plan.WithProgress(t.Context(), func(done, total int, kind string) {
			heard = append(heard, fmt.Sprintf("%d/%d %s", done, total, kind))
		})
		var r converge.Run
		r.Each(ctx, "queue", 20, func(i int) converge.Outcome {
			if i%2 == 0 {
				return converge.Failed("queue", queue(i), errDenied)
			}
			return converge.Outcome{}
		})
		r.Each(ctx, "topic", 1, func(int) converge.Outcome { return converge.Outcome{} })
		var want []string
		for done := range 20 {
			want = append(want, fmt.Sprintf("%d/20 queue", done+1))
		}
		if want = append(want, "1/1 topic"); !slices.Equal(heard, want) {
			t.Errorf("heard %q", heard)
		}
	})
}

func TestRun_Fail_JoinsAndSkipsNil(t *testing.T) {
	t.Parallel()
	var r converge.Run
	if r.Fail(nil); r.Err() != nil {
		t.Errorf("error %v", r.Err())
	}
	r.Fail(errDenied)
	r.Fail(nil)
	r.Fail(context.Canceled)
	if err := r.Err(); !errors.Is(err, errDenied) || !errors.Is(err, context.Canceled) || err.Error() != "permission denied\ncontext canceled" {
		t.Errorf("error %v", err)
	}
}

func TestFailed_ErrorNamesTheResourceOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		err        error
		kind, what string
		want       string
	}{
		{"a bare error", errDenied, "topic", "orders", `topic "orders": permission denied`},
		{"it names the resource", &transport.Error{Op: transport.OpGet, Resource: `topic "orders"`, Err: errDenied}, "topic", "orders", `get topic "orders": permission denied`},
		{"it names one that begins so", &transport.Error{Op: transport.OpGet, Resource: `topic "orders-dead"`, Err: errDenied}, "topic", "orders", `topic "orders": get topic "orders-dead": permission denied`},
		{"it names the queue", &transport.Error{Op: transport.OpQueue, Queue: "mail", Kind: transport.KindClosed}, "queue", "mail", `read queue "mail": the transport is shut down`},
		{"it names another queue", &transport.Error{Op: transport.OpQueue, Queue: "mails", Err: errDenied}, "queue", "mail", `queue "mail": read queue "mails": permission denied`},
		{"it names none", &transport.Error{Op: transport.OpQueue, Err: errDenied}, "queue", "mail", `queue "mail": read queue: permission denied`},
		{"it is wrapped", fmt.Errorf("twice: %w", &transport.Error{Op: transport.OpPutJob, Resource: transport.JobResource("shop--a"), Err: errDenied}), "schedule", "shop--a", `twice: put job "shop--a": permission denied`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := converge.Failed(c.kind, c.what, c.err)
			if !errors.Is(o.Err, c.err) || o.Err.Error() != c.want {
				t.Errorf("the error is %v, want %s", o.Err, c.want)
			}
			if want := []plan.Change{{Verb: plan.Failed, Kind: c.kind, Name: c.what, Why: c.err.Error()}}; !reflect.DeepEqual(o.Changes, want) {
				t.Errorf("the plan says %+v", o.Changes)
			}
		})
	}
}

func TestOne_HasItsFields(t *testing.T) {
	t.Parallel()
	fields := []plan.Field{{Name: "rate", From: "500/s", To: "5/s"}}
	o := converge.One(plan.Updated, "queue", "mail", "why", fields...)
	if want := (plan.Change{Verb: plan.Updated, Kind: "queue", Name: "mail", Why: "why", Fields: fields}); len(o.Changes) != 1 || !reflect.DeepEqual(o.Changes[0], want) || o.Err != nil {
		t.Errorf("%+v", o)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	raced := converge.Failed("subscription", "audit", transport.ErrExists)
	raced.Raced = true
	deleted := raced
	deleted.Replaced = converge.One(plan.Replaced, "subscription", "audit", "ordering").Changes
	created := converge.One(plan.Created, "subscription", "audit", "")
	unchanged := converge.One(plan.Unchanged, "subscription", "audit", "")
	failed := converge.Failed("subscription", "audit", errDenied)
	for _, c := range []struct {
		name  string
		meets []converge.Outcome
		verb  string
		err   error
	}{
		{"nobody", []converge.Outcome{created}, plan.Created, nil},
		{"a failure", []converge.Outcome{failed}, plan.Failed, errDenied},
		{"somebody faster", []converge.Outcome{raced, unchanged}, plan.Unchanged, nil},
		{"somebody faster, then a failure", []converge.Outcome{raced, failed}, plan.Failed, errDenied},
		{"somebody faster, again and again", []converge.Outcome{raced, raced, raced}, plan.Failed, transport.ErrExists},
		{"somebody faster after deleting", []converge.Outcome{deleted, unchanged}, plan.Replaced, nil},
		{"somebody faster after deleting, twice", []converge.Outcome{deleted, raced, unchanged}, plan.Replaced, nil},
		{"somebody faster after deleting, then a failure", []converge.Outcome{deleted, failed}, plan.Failed, errDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			looked := 0
			o := converge.Settle(func() converge.Outcome {
				looked++
				return c.meets[looked-1]
			})
			if looked != len(c.meets) {
				t.Errorf("looked %d times, want %d", looked, len(c.meets))
			}
			if len(o.Changes) != 1 || o.Changes[0].Verb != c.verb || !errors.Is(o.Err, c.err) {
				t.Errorf("it ends with %v, %v", o.Changes, o.Err)
			}
		})
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for want, fields := range map[string][]plan.Field{
		"":                  nil,
		"retries: 0 -> 3":   {{Name: "retries", From: "0", To: "3"}},
		"a: 1 -> 2; b:  ->": {{Name: "a", From: "1", To: "2"}, {Name: "b", From: "", To: ""}},
	} {
		if got := strings.TrimSpace(converge.Words(fields)); got != want {
			t.Errorf("%+v reads %q, want %q", fields, got, want)
		}
	}
}
