package emulator_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/memory"
)

const benchPayload = 120 // bytes, as in the benchmarks of package memory

func quiet() emulator.Option { return emulator.WithLogger(slog.New(slog.DiscardHandler)) }

// benchTask is what a driver makes of a small payload.
func benchTask(url string, at time.Time) *cloudtaskspb.Task {
	task := &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
		Url: url, Body: make([]byte, benchPayload), Headers: map[string]string{"Content-Type": "application/json"},
	}}}
	if !at.IsZero() {
		task.ScheduleTime = stamp(at)
	}
	return task
}

// share runs f n times in all, by several goroutines.
func share(goroutines, n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// BenchmarkCreateTask is one call, in memory and with a data file.
func BenchmarkCreateTask(b *testing.B) {
	for _, data := range []bool{false, true} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("data=%v/clients=%d", data, clients), func(b *testing.B) {
				opts := []emulator.Option{quiet()}
				if data {
					opts = append(opts, emulator.WithData(filepath.Join(b.TempDir(), "data")))
				}
				r := start(b, opts...)
				at := time.Now().Add(time.Hour)
				share(clients, b.N, func(int) {
					if _, err := r.CreateTask(context.Background(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: benchTask(r.worker.url, at)}); err != nil {
						b.Error(err)
					}
				})
			})
		}
	}
}

// BenchmarkDispatch is a task from the queue over HTTP to its answer: many queues, each of which may run 500 a
// second.
func BenchmarkDispatch(b *testing.B) {
	const queues = 200
	var names []string
	for i := range queues {
		names = append(names, fmt.Sprintf("%s/queues/q%d", location, i))
	}
	r := start(b, quiet())
	each(b, r.Client, names, func(_ *cloudtasks.Client, name string) error { // 1000 at a time each are more than a process has files
		_, err := r.createQueue(&cloudtaskspb.Queue{Name: name, RateLimits: &cloudtaskspb.RateLimits{MaxConcurrentDispatches: 2}})
		return err
	})
	var done sync.WaitGroup
	done.Add(b.N)
	r.worker.answers(func(http.ResponseWriter, *http.Request) { done.Done() })
	each(b, r.Client, names, func(c *cloudtasks.Client, name string) error {
		_, err := c.PauseQueue(context.Background(), &cloudtaskspb.PauseQueueRequest{Name: name})
		return err
	})
	share(32, (b.N+99)/100, func(chunk int) {
		req := &cloudtaskspb.BatchCreateTasksRequest{Parent: names[chunk%queues]}
		for range min(100, b.N-chunk*100) {
			req.Requests = append(req.Requests, &cloudtaskspb.CreateTaskRequest{Task: benchTask(r.worker.url, time.Time{})})
		}
		if _, err := r.BatchCreateTasks(context.Background(), req); err != nil {
			b.Error(err)
		}
	})
	b.ResetTimer()
	each(b, r.Client, names, func(c *cloudtasks.Client, name string) error {
		_, err := c.ResumeQueue(context.Background(), &cloudtaskspb.ResumeQueueRequest{Name: name})
		return err
	})
	done.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

func each(b *testing.B, c *cloudtasks.Client, names []string, f func(*cloudtasks.Client, string) error) {
	b.Helper()
	for _, name := range names {
		if err := f(c, name); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWaitingBytes reports what a delayed task occupies, beside the memory driver's.
func BenchmarkWaitingBytes(b *testing.B) {
	const n = 100_000
	at := time.Now().Add(time.Hour)
	measure := func(b *testing.B, create func(i int) error) {
		for b.Loop() {
			before := heap()
			share(64, n, func(i int) {
				if err := create(i); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(heap()-before)/n, "bytes/task")
		}
	}
	b.Run("emulator", func(b *testing.B) {
		r := start(b, quiet())
		measure(b, func(int) error {
			_, err := r.CreateTask(context.Background(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: benchTask("https://shop.example.com/_tasks/tasks/SendWelcome", at)})
			return err
		})
	})
	b.Run("memory", func(b *testing.B) {
		t := memory.New()
		measure(b, func(int) error {
			_, err := t.Enqueue(context.Background(), &transport.Task{
				Queue: "a", URL: "https://shop.example.com/_tasks/tasks/SendWelcome", ETA: at, Body: make([]byte, benchPayload),
				Header: http.Header{"Content-Type": {"application/json"}},
			})
			return err
		})
		runtime.KeepAlive(t)
	})
}

func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// BenchmarkRestart is opening a data file with 100,000 tasks.
func BenchmarkRestart(b *testing.B) {
	const n = 100_000
	file := filepath.Join(b.TempDir(), "data")
	r := start(b, quiet(), emulator.WithData(file))
	at := time.Now().Add(time.Hour)
	share(16, n/100, func(int) {
		req := &cloudtaskspb.BatchCreateTasksRequest{Parent: queueA}
		for range 100 {
			req.Requests = append(req.Requests, &cloudtaskspb.CreateTaskRequest{Task: benchTask(r.worker.url, at)})
		}
		if _, err := r.BatchCreateTasks(context.Background(), req); err != nil {
			b.Error(err)
		}
	})
	if err := r.e.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := emulator.New(quiet(), emulator.WithData(file))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if e.Backlog() != n {
			b.Fatalf("%d tasks", e.Backlog())
		}
		e.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(info.Size())/n, "file-bytes/task")
}
