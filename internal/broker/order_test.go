package broker_test

import (
	"context"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func TestOrder_OneOfAKeyIsOutAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered)
		r.publishKeyed("a", "a1", "a2", "a3")
		r.publishKeyed("b", "b1", "b2")
		r.publish("free1", "free2")
		first := r.pull(audit, 10)
		equal(t, "first", texts(first), []string{"a1", "b1", "free1", "free2"})
		r.wantNothing(audit)
		r.ack(audit, first[1])
		equal(t, "after b1", texts(r.pull(audit, 10)), []string{"b2"})
		r.ack(audit, first[0])
		a2 := r.one(audit)
		r.publishKeyed("a", "a4")
		r.wantNothing(audit)
		r.ack(audit, a2)
		equal(t, "after a2", texts(r.pull(audit, 10)), []string{"a3"})
	})
}

func TestOrder_NackMakesTheRestWait(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered, retry(time.Minute, 10*time.Minute))
		r.publishKeyed("a", "a1", "a2")
		r.publishKeyed("b", "b1")
		r.nack(audit, r.one(audit))
		r.wantTexts(audit, "b1")
		time.Sleep(time.Minute - 1)
		r.wantNothing(audit)
		time.Sleep(time.Nanosecond)
		r.wantTexts(audit, "a1")
		r.wantTexts(audit, "a2")
	})
}

func TestOrder_ExpiredLeaseMakesTheRestWait(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered)
		r.publishKeyed("a", "a1", "a2")
		r.one(audit)
		time.Sleep(10 * time.Second)
		r.wantTexts(audit, "a1")
		r.wantTexts(audit, "a2")
	})
}

func TestOrder_DeadLetteredHeadFreesTheNext(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.topic(grave)
		r.pulled(audit, ordered, deadLetter)
		r.publishKeyed("a", "a1", "a2")
		for range 5 {
			m := r.one(audit)
			if string(m.Message.Data) != "a1" {
				t.Fatalf("got %q", m.Message.Data)
			}
			r.nack(audit, m)
		}
		r.wantTexts(audit, "a2")
	})
}

func TestOrder_SubscriptionWithoutIt_TakesKeysAsTheyCome(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publishKeyed("a", "a1", "a2")
		r.wantTexts(audit, "a1", "a2")
	})
}

func TestOrder_Pushes_OneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pushed(audit, ordered)
		seen := map[string]int{}
		running := 0
		r.respond(func(_ context.Context, _ *transport.Subscription, m *transport.Message) error {
			r.mu.Lock()
			running++
			if running > 1 {
				t.Errorf("%q runs beside another of its key", m.Data)
			}
			seen[string(m.Data)]++
			first := seen[string(m.Data)] == 1
			r.mu.Unlock()
			time.Sleep(time.Second)
			r.mu.Lock()
			defer r.mu.Unlock()
			running--
			if first {
				return errSick
			}
			return nil
		})
		r.publishKeyed("a", "a1", "a2", "a3")
		time.Sleep(time.Minute)
		var got []string
		for _, c := range r.seen() {
			got = append(got, string(c.m.Data))
		}
		equal(t, "pushes", got, []string{"a1", "a1", "a2", "a2", "a3", "a3"})
		r.wantBacklog(audit, 0)
	})
}
