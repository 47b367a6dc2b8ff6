package broker_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

type handler = func(context.Context, *transport.Message) error

// receiving runs a Receive until stop is called, which returns what it returned.
func (r *rig) receiving(sub string, s transport.ReceiveSettings, h handler) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- r.Receive(ctx, sub, s, h) }()
	return func() error { cancel(); return <-result }
}

func TestReceive_NilAcknowledges_ErrorPanicAndGoexitDoNot(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":  func() error { return errSick },
		"panic":  func() error { panic("boom") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.pulled(audit, deadLetter, retry(time.Minute, time.Minute))
				var attempts atomic.Int64
				stop := r.receiving(audit, transport.ReceiveSettings{}, func(_ context.Context, m *transport.Message) error {
					attempts.Store(int64(m.DeliveryAttempt))
					if m.DeliveryAttempt < 3 {
						return fail()
					}
					return nil
				})
				r.publish("one")
				time.Sleep(time.Hour)
				r.wantBacklog(audit, 0)
				if attempts.Load() != 3 {
					t.Errorf("%d attempts", attempts.Load())
				}
				r.must(stop())
			})
		})
	}
}

func TestReceive_LeaseLastsAsLongAsTheHandler_UpToMaxExtension(t *testing.T) {
	for _, tc := range []struct {
		name   string
		max    time.Duration
		passes time.Duration // how long a handler may take
	}{
		{"default", 0, time.Hour},
		{"set", 3 * time.Minute, 3 * time.Minute},
		{"no extension", -1, 10 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.pulled(audit, deadLetter)
				var first atomic.Bool
				stop := r.receiving(audit, transport.ReceiveSettings{MaxExtension: tc.max}, func(ctx context.Context, m *transport.Message) error {
					switch m.DeliveryAttempt {
					case 1:
						first.Store(true)
						<-ctx.Done()
						if took := time.Since(r.start); took != tc.passes {
							t.Errorf("the context ended after %v", took)
						}
					case 2:
						time.Sleep(tc.passes - 1)
					default:
						t.Errorf("attempt %d", m.DeliveryAttempt)
					}
					return nil
				})
				r.publish("one")
				time.Sleep(3 * time.Hour)
				r.wantBacklog(audit, 0)
				if !first.Load() {
					t.Error("not called")
				}
				r.must(stop())
			})
		})
	}
}

func TestReceive_HoldsNoMoreThanItMay(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings transport.ReceiveSettings
		sizes    []int
		want     int // handlers at once
	}{
		{"default", transport.ReceiveSettings{}, make([]int, 1100), 1000},
		{"messages", transport.ReceiveSettings{MaxOutstandingMessages: 7}, make([]int, 20), 7},
		{"no limit", transport.ReceiveSettings{MaxOutstandingMessages: -1, MaxOutstandingBytes: -1}, make([]int, 1100), 1100},
		{"bytes", transport.ReceiveSettings{MaxOutstandingBytes: 10}, []int{4, 4, 4, 4}, 2},
		{"bytes, exactly", transport.ReceiveSettings{MaxOutstandingBytes: 8}, []int{4, 4, 4, 4}, 2},
		{"one that is larger comes alone", transport.ReceiveSettings{MaxOutstandingBytes: 10}, []int{4, 40, 4}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.pulled(audit)
				var running, most, done atomic.Int64
				stop := r.receiving(audit, tc.settings, func(context.Context, *transport.Message) error {
					n := running.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					time.Sleep(time.Second)
					running.Add(-1)
					done.Add(1)
					return nil
				})
				for _, size := range tc.sizes {
					r.publish(string(make([]byte, size)))
				}
				time.Sleep(time.Hour)
				if most.Load() != int64(tc.want) || done.Load() != int64(len(tc.sizes)) {
					t.Errorf("%d at once, %d done, want %d and %d", most.Load(), done.Load(), tc.want, len(tc.sizes))
				}
				r.must(stop())
			})
		})
	}
}

func TestReceive_ContextEnds_WaitsForHandlersAndGivesTheRestBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, deadLetter)
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		finished := false
		r.publish("12345", "1234567890")
		time.AfterFunc(time.Second, cancel)
		err := r.Receive(ctx, audit, transport.ReceiveSettings{MaxOutstandingBytes: 10}, func(ctx context.Context, m *transport.Message) error {
			time.Sleep(time.Minute)
			if len(m.Data) != 5 || ctx.Err() != nil || ctx.Value(key{}) != "value" {
				t.Errorf("%q with %v, %v", m.Data, ctx.Err(), ctx.Value(key{}))
			}
			finished = true
			return nil
		})
		if err != nil || !finished {
			t.Errorf("Receive = %v, finished: %v", err, finished)
		}
		if m := r.one(audit); m.Message.DeliveryAttempt != 1 || len(m.Message.Data) != 10 {
			t.Errorf("left: %+v", m.Message)
		}
		if err := r.Receive(ctx, audit, transport.ReceiveSettings{}, nil); err != nil {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

func TestReceive_WaitsTooLongForRoom_MessageComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, deadLetter)
		r.publish("12345", "123456789")
		attempts := map[int]int{}
		var mu sync.Mutex
		stop := r.receiving(audit, transport.ReceiveSettings{MaxOutstandingBytes: 10, MaxExtension: time.Minute}, func(_ context.Context, m *transport.Message) error {
			mu.Lock()
			attempts[len(m.Data)] = m.DeliveryAttempt
			mu.Unlock()
			if len(m.Data) == 5 && m.DeliveryAttempt == 1 {
				time.Sleep(time.Hour) // deaf
			}
			return nil
		})
		time.Sleep(2 * time.Hour)
		r.wantBacklog(audit, 0)
		r.must(stop())
		if attempts[5] != 2 || attempts[9] != 2 {
			t.Errorf("attempts %v", attempts)
		}
	})
}

func TestReceive_EndsWithItsSubscription(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		wantError(t, r.Receive(t.Context(), "nobody", transport.ReceiveSettings{}, nil), transport.KindNotFound, `receive from subscription "nobody"`)
		r.pulled(audit)
		r.publish("one")
		time.AfterFunc(time.Second, func() { r.must(r.DeleteSubscription(audit)) })
		finished := false
		err := r.Receive(t.Context(), audit, transport.ReceiveSettings{}, func(context.Context, *transport.Message) error {
			time.Sleep(time.Minute)
			finished = true
			return nil
		})
		wantError(t, err, transport.KindNotFound, `"audit"`)
		if !finished {
			t.Error("Receive did not wait for its handler")
		}
	})
}

func TestReceive_Ordered_OneOfAKeyAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, ordered)
		var mu sync.Mutex
		var got []string
		stop := r.receiving(audit, transport.ReceiveSettings{}, func(_ context.Context, m *transport.Message) error {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(m.Data))
			return nil
		})
		want := numbered("m", 30)
		r.publishKeyed("k", want...)
		time.Sleep(time.Minute)
		r.must(stop())
		equal(t, "order", got, want)
	})
}

func TestShutdown_WaitsForHandlersWhichMayPublish(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pushed("pushed", func(s *transport.Subscription) { s.AckDeadline = 2 * time.Minute })
		r.pulled("pulled")
		var published atomic.Int64
		late := func() {
			time.Sleep(time.Minute)
			if _, err := r.Publish(orders, []*transport.Message{{Data: []byte("late")}}); err != nil {
				t.Error(err)
			}
			published.Add(1)
		}
		r.respond(func(context.Context, *transport.Subscription, *transport.Message) error { late(); return nil })
		received := make(chan error, 1)
		go func() {
			received <- r.Receive(context.Background(), "pulled", transport.ReceiveSettings{}, func(context.Context, *transport.Message) error {
				late()
				return nil
			})
		}()
		r.publish("one")
		synctest.Wait()
		r.must(r.Shutdown(t.Context()))
		if published.Load() != 2 || time.Since(r.start) != time.Minute {
			t.Errorf("%d published, after %v", published.Load(), time.Since(r.start))
		}
		wantError(t, <-received, transport.KindClosed, `receive from subscription "pulled"`)
		r.wantBacklog("pushed", 2)
		r.wantBacklog("pulled", 2)
		r.publishAfterClose()
		_, err := r.TryPull("pulled", 1, 0)
		wantError(t, err, transport.KindClosed, "")
		r.must(r.Shutdown(t.Context()))
	})
}

func TestShutdown_ContextEnds_CancelsHandlers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pushed("pushed")
		r.pulled("pulled")
		r.respond(func(ctx context.Context, _ *transport.Subscription, _ *transport.Message) error {
			<-ctx.Done()
			return ctx.Err()
		})
		stop := r.receiving("pulled", transport.ReceiveSettings{}, func(ctx context.Context, _ *transport.Message) error {
			<-ctx.Done()
			return ctx.Err()
		})
		r.publish("one")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Shutdown(ctx)
		wantError(t, err, transport.KindOther, "shut down: 2 messages were still being handled: context deadline exceeded")
		synctest.Wait()
		r.must(r.Shutdown(t.Context()))
		stop()
		if time.Since(r.start) != time.Second {
			t.Errorf("after %v", time.Since(r.start))
		}
	})
}

func TestShutdown_EndsPull_AndLeasesCanBeSettled(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.pulled("other")
		r.publish("one", "two")
		list := r.pull("other", 2)
		r.ack(audit, r.pull(audit, 2)...)
		time.AfterFunc(time.Second, func() { r.must(r.Shutdown(context.Background())) })
		_, err := r.Pull(t.Context(), audit, 1, 0)
		wantError(t, err, transport.KindClosed, `receive from subscription "audit"`)
		r.ack("other", list[0])
		r.nack("other", list[1])
		r.wantBacklog("other", 1)
	})
}

func TestShutdown_WhatIsHeldButNotHandled_GoesBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit)
		r.publish("12345", "1234567890")
		handled := 0
		received := make(chan error, 1)
		go func() {
			received <- r.Receive(context.Background(), audit, transport.ReceiveSettings{MaxOutstandingBytes: 10}, func(context.Context, *transport.Message) error {
				handled++
				time.Sleep(time.Second)
				return nil
			})
		}()
		synctest.Wait()
		r.must(r.Shutdown(t.Context()))
		wantError(t, <-received, transport.KindClosed, "")
		if handled != 1 {
			t.Errorf("%d handled", handled)
		}
		r.wantBacklog(audit, 1)
	})
}

func TestDrain_ComesBeforeTheEnd(t *testing.T) {
	bubbleWith(t, broker.Config{}, func(t *testing.T, r *rig) {
		r.pushed(audit)
		select {
		case <-r.Drain():
		default:
			t.Error("nothing runs, and it is not drained")
		}
		r.publish("one") // still taken
		if n := len(r.seen()); n != 0 {
			t.Errorf("%d pushes", n)
		}
	})
}
