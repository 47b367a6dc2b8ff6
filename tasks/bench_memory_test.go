package tasks_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// benchWelcome is a small payload, about 120 bytes as JSON.
type benchWelcome struct {
	UserID   int64  `json:"user_id" validate:"required"`
	Email    string `json:"email" validate:"required,email"`
	Name     string `json:"name"`
	Campaign string `json:"campaign"`
}

func benchWelcomes() benchWelcome {
	return benchWelcome{UserID: 7, Email: "ana@example.com", Name: "Ana Beatriz de Souza", Campaign: "spring-2026-newsletter-b"}
}

func benchMemory(b *testing.B, fn func(context.Context, benchWelcome) error) (*tasks.Task[benchWelcome], *tasks.App) {
	b.Helper()
	task := tasks.New(fn, tasks.WithName("welcome"))
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := app.Register(task); err != nil {
		b.Fatal(err)
	}
	return task, app
}

// BenchmarkThroughput compares enqueueing to memory and executing with what one writes by hand: JSON into a
// buffered channel, and workers that decode. The second hand-written one validates at both ends, as we do.
func BenchmarkThroughput(b *testing.B) {
	ctx := context.Background()
	b.Run("typedtasks", func(b *testing.B) {
		var wg sync.WaitGroup
		task, app := benchMemory(b, func(context.Context, benchWelcome) error { wg.Done(); return nil })
		p := benchWelcomes()
		b.ReportAllocs()
		wg.Add(b.N)
		b.ResetTimer()
		for range b.N {
			if _, err := task.Enqueue(ctx, p); err != nil {
				b.Fatal(err)
			}
		}
		wg.Wait()
		b.StopTimer()
		if err := app.Shutdown(ctx); err != nil {
			b.Fatal(err)
		}
	})
	for _, validated := range []bool{false, true} {
		name := "channel"
		if validated {
			name += "+validation"
		}
		b.Run(name, func(b *testing.B) {
			validate := validator.New(validator.WithRequiredStructEnabled())
			jobs := make(chan []byte, 1024)
			var wg sync.WaitGroup
			for range runtime.GOMAXPROCS(0) * 4 {
				go func() {
					for data := range jobs {
						var w benchWelcome
						if err := json.Unmarshal(data, &w); err != nil {
							panic(err)
						}
						if validated && validate.Struct(w) != nil {
							panic("not valid")
						}
						wg.Done()
					}
				}()
			}
			p := benchWelcomes()
			b.ReportAllocs()
			wg.Add(b.N)
			b.ResetTimer()
			for range b.N {
				if validated && validate.Struct(p) != nil {
					b.Fatal("not valid")
				}
				data, err := json.Marshal(p)
				if err != nil {
					b.Fatal(err)
				}
				jobs <- data
			}
			wg.Wait()
			b.StopTimer()
			close(jobs)
		})
	}
}

// BenchmarkWaiting measures what waiting tasks cost: bytes each, payload included, and the time to enqueue and
// execute one more while they wait.
func BenchmarkWaiting(b *testing.B) {
	ctx := context.Background()
	for _, waiting := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			var ran atomic.Int64
			done := make(chan struct{}, 1024)
			task, app := benchMemory(b, func(context.Context, benchWelcome) error { ran.Add(1); done <- struct{}{}; return nil })
			p := benchWelcomes()
			before := heap()
			for range waiting {
				if _, err := task.Enqueue(ctx, p, tasks.In(time.Hour+rand.N(time.Hour))); err != nil {
					b.Fatal(err)
				}
			}
			perTask := float64(heap()-before) / float64(waiting)
			b.ResetTimer()
			for range b.N {
				if _, err := task.Enqueue(ctx, p); err != nil {
					b.Fatal(err)
				}
				<-done
			}
			b.StopTimer()
			b.ReportMetric(perTask, "B/waiting-task")
			if err := app.Shutdown(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkDue measures how late a task starts that is due at a given time, with 10,000 others waiting.
func BenchmarkDue(b *testing.B) {
	ctx := context.Background()
	late := make(chan time.Duration, 1)
	task, app := benchMemory(b, func(ctx context.Context, _ benchWelcome) error {
		now := time.Now()
		m, _ := tasks.MetadataFrom(ctx)
		late <- now.Sub(m.ETA)
		return nil
	})
	p := benchWelcomes()
	for range 10_000 {
		if _, err := task.Enqueue(ctx, p, tasks.In(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	var all []time.Duration
	for b.Loop() {
		if _, err := task.Enqueue(ctx, p, tasks.In(2*time.Millisecond)); err != nil {
			b.Fatal(err)
		}
		all = append(all, <-late)
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-late-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "µs-late-p99")
	if err := app.Shutdown(ctx); err != nil {
		b.Fatal(err)
	}
}
