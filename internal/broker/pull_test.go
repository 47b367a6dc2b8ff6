package broker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

func TestPull_WaitsForAMessage(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		time.AfterFunc(time.Minute, func() { r.publish("one") })
		list, err := r.Pull(t.Context(), audit, 10, 0)
		r.must(err)
		equal(t, "messages", texts(list), []string{"one"})
		if got := time.Since(r.start); got != time.Minute {
			t.Errorf("after %v", got)
		}
	})
}

func TestPull_WaitsForAPauseToEnd(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, retry(time.Minute, 10*time.Minute))
		r.publish("one")
		r.nack(audit, r.one(audit))
		_, err := r.Pull(t.Context(), audit, 1, 0)
		r.must(err)
		if got := time.Since(r.start); got != time.Minute {
			t.Errorf("after %v", got)
		}
	})
}

func TestPull_ContextEnds_IsNoError(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if list, err := r.Pull(ctx, audit, 1, 0); err != nil || list != nil {
			t.Errorf("Pull = %v, %v", list, err)
		}
		r.publish("one")
		if list, err := r.Pull(ctx, audit, 1, 0); err != nil || list != nil { // it has ended before
			t.Errorf("Pull = %v, %v", list, err)
		}
	})
}

func TestPull_EndsWithItsSubscription(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		time.AfterFunc(time.Second, func() {
			r.must(r.DeleteSubscription(audit))
			r.pulled(audit) // another one
			r.publish("one")
		})
		_, err := r.Pull(t.Context(), audit, 1, 0)
		synctest.Wait() // for the rest of it
		wantError(t, err, transport.KindNotFound, `receive from subscription "audit"`)
		_, err = r.Pull(t.Context(), "other", 1, 0)
		wantError(t, err, transport.KindNotFound, `"other"`)
		_, err = r.TryPull("other", 1, 0)
		wantError(t, err, transport.KindNotFound, `"other"`)
		_, err = r.Pull(t.Context(), audit, 0, 0)
		wantError(t, err, transport.KindInvalid, "at most 0 messages")
		_, err = r.TryPull(audit, -1, 0)
		wantError(t, err, transport.KindInvalid, "at most -1 messages")
	})
}

// Every message wakes one who waits, and one who gives up as it is woken hands on.
func TestPull_ManyWait_NoneIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		var got sync.WaitGroup
		for range 20 {
			got.Go(func() {
				for { // every other call ends at a moment when something is published
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					list, err := r.Pull(ctx, audit, 1, 0)
					cancel()
					if err != nil {
						t.Error(err)
					}
					if len(list) == 1 {
						r.ack(audit, list...)
						return
					}
				}
			})
		}
		for range 10 {
			time.Sleep(time.Second)
			r.publish("one", "two")
		}
		got.Wait()
		if at := time.Since(r.start); at != 10*time.Second {
			t.Errorf("done after %v", at)
		}
	})
}

func TestPull_Limits(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publish("12345", "1234567890", "123", "45", "6")
		for _, tc := range []struct {
			max, maxBytes int
			want          []string
		}{
			{10, 7, []string{"12345"}},
			{10, 5, []string{"1234567890"}}, // the first one may be larger
			{2, 100, []string{"123", "45"}},
		} {
			list, err := r.TryPull(audit, tc.max, tc.maxBytes)
			r.must(err)
			equal(t, "messages", texts(list), tc.want)
		}
	})
}

func TestLease_RunsOut_MessageComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, deadLetter, func(s *transport.Subscription) { s.AckDeadline = 20 * time.Second })
		r.publish("one")
		first := r.one(audit)
		time.Sleep(20*time.Second - 1)
		r.wantNothing(audit)
		time.Sleep(time.Nanosecond)
		second := r.one(audit)
		if second.Message.DeliveryAttempt != 2 || second.Message.ID != first.Message.ID || second.AckID == first.AckID {
			t.Errorf("%+v after %+v", second, first)
		}
		wantError(t, r.Acknowledge(audit, first.AckID)[0], transport.KindNotFound, `acknowledge on subscription "audit"`)
		r.wantBacklog(audit, 1)
		r.ack(audit, second)
		r.wantBacklog(audit, 0)
	})
}

func TestModifyAckDeadline_ExtendsAndShortens(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publish("one", "two")
		list := r.pull(audit, 2)
		r.must(errors.Join(r.ModifyAckDeadline(audit, 30*time.Second, list[0].AckID)...))
		r.must(errors.Join(r.ModifyAckDeadline(audit, time.Second, list[1].AckID)...))
		time.Sleep(time.Second)
		equal(t, "after a second", texts(r.pull(audit, 2)), []string{"two"})
		time.Sleep(19 * time.Second)
		r.must(errors.Join(r.ModifyAckDeadline(audit, 10*time.Second, list[0].AckID)...)) // to where it was
		time.Sleep(10*time.Second - 1)
		r.ack(audit, list[0]) // a lease is known by its id however often it is extended
	})
}

func TestNack_Pauses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change change
		want   []time.Duration
	}{
		{"none without a policy", func(*transport.Subscription) {}, []time.Duration{0, 0, 0, 0}},
		{"doubled up to the maximum", retry(10*time.Second, 35*time.Second), []time.Duration{10 * time.Second, 20 * time.Second, 35 * time.Second, 35 * time.Second}},
		{"by default 10 to 600 s", func(s *transport.Subscription) { s.Retry = &transport.BackoffRange{} },
			[]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, 600 * time.Second, 600 * time.Second}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.pulled(audit, tc.change)
				r.publish("one")
				r.nack(audit, r.one(audit))
				for _, pause := range tc.want {
					if pause > 0 {
						time.Sleep(pause - 1)
						r.wantNothing(audit)
						time.Sleep(time.Nanosecond)
					}
					r.nack(audit, r.one(audit))
				}
			})
		})
	}
}

func TestRelease_CountsNoAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, deadLetter, ordered, retry(time.Minute, 10*time.Minute))
		r.publishKeyed("k", "one", "two")
		for range 9 {
			m := r.one(audit)
			if string(m.Message.Data) != "one" || m.Message.DeliveryAttempt != 1 {
				t.Fatalf("got %+v", m.Message)
			}
			r.must(errors.Join(r.Release(audit, m.AckID)...))
		}
	})
}

func TestAckIDs_Errors(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.pulled("other")
		r.publish("one", "two")
		list := r.pull(audit, 2)
		others := r.pull("other", 1)
		r.ack(audit, list[0])
		ids := []string{list[0].AckID, "", "x", "1-2", "1-2-3-4", "1-2-3x", "1-2-18446744073709551615", others[0].AckID, list[1].AckID}
		for _, settle := range []func(string, ...string) []error{
			r.Acknowledge,
			r.Release,
			func(sub string, ids ...string) []error { return r.ModifyAckDeadline(sub, time.Second, ids...) },
		} {
			kinds := []transport.Kind{}
			for _, err := range settle(audit, ids[:len(ids)-1]...) {
				kinds = append(kinds, transport.KindOf(err))
			}
			invalid, notFound := transport.KindInvalid, transport.KindNotFound
			equal(t, "kinds", kinds, []transport.Kind{notFound, invalid, invalid, invalid, invalid, invalid, invalid, notFound})
		}
		errs := r.Acknowledge("nobody", ids...)
		if len(errs) != len(ids) {
			t.Fatalf("%d errors", len(errs))
		}
		for _, err := range errs {
			wantError(t, err, transport.KindNotFound, `subscription "nobody"`)
		}
		for _, d := range []time.Duration{-1, 600*time.Second + 1} {
			wantError(t, r.ModifyAckDeadline(audit, d, list[1].AckID)[0], transport.KindInvalid, "is not between 0 and 10m0s")
		}
		errs = r.Acknowledge(audit, ids...)
		if errs[len(errs)-1] != nil {
			t.Errorf("the good one among bad ones: %v", errs[len(errs)-1])
		}
		if errs := r.Acknowledge(audit); len(errs) != 0 {
			t.Errorf("for none: %v", errs)
		}
	})
}

func TestDeleteSubscription_EndsLeasesAndFreesRoom(t *testing.T) {
	bubbleWith(t, broker.Config{Capacity: 2}, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publish("one", "two")
		lease := r.one(audit)
		r.must(r.DeleteSubscription(audit))
		wantError(t, r.Acknowledge(audit, lease.AckID)[0], transport.KindNotFound, "")
		wantError(t, r.DeleteSubscription(audit), transport.KindNotFound, "")
		_, err := r.Backlog(audit)
		wantError(t, err, transport.KindNotFound, "")
		_, err = r.Subscription(audit)
		wantError(t, err, transport.KindNotFound, "")
		r.pulled(audit)
		r.publish("three", "four")
		wantError(t, r.Acknowledge(audit, lease.AckID)[0], transport.KindNotFound, "")
		time.Sleep(time.Hour)
		r.wantTexts(audit, "three", "four")
	})
}

func TestRetention_OldMessagesAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered, func(s *transport.Subscription) { s.Retention = time.Hour })
		r.publishKeyed("k", "old", "as old")
		r.publish("old too")
		time.Sleep(30 * time.Minute)
		r.publishKeyed("k", "new")
		r.publish("new too")
		time.Sleep(30*time.Minute - 1)
		r.wantBacklog(audit, 5)
		time.Sleep(time.Nanosecond)
		r.wantBacklog(audit, 2)
		r.wantTexts(audit, "new", "new too")
	})
}

func FuzzAckID(f *testing.F) {
	b := broker.New(broker.Config{AutoCreate: true})
	if err := b.PutSubscription(&transport.Subscription{Name: audit, Topic: orders}); err != nil {
		f.Fatal(err)
	}
	if _, err := b.Publish(orders, []*transport.Message{{Data: []byte("a")}}); err != nil {
		f.Fatal(err)
	}
	list, err := b.TryPull(audit, 1, 0)
	if err != nil || len(list) != 1 {
		f.Fatalf("%v, %v", list, err)
	}
	for _, s := range []string{"", "1-1-1", "a-b-c", "-1-1-1", "01-1-4294967297", list[0].AckID + "-", strings.Repeat("9", 40), list[0].AckID} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		err := b.ModifyAckDeadline(audit, 600*time.Second, id)[0]
		var parts []string
		for part := range strings.SplitSeq(id, "-") {
			parts = append(parts, strings.TrimLeft(part, "0"))
		}
		if same := strings.Join(parts, "-") == list[0].AckID; same != (err == nil) {
			t.Errorf("%q: %v", id, err)
		}
	})
}
