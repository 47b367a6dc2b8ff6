package transporttest

import (
	"bytes"
	"errors"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func jobLimitLaws() []schedulerLaw {
	return []schedulerLaw{
		{"limits/job-accepted", "The longest name and description, every deadline, retry setting, method and form of schedule in range are accepted.", jobsAccepted},
		{"limits/job-refused", "What Job.Check refuses answers ErrInvalid; no job is made, and one that exists stays as it is.", jobsRefused},
		{"limits/schedule", "A schedule or a time zone that is none answers ErrInvalid.", jobsSchedule},
		{"limits/job-size", "A job as large as Job.Check lets it be is accepted; one byte more answers ErrTooLarge.", jobsSize},
		{"limits/job-error", "An error is a *transport.Error that names the job and has a kind.", jobsError},
	}
}

func jobsAccepted(t *schedulerTrial) {
	for what, change := range map[string]func(*transport.Job){
		"the longest name":        func(j *transport.Job) { j.Name = strings.Repeat("a_Z-9", 100) },
		"the longest description": func(j *transport.Job) { j.Description = strings.Repeat("ö", transport.MaxJobDescription) },
		"the longest URL": func(j *transport.Job) {
			j.URL = t.Endpoint + "?" + strings.Repeat("u", transport.MaxURL-len(t.Endpoint)-1)
		},
		"a URL of plain HTTP":      func(j *transport.Job) { j.URL = "http://conformance.test/jobs" },
		"the shortest deadline":    func(j *transport.Job) { j.Deadline = transport.MinTimeout },
		"the longest deadline":     func(j *transport.Job) { j.Deadline = transport.MaxTimeout },
		"default retries":          func(j *transport.Job) { j.Retry = &transport.RetryConfig{} },
		"the most retries":         func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxAttempts: 1 + transport.MaxJobRetries} },
		"a patch":                  func(j *transport.Job) { j.Method = http.MethodPatch },
		"a deletion":               func(j *transport.Job) { j.Method, j.Body = http.MethodDelete, nil },
		"60 KiB of headers":        func(j *transport.Job) { j.Header = http.Header{"X-Large": {strings.Repeat("h", 60<<10)}} },
		"names, lists, ranges":     func(j *transport.Job) { j.Schedule = "0,30 9-17/2 * JAN-MAR,NOV MON-FRI" },
		"both days":                func(j *transport.Job) { j.Schedule = "0 0 13 * FRI" },
		"Sunday as 7":              func(j *transport.Job) { j.Schedule = "0 0 * 2 7" },
		"steps":                    func(j *transport.Job) { j.Schedule = "*/20 */6 1-15/7 * *" },
		"every 48 hours":           func(j *transport.Job) { j.Schedule = "every 48 hours" },
		"every monday 09:00":       func(j *transport.Job) { j.Schedule = "every monday 09:00" },
		"first sunday of month":    func(j *transport.Job) { j.Schedule = "first sunday of month 12:00" },
		"a time zone with a comma": func(j *transport.Job) { j.TimeZone = "America/Port-au-Prince" },
		"UTC by its other name":    func(j *transport.Job) { j.TimeZone = "Etc/UTC" },
	} {
		j := t.job(jobName)
		change(j)
		if err := t.attempt(j); err != nil {
			t.errorf("%s: %v", what, err)
			continue
		}
		t.wantJob(j)
	}
}

func jobsRefused(t *schedulerTrial) {
	t.needsChecks()
	for what, change := range map[string]func(*transport.Job){
		"no name":                      func(j *transport.Job) { j.Name = "" },
		"a name with a dot":            func(j *transport.Job) { j.Name = "conformance.job" },
		"a name of 501 bytes":          func(j *transport.Job) { j.Name = strings.Repeat("a", 501) },
		"a description over the limit": func(j *transport.Job) { j.Description = strings.Repeat("d", transport.MaxJobDescription+1) },
		"no URL":                       func(j *transport.Job) { j.URL = "" },
		"a URL of another scheme":      func(j *transport.Job) { j.URL = "ftp://conformance.test/jobs" },
		"a URL without a host":         func(j *transport.Job) { j.URL = "https:///jobs" },
		"a URL over the limit":         func(j *transport.Job) { j.URL = t.Endpoint + "?" + strings.Repeat("u", transport.MaxURL) },
		"a deadline under 15 s":        func(j *transport.Job) { j.Deadline = transport.MinTimeout - time.Millisecond },
		"a deadline over 30 min":       func(j *transport.Job) { j.Deadline = transport.MaxTimeout + time.Millisecond },
		"six retries":                  func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxAttempts: 2 + transport.MaxJobRetries} },
		"retries without an end":       func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts} },
		"a negative backoff":           func(j *transport.Job) { j.Retry = &transport.RetryConfig{MinBackoff: -time.Second} },
		"a backoff beyond its most": func(j *transport.Job) {
			j.Retry = &transport.RetryConfig{MinBackoff: time.Minute, MaxBackoff: time.Second}
		},
		"a negative duration":     func(j *transport.Job) { j.Retry = &transport.RetryConfig{MaxRetryDuration: -time.Second} },
		"a body with GET":         func(j *transport.Job) { j.Method = http.MethodGet },
		"a method that is none":   func(j *transport.Job) { j.Method = "FETCH" },
		"a header that splits":    func(j *transport.Job) { j.Header = http.Header{"X-Value": {"a\nb"}} },
		"a header without a name": func(j *transport.Job) { j.Header = http.Header{"": {"value"}} },
		"headers over the limit": func(j *transport.Job) {
			j.Header = http.Header{"X-Large": {strings.Repeat("h", transport.MaxHeaderBytes)}}
		},
		"a method in small letters": func(j *transport.Job) { j.Method = "post" },
	} {
		t.refuses(what, transport.ErrInvalid, change)
	}
}

// refuses records unless the change makes a job that is refused, a new one and one that exists.
func (t *schedulerTrial) refuses(what string, want error, change func(*transport.Job)) {
	j := t.job(jobName)
	change(j)
	t.wantError(t.attempt(j), want, "%s: PutJob", what)
	if n := len(t.list(-1)); n != 0 {
		t.errorf("%s: there is a job after it was refused", what)
	}
	t.put(t.job(jobName))
	j = t.job(jobName)
	change(j)
	t.wantError(t.attempt(j), want, "%s: PutJob of one that exists", what)
	t.wantJob(t.job(jobName))
	t.deleteJob(jobName)
}

func jobsSchedule(t *schedulerTrial) {
	for _, schedule := range []string{
		"", "whenever", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "* * L * *",
		"0 0 30 2 *", "@daily", "*/0 * * * *", "9-8 * * * *", "every", "every 0 minutes", "every monday", "every day 25:00",
	} {
		t.refuses("schedule "+schedule, transport.ErrInvalid, func(j *transport.Job) { j.Schedule = schedule })
	}
	for _, zone := range []string{"Mars/Olympus", "Local", "UTC+1", "europe berlin"} {
		t.refuses("time zone "+zone, transport.ErrInvalid, func(j *transport.Job) { j.TimeZone = zone })
	}
}

func jobsSize(t *schedulerTrial) {
	t.needsChecks()
	room := bytes.Repeat([]byte("x"), transport.MaxJobSize)
	sized := func(n int) *transport.Job {
		j := t.job(jobName)
		j.Body = room[:n]
		return j
	}
	most := sort.Search(transport.MaxJobSize, func(n int) bool { return sized(n).Check() != nil }) - 1
	t.refuses("one byte too much", transport.ErrTooLarge, func(j *transport.Job) { j.Body = sized(most + 1).Body })
	t.put(sized(most))
	t.wantJob(sized(most))
}

func jobsError(t *schedulerTrial) {
	err := t.attempt(t.scheduled("whenever"))
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Kind != transport.KindInvalid || !strings.Contains(err.Error(), jobName) {
		t.errorf("PutJob with a schedule that is none answers %q, want a *transport.Error of kind %q that names the job", text(err), transport.KindInvalid)
	}
	ctx, cancel := t.context()
	defer cancel()
	err = t.Scheduler.DeleteJob(ctx, "no-such-job")
	if e, ok = errors.AsType[*transport.Error](err); !ok || e.Kind != transport.KindNotFound || !strings.Contains(err.Error(), "no-such-job") {
		t.errorf("DeleteJob of none answers %q, want a *transport.Error of kind %q that names the job", text(err), transport.KindNotFound)
	}
}
