package transporttest

import (
	"github.com/typedtasks/typedtasks/transport"
)

func jobDeclareLaws() []schedulerLaw {
	return []schedulerLaw{
		{"declare/job-made", "A declared job exists, with its settings, and fires.", jobDeclareMade},
		{"declare/job-again", "Declaring a job again gives it the new settings; paused it stays.", jobDeclareAgain},
		{"declare/job-invalid", "Declaring a job that is not valid answers ErrInvalid and makes none.", jobDeclareInvalid},
		{"declare/job-kept", "What the caller does to a job after declaring it changes nothing.", jobDeclareKept},
		{"declare/job-shared", "A job that several declare is one, and fires at one of them, and then at another that still serves.", jobDeclareShared},
		{"declare/job-gone", "A declared job is gone with the last who served it; one that was put stays.", jobDeclareGone},
	}
}

// declare gives up unless the job is accepted.
func (t *schedulerTrial) declare(j *transport.Job) {
	if err := schedulerAbility[transport.JobDeclarer](t).DeclareJob(j); err != nil {
		t.fatalf("DeclareJob(%q): %v", j.Name, err)
	}
}

func jobDeclareMade(t *schedulerTrial) {
	schedulerAbility[transport.JobDeclarer](t)
	t.needsAdmin()
	box := t.serve(jobName, done)
	t.declare(t.fullJob(jobName))
	t.wantJob(t.fullJob(jobName))
	if n := len(t.list(-1)); n != 1 {
		t.errorf("%d jobs are listed, want one", n)
	}
	t.fire(jobName)
	box.next()
	box.none("it was run once")
}

func jobDeclareAgain(t *schedulerTrial) {
	schedulerAbility[transport.JobDeclarer](t)
	t.needsAdmin()
	t.serve(jobName, done)
	t.declare(t.job(jobName))
	t.pause(jobName)
	t.declare(t.fullJob(jobName))
	t.wantJob(t.fullJob(jobName))
	t.wantState(transport.JobPaused, "after it was declared again")
}

func jobDeclareInvalid(t *schedulerTrial) {
	d := schedulerAbility[transport.JobDeclarer](t)
	t.needsChecks()
	t.serve(jobName, done)
	for what, change := range map[string]func(*transport.Job){
		"a name that is none":      func(j *transport.Job) { j.Name = "no.name" },
		"a schedule that is none":  func(j *transport.Job) { j.Schedule = "whenever" },
		"a time zone that is none": func(j *transport.Job) { j.TimeZone = "Mars/Olympus" },
		"a URL that is none":       func(j *transport.Job) { j.URL = "nowhere" },
		"too many retries":         func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxAttempts: 7} },
	} {
		j := t.job(jobName)
		change(j)
		t.wantError(d.DeclareJob(j), transport.ErrInvalid, "DeclareJob with %s", what)
		if n := len(t.list(-1)); n != 0 {
			t.errorf("there is a job with %s", what)
		}
	}
}

func jobDeclareKept(t *schedulerTrial) {
	schedulerAbility[transport.JobDeclarer](t)
	t.serve(jobName, done)
	given := t.fullJob(jobName)
	t.declare(given)
	spoil(given)
	t.wantJob(t.fullJob(jobName))
}

func jobDeclareShared(t *schedulerTrial) {
	schedulerAbility[transport.JobDeclarer](t)
	sharer := schedulerAbility[transport.Sharer](t)
	t.needsAdmin()
	one, two := t.serve("one", done), t.serve("two", done)
	for _, party := range []string{"one", "two", "one"} {
		j := t.job(jobName)
		j.URL = t.Endpoint + "/" + party
		t.declare(j)
	}
	if n := len(t.list(-1)); n != 1 {
		t.errorf("%d jobs are listed, want one", n)
	}
	t.fire(jobName)
	t.pass(t.Grace)
	if n, m := len(one.all()), len(two.all()); n+m != 1 {
		t.errorf("it was fired %d times at the first, %d at the second, want once in all", n, m)
	}
	sharer.Withdraw(t.Endpoint + "/one")
	t.fire(jobName)
	two.next()
	one.none("it was withdrawn")
	two.none("it was run once")
}

func jobDeclareGone(t *schedulerTrial) {
	schedulerAbility[transport.JobDeclarer](t)
	sharer := schedulerAbility[transport.Sharer](t)
	t.serve(jobName, done)
	t.serve(otherJob, done)
	t.declare(t.job(jobName))
	t.declare(t.job(otherJob))
	t.put(t.job("put-job"))
	sharer.Withdraw(t.Endpoint + "/" + jobName)
	t.wantNoJob(jobName, "nobody serves it")
	t.wantJob(t.job(otherJob))
	t.wantJob(t.job("put-job"))
}
