package soak_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// The checks are worth something if they find what is planted.
func TestSoak_PlantedFault_IsFound(t *testing.T) {
	release := make(chan struct{})
	var stuck sync.WaitGroup
	defer stuck.Wait()
	defer close(release)
	var hoard struct {
		sync.Mutex
		kept [][]byte
	}
	var calls atomic.Int64
	now := func() bool { return calls.Add(1)%2 == 0 }

	for _, tc := range []struct {
		name    string
		planted Planted
		long    time.Duration // and else a round
		want    string
	}{
		{name: "a push is answered with 200 and does not run", want: "lost: ", planted: Planted{Middleware: func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				var w Work
				if strings.HasSuffix(d.URL, "/tasks/Work") && json.Unmarshal(d.Body, &w) == nil && now() {
					return w.ID, nil
				}
				return next(ctx, d)
			}
		}}},
		{name: "a message is acknowledged and does not run", want: "lost: ", planted: Planted{Middleware: func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				if strings.HasSuffix(d.URL, "/subscriptions/Paid") {
					return nil, nil
				}
				return next(ctx, d)
			}
		}}},
		{name: "a task is accepted and lost", want: "lost: ", planted: Planted{Transport: func(next transport.Transport) transport.Transport {
			return losing{next}
		}}},
		{name: "the same, to the end", long: 400 * time.Millisecond, want: "lost: ", planted: Planted{Transport: func(next transport.Transport) transport.Transport {
			return losing{next}
		}}},
		{name: "a bad body runs", want: "must never run", planted: Planted{Middleware: func(next tasks.Handler) tasks.Handler {
			bad := encode(Work{ID: 1, Book: pushes, Bad: true})
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				if strings.HasSuffix(d.URL, "/tasks/Work") && now() {
					swapped := *d
					swapped.Body = bad
					return next(ctx, &swapped)
				}
				return next(ctx, d)
			}
		}}},
		{name: "an answer goes to the wrong one", want: "the answer to work", planted: Planted{Middleware: func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				result, err := next(ctx, d)
				if id, ok := result.(int64); ok && now() {
					return id + 1, err
				}
				return result, err
			}
		}}},
		{name: "a header gets lost", want: "came with the trace", planted: Planted{Transport: func(next transport.Transport) transport.Transport {
			return headless{next}
		}}},
		{name: "a goroutine stays", want: "goroutines are left", planted: Planted{Middleware: func(next tasks.Handler) tasks.Handler {
			var once sync.Once
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				once.Do(func() { stuck.Go(func() { <-release }) })
				return next(ctx, d)
			}
		}}},
		{name: "memory stays", long: time.Second, want: "the heap grew", planted: Planted{Middleware: func(next tasks.Handler) tasks.Handler {
			return func(ctx context.Context, d *transport.Delivery) (any, error) {
				if strings.HasSuffix(d.URL, "/tasks/Work") {
					hoard.Lock()
					hoard.kept = append(hoard.kept, make([]byte, 64<<10))
					hoard.Unlock()
				}
				return next(ctx, d)
			}
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := shortSettings(t)
			s.Long, s.Sample, s.Flat, s.Rounds, s.RoundMost = tc.long, tc.long/5, tc.name == "memory stays", 1, 1500*time.Millisecond
			s.Grace, s.Clients, s.Slow, s.Patience = 2*time.Second, 16, 2, 200*time.Millisecond
			if tc.long > 0 {
				s.Rounds = 0
			}
			s.Planted = tc.planted
			r := Soak(s)
			if !strings.Contains(strings.Join(r.Faults, "\n"), tc.want) {
				t.Errorf("faults %.1000q, want one that says %q", r.Faults, tc.want)
			}
		})
	}
}

// losing is a transport that loses every other task.
type losing struct{ transport.Transport }

// Enqueue implements [transport.Transport].
func (l losing) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	if rand.IntN(2) == 0 {
		return transport.Receipt{ID: "lost", Queue: t.Queue}, nil
	}
	return l.Transport.Enqueue(ctx, t)
}

// Unwrap returns the transport that it stands on.
func (l losing) Unwrap() transport.Transport { return l.Transport }

// headless is a transport that forgets headers.
type headless struct{ transport.Transport }

// Enqueue implements [transport.Transport].
func (h headless) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	bare := *t
	bare.Header = nil
	return h.Transport.Enqueue(ctx, &bare)
}

// Unwrap returns the transport that it stands on.
func (h headless) Unwrap() transport.Transport { return h.Transport }

func TestCheckFlat_ComparesTheEndWithASixth(t *testing.T) {
	minutes := func(heaps ...uint64) (samples []Sample) {
		for i, h := range heaps {
			samples = append(samples, Sample{At: time.Duration(i+1)*time.Minute + time.Millisecond, Heap: h})
		}
		return samples
	}
	for name, tc := range map[string]struct {
		samples []Sample
		want    string
	}{
		"flat after a start":      {minutes(1, 50, 100, 105, 109), ""},
		"smaller":                 {minutes(1, 2, 100, 90, 50), ""},
		"a peak between":          {minutes(1, 2, 100, 900, 100), ""},
		"grown":                   {minutes(1, 2, 100, 105, 111), "the heap grew from 3m0s"},
		"nothing to compare with": {minutes(1, 2, 3), "3 samples of the heap are too few"},
		"none":                    {nil, "0 samples"},
	} {
		f := &Faults{}
		checkFlat(tc.samples, 18*time.Minute, f)
		if got := strings.Join(f.List(), "; "); !strings.HasPrefix(got, tc.want) || tc.want == "" && got != "" {
			t.Errorf("%s: faults %q, want %q", name, got, tc.want)
		}
	}
}

func TestTally_Percentile_IsNotFarOff(t *testing.T) {
	tally := NewTally()
	if got := tally.Percentile(0.5); got != 10*time.Microsecond {
		t.Errorf("of nothing: %s", got)
	}
	for i := range 999 {
		tally.Took(time.Duration(i+1) * time.Millisecond)
	}
	tally.Took(time.Hour)
	for p, want := range map[float64]time.Duration{0.001: time.Millisecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := tally.Percentile(p); got < want || float64(got) > 1.06*float64(want) {
			t.Errorf("Percentile(%v) = %s, want %s or up to 6%% more", p, got, want)
		}
	}
}

func TestLineChecker_FindsForgedLines(t *testing.T) {
	for line, want := range map[string]bool{
		"level=INFO msg=\"a\\nb\"\n": true, "level=INFO é\n": true,
		"a\nb\n": false, "a\x1b[31m\n": false, "a\r\n": false, "a\x7f\n": false,
	} {
		f := &Faults{}
		if _, err := (lineChecker{f}).Write([]byte(line)); err != nil || (len(f.List()) == 0) != want {
			t.Errorf("%q: faults %q, %v", line, f.List(), err)
		}
	}
}

func TestReport_Table_HoldsItAll(t *testing.T) {
	r := &Report{Settings: Settings{Seed: 7, Clients: 32, Slow: 8, Long: time.Minute}, Tally: NewTally(), Elapsed: time.Minute, Requests: 600,
		Samples: []Sample{{At: 10 * time.Second, Heap: 5e6, Goroutines: 90}, {At: time.Minute, Heap: 5.1e6, Goroutines: 91}},
		Long:    Ledgers{500, 501, 1}, Faults: []string{"one"}, Rounds: []Round{{Load: time.Second, Left: 3}}}
	r.Tally.Count("push", 200)
	r.Tally.Count("push", 0)
	table := r.Table()
	for _, want := range []string{"Seed 7: 32 clients, 8 of them slow, for 1m0s: 600 requests, 10 a second", "| push | none: 1, 200: 1 |", "| 1m0s | 5.10 | 91 |",
		"to the one at 10s: 1.020", "| 1 | 1.0 s | server first within 0s | 0.00 s | yes |", "Promised 500, ran 501, of those again 1", "Faults: 1."} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}
