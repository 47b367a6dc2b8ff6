package jobs_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// shut is what an App says that is shutting down.
type shut struct{}

func (shut) Error() string  { return "shutting down" }
func (shut) NotTaken() bool { return true }

func TestDeliver_Outcomes(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		err    error
		want   string // empty: done
		taken  bool
	}{
		{"done", 200, nil, "", true},
		{"done, whatever the error", 299, errSick, "", true},
		{"failed", 300, nil, "the handler answered 300", true},
		{"failed for a reason", 500, errSick, "the handler answered 500: sick", true},
		{"not taken", 503, shut{}, "the attempt was not taken: shutting down", false},
		{"somebody else's trouble", 500, errors.Join(shut{}), "the handler answered 500: shutting down", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := job("0 3 * * *", func(j *transport.Job) { j.Audience, j.Body = "aud", []byte("{}") })
			run := jobs.Run{Planned: time.Now(), Attempt: 3, Cron: true}
			h := func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
				want := &transport.Delivery{Task: transport.Task{
					URL: j.URL, Audience: "aud", Header: jobs.Header(j, run), Body: []byte("{}"), Timeout: transport.DefaultJobDeadline,
				}, Attempt: 1}
				if !reflect.DeepEqual(d, want) {
					t.Errorf("delivered %+v, want %+v", d, want)
				}
				return c.status, 0, c.err
			}
			err := jobs.Deliver(t.Context(), h, j, run)
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if errors.Is(err, jobs.ErrNotTaken) == c.taken {
				t.Errorf("error %v, taken: %t", err, c.taken)
			}
			if c.err != nil && err != nil && !errors.Is(err, c.err) {
				t.Errorf("error %v has lost its cause", err)
			}
		})
	}
}

func TestDeliver_NobodyServes_Fails(t *testing.T) {
	err := jobs.Deliver(t.Context(), nil, job("0 3 * * *"), jobs.Run{})
	if err == nil || err.Error() != "nobody serves https://shop.example.com/nightly" {
		t.Error(err)
	}
}

func TestScheduler_ChecksWhatItIsGiven(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.Scheduler()
		bad := job("0 3 * * *", named("no job id"))
		wantError(t, s.PutJob(t.Context(), bad), transport.KindInvalid, `put job "no job id"`)
		wantError(t, s.DeclareJob(bad), transport.KindInvalid, `put job "no job id"`)
		r.must(s.PutJob(t.Context(), job("0 3 * * *")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, get := s.Job(ctx, nightly)
		for what, err := range map[string]error{
			"put": s.PutJob(ctx, job("0 3 * * *")), "delete": s.DeleteJob(ctx, nightly), "get": get,
			"pause": s.PauseJob(ctx, nightly), "resume": s.ResumeJob(ctx, nightly), "run": s.RunJob(ctx, nightly),
		} {
			wantError(t, err, transport.KindOther, what+` job "nightly"`)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want the context's error", what, err)
			}
		}
		if j, err := s.Job(t.Context(), nightly); err != nil || j.State != transport.JobEnabled || !j.LastRun.IsZero() {
			t.Errorf("job %+v, %v: something was done to it", j, err)
		}
	})
}

func TestScheduler_Jobs_YieldsUntilTheContextOrTheCallerEnds(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		s := r.Scheduler()
		for _, name := range []string{"c", "a", "b"} {
			r.must(s.DeclareJob(job("0 3 * * *", named(name))))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		list := func(ctx context.Context, each func(*transport.Job) bool) (names []string, err error) {
			for j, err := range s.Jobs(ctx) {
				if err != nil {
					return names, err
				}
				if names = append(names, j.Name); !each(j) {
					break
				}
			}
			return names, nil
		}
		names, err := list(ctx, func(*transport.Job) bool { return true })
		r.must(err)
		equal(t, "jobs", names, []string{"a", "b", "c"})
		names, err = list(ctx, func(*transport.Job) bool { return false })
		r.must(err)
		equal(t, "jobs of who breaks off", names, []string{"a"})
		names, err = list(ctx, func(*transport.Job) bool { cancel(); return true })
		equal(t, "jobs until the context ended", names, []string{"a"})
		wantError(t, err, transport.KindOther, "list jobs: context canceled")
		r.must(r.Shutdown(t.Context()))
		_, err = list(t.Context(), func(*transport.Job) bool { return true })
		wantError(t, err, transport.KindClosed, "list jobs")
	})
}
