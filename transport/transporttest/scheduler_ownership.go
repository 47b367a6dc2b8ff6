package transporttest

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func jobOwnershipLaws() []schedulerLaw {
	return []schedulerLaw{
		{"ownership/job-kept", "What the caller does to its job after PutJob returned changes nothing.", jobKept},
		{"ownership/job-changed", "PutJob changes neither the caller's job nor anything that it refers to.", jobChanged},
		{"ownership/job-lent", "What Job and Jobs return is the caller's own.", jobLent},
		{"ownership/job-fired", "What a handler does to a delivery does not change the job.", jobFired},
	}
}

// spoil changes all that j refers to, and j.
func spoil(j *transport.Job) {
	for _, values := range j.Header {
		clear(values)
	}
	if j.Header != nil {
		j.Header["X-Spoiled"] = []string{"yes"}
	}
	for i := range j.Body {
		j.Body[i] = '!'
	}
	if j.Retry != nil {
		j.Retry.MaxAttempts = 1
	}
	j.Description, j.Schedule, j.URL = "spoiled", "* * * * *", "https://spoiled.test"
}

func jobKept(t *schedulerTrial) {
	given := t.fullJob(jobName)
	t.put(given)
	spoil(given)
	t.wantJob(t.fullJob(jobName))
	again := t.fullJob(jobName)
	t.put(again)
	spoil(again)
	t.wantJob(t.fullJob(jobName))
}

func jobChanged(t *schedulerTrial) {
	room := []byte("body|beyond its length")
	made := func() *transport.Job {
		j := t.fullJob(jobName)
		j.TimeZone, j.Method, j.Deadline = "", "", 0
		j.Header = http.Header{"x-value": {"one"}}
		j.Retry = &transport.RetryConfig{MaxAttempts: 2}
		return j
	}
	for range 2 { // it is created, then replaced
		given, was := made(), made()
		given.Body, was.Body = room[:4], []byte("body")
		t.put(given)
		if !reflect.DeepEqual(given, was) {
			t.errorf("the job was %+v and is %+v", was, given)
		}
	}
	if string(room) != "body|beyond its length" {
		t.errorf("the array behind Body was overwritten: %q", room)
	}
}

func jobLent(t *schedulerTrial) {
	t.put(t.fullJob(jobName))
	spoil(t.see(jobName))
	for _, j := range t.list(-1) {
		spoil(j)
	}
	t.wantJob(t.fullJob(jobName))
}

func jobFired(t *schedulerTrial) {
	t.needsAdmin()
	box := t.serve(jobName, func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		for i := range d.Body {
			d.Body[i] = '!'
		}
		for name := range d.Header {
			d.Header[name] = []string{"spoiled"}
		}
		return http.StatusOK, 0, nil
	})
	j := t.job(jobName)
	j.Header = http.Header{"X-Value": {"kept"}}
	t.put(j)
	for range 2 {
		t.fire(jobName)
		if f := box.next(); string(f.body) != "body of "+jobName || f.header.Get("X-Value") != "kept" {
			t.errorf("fired with body %q and X-Value %q", f.body, f.header.Get("X-Value"))
		}
	}
	t.wantJob(j)
}

func jobContextLaws() []schedulerLaw {
	return []schedulerLaw{
		{"context/job-cancelled", "A context that was cancelled does nothing, and answers an error that matches context.Canceled.", jobCancelled},
		{"context/job-expired", "A context whose deadline has passed does nothing, and answers one that matches context.DeadlineExceeded.", jobExpired},
		{"context/job-afterwards", "The context of a call bounds the call and nothing after it.", jobAfterwards},
	}
}

func jobCancelled(t *schedulerTrial) {
	ctx, cancel := context.WithCancel(t.tb.Context())
	cancel()
	t.doesNothing(ctx)
}

func jobExpired(t *schedulerTrial) {
	ctx, cancel := context.WithDeadline(t.tb.Context(), time.Now().Add(-time.Second))
	defer cancel()
	t.doesNothing(ctx)
}

func (t *schedulerTrial) doesNothing(ctx context.Context) {
	t.put(t.fullJob(jobName))
	other := t.job(otherJob)
	t.wantError(t.Scheduler.PutJob(ctx, other), ctx.Err(), "PutJob with an ended context")
	t.wantError(t.Scheduler.DeleteJob(ctx, jobName), ctx.Err(), "DeleteJob with an ended context")
	var last error
	n := 0
	for _, err := range t.Scheduler.Jobs(ctx) {
		n, last = n+1, err
	}
	t.wantError(last, ctx.Err(), "the last of Jobs with an ended context")
	if n > 1 {
		t.errorf("Jobs yields %d jobs with an ended context", n-1)
	}
	var box *firings
	if t.Serve != nil {
		box = t.serve(jobName, done)
	}
	if t.Admin != nil {
		t.wantError(t.Admin.PauseJob(ctx, jobName), ctx.Err(), "PauseJob with an ended context")
		t.wantError(t.Admin.RunJob(ctx, jobName), ctx.Err(), "RunJob with an ended context")
		_, err := t.Admin.Job(ctx, jobName)
		t.wantError(err, ctx.Err(), "Job with an ended context")
		if s := t.see(jobName).State; s != transport.JobEnabled {
			t.errorf("the job is %s, though the context of PauseJob had ended", s)
		}
		t.pause(jobName)
		t.wantError(t.Admin.ResumeJob(ctx, jobName), ctx.Err(), "ResumeJob with an ended context")
		if s := t.see(jobName).State; s != transport.JobPaused {
			t.errorf("the job is %s, though the context of ResumeJob had ended", s)
		}
	}
	t.wantJob(t.fullJob(jobName))
	t.wantNoJob(otherJob, "the context of PutJob had ended")
	if box != nil {
		box.none("the context of RunJob had ended")
	}
}

func jobAfterwards(t *schedulerTrial) {
	t.needsAdmin()
	box := t.serve(jobName, done)
	ctx, cancel := context.WithCancel(t.tb.Context())
	t.wantError(t.Scheduler.PutJob(ctx, t.job(jobName)), nil, "PutJob")
	t.wantError(t.Admin.RunJob(ctx, jobName), nil, "RunJob")
	cancel()
	box.next()
	t.wantJob(t.job(jobName))
}
