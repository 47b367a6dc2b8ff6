package memory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

var _ interface {
	transport.Scheduler
	transport.JobCreator
	transport.JobAdmin
	transport.JobDeclarer
} = (*memory.Transport)(nil)

const nightly = "shop--Nightly"

func nightlyJob(schedule string) *transport.Job {
	return &transport.Job{Name: nightly, Schedule: schedule, URL: "https://shop.example.com/_tasks/Nightly", Body: []byte("{}")}
}

// fired notes what arrives.
type fired struct {
	mu  sync.Mutex
	all []transport.Delivery
	at  []time.Time
}

// serve answers with what f says, 200 where it is nil.
func (f *fired) serve(t *testing.T, tr *memory.Transport, endpoint string, answer func(context.Context, *transport.Delivery) int) {
	t.Helper()
	err := tr.Serve(endpoint, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		f.mu.Lock()
		f.all, f.at = append(f.all, *d), append(f.at, time.Now())
		f.mu.Unlock()
		if answer == nil {
			return http.StatusOK, 0, nil
		}
		return answer(ctx, d), 0, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fired) times() []time.Time {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.at)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestJob_IsDeliveredAsCloudSchedulerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var f fired
		f.serve(t, tr, "https://shop.example.com/_tasks", func(ctx context.Context, _ *transport.Delivery) int {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != 3*time.Minute {
				t.Errorf("deadline in %s, want the 3 minutes of a job", time.Until(deadline))
			}
			return http.StatusOK
		})
		j := nightlyJob("0 3 * * *")
		j.TimeZone, j.Header = "America/Sao_Paulo", http.Header{"X-Value": {"kept"}, "User-Agent": {"mine"}}
		must(t, tr.PutJob(t.Context(), j))
		time.Sleep(24 * time.Hour)
		if times := f.times(); len(times) != 1 || times[0].UTC().Format(time.RFC3339) != "2000-01-01T05:00:00Z" { // summer time there
			t.Fatalf("fired at %s", times)
		}
		want := http.Header{
			"X-Value": {"kept"}, "Content-Type": {"application/octet-stream"}, "User-Agent": {"Google-Cloud-Scheduler"},
			"X-Cloudscheduler": {"true"}, "X-Cloudscheduler-Jobname": {nightly}, "X-Cloudscheduler-Scheduletime": {"2000-01-01T03:00:00-02:00"},
		}
		if d := f.all[0]; !reflect.DeepEqual(d.Header, want) || string(d.Body) != "{}" || d.URL != j.URL || d.Attempt != 1 || d.Queue != "" || d.ID != "" {
			t.Errorf("delivered %+v", d)
		}
		must(t, tr.Shutdown(t.Context()))
	})
}

func TestJob_NobodyServesIt_FailsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		must(t, tr.PutJob(t.Context(), nightlyJob("* * * * *")))
		time.Sleep(time.Minute)
		synctest.Wait()
		j, err := tr.Job(t.Context(), nightly)
		if err != nil || j.LastErr == nil || !strings.Contains(j.LastErr.Error(), "nobody serves https://shop.example.com") {
			t.Errorf("job %+v, %v", j, err)
		}
		must(t, tr.Shutdown(t.Context()))
	})
}

func TestJob_Declared_GoesWithWhoServesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var f fired
		f.serve(t, tr, "https://shop.example.com/_tasks", nil)
		f.serve(t, tr, "https://other.example.com", nil)
		must(t, tr.DeclareJob(nightlyJob("* * * * *")))
		put := nightlyJob("0 0 1 1 *")
		put.Name = "lasting"
		must(t, tr.PutJob(t.Context(), put))
		time.Sleep(2 * time.Minute)
		f.times()
		if left := tr.Withdraw("https://shop.example.com/_tasks"); left != 1 {
			t.Errorf("%d endpoints left, want 1", left)
		}
		var names []string
		for j, err := range tr.Jobs(t.Context()) {
			must(t, err)
			names = append(names, j.Name)
		}
		if !slices.Equal(names, []string{"lasting"}) {
			t.Errorf("jobs %q, want the one that was put", names)
		}
		time.Sleep(time.Hour)
		if n := len(f.times()); n != 2 {
			t.Errorf("fired %d times, want 2", n)
		}
		must(t, tr.Shutdown(t.Context()))
	})
}

func TestJob_Jobs_UnderAnEndedContext(t *testing.T) {
	tr := memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for j, err := range tr.Jobs(ctx) { // none at all, and still it is told
		if n++; j != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", j, err)
		}
	}
	if n != 1 {
		t.Errorf("yielded %d times, want once", n)
	}
}

func TestShutdown_DuringARun_MayStillPutWorkIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var f fired
		var enqueued, published, put error
		f.serve(t, tr, "", func(ctx context.Context, d *transport.Delivery) int {
			time.Sleep(time.Minute)
			_, enqueued = tr.Enqueue(ctx, &transport.Task{Queue: queue, URL: url})
			_, published = tr.Publish(ctx, message("late"))
			put = tr.PutJob(ctx, nightlyJob("* * * * *"))
			return http.StatusInternalServerError
		})
		j := nightlyJob("0 * * * *")
		j.Retry = &transport.RetryConfig{MaxAttempts: 5}
		must(t, tr.PutJob(t.Context(), j))
		time.Sleep(time.Hour + time.Second)
		must(t, tr.Shutdown(t.Context()))
		must(t, errors.Join(enqueued, published, put))
		time.Sleep(24 * time.Hour)
		if n := len(f.times()); n != 1 {
			t.Errorf("%d deliveries, want 1: nothing fires after Shutdown", n)
		}
		if err := tr.PutJob(t.Context(), j); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("PutJob after Shutdown: %v", err)
		}
	})
}

func TestShutdown_DuringARetryPause_ReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var f fired
		f.serve(t, tr, "", func(context.Context, *transport.Delivery) int { return http.StatusInternalServerError })
		j := nightlyJob("0 * * * *")
		j.Retry = &transport.RetryConfig{MaxAttempts: 5, MinBackoff: 10 * time.Minute}
		must(t, tr.PutJob(t.Context(), j))
		time.Sleep(65 * time.Minute)
		before := time.Now()
		must(t, tr.Shutdown(t.Context()))
		if took := time.Since(before); took != 0 {
			t.Errorf("Shutdown took %s", took)
		}
		time.Sleep(24 * time.Hour)
		if n := len(f.times()); n != 1 {
			t.Errorf("%d deliveries, want 1", n)
		}
	})
}

func TestShutdown_RunThatHeedsItsContextOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var f fired
		f.serve(t, tr, "", func(ctx context.Context, _ *transport.Delivery) int {
			<-ctx.Done()
			return http.StatusInternalServerError
		})
		j := nightlyJob("0 * * * *")
		j.Deadline = 30 * time.Minute
		must(t, tr.PutJob(t.Context(), j))
		time.Sleep(time.Hour + time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tr.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 runs of jobs") {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// A transport with a job that nobody shuts down has no goroutine: TestMain would find it.
func TestForgotten_LeavesNoGoroutine(t *testing.T) {
	tr := memory.New()
	answer(t, tr, 200)
	must(t, tr.PutJob(t.Context(), nightlyJob("0 0 1 1 *")))
	must(t, tr.RunJob(t.Context(), nightly))
}

func TestRace_AllMethodsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		var f fired
		f.serve(t, tr, "https://shop.example.com/_tasks", func(context.Context, *transport.Delivery) int {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			return []int{200, 500, 204}[rand.IntN(3)]
		})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					disturb(t.Context(), tr)
					time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		must(t, tr.Shutdown(t.Context()))
		n := len(f.times())
		if n < 10 { // some 108 of 1,600 disturbances, 78 at the least of 500 runs
			t.Errorf("%d deliveries: the test proves less than it should", n)
		}
		time.Sleep(time.Hour)
		if later := len(f.times()); later != n {
			t.Errorf("%d deliveries after Shutdown", later-n)
		}
	})
}

// disturb does something to some job.
func disturb(ctx context.Context, tr *memory.Transport) {
	j := nightlyJob([]string{"every 2 seconds", "* * * * *", "no schedule"}[rand.IntN(3)])
	j.Name = []string{"a", "b", "c"}[rand.IntN(3)]
	j.Retry = &transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Millisecond}
	switch rand.IntN(9) {
	case 0, 1:
		_ = tr.PutJob(ctx, j)
	case 2:
		_ = tr.DeclareJob(j)
	case 3:
		_ = tr.DeleteJob(ctx, j.Name)
	case 4:
		_ = tr.PauseJob(ctx, j.Name)
	case 5:
		_ = tr.ResumeJob(ctx, j.Name)
	case 6:
		_ = tr.RunJob(ctx, j.Name)
	case 7:
		_, _ = tr.Job(ctx, j.Name)
	default:
		for range tr.Jobs(ctx) {
		}
	}
}
