package emulator_test

import (
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// firstRun lets the hour come and returns how many seconds after it attempts were made, within d.
func (r *schedulerRig) firstRun(d time.Duration) (after []int) {
	pass(time.Hour + d)
	hour := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
	for _, c := range r.worker.seen() {
		after = append(after, int(c.at.Sub(hour)/time.Second))
	}
	return after
}

func TestRetry_Pauses_AndTheirEnd(t *testing.T) {
	sec := func(n int64) *durationpb.Duration { return &durationpb.Duration{Seconds: n} }
	for _, tc := range []struct {
		name  string
		retry *schedulerpb.RetryConfig
		want  []int
	}{
		{"none by default", nil, []int{0}},
		{"none without a count", &schedulerpb.RetryConfig{MaxRetryDuration: sec(600)}, []int{0}},
		{"the default backoff", &schedulerpb.RetryConfig{RetryCount: 5}, []int{0, 5, 15, 35, 75, 155}},
		{"doublings, then linear, then flat", &schedulerpb.RetryConfig{
			RetryCount: 5, MinBackoffDuration: sec(10), MaxBackoffDuration: sec(45), MaxDoublings: 1}, []int{0, 10, 30, 70, 115, 160}},
		{"both limits are used up: the duration last", &schedulerpb.RetryConfig{
			RetryCount: 1, MinBackoffDuration: sec(60), MaxBackoffDuration: sec(60), MaxRetryDuration: sec(150)}, []int{0, 60, 120, 180}},
		{"both limits are used up: the count last", &schedulerpb.RetryConfig{
			RetryCount: 3, MinBackoffDuration: sec(60), MaxBackoffDuration: sec(60), MaxRetryDuration: sec(1)}, []int{0, 60, 120, 180}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := startSchedulerHere(t)
				r.createJob(every("0 * * * *"), func(j *schedulerpb.Job) { j.RetryConfig = tc.retry })
				r.worker.statuses(500)
				if got := r.firstRun(59 * time.Minute); !slices.Equal(got, tc.want) {
					t.Errorf("attempts after %v seconds, want %v", got, tc.want)
				}
			})
		})
	}
}

func TestRetry_Success_EndsIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("0 * * * *"), retried(5))
		r.worker.statuses(500, 429, 204)
		if got := r.firstRun(30 * time.Minute); !slices.Equal(got, []int{0, 60, 120}) {
			t.Errorf("attempts after %v seconds", got)
		}
		for _, c := range r.worker.seen() { // a retry is for the same time
			if got := c.Header.Get("X-CloudScheduler-ScheduleTime"); got != "2000-01-01T01:00:00Z" {
				t.Errorf("an attempt for %s", got)
			}
		}
	})
}

func TestRetry_NextTime_EndsIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("*/2 * * * *"), func(j *schedulerpb.Job) {
			j.RetryConfig = &schedulerpb.RetryConfig{RetryCount: 5, MinBackoffDuration: durationpb.New(50 * time.Second), MaxBackoffDuration: durationpb.New(50 * time.Second)}
		})
		r.worker.statuses(500)
		if got := r.firstRun(3 * time.Minute); !slices.Equal(got[len(got)-5:], []int{0, 50, 100, 120, 170}) {
			t.Errorf("attempts after %v seconds", got)
		}
	})
}

func TestRetry_ScheduleTime_TellsOfIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("0 * * * *"), retried(1))
		r.worker.statuses(500)
		pass(time.Hour)
		hour := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
		if got := r.getJob(nightly); got.ScheduleTime.AsTime() != hour.Add(time.Minute) || got.LastAttemptTime.AsTime() != hour {
			t.Errorf("attempted at %s, next at %s", got.LastAttemptTime.AsTime(), got.ScheduleTime.AsTime())
		}
		pass(time.Minute)
		if got := r.getJob(nightly); got.ScheduleTime.AsTime() != hour.Add(time.Hour) || got.LastAttemptTime.AsTime() != hour.Add(time.Minute) {
			t.Errorf("attempted at %s, next at %s", got.LastAttemptTime.AsTime(), got.ScheduleTime.AsTime())
		}
	})
}
