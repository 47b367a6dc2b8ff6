package emulator_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func TestDispatch_FirstAttempt_CarriesTheHeadersOfTheService(t *testing.T) {
	r := start(t)
	task := r.task("one")
	task.GetHttpRequest().Url += "?x=1"
	made := r.create(task)
	got := r.await(1)[0]
	want := http.Header{
		"User-Agent":                      {"Google-Cloud-Tasks"},
		"X-Cloudtasks-Queuename":          {"a"},
		"X-Cloudtasks-Taskname":           {"one"},
		"X-Cloudtasks-Taskretrycount":     {"0"},
		"X-Cloudtasks-Taskexecutioncount": {"0"},
		"X-Cloudtasks-Tasketa":            {fmt.Sprintf("%d.%06d", made.ScheduleTime.Seconds, made.ScheduleTime.Nanos/1000)},
		"Content-Length":                  {"4"},
	}
	if !maps.EqualFunc(got.Header, want, slices.Equal) {
		t.Errorf("headers\n%v, want\n%v", got.Header, want)
	}
	if got.Method != "POST" || got.RequestURI != "/run?x=1" || got.body != "body" {
		t.Errorf("%s %s %q", got.Method, got.RequestURI, got.body)
	}
}

func TestDispatch_AnswersInTurn_CountAsRecordedFromTheService(t *testing.T) {
	r := start(t)
	r.worker.statuses(503, 404, 429, 500, 302, 200)
	task := r.task("counted")
	task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Millisecond), MaxBackoff: durationpb.New(time.Millisecond)}
	r.create(task)
	calls := r.await(6)
	for i, want := range []struct{ retries, executions, previous string }{
		{"0", "0", ""}, {"1", "0", "503"}, {"2", "1", "404"}, {"3", "2", "429"}, {"4", "2", "500"}, {"5", "3", "302"},
	} {
		h := calls[i].Header
		got := [3]string{h.Get("X-CloudTasks-TaskRetryCount"), h.Get("X-CloudTasks-TaskExecutionCount"), h.Get("X-CloudTasks-TaskPreviousResponse")}
		if got != [3]string{want.retries, want.executions, want.previous} {
			t.Errorf("attempt %d: %q, want %q", i+1, got, want)
		}
		reason, there := h["X-Cloudtasks-Taskretryreason"]
		if there != (i > 0) || there && !slices.Equal(reason, []string{""}) {
			t.Errorf("attempt %d: retry reason %q, %v", i+1, reason, there)
		}
	}
	r.eventually("the task is gone", func() bool { return r.e.Backlog() == 0 })
}

func TestDispatch_HeadersOfTheSender(t *testing.T) {
	r := start(t)
	task := r.task("")
	task.GetHttpRequest().Headers = map[string]string{
		"Content-Type": "application/json", "x-trace": "t", "X-CloudTasks-Projectname": "mine", "Authorization": "Basic abc",
		"Host": "evil.test", "Content-Length": "99", "User-Agent": "me", "X-Google-Secret": "s", "X-AppEngine-Country": "BR",
		"x-cloudtasks-taskname": "forged", "Connection": "close",
	}
	r.create(task)
	got := r.await(1)[0]
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Trace": "t", "X-Cloudtasks-Projectname": "mine", "Authorization": "Basic abc",
		"Content-Length": "4", "User-Agent": "Google-Cloud-Tasks", "X-Google-Secret": "", "X-Appengine-Country": "", "Connection": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if name := got.Header.Get("X-CloudTasks-TaskName"); name == "forged" || !strings.HasPrefix(r.worker.url, "http://"+got.Host) {
		t.Errorf("task name %q, host %q", name, got.Host)
	}
}

func TestDispatch_Methods(t *testing.T) {
	r := start(t)
	for m := cloudtaskspb.HttpMethod_POST; m <= cloudtaskspb.HttpMethod_OPTIONS; m++ {
		task := r.task("")
		task.GetHttpRequest().HttpMethod = m
		if m != cloudtaskspb.HttpMethod_POST && m != cloudtaskspb.HttpMethod_PUT && m != cloudtaskspb.HttpMethod_PATCH {
			task.GetHttpRequest().Body = nil
		}
		made := r.create(task)
		if got := made.GetHttpRequest().HttpMethod; got != m {
			t.Errorf("created with %s, reads %s", m, got)
		}
		got := r.await(int(m))[m-1]
		if got.Method != m.String() {
			t.Errorf("%s arrived as %s", m, got.Method)
		}
	}
}

func TestDispatch_Redirects_TheLastAnswerCounts(t *testing.T) {
	for _, tc := range []struct {
		name       string
		status     int
		to         string
		wantMethod string // of the second request; none: there is none
		wantStatus string // that the retry sees; none: done
	}{
		{"a 303 is followed with a GET", 303, "/other", "GET", ""},
		{"a 302 is followed with a GET", 302, "/other", "GET", ""},
		{"a 307 is followed with the same request", 307, "/other", "POST", ""},
		{"a 308 to a failure has failed", 308, "/fails", "POST", "500"},
		{"without Location it has failed", 302, "", "", "302"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t)
			r.worker.answers(func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.URL.Path == "/fails":
					w.WriteHeader(500)
				case req.URL.Path == "/run" && req.Header.Get("X-CloudTasks-TaskRetryCount") == "0":
					if tc.to != "" {
						w.Header().Set("Location", tc.to)
					}
					w.WriteHeader(tc.status)
				}
			})
			task := r.task("")
			task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Millisecond)}
			r.create(task)
			r.eventually("the task is done", func() bool { return r.e.Backlog() == 0 })
			calls := r.worker.seen()
			at := 1
			if tc.wantMethod != "" {
				if calls[at].Method != tc.wantMethod || calls[at].URL.Path != tc.to {
					t.Errorf("followed with %s %s", calls[at].Method, calls[at].URL)
				}
				if want := map[string]string{"POST": "body", "GET": ""}[tc.wantMethod]; calls[at].body != want {
					t.Errorf("followed with body %q, want %q", calls[at].body, want)
				}
				at++
			}
			if again := len(calls) > at; again != (tc.wantStatus != "") {
				t.Fatalf("%d requests", len(calls))
			}
			if tc.wantStatus != "" {
				if got := calls[at].Header.Get("X-CloudTasks-TaskPreviousResponse"); got != tc.wantStatus {
					t.Errorf("previous response %s, want %s", got, tc.wantStatus)
				}
			}
		})
	}
}

func TestDispatch_Deadline_CountsAsATimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.worker.hold()
		task := r.task("slow")
		task.DispatchDeadline = durationpb.New(15 * time.Second)
		r.create(task)
		synctest.Wait()
		time.Sleep(15*time.Second + 99*time.Millisecond)
		if n := len(r.worker.seen()); n != 1 {
			t.Fatalf("%d attempts within the deadline", n)
		}
		got := r.get(queueA + "/tasks/slow")
		if last := got.LastAttempt; got.ResponseCount != 0 || got.DispatchCount != 1 || codes.Code(last.GetResponseStatus().GetCode()) != codes.DeadlineExceeded {
			t.Errorf("after the deadline: %v", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		calls := r.worker.seen()
		if len(calls) != 2 {
			t.Fatalf("%d attempts after deadline and backoff", len(calls))
		}
		h := calls[1].Header
		if h.Get("X-CloudTasks-TaskPreviousResponse") != "504" || h.Get("X-CloudTasks-TaskExecutionCount") != "0" {
			t.Errorf("retry with %v", h)
		}
		if err := calls[0].Context().Err(); err == nil {
			t.Error("the worker's connection is still open")
		}
	})
}

func TestDispatch_NobodyListens_IsUnavailable(t *testing.T) {
	r := start(t)
	task := r.task("lost")
	task.GetHttpRequest().Url = "http://127.0.0.1:1/"
	task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Hour)}
	r.create(task)
	r.eventually("an attempt failed", func() bool { return r.get(queueA+"/tasks/lost").LastAttempt.GetResponseTime() != nil })
	got := r.get(queueA + "/tasks/lost")
	if c := codes.Code(got.LastAttempt.ResponseStatus.Code); c != codes.Unavailable || got.ResponseCount != 0 || got.DispatchCount != 1 {
		t.Errorf("%v", got)
	}
}

func TestDispatch_RetryAfter_DelaysTheTask(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, form := range []func(time.Duration) string{
			func(d time.Duration) string { return fmt.Sprint(int(d.Seconds())) },
			func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) },
		} {
			r := startHere(t)
			r.worker.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", form(time.Minute))
				w.WriteHeader(503)
			})
			r.create(r.task(""))
			synctest.Wait()
			r.worker.statuses(200)
			time.Sleep(59 * time.Second)
			synctest.Wait()
			if n := len(r.worker.seen()); n != 1 {
				t.Fatalf("%d attempts within a minute", n)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if n := len(r.worker.seen()); n != 2 {
				t.Fatalf("%d attempts after a minute", n)
			}
		}
	})
}

func TestDispatch_RetriesUsedUp_TaskIsGone(t *testing.T) {
	r := start(t)
	r.worker.statuses(500)
	task := r.task("doomed")
	task.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: 3, MinBackoff: durationpb.New(time.Millisecond)}
	r.create(task)
	r.eventually("the task is given up", func() bool { return r.e.Backlog() == 0 })
	if n := len(r.worker.seen()); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	_, err := r.GetTask(r.ctx(), &cloudtaskspb.GetTaskRequest{Name: queueA + "/tasks/doomed"})
	wantStatus(t, err, codes.NotFound, textGone)
	r.eventually("the log says so", func() bool {
		return strings.Contains(r.log.String(), "task given up") && strings.Contains(r.log.String(), "task=doomed")
	})
}

func TestDispatch_503_SlowsTheQueueDownForAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.worker.statuses(503)
		for i := range 300 {
			task := r.task(fmt.Sprintf("t%d", i))
			task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(100 * time.Millisecond), MaxBackoff: durationpb.New(100 * time.Millisecond)}
			r.create(task)
		}
		perSecond := func() int {
			before := len(r.worker.seen())
			time.Sleep(time.Second)
			synctest.Wait()
			return len(r.worker.seen()) - before
		}
		rates := make([]int, 12)
		for i := range rates {
			rates[i] = perSecond()
		}
		if rates[0] < 250 || rates[11] > 2 || rates[4] > 40 {
			t.Errorf("dispatches in each second of 503: %v", rates)
		}
		r.worker.statuses(500)
		for i := range rates {
			rates[i] = perSecond()
		}
		if rates[0] > 4 || rates[11] < 400 {
			t.Errorf("dispatches in each second after it: %v", rates)
		}
	})
}
