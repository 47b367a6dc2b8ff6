package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestEnqueue_Headers(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(enqDone[enqMail], tasks.WithHeader("x-tenant", "one"), tasks.WithHeader("X-Kept", "yes"))
	enqApp(t, tasks.Config{Transport: fake}, task)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "a"}))(t)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "b"}, tasks.WithHeader("X-Tenant", "two"), tasks.WithHeader("x-tenant", "three"), tasks.WithHeader("content-type", "text/json")))(t)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "c"}))(t)
	own := http.Header{"Content-Type": {"application/json"}, "X-Tenant": {"one"}, "X-Kept": {"yes"}}
	for i, want := range []http.Header{own, {"Content-Type": {"text/json"}, "X-Tenant": {"three"}, "X-Kept": {"yes"}}, own} {
		if got := fake.all()[i].Header; !reflect.DeepEqual(got, want) {
			t.Errorf("task %d has %v, want %v", i, got, want)
		}
	}
}

func TestEnqueue_BadHeader_IsRefusedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	for _, c := range []struct{ name, value, says string }{
		{"X-A", "a\r\nX-B: b", "control character"},
		{"X-A", "a\nb", "control character"},
		{"X-A", "a\x00b", "control character"},
		{"X-A: b\r\nX-C", "c", "not a valid HTTP token"},
		{"", "c", "not a valid HTTP token"},
		{"Host", "evil.example", "reserved"},
		{"user-agent", "curl", "reserved"},
		{"Content-Length", "1", "reserved"},
		{"Transfer-Encoding", "chunked", "reserved"},
		{"X-CloudTasks-TaskName", "x", "reserved"},
		{"X-CloudScheduler-JobName", "x", "reserved"},
		{"X-Google-Anything", "x", "reserved"},
		{"X-AppEngine-Country", "x", "reserved"},
		{"Typedtasks-Attempts", "9", "reserved"},
		{"X-Big", strings.Repeat("x", transport.MaxHeaderBytes), "over the limit"},
	} {
		_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithHeader(c.name, c.value))
		if !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", c.name, err)
		}
		enqSays(t, err, "WithHeader", c.says)
	}
	if fake.calls != 0 {
		t.Errorf("the transport was called %d times", fake.calls)
	}
	// Python services put this one on their tasks by themselves.
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithHeader("X-CloudTasks-ProjectName", "p")))(t)
}

func TestEnqueue_HeadersTogetherTooLarge_IsRefused(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(enqDone[enqMail], tasks.WithHeader("X-A", strings.Repeat("a", 50<<10)))
	enqApp(t, tasks.Config{Transport: fake}, task)
	_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithHeader("X-B", strings.Repeat("b", 40<<10)))
	if !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
}

func TestEnqueue_PropagatedHeaders(t *testing.T) {
	t.Parallel()
	in := http.Header{"traceparent": {"00-1-2-01"}, "Baggage": {"a=1", "b=2"}, "X-Secret": {"no"}}
	for _, c := range []struct {
		why   string
		names []string
		opts  []tasks.EnqueueOption
		want  http.Header // beside Content-Type
	}{
		{"by default the trace", nil, nil, http.Header{"Traceparent": {"00-1-2-01"}}},
		{"several values are joined", []string{"traceparent", "baggage"}, nil, http.Header{"Traceparent": {"00-1-2-01"}, "Baggage": {"a=1,b=2"}}},
		{"none where none is named", []string{}, nil, http.Header{}},
		{"the call's wins", nil, []tasks.EnqueueOption{tasks.WithHeader("traceparent", "own")}, http.Header{"Traceparent": {"own"}}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
			enqApp(t, tasks.Config{Transport: fake, PropagatedHeaders: c.names}, task)
			ctx := tasks.ContextWithHeaders(t.Context(), in)
			enqMust(task.Enqueue(ctx, enqMail{To: "ana"}, c.opts...))(t)
			enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
			c.want["Content-Type"] = []string{"application/json"}
			if got := fake.all()[0].Header; !reflect.DeepEqual(got, c.want) {
				t.Errorf("has %v, want %v", got, c.want)
			}
			if got := fake.all()[1].Header; len(got) != 1 {
				t.Errorf("the next task, without such a context, has %v", got)
			}
		})
	}
}

func TestPropagate_PutsARequestsHeadersOnItsContext(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	app := enqApp(t, tasks.Config{Transport: fake, PropagatedHeaders: []string{"traceparent", "x-request-id"}}, task)
	var seen http.Header
	h := app.Propagate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = tasks.HeadersFrom(r.Context())
		if seen != nil {
			seen.Set("X-Request-Id", "changed") // the copy is the caller's own
		}
		if _, err := task.Enqueue(r.Context(), enqMail{To: "ana"}); err != nil {
			t.Error(err)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/signup", nil)
	r.Header.Set("X-Request-Id", "r1")
	r.Header.Set("Cookie", "secret")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if want := (http.Header{"X-Request-Id": {"changed"}}); !reflect.DeepEqual(seen, want) {
		t.Errorf("the route sees %v, want %v", seen, want)
	}
	if want := (http.Header{"X-Request-Id": {"r1"}, "Content-Type": {"application/json"}}); !reflect.DeepEqual(fake.only(t).Header, want) {
		t.Errorf("the task has %v, want %v", fake.only(t).Header, want)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/signup", nil))
	if seen != nil {
		t.Errorf("a request without them: %v, want nil", seen)
	}
}

func TestContextWithHeaders_ReplacesAndCopies(t *testing.T) {
	t.Parallel()
	values := []string{"one"}
	ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"traceparent": values})
	values[0] = "changed"
	if got := tasks.HeadersFrom(ctx).Get("Traceparent"); got != "one" {
		t.Errorf("the context has %q, want %q", got, "one")
	}
	if got := tasks.HeadersFrom(tasks.ContextWithHeaders(ctx, http.Header{"Baggage": {"x"}})); !reflect.DeepEqual(got, http.Header{"Baggage": {"x"}}) {
		t.Errorf("headers were added, not replaced: %v", got)
	}
	if got := tasks.HeadersFrom(tasks.ContextWithHeaders(ctx, nil)); got != nil {
		t.Errorf("nil does not clear them: %v", got)
	}
	if got := tasks.HeadersFrom(context.Background()); got != nil {
		t.Errorf("a bare context has %v", got)
	}
}

func TestEnqueue_TimeoutAndRetryConfig(t *testing.T) {
	t.Parallel()
	retry := transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Minute, MaxDoublings: 2}
	const line = "attempts=3 doublings=2 duration=0s min=1s max=1m0s"
	for _, c := range []struct {
		why     string
		def     []tasks.Option
		call    []tasks.EnqueueOption
		timeout time.Duration
		retry   *transport.RetryConfig
		headers [2]string // of the timeout and of the retry settings
	}{
		{"neither", nil, nil, 0, nil, [2]string{}},
		{"both at the definition", []tasks.Option{tasks.WithTimeout(time.Minute), tasks.WithRetryConfig(retry)}, nil, time.Minute, &retry, [2]string{"", line}},
		{"both at the call", nil, []tasks.EnqueueOption{tasks.WithTimeout(15 * time.Second), tasks.WithRetryConfig(retry)}, 15 * time.Second, &retry, [2]string{"15s", line}},
		{"the call's win", []tasks.Option{tasks.WithTimeout(time.Minute), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 9})},
			[]tasks.EnqueueOption{tasks.WithTimeout(30 * time.Minute), tasks.WithRetryConfig(retry)}, 30 * time.Minute, &retry, [2]string{"30m0s", line}},
		{"the same timeout again needs no header", []tasks.Option{tasks.WithTimeout(time.Minute)}, []tasks.EnqueueOption{tasks.WithTimeout(time.Minute)}, time.Minute, nil, [2]string{}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			fake, task := &enqFake{}, tasks.New(enqDone[enqMail], c.def...)
			enqApp(t, tasks.Config{Transport: fake}, task)
			enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, c.call...))(t)
			got := fake.only(t)
			if got.Timeout != c.timeout || !reflect.DeepEqual(got.Retry, c.retry) {
				t.Errorf("timeout %s and retries %+v, want %s and %+v", got.Timeout, got.Retry, c.timeout, c.retry)
			}
			if h := [2]string{got.Header.Get("Typedtasks-Timeout"), got.Header.Get("Typedtasks-Retry")}; h != c.headers {
				t.Errorf("headers %q, want %q", h, c.headers)
			}
		})
	}
}

func TestEnqueue_OptionOutOfRange_ReturnsErrInvalid(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	for says, opt := range map[string]tasks.EnqueueOption{
		"WithTimeout: 14s is outside 15s to 30m0s":     tasks.WithTimeout(14 * time.Second),
		"WithTimeout: 30m0.000000001s is outside":      tasks.WithTimeout(30*time.Minute + 1),
		"WithTimeout: 0s is outside":                   tasks.WithTimeout(0),
		"WithRetryConfig: RetryConfig.MaxDoublings -1": tasks.WithRetryConfig(transport.RetryConfig{MaxDoublings: -1}),
		"WithID: task id \"a b\" may hold":             tasks.WithID("a b"),
		"WithID: the task id is empty":                 tasks.WithID(""),
		"an option is nil":                             nil,
	} {
		_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, opt)
		if !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("%v: %v, want ErrInvalid", opt, err)
		}
		enqSays(t, err, "tasks: enqMail: ", says)
	}
	if fake.calls != 0 {
		t.Errorf("the transport was called %d times", fake.calls)
	}
}
