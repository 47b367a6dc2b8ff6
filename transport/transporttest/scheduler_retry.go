package transporttest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func jobRetryLaws() []schedulerLaw {
	return []schedulerLaw{
		{"retry/job-none", "Without retry settings a run that failed is not attempted again.", jobRetryNone},
		{"retry/job-failure", "A status outside 200 to 299 is a failure, and is retried; one of these is not.", jobRetryFailure},
		{"retry/job-attempts", "A run is attempted MaxAttempts times, the first one included, and no more.", jobRetryAttempts},
		{"retry/job-unchanged", "Each attempt of a run brings what the first did, the time that it is for included.", jobRetryUnchanged},
		{"retry/job-panic", "A handler that panics has failed.", jobRetryPanic},
		{"retry/job-backoff", "After the n-th failure the next attempt begins RetryConfig.Delay(n) after that failure.", jobRetryBackoff},
		{"retry/job-defaults", "Retries without backoff settings are 5 s apart, then 10, 20, 40, 80.", jobRetryDefaults},
		{"retry/job-duration", "With MaxAttempts and MaxRetryDuration retrying ends when both are used up.", jobRetryDuration},
		{"retry/job-schedule", "Retries end with the next time of the schedule, which begins a run of its own.", jobRetrySchedule},
		{"retry/job-success", "A retry that succeeds ends the run.", jobRetrySuccess},
	}
}

// retriedJob is job with retries that take no time worth mentioning.
func (t *schedulerTrial) retriedJob(name string, attempts int) *transport.Job {
	j := t.job(name)
	j.Retry = quickly(attempts)
	return j
}

func jobRetryNone(t *schedulerTrial) {
	t.needsAdmin()
	box := t.serve(jobName, answers(http.StatusInternalServerError))
	t.put(t.job(jobName))
	t.fire(jobName)
	box.next()
	box.none("a job is not retried unless it says so")
	if t.Bubble { // the default pause is longer than a minute at no retry
		box.wantUntil(2 * time.Hour)
	}
}

func jobRetryFailure(t *schedulerTrial) {
	t.needsAdmin()
	for status, again := range map[int]bool{200: false, 201: false, 202: false, 204: false, 299: false, 400: true, 404: true, 409: true, 429: true, 500: true, 503: true} {
		name := fmt.Sprintf("status-%d", status)
		box := t.serve(name, answers(status, http.StatusOK))
		t.put(t.retriedJob(name, 3))
		t.fire(name)
		box.next()
		if again {
			box.next()
		}
		box.none(fmt.Sprintf("the first answer was %d, any other 200", status))
	}
}

func jobRetryAttempts(t *schedulerTrial) {
	t.needsAdmin()
	for _, most := range []int{1, 3, 1 + transport.MaxJobRetries} {
		name := fmt.Sprintf("most-%d", most)
		box := t.serve(name, answers(http.StatusInternalServerError))
		t.put(t.retriedJob(name, most))
		t.fire(name)
		for range most {
			box.next()
		}
		box.none(fmt.Sprintf("%d attempts were allowed", most))
	}
}

func jobRetryUnchanged(t *schedulerTrial) {
	t.needsAdmin()
	box := t.serve(jobName, answers(500, 500, 200))
	j := t.retriedJob(jobName, 3)
	j.Retry.MinBackoff, j.Retry.MaxBackoff = 2*t.unit, 2*t.unit
	j.Header = http.Header{"X-Value": {"same"}}
	t.put(j)
	t.fire(jobName)
	first := box.next()
	for i := range 2 {
		f := box.next()
		if f.url != first.url || string(f.body) != string(first.body) || f.header.Get("X-Value") != "same" {
			t.errorf("retry %d at %s with %q, X-Value %q; want %s with %q", i+1, f.url, f.body, f.header.Get("X-Value"), first.url, first.body)
		}
		for _, name := range []string{"X-CloudScheduler-ScheduleTime", "X-CloudScheduler-JobName", "User-Agent"} {
			if got, want := f.header.Get(name), first.header.Get(name); got != want {
				t.errorf("retry %d has %s %q, want %q as the first attempt", i+1, name, got, want)
			}
		}
	}
}

func jobRetryPanic(t *schedulerTrial) {
	t.needsAdmin()
	schedulerAbility[transport.Server](t)
	var once sync.Once
	box := t.serve(jobName, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		once.Do(func() { panic("a handler's mistake") })
		return http.StatusOK, 0, nil
	})
	t.put(t.retriedJob(jobName, 3))
	t.fire(jobName)
	box.next()
	box.next()
	box.none("the second attempt succeeded")
}

// failing serves a job whose attempts take a time, and fail.
func (t *schedulerTrial) failing(takes time.Duration) *firings {
	return t.serve(jobName, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		t.work(takes)
		return http.StatusInternalServerError, 0, nil
	})
}

// hourly puts a job that fires each hour with these retries.
func (t *schedulerTrial) hourly(retry transport.RetryConfig) {
	j := t.scheduled("0 * * * *")
	j.Retry = &retry
	t.put(j)
}

// afterAnHour are times from the first hour on.
func afterAnHour(ds ...time.Duration) (times []time.Duration) {
	for _, d := range ds {
		times = append(times, time.Hour+d)
	}
	return times
}

func jobRetryBackoff(t *schedulerTrial) {
	t.needsTime()
	box := t.failing(3 * time.Second)
	t.hourly(transport.RetryConfig{MaxAttempts: 6, MinBackoff: 10 * time.Second, MaxBackoff: 70 * time.Second, MaxDoublings: 2})
	s := time.Second
	box.wantUntil(90*time.Minute, afterAnHour(0, 13*s, 36*s, 79*s, 152*s, 225*s)...)
}

func jobRetryDefaults(t *schedulerTrial) {
	t.needsTime()
	box := t.failing(0)
	t.hourly(transport.RetryConfig{MaxAttempts: 6})
	s := time.Second
	box.wantUntil(90*time.Minute, afterAnHour(0, 5*s, 15*s, 35*s, 75*s, 155*s)...)
}

func jobRetryDuration(t *schedulerTrial) {
	t.needsTime()
	box := t.failing(0)
	ten := 10 * time.Second
	t.hourly(transport.RetryConfig{MaxAttempts: 2, MaxRetryDuration: 35 * time.Second, MinBackoff: ten, MaxBackoff: ten})
	box.wantUntil(90*time.Minute, afterAnHour(0, ten, 2*ten, 3*ten, 4*ten)...)
	t.hourly(transport.RetryConfig{MaxAttempts: 6, MaxRetryDuration: 35 * time.Second, MinBackoff: ten, MaxBackoff: ten})
	box.wantUntil(150*time.Minute, afterAnHour(time.Hour, time.Hour+ten, time.Hour+2*ten, time.Hour+3*ten, time.Hour+4*ten, time.Hour+5*ten)...)
}

func jobRetrySchedule(t *schedulerTrial) {
	t.needsTime()
	box := t.failing(0)
	t.hourly(transport.RetryConfig{MaxAttempts: 6, MinBackoff: 25 * time.Minute, MaxBackoff: 25 * time.Minute})
	m := time.Minute
	all := box.wantUntil(179*time.Minute, 60*m, 85*m, 110*m, 120*m, 145*m, 170*m)
	for i, f := range all {
		if at, err := f.planned(); err == nil && !at.Equal(t.began.Add(time.Duration(1+i/3)*time.Hour)) {
			t.errorf("attempt %d is for %s, want the hour before it", i+1, at)
		}
	}
}

func jobRetrySuccess(t *schedulerTrial) {
	t.needsTime()
	box := t.serve(jobName, answers(500, 503, 204))
	t.hourly(transport.RetryConfig{MaxAttempts: 6, MinBackoff: time.Minute, MaxBackoff: time.Minute})
	m := time.Minute
	box.wantUntil(150*time.Minute, 60*m, 61*m, 62*m, 120*m)
}
