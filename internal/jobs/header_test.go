package jobs_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

func TestHeader_TheJobsOwnAndThePlatforms(t *testing.T) {
	planned := time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("", -3*3600))
	for _, c := range []struct {
		name      string
		own, want http.Header
		body      string
		run       jobs.Run
	}{
		{
			"five fields", nil,
			http.Header{"X-Cloudscheduler-Scheduletime": {"2026-11-24T03:00:00-03:00"}}, "", jobs.Run{Planned: planned, Cron: true},
		},
		{"English: no time", nil, http.Header{}, "", jobs.Run{Planned: planned}},
		{"a body without a type", nil, http.Header{"Content-Type": {"application/octet-stream"}}, "{}", jobs.Run{}},
		{"a type", http.Header{"content-type": {"application/json"}}, http.Header{"Content-Type": {"application/json"}}, "{}", jobs.Run{}},
		{
			"one value per name", http.Header{"x-value": {"a", "b"}, "X-none": {}, "x-twice": {"lost"}, "X-Twice": {"kept"}},
			http.Header{"X-Value": {"a, b"}, "X-Twice": {"kept"}}, "", jobs.Run{},
		},
		{
			"what the platform ignores",
			http.Header{"Host": {"x"}, "user-agent": {"x"}, "X-Google-Y": {"x"}, "X-AppEngine-Y": {"x"}, "X-CloudScheduler-ScheduleTime": {"x"}, "X-CloudSchedulerish": {"x"}},
			http.Header{}, "", jobs.Run{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &transport.Job{Name: "projects/p/locations/l/jobs/shop--Nightly", Header: c.own, Body: []byte(c.body)}
			was := j.Header.Clone()
			c.want.Set("User-Agent", "Google-Cloud-Scheduler")
			c.want.Set("X-CloudScheduler", "true")
			c.want.Set("X-CloudScheduler-JobName", "shop--Nightly")
			if got := jobs.Header(j, c.run); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if !reflect.DeepEqual(j.Header, was) {
				t.Errorf("the job's own became %v", j.Header)
			}
		})
	}
}

func TestHeaderAt_InTheZoneOfTheJob(t *testing.T) {
	planned := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	for schedule, want := range map[string]string{"0 3 * * *": "2026-11-24T08:30:00+05:30", "every 2 hours": ""} {
		h, err := jobs.HeaderAt(job(schedule, in("Asia/Kolkata")), planned)
		if err != nil || h.Get("X-CloudScheduler-ScheduleTime") != want || h.Get("X-CloudScheduler-JobName") != nightly {
			t.Errorf("%s: %v, %v", schedule, h, err)
		}
	}
	_, err := jobs.HeaderAt(job("no schedule"), planned)
	wantError(t, err, transport.KindInvalid, `job "nightly"`)
}
