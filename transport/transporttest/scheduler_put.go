package transporttest

import (
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func putJobLaws() []schedulerLaw {
	return []schedulerLaw{
		{"put/creates", "A job that was put can be looked up, with all its settings, and is the scheduler's own copy.", putCreates},
		{"put/defaults", "A setting that was not made is Cloud Scheduler's default, or zero, which means it.", putDefaults},
		{"put/replaces", "PutJob of a job that exists replaces each of its settings, and touches no other job.", putReplaces},
		{"put/clears", "A setting that the next PutJob does not make is back at what it is without being made.", putClears},
		{"put/new", "A new job is enabled, due in the future, and has not run, whatever its read-only fields said.", putNew},
		{"put/race", "Of several that put one job at the same time all succeed, and there is one.", putRace},
	}
}

// fullJob makes every setting there is.
func (t *schedulerTrial) fullJob(name string) *transport.Job {
	j := t.job(name)
	j.Description = "what the job is för"
	j.Schedule, j.TimeZone = "30 2 29 FEB *", "Europe/Berlin"
	j.Audience, j.ServiceAccount = "https://conformance.test", "caller@conformance.iam.gserviceaccount.com"
	j.Header = http.Header{"Content-Type": {"application/json"}, "X-Value": {"a value"}}
	j.Body = []byte("{\"zero\": \"\x00\"}")
	j.Deadline = 42 * time.Second
	j.Retry = &transport.RetryConfig{
		MaxAttempts: 4, MaxRetryDuration: 90 * time.Second, MinBackoff: 7 * time.Second, MaxBackoff: 70 * time.Second, MaxDoublings: 3,
	}
	j.Method = http.MethodPut
	return j
}

// changes are all that can be done to a job's settings, each with what it does.
func (t *schedulerTrial) changes() map[string]func(*transport.Job) {
	return map[string]func(*transport.Job){
		"Description":    func(j *transport.Job) { j.Description = "another" },
		"Schedule":       func(j *transport.Job) { j.Schedule = "0 12 29 2 *" },
		"TimeZone":       func(j *transport.Job) { j.TimeZone = "Asia/Kolkata" },
		"URL":            func(j *transport.Job) { j.URL = t.Endpoint + "/another?with=query" },
		"Audience":       func(j *transport.Job) { j.Audience = "https://another.test" },
		"ServiceAccount": func(j *transport.Job) { j.ServiceAccount = "another@conformance.iam.gserviceaccount.com" },
		"Header":         func(j *transport.Job) { j.Header = http.Header{"Content-Type": {"text/plain"}, "X-Another": {"one"}} },
		"Body":           func(j *transport.Job) { j.Body = []byte("another") },
		"Deadline":       func(j *transport.Job) { j.Deadline = 10 * time.Minute },
		"Retry":          func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Minute} },
		"Method":         func(j *transport.Job) { j.Method = http.MethodPost },
	}
}

func putCreates(t *schedulerTrial) {
	english := t.job("english-job")
	english.Schedule = "1st friday of month 09:00"
	get := t.job("get-job")
	get.Method, get.Body = http.MethodGet, nil
	for _, want := range []*transport.Job{t.fullJob(jobName), english, get} {
		t.put(want)
		t.wantJob(want)
	}
}

func putDefaults(t *schedulerTrial) {
	bare := &transport.Job{Name: jobName, Schedule: rarely, URL: t.Endpoint + "/bare"}
	t.put(bare)
	t.wantJob(bare)
	if got := t.see(jobName); got.Audience != "" {
		t.errorf("a job without an audience has %q: no token was asked for", got.Audience)
	}
	few := t.job(otherJob)
	few.Retry = &transport.RetryConfig{MaxAttempts: 3}
	t.put(few)
	t.wantJob(few)
}

func putReplaces(t *schedulerTrial) {
	neighbor := t.fullJob("neighbor-job")
	t.put(neighbor)
	n := 0
	for what, change := range t.changes() {
		n++
		was := t.fullJob(fmt.Sprintf("job-%d", n))
		t.put(was)
		change(was)
		if err := t.attempt(was); err != nil {
			t.errorf("PutJob with another %s: %v", what, err)
			continue
		}
		t.wantJob(was)
	}
	t.wantJob(neighbor)
}

func putClears(t *schedulerTrial) {
	t.put(t.fullJob(jobName))
	bare := &transport.Job{Name: jobName, Schedule: rarely, URL: t.Endpoint + "/bare"}
	t.put(bare)
	t.wantJob(bare)
	if got := t.see(jobName); got.Audience != "" {
		t.errorf("it still has the audience %q", got.Audience)
	}
	t.put(t.fullJob(jobName))
	t.wantJob(t.fullJob(jobName))
}

func putNew(t *schedulerTrial) {
	j := t.job(jobName)
	j.State, j.Next, j.LastRun, j.LastErr = transport.JobPaused, time.Now().Add(-time.Hour), time.Now().Add(-time.Hour), errNack
	was := *j
	t.put(j)
	if !reflect.DeepEqual(*j, was) {
		t.errorf("the job was %+v and is %+v", was, *j)
	}
	got := t.see(jobName)
	if got.State != transport.JobEnabled || !got.LastRun.IsZero() || got.LastErr != nil {
		t.errorf("a new job is %s, ran at %s and ended with %q", got.State, got.LastRun, text(got.LastErr))
	}
	if !got.Next.IsZero() && got.Next.Before(time.Now()) {
		t.errorf("it is due %s, which is past", got.Next)
	}
}

func putRace(t *schedulerTrial) {
	t.atOnce(8, func(i int) {
		j := t.job(jobName)
		j.Description = fmt.Sprintf("putter %d", i)
		if err := t.attempt(j); err != nil {
			t.errorf("PutJob at the same time: %v", err)
		}
	})
	if n := len(t.list(-1)); n != 1 {
		t.errorf("%d jobs, want one", n)
	}
}
