package transporttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func jobAdminLaws() []schedulerLaw {
	return []schedulerLaw{
		{"pause/state", "A job that was paused says so, and one that was resumed no longer.", pauseState},
		{"pause/again", "Pausing a paused job, and resuming one that is not, is no error and changes nothing.", pauseAgain},
		{"pause/put", "A paused job stays paused over a PutJob, whatever that changes.", pausePut},
	}
}

func (t *schedulerTrial) wantState(want transport.JobState, when string) {
	if got := t.see(jobName); got.State != want {
		t.errorf("the job is %q %s, want %q", got.State, when, want)
	}
	for _, j := range t.list(-1) {
		if j.State != want {
			t.errorf("Jobs says %q %s, want %q", j.State, when, want)
		}
	}
}

func pauseState(t *schedulerTrial) {
	t.needsAdmin()
	t.put(t.fullJob(jobName))
	t.pause(jobName)
	t.wantState(transport.JobPaused, "after PauseJob")
	t.wantJob(t.fullJob(jobName))
	t.resume(jobName)
	t.wantState(transport.JobEnabled, "after ResumeJob")
	t.wantJob(t.fullJob(jobName))
}

func pauseAgain(t *schedulerTrial) {
	t.needsAdmin()
	t.put(t.job(jobName))
	t.resume(jobName)
	t.wantState(transport.JobEnabled, "after ResumeJob of one that was not paused")
	for range 2 {
		t.pause(jobName)
	}
	t.wantState(transport.JobPaused, "after two PauseJobs")
	for range 2 {
		t.resume(jobName)
	}
	t.wantState(transport.JobEnabled, "after two ResumeJobs")
}

func pausePut(t *schedulerTrial) {
	t.needsAdmin()
	t.put(t.job(jobName))
	t.pause(jobName)
	for _, change := range t.changes() {
		j := t.fullJob(jobName)
		change(j)
		t.put(j)
		t.wantState(transport.JobPaused, "after PutJob")
		t.wantJob(j)
	}
}

func runJobLaws() []schedulerLaw {
	return []schedulerLaw{
		{"run/fires", "RunJob fires the job once, at its URL, with its body.", runFires},
		{"run/headers", "A job fires with its own headers and those of Cloud Scheduler.", runHeaders},
		{"run/content-type", "A body without a content type is sent as application/octet-stream.", runContentType},
		{"run/reserved", "Headers that Cloud Scheduler sets itself cannot be set by a job.", runReserved},
		{"run/paused", "RunJob fires a paused job, which stays paused.", runPaused},
		{"run/returns", "RunJob does not wait for the answer.", runReturns},
		{"run/outcome", "A job tells when it ran last, and whether that failed.", runOutcome},
		{"run/latest", "RunJob fires the job as it was put last.", runLatest},
		{"run/deleted", "A run goes on when its job is deleted.", runDeleted},
	}
}

func runFires(t *schedulerTrial) {
	t.needsAdmin()
	box, other := t.serve(jobName, done), t.serve(otherJob, done)
	t.put(t.job(jobName))
	t.put(t.job(otherJob))
	box.none("it is not due")
	t.fire(jobName)
	if f := box.next(); f.url != t.job(jobName).URL || string(f.body) != "body of "+jobName {
		t.errorf("fired at %s with %q, want %s", f.url, f.body, t.job(jobName).URL)
	}
	box.none("it was run once")
	other.none("another job was run")
}

// fired puts a job, runs it, and returns what comes.
func (t *schedulerTrial) fired(j *transport.Job) firing {
	t.needsAdmin()
	box := t.serve(j.Name, done)
	t.put(j)
	t.fire(j.Name)
	return box.next()
}

func runHeaders(t *schedulerTrial) {
	j := t.job(jobName)
	j.TimeZone = "Asia/Kolkata"
	j.Header = http.Header{"Content-Type": {"application/json"}, "X-Value": {"a value"}, "Traceparent": {"00-a-b-01"}}
	f := t.fired(j)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Value": "a value", "Traceparent": "00-a-b-01",
		"User-Agent": "Google-Cloud-Scheduler", "X-CloudScheduler": "true",
	} {
		if got := f.header.Values(name); len(got) != 1 || got[0] != want {
			t.errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if got := f.header.Get("X-CloudScheduler-JobName"); transport.ResourceID(got) != jobName {
		t.errorf("X-CloudScheduler-JobName is %q, want %q or a full name that ends so", got, jobName)
	}
	at, err := f.planned()
	if err != nil || at.Sub(f.at).Abs() > time.Minute {
		t.errorf("X-CloudScheduler-ScheduleTime is %q at %s, want about that in RFC 3339", f.header.Get("X-CloudScheduler-ScheduleTime"), f.at)
	}
	if _, offset := at.Zone(); offset != 19800 {
		t.errorf("X-CloudScheduler-ScheduleTime is %q, want it in the zone of the job, +05:30", f.header.Get("X-CloudScheduler-ScheduleTime"))
	}
}

func runContentType(t *schedulerTrial) {
	f := t.fired(t.job(jobName))
	if got := f.header.Get("Content-Type"); got != "application/octet-stream" {
		t.errorf("Content-Type is %q, want application/octet-stream", got)
	}
	bare := t.job(otherJob)
	bare.Body, bare.Schedule = nil, "every 48 hours"
	f = t.fired(bare)
	if len(f.body) != 0 {
		t.errorf("a job without a body fires with %q", f.body)
	}
	if got := f.header.Get("X-CloudScheduler-ScheduleTime"); got != "" {
		t.errorf("a job whose schedule is not of five fields tells the time %q", got)
	}
}

func runReserved(t *schedulerTrial) {
	j := t.job(jobName)
	j.Header = http.Header{
		"User-Agent": {"forged"}, "X-Cloudscheduler": {"forged"}, "X-Cloudscheduler-Jobname": {"forged"},
		"X-Cloudscheduler-Scheduletime": {"forged"}, "X-Google-Forged": {"forged"}, "X-Appengine-Forged": {"forged"},
	}
	for name, values := range t.fired(j).header {
		if strings.Contains(strings.Join(values, " "), "forged") {
			t.errorf("header %s is %q", name, values)
		}
	}
}

func runPaused(t *schedulerTrial) {
	t.needsAdmin()
	box := t.serve(jobName, done)
	t.put(t.job(jobName))
	t.pause(jobName)
	t.fire(jobName)
	box.next()
	t.wantState(transport.JobPaused, "after it was run")
	box.none("it was run once")
}

func runReturns(t *schedulerTrial) {
	t.needsAdmin()
	g := t.gate()
	box := t.serve(jobName, g.before(done))
	j := t.job(jobName)
	j.Deadline = transport.MaxTimeout
	t.put(j)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		ctx, cancel := t.context()
		defer cancel()
		t.wantError(t.Admin.RunJob(ctx, jobName), nil, "RunJob")
	}()
	box.next()
	select {
	case <-returned:
	case <-time.After(t.Patience / 4):
		t.errorf("RunJob has not returned, while the run waits for it to do so")
	}
	t.see(jobName)
	t.put(t.job(jobName))
	g.open()
	<-returned
	box.none("it was run once")
}

func runOutcome(t *schedulerTrial) {
	t.needsAdmin()
	box := t.serve(jobName, answers(http.StatusServiceUnavailable, http.StatusNoContent))
	t.put(t.job(jobName))
	before := time.Now().Add(-time.Second)
	t.fire(jobName)
	f := box.next()
	t.eventually("the job says that its run failed", func() bool { return t.see(jobName).LastErr != nil })
	if got := t.see(jobName).LastRun; got.Before(before) || got.After(f.at.Add(time.Second)) {
		t.errorf("LastRun is %s, want about %s", got, f.at)
	}
	t.fire(jobName)
	f = box.next()
	t.eventually("the job says that its run went well", func() bool { return t.see(jobName).LastErr == nil })
	if got := t.see(jobName).LastRun; got.Before(before) || got.After(f.at.Add(time.Second)) {
		t.errorf("LastRun is %s, want about %s", got, f.at)
	}
}

func runLatest(t *schedulerTrial) {
	t.needsAdmin()
	old, box := t.serve(jobName, done), t.serve(otherJob, done)
	t.put(t.job(jobName))
	j := t.job(jobName)
	j.URL, j.Body = t.Endpoint+"/"+otherJob+"?with=query", []byte("another")
	t.put(j)
	t.fire(jobName)
	if f := box.next(); string(f.body) != "another" || f.url != j.URL {
		t.errorf("fired at %s with %q, want %s", f.url, f.body, j.URL)
	}
	old.none("the job goes elsewhere now")
}

func runDeleted(t *schedulerTrial) {
	t.needsAdmin()
	g := t.gate()
	ended := make(chan error, 1)
	box := t.serve(jobName, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		status, after, err := g.before(done)(ctx, d)
		offer(ended, errors.Join(err, ctx.Err()))
		return status, after, err
	})
	t.put(t.job(jobName))
	t.fire(jobName)
	box.next()
	t.deleteJob(jobName)
	t.pass(t.Grace)
	g.open()
	select {
	case err := <-ended:
		t.wantError(err, nil, "the run after its job was deleted")
	case <-time.After(t.Patience):
		t.errorf("the run did not end")
	}
	box.none("the job was deleted")
}
