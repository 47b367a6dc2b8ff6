package schedule_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// schPush delivers a push with headers and returns the status of its answer.
func schPush(t testing.TB, h http.Handler, path, body string, headers ...string) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// The push as Cloud Scheduler sends it.
func TestServeHTTP_PushOfTheWire(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../tasks/testdata/wire/scheduler.json")
	if err != nil {
		t.Fatal(err)
	}
	var wire struct {
		Path, Body string
		Headers    map[string]string
		Expect     struct {
			Status   int
			Metadata struct {
				Job     string    `json:"scheduler_job"`
				Time    time.Time `json:"schedule_time"`
				Attempt int
			}
		}
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		t.Fatal(err)
	}
	var m tasks.Metadata
	p := schedule.New(func(ctx context.Context, _ struct{}) error {
		m, _ = tasks.MetadataFrom(ctx)
		return nil
	}, schedule.Cron("0 3 * * *"), schedule.Task(tasks.WithName("SaySomethingTask")))
	app := schApp(t, tasks.Config{Endpoint: "https://shop.example.com"})
	schRegister(t, app, p)
	var headers []string
	for k, v := range wire.Headers {
		headers = append(headers, k, v)
	}
	want := wire.Expect.Metadata
	if code := schPush(t, app, wire.Path, wire.Body, headers...); code != wire.Expect.Status {
		t.Errorf("answered %d", code)
	}
	if m.SchedulerJob != want.Job || !m.ScheduleTime.Equal(want.Time) || m.Attempt != want.Attempt || m.Name != "SaySomethingTask" {
		t.Errorf("%+v, want %+v", m, want)
	}
	// What Sync puts is what is pushed.
	job := schDescribe(t, app, p)
	if job.Name != want.Job || string(job.Body) != wire.Body || job.URL != "https://shop.example.com"+wire.Path {
		t.Errorf("%+v", job)
	}
}

func TestServeHTTP_Deadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		fn := func(ctx context.Context, _ schReport) error {
			at, _ := ctx.Deadline()
			left = time.Until(at)
			return nil
		}
		nightly := schedule.Cron("@daily")
		app := schApp(t, tasks.Config{})
		own := schedule.New(fn, nightly, schedule.Task(tasks.WithName("own"), tasks.WithTimeout(time.Minute)))
		plain := schedule.New(fn, nightly, schedule.Task(tasks.WithName("plain")))
		schRegister(t, app, own, plain, tasks.New(fn, tasks.WithName("task")))
		job := []string{"X-CloudScheduler-JobName", "shop--plain"}
		for _, c := range []struct {
			name, path string
			headers    []string
			want       time.Duration
		}{
			{"a run by the scheduler", "plain", job, 3 * time.Minute},
			{"... of a task with a timeout", "own", job, time.Minute},
			{"... of what is no periodic task", "task", job, 10 * time.Minute},
			{"what was enqueued", "plain", []string{"X-CloudTasks-QueueName", "shop"}, 10 * time.Minute},
			{"... by a run, say", "plain", append([]string{"X-CloudTasks-QueueName", "shop"}, job...), 10 * time.Minute},
			{"neither", "plain", nil, 10 * time.Minute},
		} {
			if code := schPush(t, app, "/_tasks/tasks/"+c.path, "{}", c.headers...); code != http.StatusOK || left != c.want {
				t.Errorf("%s: answered %d, had %s, want %s", c.name, code, left, c.want)
			}
		}
		if err := plain.Run(t.Context(), schReport{}); err != nil || left != 10*time.Minute {
			t.Errorf("Run: %v, had %s", err, left)
		}
	})
}

// Cloud Scheduler counts no attempts, but where there is no retry each is the last.
func TestLastAttempt_OfARun(t *testing.T) {
	t.Parallel()
	job := []string{"X-CloudScheduler-JobName", "shop--n", "X-CloudScheduler-ScheduleTime", "2026-11-24T03:00:00-03:00"}
	for _, c := range []struct {
		name        string
		opts        []schedule.Option
		headers     []string
		last        bool
		unknown     bool
		quarantined bool
	}{
		{"no retry", nil, job, true, false, true},
		{"one attempt", []schedule.Option{schedule.Retry(transport.RetryConfig{MaxAttempts: 1, MinBackoff: time.Minute})}, job, true, false, true},
		{"retries", []schedule.Option{schedule.Retry(transport.RetryConfig{MaxAttempts: 2})}, job, false, true, false},
		{"retries for a time", []schedule.Option{schedule.Retry(transport.RetryConfig{MaxRetryDuration: time.Minute})}, job, false, true, false},
		{"not by the scheduler", nil, nil, false, true, false},
		{"enqueued, with attempts left", []schedule.Option{schedule.Task(tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2}))},
			append([]string{"X-CloudTasks-QueueName", "shop", "Typedtasks-Retry", "attempts=2"}, job...), false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var last bool
			var err error
			var taken []tasks.Quarantined
			p := schedule.New(func(ctx context.Context, _ schReport) error {
				m, _ := tasks.MetadataFrom(ctx)
				last, err = m.LastAttempt(ctx)
				return errors.New("not tonight")
			}, schedule.Cron("@daily"), append([]schedule.Option{schedule.Task(tasks.WithName("n"))}, c.opts...)...)
			app := schApp(t, tasks.Config{Quarantine: func(_ context.Context, q tasks.Quarantined) error {
				taken = append(taken, q)
				return nil
			}})
			schRegister(t, app, p)
			code := schPush(t, app, "/_tasks/tasks/n", "{}", c.headers...)
			if last != c.last || errors.Is(err, tasks.ErrUnknown) != c.unknown {
				t.Errorf("last: %t, %v", last, err)
			}
			want := http.StatusInternalServerError
			if c.quarantined {
				want = http.StatusAccepted
			}
			if code != want || (len(taken) == 1) != c.quarantined {
				t.Errorf("answered %d, quarantined %+v", code, taken)
			}
			if c.quarantined && (taken[0].Kind != tasks.KindPeriodic || taken[0].Name != "n" || !strings.Contains(taken[0].Reason.Error(), "not tonight")) {
				t.Errorf("%+v", taken[0])
			}
		})
	}
	// Nobody takes it without a quarantine.
	p := schedule.New(func(context.Context, schReport) error { return errors.New("no") }, schedule.Cron("@daily"), schedule.Task(tasks.WithName("n")))
	app := schApp(t, tasks.Config{})
	schRegister(t, app, p)
	if code := schPush(t, app, "/_tasks/tasks/n", "{}", job...); code != http.StatusInternalServerError {
		t.Errorf("answered %d", code)
	}
}
