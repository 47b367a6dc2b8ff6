package jobs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const nightly = "nightly" // the job

var errSick = errors.New("sick")

// rig is a Jobs whose attempts are recorded.
type rig struct {
	*jobs.Jobs
	t     *testing.T
	start time.Time

	mu     sync.Mutex
	calls  []call
	answer fire
}

type fire = func(context.Context, *transport.Job, jobs.Run) error

// call is one attempt.
type call struct {
	jobs.Run
	at  time.Duration // since the rig was made
	job *transport.Job
}

// bubble runs f with a rig whose attempts succeed, in a synctest bubble: it begins at midnight UTC, 2000-01-01, a
// Saturday.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) { bubbleWith(t, jobs.Config{}, f) }

func bubbleWith(t *testing.T, cfg jobs.Config, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg)
		defer func() { r.check(r.Shutdown(context.Background())) }()
		f(t, r)
	})
}

func newRig(t *testing.T, cfg jobs.Config) *rig {
	r := &rig{t: t, start: time.Now()}
	cfg.Fire = r.fire
	r.Jobs = jobs.New(cfg)
	return r
}

func (r *rig) fire(ctx context.Context, j *transport.Job, run jobs.Run) error {
	r.mu.Lock()
	r.calls = append(r.calls, call{run, r.Now().Sub(r.start), j})
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx, j, run)
}

func (r *rig) respond(f fire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// failing makes attempts fail.
func (r *rig) failing() {
	r.respond(func(context.Context, *transport.Job, jobs.Run) error { return errSick })
}

// taking makes attempts take d, and heed their context.
func (r *rig) taking(d time.Duration) {
	r.respond(func(ctx context.Context, _ *transport.Job, _ jobs.Run) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// seen returns the attempts so far, once everything that can happen now has happened.
func (r *rig) seen() []call {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantTimes checks when attempts began, since the rig was made.
func (r *rig) wantTimes(want ...time.Duration) {
	r.t.Helper()
	var got []time.Duration
	for _, c := range r.seen() {
		got = append(got, c.at)
	}
	equal(r.t, "times of attempts", got, want)
}

type change = func(*transport.Job)

// job is a job with a schedule.
func job(schedule string, changes ...change) *transport.Job {
	j := &transport.Job{Name: nightly, Schedule: schedule, URL: "https://shop.example.com/nightly"}
	for _, f := range changes {
		f(j)
	}
	return j
}

func named(name string) change { return func(j *transport.Job) { j.Name = name } }
func in(zone string) change    { return func(j *transport.Job) { j.TimeZone = zone } }
func to(url string) change     { return func(j *transport.Job) { j.URL = url } }

func retrying(c transport.RetryConfig) change {
	return func(j *transport.Job) { j.Retry = &c }
}

func (r *rig) put(schedule string, changes ...change) {
	r.t.Helper()
	r.must(r.Put(job(schedule, changes...)))
}

func (r *rig) get(name string) *transport.Job {
	r.t.Helper()
	synctest.Wait()
	j, err := r.Get(name)
	r.must(err)
	return j
}

// wantNext checks when the job is due next, since the rig was made; less than zero: never.
func (r *rig) wantNext(want time.Duration) {
	r.t.Helper()
	got := r.get(nightly).Next
	if want < 0 && !got.IsZero() || want >= 0 && !got.Equal(r.start.Add(want)) {
		r.t.Errorf("next run %s (%s after the start), want %s after it", got, got.Sub(r.start), want)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// wantError checks an error's kind, and that it says something.
func wantError(t *testing.T, err error, kind transport.Kind, contains string) {
	t.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Kind != kind || !strings.Contains(err.Error(), contains) {
		t.Errorf("error %v, want kind %v and %q", err, kind, contains)
	}
}

func contains(err error, text string) bool { return strings.Contains(err.Error(), text) }

// check is must for goroutines of their own.
func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Error(err)
	}
}
