package tasks_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// dlvSink takes what a driver should accept and forgets it.
type dlvSink struct{}

func (dlvSink) Enqueue(_ context.Context, t *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{ID: t.ID}, t.Check(time.Now())
}

// dlvFuzzed makes an App for fuzzing: of its functions only "fails" does.
func dlvFuzzed(t testing.TB, c tasks.Config) *tasks.App {
	c.Transport = dlvSink{}
	notify, _ := dlvNotify(func(context.Context, any) {})
	audit := func(ctx context.Context, d *transport.Delivery) error {
		m, _ := tasks.MetadataFrom(ctx)
		if d.Queue != "" {
			return tasks.Snooze(time.Minute)
		}
		if got := transport.ResourceID(d.Message.Subscription); got != "" && got != "audit" {
			t.Errorf("a message of subscription %q was run", got)
		}
		if m.Attempt < 1 || m.Queue != "" || m.SchedulerJob != "" && pushwire.Unwrapped(m.Header) {
			t.Errorf("metadata %+v", m)
		}
		if m.FirstAttempt() {
			return tasks.HandOver()
		}
		return tasks.Snooze(time.Minute)
	}
	echo := func(_ context.Context, o dlvOrder) (dlvOrder, error) { return o, nil }
	return dlvApp(t, c, notify, msgSubscriber("audit", audit, func(s *tasks.Spec) { s.Subscription = "audit" }),
		tasks.NewWithResult(echo, tasks.WithName("order"), tasks.WithAliases("old-order")),
		tasks.New(dlvReturns(tasks.Snooze(time.Minute)), tasks.WithName("snoozes")),
		tasks.New(dlvReturns(errDlv), tasks.WithName("fails")),
		tasks.New(func(_ context.Context, p dlvPrice) error { return tasks.Discard(nil) }, tasks.WithName("CalculatePriceTask")),
		tasks.New(func(context.Context, struct{}) error { return nil }, tasks.WithName("SaySomethingTask")),
		tasks.NewWithResult(func(_ context.Context, p map[string][]any) (any, error) { return p, nil }, tasks.WithName("map"), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 1})))
}

// dlvLines are pairs of name and value, a line each.
func dlvLines(pairs []string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s: %s\n", pairs[i], pairs[i+1])
	}
	return b.String()
}

// dlvRequest reads a request from its parts as a server would, nil where a server would answer by itself. The path is
// as it is, or escaped where no request can have it so.
func dlvRequest(path, headers, body string) *http.Request {
	path = "/" + strings.TrimPrefix(path, "/")
	if r := dlvRead(path, headers, body); r != nil {
		return r
	}
	return dlvRead((&url.URL{Path: path}).RequestURI(), headers, body)
}

func dlvRead(uri, headers, body string) *http.Request {
	headers = strings.Trim(headers, "\n")
	if !strings.Contains(strings.ToLower(headers), "content-length:") && !strings.Contains(strings.ToLower(headers), "transfer-encoding:") {
		headers += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	text := "POST " + uri + " HTTP/1.1\r\nHost: h\r\n" +
		strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil || r.Method != http.MethodPost {
		return nil
	}
	return r
}

// FuzzServeHTTP: whatever comes in, no panic, no 5xx, no error text but with 400, always a JSON answer, and nothing in
// the log that does not print.
func FuzzServeHTTP(f *testing.F) {
	for _, v := range dlvVectors(f) {
		var headers strings.Builder
		for k, s := range v.Headers {
			fmt.Fprintf(&headers, "%s: %s\n", k, s)
		}
		f.Add(v.Path, headers.String(), v.Body)
	}
	for _, path := range []string{"/tasks/order", "/tasks/old-order", "/tasks/snoozes", "/tasks/fails", "/tasks/map", "/tasks/nobody", "/subscriptions/x", "/tasks//", "/a b%2f", ""} {
		for _, body := range []string{dlvBody, "", "{}", `{"id": 1e400}`, `{"id": 7, "id": 8}`, `{"a": [null, {"b": []}]}`, "\xff", strings.Repeat("[", 100)} {
			f.Add(path, "X-CloudTasks-TaskName: a\nX-CloudTasks-QueueName: q\nTypedtasks-Id: b", body)
		}
	}
	f.Add("/tasks/snoozes", "Transfer-Encoding: chunked\nTypedtasks-Timeout: 20s\nTypedtasks-Retry: attempts=3", "9\r\n{\"id\": 7}\r\n0\r\n\r\n")
	f.Add("/tasks/snoozes", "Content-Length: 90\nX-CloudTasks-TaskETA: 1e9\nTypedtasks-Attempts: 999999999", dlvBody)
	f.Add("/tasks/order", "Content-Length: 1048577", dlvBody)
	for _, coding := range []string{"gzip", "identity, BR", "identity", ""} {
		f.Add("/tasks/order", "Content-Encoding: "+coding, dlvBody)
	}
	for _, path := range []string{"/tasks%2Forder", "/tasks/%6frder", "/tasks/./order", "//tasks/order", "/tasks/order%0A", "/tasks/order?a=/../", "/tasks/order.", "/tasks/order%00", "/tasks/\x1b[31m", "/tasks/\xff"} {
		f.Add(path, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nX-CloudScheduler-JobName: a\xff", dlvBody)
	}
	for _, path := range []string{"/subscriptions/audit", "/subscriptions/PleaseNotifyMeTask", "/subscriptions/nobody"} {
		for _, c := range msgBroken {
			f.Add(path, dlvLines(c.headers), c.body)
		}
		for _, data := range []string{`{"order": 7}`, `{"order": 7, "_http_headers": {"traceparent": "00-1\r\n"}}`, `{"_http_headers": [], "order": 1e400}`, "\xff", ""} {
			f.Add(path, "", msgBody(data))
			f.Add(path, "X-CloudTasks-QueueName: q\nX-CloudTasks-TaskName: a", msgBody(data, `"deliveryAttempt": 3, `))
			f.Add(path, dlvLines(msgUnwrapped)+"X-CloudTasks-QueueName: q\nTypedtasks-Attempts: 9\nRegion: emea\nhttp-traceparent: 00-1", data)
			f.Add(path, "X-Goog-Pubsub-Subscription-Name: other", data)
		}
	}

	var log bytes.Buffer
	logger := slog.New(escNaive{&log})
	plain := dlvFuzzed(f, tasks.Config{Logger: logger})
	keeping := dlvFuzzed(f, tasks.Config{Logger: logger, Quarantine: func(context.Context, tasks.Quarantined) error { return nil }})
	failing := dlvFuzzed(f, tasks.Config{Logger: logger, Quarantine: func(context.Context, tasks.Quarantined) error { return errDlv }})
	served := []string{"/tasks/order", "/tasks/old-order", "/tasks/snoozes", "/tasks/fails", "/tasks/CalculatePriceTask", "/tasks/SaySomethingTask", "/tasks/map", "/subscriptions/audit", "/subscriptions/PleaseNotifyMeTask"}
	f.Fuzz(func(t *testing.T, path, headers, body string) {
		if len(headers)+len(body) > 64<<10 { // a snoozed task may be too large then
			return
		}
		for _, c := range []struct {
			app  *tasks.App
			want []int
		}{
			{plain, []int{200, 202, 400, 404, 413}},
			{keeping, []int{200, 202, 400, 404, 413}}, // 400: a body that breaks off
			{failing, []int{200, 202, 400, 404, 413}},
		} {
			r := dlvRequest(path, headers, body)
			if r == nil {
				return
			}
			log.Reset()
			w := httptest.NewRecorder()
			c.app.ServeHTTP(w, r)
			got := dlvParse(t, w.Code, w.Header(), w.Body.Bytes())
			at := r.URL.EscapedPath()
			want := c.want
			switch {
			case !slices.Contains(served, at):
				want = []int{202, 400, 404, 413, 415} // of a body to be quarantined
			case slices.ContainsFunc(r.Header["Content-Encoding"], fuzzCoded):
				want = []int{415}
			}
			if !slices.Contains(want, got.code) && !(got.code == http.StatusInternalServerError && at == "/tasks/fails") {
				t.Errorf("%s is answered %d, %s; want one of %d", at, got.code, w.Body, want)
			}
			for line := range strings.Lines(log.String()) {
				if err := escPlain(strings.TrimSuffix(line, "\n")); err != nil {
					t.Errorf("logged %v", err)
				}
			}
			if strings.Contains(w.Body.String(), errDlv.Error()) {
				t.Errorf("the text of an error left with %d: %s", got.code, w.Body)
			}
			if got.code != http.StatusBadRequest && got.error != "null" {
				t.Errorf("answered %d with the error %s", got.code, got.error)
			}
			if got.code == http.StatusBadRequest && (got.error == "null" || strings.Contains(got.error, errDlv.Error())) {
				t.Errorf("answered 400 with the error %s", got.error)
			}
		}
	})
}

// fuzzCoded reports whether a Content-Encoding says anything but identity.
func fuzzCoded(v string) bool {
	for c := range strings.SplitSeq(v, ",") {
		if c = strings.Trim(c, " \t"); c != "" && !strings.EqualFold(c, "identity") {
			return true
		}
	}
	return false
}

// FuzzMetadata: whatever headers come in, metadata makes sense, however they are spelled, and can be snoozed.
func FuzzMetadata(f *testing.F) {
	for _, v := range dlvVectors(f) {
		h := http.Header{}
		for k, s := range v.Headers {
			h.Set(k, s)
		}
		f.Add(h.Get("X-CloudTasks-QueueName"), h.Get("X-CloudTasks-TaskName"), h.Get("X-CloudTasks-TaskRetryCount"), h.Get("X-CloudTasks-TaskExecutionCount"),
			h.Get("X-CloudTasks-TaskETA"), h.Get("X-CloudTasks-TaskPreviousResponse"), h.Get("X-CloudScheduler-JobName"), h.Get("X-CloudScheduler-ScheduleTime"), "", "", "", "")
	}
	f.Add("q", "a-s1", "2", "1", "1732415400.123456", "503", "projects/p/locations/l/jobs/j", "2026-11-24T03:00:00-03:00",
		"a", "7", "attempts=3 doublings=2 duration=1h0m0s min=1s max=1m0s", "20s")
	f.Add("no_queue", strings.Repeat("x", 501), "99999999999", "-1", "1.1234567890x", "5e2", "/", "0000-00-00", "/", " ", "attempts=-9", "1h")
	f.Add("", "", "000000000", "1_0", "17179869184", "0x1f", "a/", "9999-12-31T23:59:60Z", strings.Repeat("y", 489), "999999999", "duration=9223372036854775807ns min=-1ns", "15s")

	var (
		m     tasks.Metadata
		limit time.Duration
	)
	remote := &dlvRemote{}
	app := dlvApp(f, tasks.Config{Transport: remote}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
		m, _ = tasks.MetadataFrom(ctx)
		d, _ := ctx.Deadline()
		limit = time.Until(d)
		_, _ = m.LastAttempt(ctx)
		return tasks.Snooze(time.Minute)
	}))
	f.Fuzz(func(t *testing.T, queue, name, retries, executions, eta, previous, job, at, id, attempts, retry, timeout string) {
		headers := ""
		for _, h := range [][2]string{
			{"X-CloudTasks-QueueName", queue}, {"X-CloudTasks-TaskName", name}, {"X-CloudTasks-TaskRetryCount", retries}, {"X-CloudTasks-TaskExecutionCount", executions},
			{"X-CloudTasks-TaskETA", eta}, {"X-CloudTasks-TaskPreviousResponse", previous}, {"X-CloudScheduler-JobName", job}, {"X-CloudScheduler-ScheduleTime", at},
			{"Typedtasks-Id", id}, {"Typedtasks-Attempts", attempts}, {"Typedtasks-Retry", retry}, {"Typedtasks-Timeout", timeout},
		} {
			headers += h[0] + ": " + strings.NewReplacer("\r", " ", "\n", " ").Replace(h[1]) + "\n"
		}
		if len(headers) > 64<<10 {
			return
		}
		r := dlvRequest("/tasks/order", headers, dlvBody)
		if r == nil {
			return
		}
		if got := dlvServe(t, app, r); got.code != http.StatusOK {
			t.Errorf("answered %d", got.code)
		}
		next, seen := remote.one(t), m
		if seen.Attempt < 1 || seen.ExecutionCount < 0 || seen.PreviousResponse < 0 || seen.FirstAttempt() != (seen.Attempt == 1) || seen.Eager {
			t.Errorf("metadata %+v", seen)
		}
		if seen.ID != "" && transport.CheckID(seen.ID) != nil || seen.Queue != "" && transport.CheckQueue(seen.Queue) != nil {
			t.Errorf("id %q, queue %q", seen.ID, seen.Queue)
		}
		if !seen.ETA.IsZero() && (seen.ETA.Before(time.Unix(0, 0)) || seen.ETA.Year() > 2514) || strings.Contains(seen.SchedulerJob, "/") {
			t.Errorf("ETA %s, job %q", seen.ETA, seen.SchedulerJob)
		}
		if limit < transport.MinTimeout-time.Second || limit > transport.MaxTimeout {
			t.Errorf("the context ends in %s", limit)
		}
		if seen.ID != "" && (next.ID == "" || next.Header.Get("Typedtasks-Id") != seen.ID) {
			t.Errorf("snoozed %q as %q, %v", seen.ID, next.ID, next.Header)
		}
		upper, rest, _ := strings.Cut(headers, "\n")
		name, value, _ := strings.Cut(upper, ":")
		dlvServe(t, app, dlvRequest("/tasks/order", strings.ToUpper(name)+":"+value+"\n"+rest, dlvBody))
		remote.sent()
		if !reflect.DeepEqual(dlvPublic(seen), dlvPublic(m)) {
			t.Errorf("spelled otherwise, metadata is\n %+v, not\n %+v", dlvPublic(m), dlvPublic(seen))
		}
	})
}
