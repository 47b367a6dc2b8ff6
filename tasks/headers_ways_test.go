package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// wayReserved are names that users never set, in several spellings; wayBroken are none at all.
var (
	wayReserved = []string{
		"X-CloudTasks-TaskName", "x-cloudtasks-queuename", "X_CloudTasks_TaskRetryCount", "X-CloudScheduler", "X-CLOUDSCHEDULER-JOBNAME",
		"X-Google-Cloud", "X-Goog-IAP-JWT-Assertion", "x-goog-pubsub-message-id", "X-AppEngine-QueueName",
		"Host", "Authorization", "authorization", "Proxy-Authorization", "X-Serverless-Authorization", "User-Agent", "Expect",
		"Typedtasks-Id", "typedtasks-attempts", "TYPEDTASKS-RETRY", "Typedtasks-Timeout", "Typedtasks-Other",
		"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Content-Encoding", "content_length",
	}
	wayBroken = []string{"", "X A", "X-A: b", "X-A\r\nEvil", "X-\x00", "é", "X-\xff"}
)

// waySplits are values that would split a header, or that no task can carry.
var waySplits = []string{"a\r\nEvil: 1", "a\nb", "a\rb", "\x00", "\x7f", "\x1b[31m", "\xff"}

// way tries one way in with a header, and says why it was refused.
type way func(t *testing.T, name, value string) error

// wayIn enqueues as enqueue does, and fails the test where anything leaves although it is refused.
func wayIn(t *testing.T, enqueue func(ctx context.Context, app *tasks.App, task *tasks.Task[enqMail]) error) error {
	t.Helper()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	err := enqueue(t.Context(), app, task)
	if err != nil && fake.calls != 0 {
		t.Errorf("the transport was called %d times", fake.calls)
	}
	return err
}

// wayMiddleware adds a header to each task.
func wayMiddleware(name, value string) func(tasks.EnqueueFunc) tasks.EnqueueFunc {
	return func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			for _, t := range ts {
				t.Header[name] = []string{value}
			}
			return next(ctx, ts)
		}
	}
}

// waysOfUsers are those that a program has to set a header itself: they are refused with an error.
var waysOfUsers = map[string]way{
	"WithHeader at the definition": func(t *testing.T, name, value string) error {
		app := enqApp(t, tasks.Config{Transport: &enqFake{}})
		return app.Register(tasks.New(enqDone[enqMail], tasks.WithHeader(name, value)))
	},
	"WithHeader of what messages become": func(t *testing.T, name, value string) error {
		app := enqApp(t, tasks.Config{Transport: &enqFake{}})
		return app.Register(msgSubscriber("audit", (&msgRuns{}).handle(nil), msgOptions(tasks.WithHeader(name, value))))
	},
	"WithHeader at Enqueue": func(t *testing.T, name, value string) error {
		return wayIn(t, func(ctx context.Context, _ *tasks.App, task *tasks.Task[enqMail]) error {
			_, err := task.Enqueue(ctx, enqMail{To: "ana"}, tasks.WithHeader(name, value))
			return err
		})
	},
	"WithHeader at EnqueueAll": func(t *testing.T, name, value string) error {
		return wayIn(t, func(ctx context.Context, _ *tasks.App, task *tasks.Task[enqMail]) error {
			return task.EnqueueAll(ctx, enqMails(2), tasks.WithHeader(name, value))[1].Err
		})
	},
	"UseEnqueue": func(t *testing.T, name, value string) error {
		return wayIn(t, func(ctx context.Context, app *tasks.App, task *tasks.Task[enqMail]) error {
			app.UseEnqueue(wayMiddleware(name, value))
			_, err := task.Enqueue(ctx, enqMail{To: "ana"}, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 3}))
			return err
		})
	},
	"UseEnqueue, of many": func(t *testing.T, name, value string) error {
		return wayIn(t, func(ctx context.Context, app *tasks.App, task *tasks.Task[enqMail]) error {
			app.UseEnqueue(wayMiddleware(name, value))
			return task.EnqueueAll(ctx, enqMails(3))[2].Err
		})
	},
	"Config.PropagatedHeaders": func(t *testing.T, name, _ string) error {
		_, err := tasks.NewApp(tasks.Config{Transport: &enqFake{}, Endpoint: "https://h", PropagatedHeaders: []string{"traceparent", name}})
		return err
	},
}

func TestHeaders_ReservedOrBroken_AreRefusedWhateverWayUsersSetThem(t *testing.T) {
	t.Parallel()
	for by, try := range waysOfUsers {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			for _, name := range wayReserved {
				if err := try(t, name, "1"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("header %q is reserved", name)) {
					t.Errorf("%q: %v", name, err)
				}
			}
			for _, name := range wayBroken {
				if err := try(t, name, "1"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("header name %q", name)) {
					t.Errorf("%q: %v", name, err)
				}
			}
			for _, name := range []string{"X-Tenant", "traceparent", "X-CloudTasks-ProjectName", "Content-Type"} {
				reserved := name == "X-CloudTasks-ProjectName" && by == "Config.PropagatedHeaders"
				if err := try(t, name, "1"); err != nil != reserved {
					t.Errorf("%q: %v", name, err)
				}
			}
			if by == "Config.PropagatedHeaders" { // which has no values
				return
			}
			for _, value := range waySplits {
				err := try(t, "X-Tenant", value)
				if err == nil || !strings.Contains(err.Error(), "X-Tenant holds a control character, or is not UTF-8") || strings.Contains(err.Error(), value) {
					t.Errorf("value %q: %v", value, err)
				}
				if by != "WithHeader at the definition" && by != "WithHeader of what messages become" && !errors.Is(err, tasks.ErrInvalid) {
					t.Errorf("value %q: %v does not match ErrInvalid", value, err)
				}
			}
		})
	}
}

// What comes with a request or a message is not the program's fault: it is left, and nothing fails.
func TestHeaders_ReservedOrBroken_NeverRideAlong(t *testing.T) {
	t.Parallel()
	for _, name := range append(wayReserved, wayBroken...) {
		remote, order, runs := &dlvRemote{}, dlvTask(dlvReturns(nil)), &msgRuns{}
		sub := msgSubscriber("audit", runs.handle(func(ctx context.Context, _ msgRun) error {
			_, err := order.Enqueue(ctx, dlvOrder{ID: 7})
			return err
		}))
		app := dlvApp(t, tasks.Config{Transport: remote, PropagatedHeaders: []string{"X-Tenant"}}, order, sub)
		ctx := tasks.ContextWithHeaders(t.Context(), http.Header{name: {"forged"}, "X-Tenant": {"acme"}})
		if carried := app.Carried(ctx); len(carried) != 1 {
			t.Errorf("%q: a message carries %v", name, carried)
		}
		enqMust(order.Enqueue(ctx, dlvOrder{ID: 7}))(t)

		app.Propagate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			enqMust(order.Enqueue(r.Context(), dlvOrder{ID: 7}))(t)
		})).ServeHTTP(httptest.NewRecorder(), (&http.Request{Header: http.Header{http.CanonicalHeaderKey(name): {"forged"}, "X-Tenant": {"acme"}}}).WithContext(t.Context()))

		attributes := map[string]string{"http-x-tenant": "acme", "http-" + strings.ToLower(name): "forged", name: "forged"}
		m := &transport.Message{ID: "11", Attributes: attributes, Data: fmt.Appendf(nil, `{"_http_headers": {%q: "forged"}}`, name)}
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgPushed(m))), http.StatusOK, "executed")
		if err := app.Deliver(t.Context(), sub, m); err != nil {
			t.Error(err)
		}
		for _, sent := range remote.sent() {
			if want := (http.Header{"Content-Type": {"application/json"}, "X-Tenant": {"acme"}}); !reflect.DeepEqual(sent.Header, want) {
				t.Errorf("%q: a task has %v", name, sent.Header)
			}
		}
		for _, run := range runs.all() {
			if want := (http.Header{"X-Tenant": {"acme"}}); !reflect.DeepEqual(run.headers, want) || run.meta.ID != "11" || run.meta.Attempt != 1 || run.meta.SchedulerJob != "" {
				t.Errorf("%q: a run has the headers %v and the metadata %+v", name, run.headers, run.meta)
			}
		}
	}
}

func TestPush_UnwrappedWithAttributesByReservedNames_HidesThem(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-CloudTasks-TaskName", "X_CloudTasks_QueueName", "X-CloudScheduler-JobName", "X-Google-Cloud", "X-AppEngine-QueueName", "Typedtasks-Id", "Typedtasks-Attempts", "Connection", "Content_Encoding",
		"X-Goog-Iap-Jwt-Assertion", "X-Goog-Authenticated-User-Email", "X-Serverless-Authorization"} {
		runs := &msgRuns{}
		app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", runs.handle(nil)))
		r := dlvPost("/subscriptions/audit", dlvBody, append([]string{name, "9"}, msgUnwrapped...)...)
		dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
		run := runs.one(t)
		if got := run.meta.Header.Get(name); got != "" || run.meta.ID != "11" || run.meta.Attempt != 1 || run.queue != "" {
			t.Errorf("%s is %q, metadata %+v", name, got, run.meta)
		}
	}
}

func TestQuarantine_UnwrappedPushToNobody_DoesNotBelieveItsAttributes(t *testing.T) {
	t.Parallel()
	var kept tasks.Quarantined
	app := dlvApp(t, tasks.Config{Quarantine: func(_ context.Context, q tasks.Quarantined) error { kept = q; return nil }})
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/nobody", dlvBody, append([]string{"X-CloudTasks-TaskName", "forged", "X-CloudTasks-QueueName", "forged",
		"X-CloudTasks-TaskRetryCount", "41", "Typedtasks-Id", "forged"}, msgUnwrapped...)...)), http.StatusAccepted, "quarantined")
	if kept.ID == "forged" || kept.Queue != "" || kept.Attempt != 1 || kept.Header.Get("Typedtasks-Id") != "" || kept.Header.Get("X-Goog-Pubsub-Message-Id") == "" {
		t.Errorf("kept %+v", kept)
	}
}

// A newer version may have headers that this one does not know. They go on with a task that snoozes.
func TestUseEnqueue_SnoozesATaskOfANewerVersion(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	app := dlvApp(t, tasks.Config{Transport: remote}, dlvTask(dlvReturns(tasks.Snooze(time.Hour))))
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc { return next })
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", "a", "Typedtasks-New", "x")), http.StatusOK, "snoozed")
	if sent := remote.sent(); len(sent) != 1 || sent[0].Header.Get("Typedtasks-New") != "x" {
		t.Errorf("enqueued %+v", sent)
	}
}

func TestUseEnqueue_KeepsWhatThePackageHasSet(t *testing.T) {
	t.Parallel()
	retry := transport.RetryConfig{MaxAttempts: 3}
	copies := func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			own := make([]*transport.Task, len(ts))
			for i, x := range ts {
				c := *x
				c.Header = x.Header.Clone()
				own[i] = &c
			}
			return next(ctx, own)
		}
	}
	elsewhere := func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(_ context.Context, ts []*transport.Task) []tasks.Result { return next(context.Background(), ts) }
	}
	again := func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			next(ctx, ts)
			return next(ctx, ts)
		}
	}
	for name, mw := range map[string]func(tasks.EnqueueFunc) tasks.EnqueueFunc{"copies": copies, "in a context of its own": elsewhere, "again": again} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := &dlvRemote{}
			task := dlvTask(dlvReturns(tasks.Snooze(time.Hour)), tasks.WithRetryConfig(retry))
			app := dlvApp(t, tasks.Config{Transport: remote}, task)
			app.UseEnqueue(mw)
			enqMust(task.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithTimeout(time.Minute)))(t)
			if h := remote.sent()[0].Header; h.Get("Typedtasks-Retry") == "" || h.Get("Typedtasks-Timeout") != "1m0s" {
				t.Errorf("the task has %v", h)
			}
			r := dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", "a", "X-CloudTasks-TaskRetryCount", "2")
			dlvWant(t, dlvServe(t, app, r), http.StatusOK, "snoozed")
			if h := remote.sent()[0].Header; h.Get("Typedtasks-Id") != "a" || h.Get("Typedtasks-Attempts") != "3" {
				t.Errorf("the snoozed task has %v", h)
			}
		})
	}
}

func TestUseEnqueue_ReservedHeaderOnOneOfMany_FailsThatOne(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{0, 1, 2} {
		fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
		app := enqApp(t, tasks.Config{Transport: fake}, task)
		app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				ts[bad].Header.Set("Authorization", "Bearer x")
				return next(ctx, ts)
			}
		})
		results := task.EnqueueAll(t.Context(), enqMails(3))
		for i, r := range results {
			if failed := errors.Is(r.Err, tasks.ErrInvalid); failed != (i == bad) || !failed && r.Receipt.ID == "" {
				t.Errorf("task %d of which %d is bad: %+v", i, bad, r)
			}
		}
		enqSays(t, results[bad].Err, `middleware of UseEnqueue: header "Authorization" is reserved`)
		if n := len(fake.all()); n != 2 {
			t.Errorf("%d were sent, want 2", n)
		}
	}
}

func TestUseEnqueue_NamesInOddCase_ArriveAsServersDeliverThem(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail], tasks.WithHeader("X-Tenant", "one"))
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	app.UseEnqueue(wayMiddleware("x-tenant", "two"), wayMiddleware("x-region", "emea"), wayMiddleware("X-REGION", "apac"))
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	if want := (http.Header{"Content-Type": {"application/json"}, "X-Tenant": {"one"}, "X-Region": {"apac"}}); !reflect.DeepEqual(fake.only(t).Header, want) {
		t.Errorf("the task has %v, want %v", fake.only(t).Header, want)
	}
}
