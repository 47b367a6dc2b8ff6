package transport_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func TestJob_Check(t *testing.T) {
	retries := func(n int) *transport.RetryConfig { return &transport.RetryConfig{MaxAttempts: n} }
	for _, tc := range []struct {
		name   string
		change func(*transport.Job)
		want   []string // in the error, none: accepted
		is     error
	}{
		{name: "a whole job", change: func(*transport.Job) {}},
		{name: "no more than it needs", change: func(j *transport.Job) { *j = transport.Job{Name: "j", URL: "https://x.example"} }},
		{name: "the longest name", change: func(j *transport.Job) { j.Name = strings.Repeat("n", 500) }},
		{name: "a name too long", change: func(j *transport.Job) { j.Name = strings.Repeat("n", 501) }, want: []string{"job id", "500"}},
		{name: "no name", change: func(j *transport.Job) { j.Name = "" }, want: []string{"job id is empty"}},
		{name: "a full name", change: func(j *transport.Job) { j.Name = "projects/p/locations/l/jobs/j" }, want: []string{`'/'`}},
		{name: "the longest description", change: func(j *transport.Job) { j.Description = strings.Repeat("ä", 500) }},
		{name: "a description too long", change: func(j *transport.Job) { j.Description = strings.Repeat("ä", 501) }, want: []string{"501 characters"}},
		{name: "no URL", change: func(j *transport.Job) { j.URL = "" }, want: []string{"http:// or https://"}},
		{name: "a URL of another scheme", change: func(j *transport.Job) { j.URL = "ftp://x.example" }, want: []string{"http:// or https://"}},
		{name: "a URL without a host", change: func(j *transport.Job) { j.URL = "https:///path" }, want: []string{"a host"}},
		{name: "a URL too long", change: func(j *transport.Job) { j.URL = "https://x.example/" + strings.Repeat("u", 2083) }, want: []string{"2083"}},
		{name: "GET without a body", change: func(j *transport.Job) { j.Method, j.Body = http.MethodGet, nil }},
		{name: "GET with a body", change: func(j *transport.Job) { j.Method = http.MethodGet }, want: []string{"not with GET"}},
		{name: "PATCH", change: func(j *transport.Job) { j.Method = http.MethodPatch }},
		{name: "a method that is none", change: func(j *transport.Job) { j.Method = "post" }, want: []string{`"post"`}},
		{name: "a header that splits", change: func(j *transport.Job) { j.Header.Set("X-A", "a\r\nb: c") }, want: []string{"X-A"}},
		{name: "headers too large", change: func(j *transport.Job) { j.Header.Set("X-A", strings.Repeat("a", 81<<10)) }, want: []string{"header"}},
		{name: "the shortest deadline", change: func(j *transport.Job) { j.Deadline = 15 * time.Second }},
		{name: "a deadline too short", change: func(j *transport.Job) { j.Deadline = 14 * time.Second }, want: []string{"deadline 14s"}},
		{name: "a deadline too long", change: func(j *transport.Job) { j.Deadline = 31 * time.Minute }, want: []string{"deadline 31m0s"}},
		{name: "five retries", change: func(j *transport.Job) { j.Retry = retries(6) }},
		{name: "six retries", change: func(j *transport.Job) { j.Retry = retries(7) }, want: []string{"5 times"}},
		{name: "endless retries", change: func(j *transport.Job) { j.Retry = retries(transport.UnlimitedAttempts) }, want: []string{"5 times"}},
		{name: "a backoff upside down", change: func(j *transport.Job) { j.Retry = &transport.RetryConfig{MinBackoff: 2, MaxBackoff: 1} }, want: []string{"MinBackoff"}},
		{name: "all at once", change: func(j *transport.Job) { j.Name, j.Deadline = "a b", 1 }, want: []string{"job id", "deadline 1ns"}},
		{name: "too large", change: func(j *transport.Job) { j.Body = make([]byte, 1<<20) }, want: []string{"1048576"}, is: transport.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := &transport.Job{
				Name: "shop--Nightly", Description: "the nightly report", Schedule: "0 3 * * *", TimeZone: "Europe/Berlin",
				URL: "https://shop.example.com/_tasks/tasks/Nightly", Audience: "https://shop.example.com",
				Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("{}"), Deadline: time.Minute,
				Retry: &transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Minute},
			}
			tc.change(j)
			err := j.Check()
			if len(tc.want) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			is := tc.is
			if is == nil {
				is = transport.ErrInvalid
			}
			if e, ok := errors.AsType[*transport.Error](err); !ok || !errors.Is(err, is) || e.Resource != transport.JobResource(j.Name) {
				t.Errorf("err = %#v, want a *transport.Error of %q that matches %v", err, j.Name, is)
			}
			for _, text := range tc.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("err = %v, which does not tell %q", err, text)
				}
			}
		})
	}
}

func TestRetryConfig_ForJob(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		name        string
		given, want transport.RetryConfig
	}{
		{"nothing is one attempt with Scheduler's backoff",
			transport.RetryConfig{}, transport.RetryConfig{MaxAttempts: 1, MaxDoublings: 5, MinBackoff: 5 * s, MaxBackoff: time.Hour}},
		{"a backoff alone has no doublings",
			transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * s}, transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * s, MaxBackoff: time.Hour}},
		{"what is given stays",
			transport.RetryConfig{MaxAttempts: 6, MaxDoublings: 2, MaxRetryDuration: s, MinBackoff: s, MaxBackoff: 2 * s},
			transport.RetryConfig{MaxAttempts: 6, MaxDoublings: 2, MaxRetryDuration: s, MinBackoff: s, MaxBackoff: 2 * s}},
		{"a most below the default least",
			transport.RetryConfig{MaxBackoff: s}, transport.RetryConfig{MaxAttempts: 1, MinBackoff: s, MaxBackoff: s}},
		{"a least above the default most",
			transport.RetryConfig{MinBackoff: 2 * time.Hour}, transport.RetryConfig{MaxAttempts: 1, MinBackoff: 2 * time.Hour, MaxBackoff: 2 * time.Hour}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.given.ForJob()
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if again := got.ForJob(); again != got {
				t.Errorf("resolved twice: %+v", again)
			}
		})
	}
}

// Cloud Scheduler's pauses follow the formula of Cloud Tasks.
func TestRetryConfig_ForJob_Delay(t *testing.T) {
	r := transport.RetryConfig{MaxAttempts: 6}.ForJob()
	var got []time.Duration
	for n := 1; n <= 7; n++ {
		got = append(got, r.Delay(n)/time.Second)
	}
	if want := []time.Duration{5, 10, 20, 40, 80, 160, 320}; !slices.Equal(got, want) {
		t.Errorf("pauses %v s, want %v s", got, want)
	}
}

type decorated struct{ transport.Scheduler }

func (d decorated) Unwrap() transport.Scheduler { return d.Scheduler }

type admin struct {
	transport.Scheduler
	transport.JobAdmin
}

func TestSchedulerAs_LooksThroughDecorators(t *testing.T) {
	if _, err := transport.SchedulerAs[transport.JobAdmin](decorated{admin{}}); err != nil {
		t.Error(err)
	}
	if _, err := transport.SchedulerAs[transport.JobDeclarer](decorated{admin{}}); !errors.Is(err, transport.ErrUnsupported) {
		t.Errorf("err = %v, want ErrUnsupported", err)
	}
	if _, err := transport.SchedulerAs[transport.JobAdmin](nil); !errors.Is(err, transport.ErrUnsupported) || !strings.Contains(err.Error(), "no scheduler") {
		t.Errorf("of none: %v", err)
	}
}
