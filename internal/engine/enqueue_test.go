package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func TestEnqueue_DeliversWhatWasEnqueued(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		body := []byte("payload")
		header := http.Header{"Content-Type": {"application/json"}, "x-several": {"a", "b"}, "X-None": nil}
		rc := &transport.RetryConfig{MaxAttempts: 3}
		task := &transport.Task{
			Queue: queue, URL: url, Audience: "https://shop.example.com", Header: header, Body: body,
			ETA: time.Now().Add(time.Hour), Timeout: time.Minute, Retry: rc,
		}
		receipt, err := r.Enqueue(t.Context(), task)
		r.must(err)
		copy(body, "PAYLOAD")
		header.Set("Content-Type", "changed")
		rc.MaxAttempts = 1

		time.Sleep(time.Hour)
		calls := r.seen()
		if len(calls) != 1 {
			t.Fatalf("%d deliveries", len(calls))
		}
		d := calls[0].d
		if d.ID != receipt.ID || d.Queue != queue || d.URL != url || d.Audience != task.Audience || string(d.Body) != "payload" {
			t.Errorf("Delivery = %+v", d)
		}
		if d.Header.Get("Content-Type") != "application/json" || d.Header.Get("X-Several") != "a, b" || len(d.Header) != 2 {
			t.Errorf("Header = %v", d.Header)
		}
		if !d.ETA.Equal(task.ETA) || !receipt.ETA.Equal(task.ETA) || d.Timeout != time.Minute || d.Retry.MaxAttempts != 3 {
			t.Errorf("ETA %v, receipt's %v, Timeout %v, Retry %v", d.ETA, receipt.ETA, d.Timeout, d.Retry)
		}
		if d.Attempt != 1 || d.Executions != 0 || d.PreviousResponse != 0 || !d.FirstAttempt.Equal(time.Now()) || d.Exhausted {
			t.Errorf("Delivery = %+v", d)
		}
	})
}

func TestEnqueue_HeadersThatDiffer_ArriveWithTheirTask(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		const n = 100
		for i := range n {
			r.enqueue(func(t *transport.Task) {
				t.Header = http.Header{
					"Content-Type": {"application/json"},
					"Traceparent":  {fmt.Sprintf("00-%032d", i)},
					"X-Long":       {fmt.Sprintf("%0400d", i)},
				}
				if i%2 == 0 {
					t.Header["tracePARENT"] = []string{"not the canonical spelling"}
				}
				t.Body = fmt.Appendf(nil, "%032d", i)
				if i == 50 {
					t.Body = nil
				}
			})
		}
		calls := r.seen()
		if len(calls) != n {
			t.Fatalf("%d deliveries", len(calls))
		}
		without := 0 // a body; workers run side by side, so any place may be its
		for _, c := range calls {
			h := c.d.Header
			if len(c.d.Body) == 0 {
				without++
				continue
			}
			if h.Get("Content-Type") != "application/json" || h.Get("Traceparent") != "00-"+string(c.d.Body) || len(h.Get("X-Long")) != 400 {
				t.Fatalf("body %s came with %v", c.d.Body, h)
			}
		}
		if without != 1 {
			t.Errorf("%d deliveries without a body, want 1", without)
		}
	})
}

func TestEnqueue_ManyTargets_KeepTheirOwnSettings(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		const n = 3000 // more than envelopes are remembered
		for range 2 {
			for i := range n {
				r.enqueue(func(t *transport.Task) {
					t.URL = fmt.Sprint(url, "/", i)
					t.Audience = fmt.Sprint(i)
					t.Timeout = time.Minute + time.Duration(i)
					t.Retry = &transport.RetryConfig{MaxAttempts: i + 1}
					t.Body = fmt.Append(nil, i)
				})
			}
		}
		calls := r.seen()
		if len(calls) != 2*n {
			t.Fatalf("%d deliveries", len(calls))
		}
		for _, c := range calls {
			var i int
			fmt.Sscan(string(c.d.Body), &i)
			if d := c.d; d.URL != fmt.Sprint(url, "/", i) || d.Audience != fmt.Sprint(i) || d.Timeout != time.Minute+time.Duration(i) || d.Retry.MaxAttempts != i+1 {
				t.Fatalf("body %d came as %+v", i, d)
			}
		}
		r.wantBacklog(0)
	})
}

func TestEnqueue_ETA_IsKeptToTheNanosecond(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		for _, d := range []time.Duration{3 * time.Hour, time.Nanosecond, 720 * time.Hour, time.Minute, -time.Hour, 0} {
			r.enqueue(in(d))
		}
		time.Sleep(721 * time.Hour)
		equal(t, "times", r.times(), []time.Duration{0, 0, time.Nanosecond, time.Minute, 3 * time.Hour, 720 * time.Hour})
	})
}

func TestEnqueue_DueTogether_RunInTheOrderTheyBecameDue(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.put(transport.QueueConfig{MaxConcurrentDispatches: 1})
		r.must(r.Pause(t.Context(), queue))
		for i, d := range []time.Duration{20, 0, 10, 30} {
			r.enqueue(id(fmt.Sprint("t", i)), in(d*time.Second))
		}
		time.Sleep(15 * time.Second)
		r.enqueue(id("t4"))
		time.Sleep(time.Minute)
		r.must(r.Resume(t.Context(), queue))
		var got []string
		for _, c := range r.seen() {
			got = append(got, c.d.ID)
		}
		equal(t, "order", got, []string{"t1", "t2", "t4", "t0", "t3"})
	})
}

func TestEnqueue_Refused(t *testing.T) {
	inBubble(t, engine.Config{DeclaredOnly: true}, func(t *testing.T, r *rig) {
		r.put(transport.QueueConfig{})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, tc := range []struct {
			name string
			ctx  context.Context
			task transport.Task
			want error
		}{
			{"queue id", t.Context(), transport.Task{Queue: "no_queue"}, transport.ErrInvalid},
			{"task id", t.Context(), transport.Task{Queue: queue, ID: "a b"}, transport.ErrInvalid},
			{"too large", t.Context(), transport.Task{Queue: queue, Body: make([]byte, transport.MaxTaskSize)}, transport.ErrTooLarge},
			{"too far", t.Context(), transport.Task{Queue: queue, ETA: time.Now().Add(721 * time.Hour)}, transport.ErrTooFar},
			{"timeout", t.Context(), transport.Task{Queue: queue, Timeout: time.Second}, transport.ErrInvalid},
			{"queue that does not exist", t.Context(), transport.Task{Queue: "other"}, transport.ErrQueueMissing},
			{"context has ended", ended, transport.Task{Queue: queue}, context.Canceled},
		} {
			// The second round comes after tasks that were fine and whose envelope is known.
			for round := range 2 {
				_, err := r.Enqueue(tc.ctx, &tc.task)
				if !errors.Is(err, tc.want) {
					t.Errorf("%s, round %d: %v, want %v", tc.name, round, err, tc.want)
				}
				var te *transport.Error
				if !errors.As(err, &te) || te.Op != transport.OpEnqueue || te.Queue != tc.task.Queue {
					t.Errorf("%s: %#v", tc.name, err)
				}
				for range 3 {
					if _, err := r.Enqueue(t.Context(), &transport.Task{Queue: queue}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

func TestEnqueueBatch_EachStandsForItself(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		results := r.EnqueueBatch(t.Context(), []*transport.Task{
			{Queue: queue, URL: url, ID: "a", ETA: time.Now().Add(time.Hour)},
			{Queue: "no_queue", URL: url},
			{Queue: queue, URL: url, ID: "a"},
			{Queue: queue, URL: url},
		})
		if len(results) != 4 || results[0].Err != nil || results[3].Err != nil {
			t.Fatalf("%+v", results)
		}
		if !errors.Is(results[1].Err, transport.ErrInvalid) || !errors.Is(results[2].Err, transport.ErrExists) || !results[2].Receipt.Duplicate {
			t.Errorf("%+v", results)
		}
		r.wantBacklog(1)
	})
}

func TestEnqueue_GeneratedIDs_AreDistinctAndNumeric(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		seen := map[string]bool{}
		for range 10 {
			for range 300 {
				got := r.enqueue().ID
				if seen[got] || got == "" || len(got) > 20 {
					t.Fatalf("id %q", got)
				}
				for _, c := range got {
					if c < '0' || c > '9' {
						t.Fatalf("id %q", got)
					}
				}
				seen[got] = true
			}
			r.wantBacklog(0)
		}
	})
}

func TestCapacity_RefusesWhatGoesBeyond(t *testing.T) {
	for _, tc := range []struct {
		name, option string
		cfg          engine.Config
	}{
		{"in tasks", "WithCapacity", engine.Config{Capacity: 3}},
		{"in bytes", "WithCapacityBytes", engine.Config{CapacityBytes: 4*100 - 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, tc.cfg, func(t *testing.T, r *rig) {
				body := func(t *transport.Task) { t.Body = make([]byte, 100) }
				for range 5 { // room comes back each time
					for range 3 {
						r.enqueue(body, in(time.Hour))
					}
					_, err := r.try(body, in(time.Hour))
					if !errors.Is(err, transport.ErrCapacity) || !contains(err, tc.option) {
						t.Fatalf("err = %v", err)
					}
					r.wantBacklog(3)
					time.Sleep(time.Hour)
					r.wantBacklog(0)
				}
			})
		})
	}
}

func TestEnqueue_ManyDelayed_RunInOrderOfTheirTimes(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		const n = 5000
		for i := range n {
			r.enqueue(in(time.Duration((i*7919)%n) * time.Millisecond))
		}
		time.Sleep(n * time.Millisecond)
		got := r.times()
		if len(got) != n {
			t.Fatalf("%d ran", len(got))
		}
		for i, at := range got {
			if at != time.Duration(i)*time.Millisecond {
				t.Fatalf("the %d. ran at %v", i, at)
			}
		}
	})
}
