package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

// refusal is the error of a handler that did not take a message.
type refusal bool

func (refusal) Error() string    { return "not taken" }
func (r refusal) NotTaken() bool { return bool(r) }

func TestNotTaken_TheErrorItselfSaysSo(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{refusal(true), true},
		{refusal(false), false},
		{fmt.Errorf("of somebody else: %w", refusal(true)), false},
		{errSick, false},
		{transport.ErrClosed, false},
		{nil, false},
	} {
		if got := broker.NotTaken(tc.err); got != tc.want {
			t.Errorf("%v: %t", tc.err, got)
		}
	}
}

func TestReceive_NotTaken_CountsNoAttemptAndRests(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.topic(grave)
		r.pulled(audit, ordered, deadLetter, retry(time.Minute, time.Minute))
		var got []string
		stop := r.receiving(audit, transport.ReceiveSettings{}, func(_ context.Context, m *transport.Message) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			got = append(got, fmt.Sprintf("%s as %d at %v", m.Data, m.DeliveryAttempt, time.Since(r.start)))
			if time.Since(r.start) < time.Second {
				return refusal(true)
			}
			return nil
		})
		r.publishKeyed("k", "one", "two")
		time.Sleep(time.Minute)
		r.must(stop())
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("one as 1 at %v", time.Duration(i)*100*time.Millisecond))
		}
		equal(t, "handled", got, append(want, "one as 1 at 1s", "two as 1 at 1s"))
		r.wantBacklog(audit, 0)
	})
}

func TestReceive_NotTaken_GoesToAnotherAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		var refused atomic.Int64
		stop := r.receiving(audit, transport.ReceiveSettings{MaxOutstandingMessages: 1}, func(context.Context, *transport.Message) error {
			refused.Add(1)
			return refusal(true)
		})
		synctest.Wait()
		r.publish(numbered("m", 100)...)
		synctest.Wait()
		if n := refused.Load(); n != 1 {
			t.Errorf("%d were refused at once, want 1", n)
		}
		done := make(chan time.Duration, 100)
		stopOther := r.receiving(audit, transport.ReceiveSettings{}, func(context.Context, *transport.Message) error {
			done <- time.Since(r.start)
			return nil
		})
		for range 100 {
			if at := <-done; at != 0 {
				t.Fatalf("one was handled after %v", at)
			}
		}
		r.must(errors.Join(stop(), stopOther()))
		r.wantBacklog(audit, 0)
	})
}

func TestReceive_NotTaken_EndsWhileItRests(t *testing.T) {
	for _, shutdown := range []bool{false, true} {
		t.Run(fmt.Sprint("by Shutdown: ", shutdown), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.pulled(audit)
				stop := r.receiving(audit, transport.ReceiveSettings{}, func(context.Context, *transport.Message) error { return refusal(true) })
				r.publish("one")
				synctest.Wait()
				if shutdown {
					r.must(r.Shutdown(context.Background()))
					synctest.Wait()
					wantError(t, stop(), transport.KindClosed, audit)
				} else {
					r.must(stop())
				}
				if took := time.Since(r.start); took != 0 {
					t.Errorf("it took %v", took)
				}
				r.wantBacklog(audit, 1)
			})
		})
	}
}

func TestPush_NotTaken_CountsNoAttempt(t *testing.T) {
	for _, changes := range [][]change{{deadLetter}, {deadLetter, ordered, retry(time.Minute, time.Minute)}} {
		bubble(t, func(t *testing.T, r *rig) {
			r.topic(grave)
			r.pushed(audit, changes...)
			r.respond(func(context.Context, *transport.Subscription, *transport.Message) error {
				if time.Since(r.start) < 700*time.Millisecond {
					return refusal(true)
				}
				return nil
			})
			r.publishKeyed("k", "one")
			time.Sleep(time.Minute)
			calls := r.seen()
			var want []time.Duration
			for i := range 8 {
				want = append(want, time.Duration(i)*100*time.Millisecond)
			}
			equal(t, "pushes", times(calls), want)
			if slices.ContainsFunc(calls, func(c call) bool { return c.m.DeliveryAttempt != 1 }) {
				t.Errorf("attempts were counted: %+v", calls)
			}
			r.wantBacklog(audit, 0)
		})
	}
}

func TestRunNext_NotTaken_IsDueAgainAfterAPause(t *testing.T) {
	bubbleWith(t, broker.Config{Manual: true}, func(t *testing.T, r *rig) {
		r.pushed(audit, deadLetter)
		r.respond(func(context.Context, *transport.Subscription, *transport.Message) error { return refusal(true) })
		r.publish("one")
		for range 7 {
			ran, ok := r.RunNext(t.Context(), nil)
			if !ok || ran.Attempt != 1 || ran.DeadLettered || !broker.NotTaken(ran.Err) {
				t.Fatalf("ran %+v, %t", ran, ok)
			}
			if at, ok := r.Next(); !ok || at.Sub(r.Now()) != 100*time.Millisecond {
				t.Fatalf("it is due at %v, %t", at, ok)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}
