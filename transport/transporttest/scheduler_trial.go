package transporttest

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// schedulerTrial is one case on one scheduler: what cases stand on.
type schedulerTrial struct {
	base
	SchedulerDriver
	over  *gate // opened as the driver begins to end
	began time.Time
}

func newSchedulerTrial(tb testing.TB, l schedulerLaw, d SchedulerDriver) *schedulerTrial {
	t := &schedulerTrial{SchedulerDriver: d, over: &gate{ch: make(chan struct{})}, began: time.Now()}
	t.setUp(tb, functionName(l.test), d.Bubble, d.Patience, d.Grace)
	return t
}

// end lets go of what the case holds, ends the driver and returns the verdict.
func (t *schedulerTrial) end() (skipped string, seen []string) {
	t.openGates()
	t.over.open()
	if t.Close != nil {
		_ = t.Close() // what it answers is for the cases about it to judge
	}
	return t.verdict()
}

// schedulerAbility finds A, or skips the case.
func schedulerAbility[A any](t *schedulerTrial) A {
	a, err := transport.SchedulerAs[A](t.Scheduler)
	if err != nil {
		t.skipf("needs an ability that this driver lacks: %v", err)
	}
	return a
}

func (t *schedulerTrial) needsAdmin() {
	if t.Admin == nil {
		t.skipf("needs a transport.JobAdmin")
	}
}

func (t *schedulerTrial) needsFiring() {
	if t.Serve == nil {
		t.skipf("needs jobs that fire: there is no SchedulerDriver.Serve, and the driver is no transport.Server")
	}
}

// needsTime is for cases that let days pass.
func (t *schedulerTrial) needsTime() {
	t.needsFiring()
	if !t.Bubble {
		t.skipf("needs days: SchedulerDriver.Bubble is not set")
	}
}

func (t *schedulerTrial) needsChecks() {
	if t.NoChecks {
		t.skipf("is about settings: SchedulerDriver.NoChecks is set")
	}
}

// rarely is a schedule that fires in no case.
const rarely = "0 0 29 2 *"

// jobName names the job under test, otherJob another one.
const (
	jobName  = "conformance-job"
	otherJob = "conformance-job-2"
)

// job is one that only fires by hand.
func (t *schedulerTrial) job(name string) *transport.Job {
	return &transport.Job{Name: name, Schedule: rarely, URL: t.Endpoint + "/" + name, Body: []byte("body of " + name)}
}

// scheduled is job with a schedule.
func (t *schedulerTrial) scheduled(schedule string) *transport.Job {
	j := t.job(jobName)
	j.Schedule = schedule
	return j
}

// attempt puts and returns whatever comes.
func (t *schedulerTrial) attempt(j *transport.Job) error {
	ctx, cancel := t.context()
	defer cancel()
	return t.Scheduler.PutJob(ctx, j)
}

// put gives up unless the job is accepted.
func (t *schedulerTrial) put(j *transport.Job) {
	if err := t.attempt(j); err != nil {
		t.fatalf("PutJob(%q): %v", j.Name, err)
	}
}

// act does something to a job and gives up where it fails.
func (t *schedulerTrial) act(what string, f func(context.Context, string) error, name string) {
	ctx, cancel := t.context()
	defer cancel()
	if err := f(ctx, name); err != nil {
		t.fatalf("%s(%q): %v", what, name, err)
	}
}

func (t *schedulerTrial) pause(name string)     { t.act("PauseJob", t.Admin.PauseJob, name) }
func (t *schedulerTrial) resume(name string)    { t.act("ResumeJob", t.Admin.ResumeJob, name) }
func (t *schedulerTrial) fire(name string)      { t.act("RunJob", t.Admin.RunJob, name) }
func (t *schedulerTrial) deleteJob(name string) { t.act("DeleteJob", t.Scheduler.DeleteJob, name) }

// list gives up where Jobs fails. It breaks off after most.
func (t *schedulerTrial) list(most int) (all []*transport.Job) {
	ctx, cancel := t.context()
	defer cancel()
	for j, err := range t.Scheduler.Jobs(ctx) {
		if err != nil {
			t.fatalf("Jobs: %v", err)
		}
		if all = append(all, j); len(all) == most {
			break
		}
	}
	return all
}

// lookUp finds a job, by whatever ability.
func (t *schedulerTrial) lookUp(name string) (*transport.Job, error) {
	if t.Admin != nil {
		ctx, cancel := t.context()
		defer cancel()
		j, err := t.Admin.Job(ctx, name)
		if j == nil && err == nil {
			t.fatalf("Job(%q) returns neither a job nor an error", name)
		}
		return j, err
	}
	for _, j := range t.list(-1) {
		if transport.ResourceID(j.Name) == name {
			return j, nil
		}
	}
	return nil, transport.ErrNotFound
}

// see gives up unless the job is there.
func (t *schedulerTrial) see(name string) *transport.Job {
	j, err := t.lookUp(name)
	if err != nil {
		t.fatalf("looking up the job %q: %v", name, err)
	}
	return j
}

// wantJob records unless the job is as want says.
func (t *schedulerTrial) wantJob(want *transport.Job) {
	got, err := t.lookUp(want.Name)
	if err != nil {
		t.errorf("looking up the job %q: %v", want.Name, err)
		return
	}
	t.wantSameJob(got, want)
}

// wantNoJob records unless there is no such job.
func (t *schedulerTrial) wantNoJob(name, because string) {
	if _, err := t.lookUp(name); !errors.Is(err, transport.ErrNotFound) {
		t.errorf("looking up the job %q: error %q, want %q: %s", name, text(err), transport.ErrNotFound, because)
	}
}

// wantSameJob records each setting in which the two differ.
func (t *schedulerTrial) wantSameJob(got, want *transport.Job) {
	g, w := plainJob(got), plainJob(want)
	if want.ServiceAccount == "" {
		g.ServiceAccount = "" // the driver's
	}
	a, b := reflect.ValueOf(*g), reflect.ValueOf(*w)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.errorf("job %q has %s %+v, want %+v", want.Name, a.Type().Field(i).Name, pointed(a.Field(i)), pointed(b.Field(i)))
		}
	}
}

// plainJob is the settings of j, with an id for its name, and the defaults of Cloud Scheduler for zeros, so that drivers
// may answer either. The platform tells its own headers too.
func plainJob(j *transport.Job) *transport.Job {
	p := *j
	p.State, p.Next, p.LastRun, p.LastErr = "", time.Time{}, time.Time{}, nil
	p.Name = transport.ResourceID(j.Name)
	p.Header = http.Header{}
	for name, values := range j.Header {
		if name = http.CanonicalHeaderKey(name); name != "User-Agent" && len(values) > 0 {
			p.Header.Set(name, strings.Join(values, ", "))
		}
	}
	if len(j.Body) == 0 {
		p.Body = nil
	} else if p.Header.Get("Content-Type") == "" {
		p.Header.Set("Content-Type", "application/octet-stream")
	}
	if p.TimeZone == "" {
		p.TimeZone = "UTC"
	}
	if p.Deadline == 0 {
		p.Deadline = transport.DefaultJobDeadline
	}
	if p.Method == "" {
		p.Method = http.MethodPost
	}
	retry := transport.RetryConfig{}.ForJob()
	if j.Retry != nil {
		retry = j.Retry.ForJob()
	}
	p.Retry = &retry
	return &p
}
