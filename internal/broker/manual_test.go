package broker_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// manualRig has a clock that stands still.
func manualRig(t *testing.T) (*rig, *engine.ManualClock) {
	clock := engine.NewManualClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	r := newRig(t, broker.Config{Manual: true, Clock: clock})
	r.start = clock.Now()
	return r, clock
}

// run runs what is due and returns it, sorted as it ran.
func (r *rig) run(pick func(int) int) (rans []broker.Ran) {
	for {
		ran, ok := r.RunNext(r.t.Context(), pick)
		if !ok {
			return rans
		}
		rans = append(rans, ran)
	}
}

func TestManual_NothingRunsByItself(t *testing.T) {
	r, clock := manualRig(t)
	if _, ok := r.Next(); ok {
		t.Error("something is due in an empty broker")
	}
	r.pulled("pulled")
	r.pushed(audit)
	id := r.publish("one")[0]
	if at, ok := r.Next(); !ok || !at.Equal(clock.Now()) || len(r.calls) != 0 {
		t.Errorf("Next = %v, %v after %d pushes", at, ok, len(r.calls))
	}
	equal(t, "ran", r.run(nil), []broker.Ran{{Subscription: audit, MessageID: id, Attempt: 1}})
	if _, ok := r.Next(); ok {
		t.Error("something is due after all ran")
	}
	r.wantTexts("pulled", "one")
}

func TestManual_FailuresComeWhenTheClockIsMoved(t *testing.T) {
	r, clock := manualRig(t)
	r.topic(grave)
	r.pushed("bury", func(s *transport.Subscription) { s.Topic = grave })
	r.pushed(audit, deadLetter, retry(time.Minute, time.Minute))
	r.failing()
	id := r.publish("one")[0]
	for attempt := 1; attempt <= 5; attempt++ {
		at, ok := r.Next()
		if want := r.start.Add(time.Duration(attempt-1) * time.Minute); !ok || !at.Equal(want) {
			t.Fatalf("Next = %v, %v, want %v", at, ok, want)
		}
		clock.Set(at)
		if attempt == 5 {
			r.respond(func(_ context.Context, s *transport.Subscription, _ *transport.Message) error {
				if s.Name == audit {
					return errSick
				}
				return nil
			})
		}
		rans := r.run(nil)
		equal(t, "ran", rans[:1], []broker.Ran{{Subscription: audit, MessageID: id, Attempt: attempt, Err: errSick, DeadLettered: attempt == 5}})
		if attempt == 5 && (len(rans) != 2 || rans[1].Subscription != "bury" || rans[1].Err != nil) {
			t.Errorf("the dead letter: %+v", rans)
		}
	}
	if _, ok := r.Next(); ok {
		t.Error("something is due after the dead letter")
	}
}

func TestManual_OrderIsByTimeThenAge(t *testing.T) {
	r, clock := manualRig(t)
	r.pushed("b", retry(time.Second, time.Second))
	r.pushed("a")
	r.publish("one")
	r.failing()
	r.RunNext(t.Context(), nil) // b's one, which is of the older subscription
	r.respond(nil)
	clock.Advance(500 * time.Millisecond)
	r.publish("two")
	clock.Advance(time.Second)
	var got []string
	last := r.run(func(n int) int { return n - 1 })
	for _, ran := range last {
		got = append(got, ran.Subscription+ran.MessageID)
	}
	equal(t, "last first", got, []string{"b1", "a2", "b2", "a1"})
}

func TestManual_PickSeesEverythingThatIsDue(t *testing.T) {
	r, _ := manualRig(t)
	r.pushed("a", ordered)
	r.pushed("b")
	r.publish(numbered("m", 200)...)
	r.publishKeyed("k", "k1", "k2", "k3")
	random := rand.New(rand.NewPCG(1, 2))
	due, freed := 200+1+203, 0
	rans := r.run(func(n int) int {
		if n == due+1 { // k1 or k2 has freed the next
			freed++
		} else if n != due {
			t.Fatalf("%d are due, want %d", n, due)
		}
		due = n - 1
		return random.IntN(n)
	})
	if len(rans) != 406 || freed != 2 {
		t.Errorf("%d ran, %d were freed", len(rans), freed)
	}
	ids := map[string]bool{}
	var keyed []string
	for _, c := range r.calls {
		ids[c.sub+c.m.ID] = true
		if c.sub == "a" && c.m.OrderingKey != "" {
			keyed = append(keyed, string(c.m.Data))
		}
	}
	if len(ids) != 406 || !slices.IsSorted(keyed) || len(keyed) != 3 {
		t.Errorf("%d different ones, keyed %v", len(ids), keyed)
	}
	if n, err := r.Backlog("a"); err != nil || n != 0 {
		t.Errorf("Backlog = %d, %v", n, err)
	}
}

func TestManual_OutcomesOfHandlers(t *testing.T) {
	r, clock := manualRig(t)
	r.pushed(audit, deadLetter, retry(time.Second, time.Second))
	r.publish("one")

	r.respond(func(context.Context, *transport.Subscription, *transport.Message) error {
		clock.Advance(time.Hour)
		return nil
	})
	ran, _ := r.RunNext(t.Context(), nil)
	if ran.Err == nil || ran.Attempt != 1 {
		t.Errorf("past its deadline: %+v", ran)
	}
	clock.Advance(time.Second)

	r.respond(func(context.Context, *transport.Subscription, *transport.Message) error { runtime.Goexit(); return nil })
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.RunNext(context.Background(), nil)
		t.Error("the goroutine did not end")
	}()
	<-done
	clock.Advance(time.Second)

	type key struct{}
	r.respond(func(ctx context.Context, _ *transport.Subscription, m *transport.Message) error {
		if ctx.Value(key{}) != "value" || m.DeliveryAttempt != 3 {
			t.Errorf("value %v, attempt %d", ctx.Value(key{}), m.DeliveryAttempt)
		}
		if d, ok := ctx.Deadline(); !ok || time.Until(d) > 10*time.Second || time.Until(d) < 5*time.Second {
			t.Errorf("deadline in %v, %v", time.Until(d), ok)
		}
		return nil
	})
	if ran, ok := r.RunNext(context.WithValue(t.Context(), key{}, "value"), nil); !ok || ran.Err != nil || ran.Attempt != 3 {
		t.Errorf("ran %+v, %v", ran, ok)
	}
}

func TestManual_RetentionAndLeasesFollowTheClock(t *testing.T) {
	r, clock := manualRig(t)
	r.pushed(audit, func(s *transport.Subscription) { s.Retention = time.Hour })
	r.publish("leased", "old")
	r.one(audit)
	clock.Advance(10 * time.Second)
	rans := r.run(nil)
	equal(t, "attempts", []int{rans[0].Attempt, len(rans)}, []int{1, 1}) // the other one pauses
	clock.Advance(time.Second)
	if ran, ok := r.RunNext(t.Context(), func(int) int { return 0 }); !ok || ran.Attempt != 2 {
		t.Errorf("ran %+v, %v", ran, ok)
	}
	r.publish("old", "old")
	clock.Advance(30 * time.Minute)
	r.publish("new")
	clock.Advance(30 * time.Minute)
	n := 0
	r.run(func(due int) int { n = max(n, due); return 0 })
	if n != 1 {
		t.Errorf("%d were due, want the new one", n)
	}
	r.must(r.Shutdown(t.Context()))
	r.publishAfterClose()
	if _, ok := r.RunNext(t.Context(), nil); ok {
		t.Error("ran after Shutdown")
	}
	if _, ok := r.Next(); ok {
		t.Error("due after Shutdown")
	}
}

func (r *rig) publishAfterClose() {
	if _, err := r.Publish(orders, []*transport.Message{{Data: []byte("late")}}); !errors.Is(err, transport.ErrClosed) {
		r.t.Errorf("Publish: %v", err)
	}
}
