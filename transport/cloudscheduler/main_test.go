package cloudscheduler_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	url      = "https://shop.example.com/_tasks/tasks/Nightly"
	audience = "https://shop.example.com"
	account  = "tasks@emulator.iam.gserviceaccount.com"
)

// nightly is a job that leaves most to its defaults.
func nightly() *transport.Job {
	return &transport.Job{Name: "shop--Nightly", Schedule: "0 3 * * 1-5", URL: url}
}

// full is a job with everything set.
func full() *transport.Job {
	return &transport.Job{
		Name: "shop--Nightly", Description: "Reports, and their mails", Schedule: "*/5 9-17 * * MON-FRI", TimeZone: "America/Sao_Paulo",
		URL: url, Audience: audience, Method: http.MethodPut, ServiceAccount: "jobs@shop-1.iam.gserviceaccount.com",
		Header: http.Header{"Content-Type": {"application/json"}, "X-Kind": {"a", "b"}}, Body: []byte(`{"id":1}`), Deadline: 90 * time.Second,
		Retry: &transport.RetryConfig{MaxAttempts: 4, MaxDoublings: 3, MaxRetryDuration: time.Hour, MinBackoff: 1500 * time.Millisecond, MaxBackoff: 10 * time.Minute},
	}
}

// connect makes a scheduler that ends with the test.
func connect(tb testing.TB, opts ...cloudscheduler.Option) *cloudscheduler.Scheduler {
	tb.Helper()
	quiet := cloudscheduler.WithLogger(slog.New(slog.DiscardHandler))
	s, err := cloudscheduler.New(tb.Context(), append([]cloudscheduler.Option{quiet}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

func put(tb testing.TB, s transport.Scheduler, j *transport.Job) {
	tb.Helper()
	if err := s.PutJob(tb.Context(), j); err != nil {
		tb.Fatalf("PutJob: %v", err)
	}
}

func get(tb testing.TB, s transport.JobAdmin, name string) *transport.Job {
	tb.Helper()
	j, err := s.Job(tb.Context(), name)
	if err != nil {
		tb.Fatalf("Job: %v", err)
	}
	return j
}

// requireKind also holds the error to its form: a *transport.Error about op and resource, with the platform's own
// reachable.
func requireKind(tb testing.TB, err error, op, resource string, kind transport.Kind) {
	tb.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Op != op || e.Resource != resource || e.Kind != kind {
		tb.Fatalf("error %v: want a *transport.Error of %q %s, kind %s", err, op, resource, kind)
	}
	if _, ok := status.FromError(err); !ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		tb.Fatalf("error %v hides the platform's", err)
	}
}

// everyCall is each method on a job, by name.
func everyCall(s *cloudscheduler.Scheduler) map[string]func(ctx context.Context, job string) error {
	return map[string]func(context.Context, string) error{
		"PutJob": func(ctx context.Context, job string) error {
			j := nightly()
			j.Name = job
			return s.PutJob(ctx, j)
		},
		"Job":       func(ctx context.Context, job string) error { _, err := s.Job(ctx, job); return err },
		"DeleteJob": s.DeleteJob, "PauseJob": s.PauseJob, "ResumeJob": s.ResumeJob, "RunJob": s.RunJob,
		"Jobs": func(ctx context.Context, _ string) error {
			for _, err := range s.Jobs(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// opOf is the verb in errors of each method.
func opOf(method string) (op, resource string) {
	resource = `job "shop--Nightly"`
	switch method {
	case "PutJob":
		op = transport.OpPutJob
	case "Job":
		op = transport.OpGet
	case "DeleteJob":
		op = transport.OpDelete
	case "PauseJob":
		op = transport.OpPause
	case "ResumeJob":
		op = transport.OpResume
	case "RunJob":
		op = transport.OpRun
	case "Jobs":
		op, resource = transport.OpList, `jobs of project "emulator" in "local"`
	}
	return op, resource
}
