package tasks_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// msgTaskID is the id of a task that a message of "audit" is turned into.
var msgTaskID = regexp.MustCompile(`^[0-9a-f]{32}-audit$`)

// msgAsTask serves a task as Cloud Tasks would push it; headers come over it.
func msgAsTask(t *testing.T, app *tasks.App, task *transport.Task, headers ...string) dlvAnswer {
	t.Helper()
	r := dlvPost(strings.TrimPrefix(task.URL, "https://shop.example.com"), string(task.Body), "X-CloudTasks-QueueName", task.Queue, "X-CloudTasks-TaskName", task.ID)
	for name, vs := range task.Header {
		r.Header[name] = vs
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return dlvServe(t, app, r)
}

func TestHandOver_MakesATaskOfTheMessage(t *testing.T) {
	t.Parallel()
	full := &transport.Message{
		ID: "11", Data: []byte(dlvBody), Attributes: map[string]string{"region": "emea"}, OrderingKey: "acme", PublishTime: time.Date(2026, 11, 24, 6, 0, 0, 5, time.UTC),
		Subscription: "projects/p/subscriptions/audit", DeliveryAttempt: 3,
	}
	once := *full
	once.DeliveryAttempt = 0
	remote := &dlvRemote{}
	audit := msgSubscriber("audit", (&msgRuns{}).returns(tasks.HandOver()), func(s *tasks.Spec) { s.Timeout = 10 * time.Second })
	app := dlvApp(t, tasks.Config{Transport: remote}, audit)
	push := func(body string, headers ...string) func() {
		return func() {
			t.Helper()
			dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", body, headers...)), http.StatusOK, "enqueued")
		}
	}
	var unwrapped []string
	for name, vs := range pushwire.Header(full) {
		unwrapped = append(unwrapped, name, vs[0])
	}
	spaced := strings.ReplaceAll(msgPushed(full), `,"`, `, "`)
	var ids []string
	for _, c := range []struct {
		name    string
		deliver func()
		want    *transport.Message
		body    string // as it came
	}{
		{"wrapped", push(msgPushed(full)), full, msgPushed(full)},
		{"wrapped otherwise", push(spaced), full, spaced},
		{"unwrapped", push(dlvBody, unwrapped...), &once, ""},
		{"delivered", func() {
			m := *full
			if err := app.Deliver(t.Context(), audit, &m); err != nil {
				t.Error(err)
			}
		}, full, ""},
	} {
		c.deliver()
		got := remote.one(t)
		ids = append(ids, got.ID)
		if got.URL != "https://shop.example.com/subscriptions/audit" || got.Queue != "shop" || got.Audience != "https://shop.example.com" || !got.ETA.IsZero() ||
			got.Timeout != 0 || got.Retry != nil || msgFlat(got.Header) != "Content-Type=application/json" {
			t.Errorf("%s: enqueued %+v", c.name, got)
		}
		if m, err := pushwire.Parse(got.Body, nil); err != nil || !reflect.DeepEqual(m, c.want) || c.body != "" && c.body != string(got.Body) {
			t.Errorf("%s: the body is %s", c.name, got.Body)
		}
	}
	again := *full
	again.DeliveryAttempt = 4
	push(msgPushed(&again))()
	ids = append(ids, remote.one(t).ID)
	for _, id := range ids {
		if id != ids[0] || !msgTaskID.MatchString(id) {
			t.Errorf("the same message has the ids %q", ids)
			break
		}
	}

	for what, change := range map[string]func(*transport.Message){
		"another id": func(m *transport.Message) { m.ID = "12" }, "another subscription": func(m *transport.Message) { m.Subscription = "projects/q/subscriptions/audit" },
		"another life of an emulator": func(m *transport.Message) { m.PublishTime = m.PublishTime.Add(1) },
	} {
		m := *full
		change(&m)
		push(msgPushed(&m))()
		if id := remote.one(t).ID; id == ids[0] || !msgTaskID.MatchString(id) {
			t.Errorf("%s: the id is %q", what, id)
		}
	}
	nameless := *full
	nameless.ID = ""
	push(msgPushed(&nameless))()
	if id := remote.one(t).ID; id != "" {
		t.Errorf("without a message's id the task's is %q", id)
	}
	push("binary \xff", "X-Goog-Pubsub-Subscription-Name", "s")()
	if m, err := pushwire.Parse(remote.one(t).Body, nil); err != nil || string(m.Data) != "binary \xff" || m.Subscription != "s" {
		t.Errorf("unwrapped, with the subscription alone, it became %+v, %v", m, err)
	}
}

func TestHandOver_TaskIsAsTheOptionsSay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		remote := &dlvRemote{}
		retry := transport.RetryConfig{MaxAttempts: 3}
		app := dlvApp(t, tasks.Config{Transport: remote, PropagatedHeaders: []string{"traceparent", "X-Set"}}, msgSubscriber("audit", (&msgRuns{}).returns(tasks.HandOver()),
			msgOptions(tasks.OnQueue("slow"), tasks.In(time.Minute), tasks.WithTimeout(20*time.Second), tasks.WithHeader("X-Set", "1"), tasks.WithRetryConfig(retry)),
			func(s *tasks.Spec) { s.Queue, s.Header = "other", http.Header{"Content-Type": {"application/x-push"}} }))
		body := msgBody(`{"_http_headers": {"traceparent": "00-1", "X-Set": "2"}}`)
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", body)), http.StatusOK, "enqueued")
		got := remote.one(t)
		if got.Queue != "slow" || time.Until(got.ETA) != time.Minute || got.Timeout != 20*time.Second || *got.Retry != retry {
			t.Errorf("enqueued %+v", got)
		}
		const want = "Content-Type=application/x-push Traceparent=00-1 Typedtasks-Retry=attempts=3 doublings=0 duration=0s min=0s max=0s Typedtasks-Timeout=20s X-Set=1"
		if flat := msgFlat(got.Header); flat != want {
			t.Errorf("headers are %s, want %s", flat, want)
		}
	})
	remote := &dlvRemote{}
	app := dlvApp(t, tasks.Config{Transport: remote}, msgSubscriber("audit", (&msgRuns{}).returns(tasks.HandOver()), func(s *tasks.Spec) { s.Queue = "own" }))
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(dlvBody))), http.StatusOK, "enqueued")
	if got := remote.one(t).Queue; got != "own" {
		t.Errorf("the queue is %q", got)
	}
}

// What the enqueue said is newer than what the message did: a span that began with it, say.
func TestHandOver_TheTasksOwnHeaders_WinOverTheMessages(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	app := dlvApp(t, tasks.Config{PropagatedHeaders: []string{"traceparent", "X-Tenant-ID"}}, msgSubscriber("audit", runs.handle(nil)))
	body := msgBody(`{"_http_headers": {"traceparent": "00-1", "X-Tenant-ID": "acme"}}`)
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", body, "X-CloudTasks-QueueName", "tasks", "Traceparent", "00-2")), http.StatusOK, "executed")
	if got := msgFlat(runs.one(t).headers); got != "Traceparent=00-2 X-Tenant-Id=acme" {
		t.Errorf("propagated %s", got)
	}
}

func TestHandOver_ThenRunsAsATask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		opts  []tasks.EnqueueOption
		limit time.Duration
	}{
		{nil, transport.DefaultTimeout},
		{[]tasks.EnqueueOption{tasks.WithTimeout(20 * time.Minute)}, 20 * time.Minute},
	} {
		remote, runs, log := &dlvRemote{}, &msgRuns{}, &dlvLog{}
		var then error
		sub := msgSubscriber("audit", runs.handle(func(_ context.Context, r msgRun) error {
			if r.queue == "" {
				return tasks.HandOver()
			}
			return then
		}), msgOptions(c.opts...), func(s *tasks.Spec) { s.Timeout, s.Subscription = 10*time.Second, "audit" })
		app := dlvApp(t, tasks.Config{Transport: remote, Logger: slog.New(log)}, sub)
		body := msgBody(`{"id": 7, "_http_headers": {"traceparent": "00-1"}}`, `"deliveryAttempt": 5, `)
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", body)), http.StatusOK, "enqueued")
		first, task := runs.one(t), remote.one(t)
		if first.limit != 10*time.Second || first.meta.Attempt != 5 {
			t.Errorf("as a message it has %s, attempt %d", first.limit, first.meta.Attempt)
		}

		dlvWant(t, msgAsTask(t, app, task, "X-CloudTasks-TaskRetryCount", "2", "X-CloudTasks-TaskPreviousResponse", "503"), http.StatusOK, "executed")
		got := runs.one(t)
		if !reflect.DeepEqual(got.message, first.message) || got.message.DeliveryAttempt != 5 {
			t.Errorf("the task has the message %+v, not %+v", got.message, first.message)
		}
		if m := got.meta; m.ID != task.ID || m.Queue != "shop" || m.Attempt != 3 || m.PreviousResponse != 503 || got.limit != c.limit || msgFlat(got.headers) != "Traceparent=00-1" {
			t.Errorf("as a task: %+v, limit %s, headers %v", m, got.limit, got.headers)
		}
		log.taken()
		for _, c := range []struct {
			err    error
			code   int
			status string
		}{
			{errDlv, 500, "failed"}, {tasks.RetryAfter(time.Second, nil), 503, "retry_later"}, {tasks.Discard(nil), 202, "discarded"},
			{tasks.HandOver(), 500, "failed"}, // once is enough
		} {
			then = c.err
			dlvWant(t, msgAsTask(t, app, task), c.code, c.status)
			if rs := log.taken(); len(rs) != 1 || rs[0].message != "task "+c.status || rs[0].attrs["task"] != "audit" || rs[0].attrs["id"] != task.ID {
				t.Errorf("logged %+v", rs)
			}
		}
		if sent := remote.sent(); len(sent) > 0 {
			t.Errorf("%d more tasks were made", len(sent))
		}
	}
}

// Where the subscription was renamed meanwhile, nobody else keeps the message.
func TestHandOver_TaskOfAFormerSubscription_StillRuns(t *testing.T) {
	t.Parallel()
	remote, runs := &dlvRemote{}, &msgRuns{}
	before := dlvApp(t, tasks.Config{Transport: remote}, msgSubscriber("audit", runs.returns(tasks.HandOver())))
	dlvWant(t, dlvServe(t, before, dlvPost("/subscriptions/audit", msgBody(dlvBody))), http.StatusOK, "enqueued")
	runs.all()
	after := dlvApp(t, tasks.Config{}, msgSubscriber("audit", runs.handle(nil), func(s *tasks.Spec) { s.Subscription = "audit-v2" }))
	dlvWant(t, msgAsTask(t, after, remote.one(t)), http.StatusOK, "executed")
	runs.one(t)
}

func TestHandOver_TaskThatFailsForTheLastTime_IsQuarantined(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	var kept []tasks.Quarantined
	sub := msgSubscriber("audit", (&msgRuns{}).handle(func(_ context.Context, r msgRun) error {
		if r.queue == "" {
			return tasks.HandOver()
		}
		return errDlv
	}), msgOptions(tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2})))
	app := dlvApp(t, tasks.Config{Transport: remote, Quarantine: dlvKeep(&kept)}, sub)
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", dlvBody, msgUnwrapped...)), http.StatusOK, "enqueued")
	task := remote.one(t)
	dlvWant(t, msgAsTask(t, app, task), http.StatusInternalServerError, "failed")
	dlvWant(t, msgAsTask(t, app, task, "X-CloudTasks-TaskRetryCount", "1"), http.StatusAccepted, "quarantined")
	if len(kept) != 1 || kept[0].ID != task.ID || kept[0].Attempt != 2 || string(kept[0].Body) != string(task.Body) || kept[0].Kind != tasks.KindSubscriber || !errors.Is(kept[0].Reason, errDlv) {
		t.Errorf("kept %+v", kept)
	}
}

func TestHandOver_WhereThereIsNoMessage_Fails(t *testing.T) {
	t.Parallel()
	remote, log := &dlvRemote{}, &dlvLog{}
	order := dlvTask(dlvReturns(tasks.HandOver()))
	app := dlvApp(t, tasks.Config{Transport: remote, Logger: slog.New(log)}, order)
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusInternalServerError, "failed")
	if rs := log.taken(); len(rs) != 1 || rs[0].message != "task failed" || !strings.Contains(rs[0].attrs["error"], "only a message can become a task") {
		t.Errorf("logged %+v", rs)
	}
	enqSays(t, order.Run(t.Context(), dlvOrder{ID: 7}), "handed over to a task, but it ran in its caller")
	if sent := remote.sent(); len(sent) > 0 {
		t.Errorf("enqueued %+v", sent)
	}
}

func TestHandOver_EnqueueThatFails_LeavesTheMessageToItsSubscription(t *testing.T) {
	t.Parallel()
	unavailable := &transport.Error{Op: transport.OpEnqueue, Kind: transport.KindOther, Err: errors.New("try again")}
	for _, c := range []struct {
		name string
		fail error
		data string
		asks error
		opts []tasks.EnqueueOption
		says string // empty: it is done
	}{
		{"unavailable", unavailable, dlvBody, tasks.HandOver(), nil, "try again"},
		{"unavailable for a snooze", unavailable, dlvBody, tasks.Snooze(time.Minute), nil, "try again"},
		{"too large", nil, strings.Repeat("x", 800<<10), tasks.HandOver(), nil, "over the limit"},
		{"too large to be snoozed", nil, strings.Repeat("x", 800<<10), tasks.Snooze(time.Minute), nil, "over the limit"},
		{"too far", nil, dlvBody, tasks.Snooze(25 * time.Hour), nil, "at most 24h0m0s"},
		{"as far as may be", nil, dlvBody, tasks.Snooze(24 * time.Hour), nil, ""},
		{"it waits already", &transport.Error{Op: transport.OpEnqueue, Kind: transport.KindExists}, dlvBody, tasks.HandOver(), nil, ""},
		{"it has run already", &transport.Error{Op: transport.OpEnqueue, Kind: transport.KindGone}, dlvBody, tasks.Snooze(time.Minute), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			remote, log := &dlvRemote{fail: func(*transport.Task) error { return c.fail }}, &dlvLog{}
			sub := msgSubscriber("audit", (&msgRuns{}).returns(c.asks), msgOptions(c.opts...))
			app := dlvApp(t, tasks.Config{Transport: remote, MaxETA: 24 * time.Hour, Logger: slog.New(log)}, sub)
			got := dlvServe(t, app, dlvPost("/subscriptions/audit", msgBody(c.data)))
			err := app.Deliver(t.Context(), sub, &transport.Message{ID: "1", Data: []byte(c.data)})
			if c.says == "" {
				if got.code != http.StatusOK || err != nil {
					t.Errorf("answered %d %q, %v", got.code, got.status, err)
				}
				return
			}
			dlvWant(t, got, http.StatusInternalServerError, "failed")
			enqSays(t, err, c.says, c.asks.Error())
			if rs := log.taken(); len(rs) != 2 || rs[0].message != "message failed" || !strings.Contains(rs[0].attrs["error"], c.says) {
				t.Errorf("logged %+v", rs)
			}
		})
	}
}

func TestHandOver_GoesThroughEnqueueMiddlewareAndRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := 2
		remote := &dlvRemote{fail: func(*transport.Task) error {
			if failures--; failures >= 0 {
				return errDlv
			}
			return nil
		}}
		policy := backoff.Policy{On: func(error) bool { return true }, Initial: time.Second}
		var kept []tasks.Quarantined
		sub := msgSubscriber("audit", (&msgRuns{}).returns(tasks.HandOver()), msgOptions(tasks.WithEnqueueRetry(policy)))
		app := dlvApp(t, tasks.Config{Transport: remote, Quarantine: dlvKeep(&kept)}, sub)
		app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				if m, ok := tasks.MetadataFrom(ctx); !ok || m.ID != "11" {
					t.Errorf("middleware sees %+v", m)
				}
				clear(ts[0].Body) // it is the middleware's
				ts[0].Header.Set("X-Mark", "1")
				return next(ctx, ts)
			}
		})
		body := msgBody(dlvBody)
		dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", body)), http.StatusOK, "enqueued")
		if got := remote.one(t); got.Header.Get("X-Mark") != "1" || !msgTaskID.MatchString(got.ID) || failures != -1 {
			t.Errorf("enqueued %+v", got)
		}
	})
}
