package memory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

const benchURL = "https://shop.example.com/_tasks/tasks/SendWelcomeToCustomer"

type welcome struct {
	UserID int64  `json:"user_id"`
	Email  string `json:"email"`
	Name   string `json:"name"`
	Note   string `json:"note"`
}

var payload = welcome{
	UserID: 123456789, Email: "ana@example.com", Name: "Ana",
	Note: "a note that makes the payload about 120 bytes long, all told",
}

// BenchmarkEnqueueExecute is one task from a struct to the struct in the handler.
func BenchmarkEnqueueExecute(b *testing.B) {
	header := http.Header{"Content-Type": {"application/json"}}
	var done sync.WaitGroup
	t := memory.New()
	defer t.Shutdown(b.Context())
	t.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		defer done.Done()
		var w welcome
		if err := json.Unmarshal(d.Body, &w); err != nil {
			return 500, 0, err
		}
		return 200, 0, nil
	})
	b.ReportAllocs()
	for b.Loop() {
		done.Add(1)
		body, err := json.Marshal(payload)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := t.Enqueue(b.Context(), &transport.Task{Queue: "q", URL: benchURL, Header: header, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	done.Wait()
}

// BenchmarkChannel is what to compare it with: a buffered channel and workers, written by hand.
func BenchmarkChannel(b *testing.B) {
	for _, workers := range []int{1, 2, 8, 64} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			var done sync.WaitGroup
			ch := make(chan []byte, 1024)
			for range workers {
				go func() {
					for body := range ch {
						var w welcome
						if json.Unmarshal(body, &w) != nil {
							panic("bad payload")
						}
						done.Done()
					}
				}()
			}
			b.ReportAllocs()
			for b.Loop() {
				done.Add(1)
				body, err := json.Marshal(payload)
				if err != nil {
					b.Fatal(err)
				}
				ch <- body
			}
			done.Wait()
			close(ch)
		})
	}
}

// BenchmarkEnqueueWaiting is the cost of one more delayed task where n wait already.
func BenchmarkEnqueueWaiting(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprint("waiting=", n), func(b *testing.B) {
			t := memory.New(memory.WithCapacity(1 << 30))
			fill(b, t, n, "")
			task := delayed()
			ids := make([]string, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				task.ETA = soon()
				r, err := t.Enqueue(b.Context(), task)
				if err != nil {
					b.Fatal(err)
				}
				if ids = append(ids, r.ID); len(ids) == cap(ids) {
					b.StopTimer()
					t.Delete(b.Context(), "q", ids...)
					ids = ids[:0]
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkWaitingBytes reports what a delayed task occupies.
func BenchmarkWaitingBytes(b *testing.B) {
	for _, name := range []string{"plain", "traced"} {
		b.Run(name, func(b *testing.B) {
			const n = 1_000_000
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				t := memory.New()
				fill(b, t, n, name)
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/task")
				runtime.KeepAlive(t)
			}
		})
	}
}

// BenchmarkLateness reports how long after its time a delayed task starts.
func BenchmarkLateness(b *testing.B) {
	const n = 2000
	for b.Loop() {
		var mu sync.Mutex
		var done sync.WaitGroup
		late := make([]time.Duration, 0, n)
		t := memory.New()
		t.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			by := time.Since(d.ETA)
			mu.Lock()
			late = append(late, by)
			mu.Unlock()
			done.Done()
			return 200, 0, nil
		})
		done.Add(n)
		task := delayed()
		for range n {
			task.ETA = time.Now().Add(100*time.Millisecond + rand.N(time.Second))
			if _, err := t.Enqueue(b.Context(), task); err != nil {
				b.Fatal(err)
			}
		}
		done.Wait()
		slices.Sort(late)
		b.ReportMetric(float64(late[n/2].Microseconds()), "p50-us")
		b.ReportMetric(float64(late[n*99/100].Microseconds()), "p99-us")
	}
}

func fill(b *testing.B, t *memory.Transport, n int, kind string) {
	task := delayed()
	for i := range n {
		task.ETA = soon()
		if kind == "traced" {
			task.Header.Set("Traceparent", fmt.Sprintf("00-%032x-%016x-01", i, i))
		}
		if _, err := t.Enqueue(b.Context(), task); err != nil {
			b.Fatal(err)
		}
	}
}

func delayed() *transport.Task {
	return &transport.Task{Queue: "q", URL: benchURL, Header: http.Header{"Content-Type": {"application/json"}}, Body: make([]byte, 120)}
}

func soon() time.Time { return time.Now().Add(time.Minute + rand.N(time.Hour)) }
