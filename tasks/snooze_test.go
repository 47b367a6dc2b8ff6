package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSnooze_OverHTTP_EnqueuesTheTaskAnew(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", transport.MaxTaskID)
	for _, c := range []struct {
		name     string
		headers  []string
		id       string // of the new task; "*": a hash of 32 characters, with -s1
		first    string
		attempts string
	}{
		{"first time", []string{"X-CloudTasks-TaskName", "a"}, "a-s1", "a", "1"},
		{"on a retry", []string{"X-CloudTasks-TaskName", "a", "X-CloudTasks-TaskRetryCount", "4"}, "a-s1", "a", "5"},
		{"second time", []string{"X-CloudTasks-TaskName", "a-s1", "Typedtasks-Id", "a", "Typedtasks-Attempts", "5"}, "a-s2", "a", "6"},
		{"tenth time", []string{"X-CloudTasks-TaskName", "a-s9", "Typedtasks-Id", "a", "Typedtasks-Attempts", "9"}, "a-s10", "a", "10"},
		{"an id that looks snoozed", []string{"X-CloudTasks-TaskName", "a-s3"}, "a-s3-s1", "a-s3", "1"},
		{"an id of other digits", []string{"X-CloudTasks-TaskName", "a-sx", "Typedtasks-Id", "a", "Typedtasks-Attempts", "1"}, "a-s1", "a", "2"},
		{"longest id", []string{"X-CloudTasks-TaskName", long}, "*", long, "1"},
		{"longest id kept whole", []string{"X-CloudTasks-TaskName", long[:488]}, long[:488] + "-s1", long[:488], "1"},
		{"no id", nil, "", "", "1"},
		{"Scheduler, which gives none", []string{"X-CloudScheduler-JobName", "nightly"}, "", "", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				remote := &dlvRemote{}
				app := dlvApp(t, tasks.Config{Transport: remote}, dlvTask(dlvReturns(tasks.Snooze(time.Hour))))
				dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, c.headers...)), http.StatusOK, "snoozed")
				got := remote.one(t)
				if c.id == "*" && len(got.ID) == 35 && strings.HasSuffix(got.ID, "-s1") {
					c.id = got.ID
				}
				if got.ID != c.id || got.Header.Get("Typedtasks-Id") != c.first || got.Header.Get("Typedtasks-Attempts") != c.attempts {
					t.Errorf("enqueued %q with %v, want %q of %q after %s attempts", got.ID, got.Header, c.id, c.first, c.attempts)
				}
				if string(got.Body) != dlvBody || got.URL != "https://shop.example.com/tasks/order" || got.Audience != "https://shop.example.com" || got.Queue != "shop" {
					t.Errorf("enqueued %+v", got)
				}
				if due := time.Until(got.ETA); due != time.Hour {
					t.Errorf("due in %s, want an hour", due)
				}
				if got.ID == "" {
					return
				}
				r := dlvPost("/tasks/order", dlvBody)
				r.Header = got.Header.Clone()
				r.Header.Set("X-CloudTasks-TaskName", got.ID)
				dlvWant(t, dlvServe(t, app, r), http.StatusOK, "snoozed")
				at := strings.LastIndex(got.ID, "-s") + 2
				n, _ := strconv.Atoi(got.ID[at:])
				if again, want := remote.one(t), got.ID[:at]+strconv.Itoa(n+1); again.ID != want {
					t.Errorf("snoozed again, %q became %q, want %q", got.ID, again.ID, want)
				}
			})
		})
	}
}

func TestSnooze_Time(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    time.Duration
		code int
	}{{0, 200}, {-time.Hour, 200}, {time.Nanosecond, 200}, {720 * time.Hour, 200}, {721 * time.Hour, 500}} {
		remote := &dlvRemote{}
		app := dlvApp(t, tasks.Config{Transport: remote}, dlvTask(dlvReturns(tasks.Snooze(c.d))))
		if got := dlvServe(t, app, dlvPost("/tasks/order", dlvBody)); got.code != c.code {
			t.Errorf("Snooze(%s) is answered %d, want %d", c.d, got.code, c.code)
		}
		if sent := remote.sent(); len(sent) == 1 && sent[0].ETA.IsZero() != (c.d <= 0) {
			t.Errorf("Snooze(%s) is due %s", c.d, sent[0].ETA)
		}
	}
}

func TestSnooze_QueueAndSettings_AreCarriedAlong(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	retry := transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Minute, MaxDoublings: 2, MaxRetryDuration: time.Hour}
	task := dlvTask(dlvReturns(tasks.Snooze(time.Hour)), tasks.OnQueue("mail"), tasks.WithTimeout(time.Minute),
		tasks.WithHeader("X-Tenant", "acme"), tasks.WithHeader("X-Both", "definition"))
	app := dlvApp(t, tasks.Config{Transport: remote}, task)
	ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"Traceparent": {"00-ab-cd-01"}})
	_, err := task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.WithTimeout(20*time.Second), tasks.WithRetryConfig(retry),
		tasks.WithHeader("X-Both", "call"), tasks.WithID("a"))
	if err != nil {
		t.Fatal(err)
	}
	sent := remote.one(t)
	for n := 1; n <= 3; n++ { // over and over
		r := dlvPost("/tasks/order", string(sent.Body))
		r.Header = sent.Header.Clone()
		for k, v := range map[string]string{
			"User-Agent": "Google-Cloud-Tasks", "X-CloudTasks-TaskName": sent.ID, "X-CloudTasks-QueueName": "urgent", "X-CloudTasks-TaskRetryCount": "0",
			"X-CloudTasks-TaskETA": "1", "X-CloudTasks-TaskRetryReason": "", "X-CloudTasks-Projectname": "potato",
			"X-Google-Internal": "1", "X-AppEngine-Country": "PT", "X-CloudScheduler": "true",
			"Authorization": "Bearer secret", "Cookie": "a=b", "Proxy-Authorization": "c", "X-Serverless-Authorization": "Bearer secret", "X-Goog-IAP-JWT-Assertion": "secret",
			"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Forwarded": "for=1.2.3.4", "Via": "1.1 google", "From": "x", "Keep-Alive": "1",
			"X-Envoy-Attempt-Count": "1", "X-Cloud-Trace-Context": "1/2;o=1", "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close", "Content-Length": "9",
			"Typedtasks-Nonce": "n-1",
		} {
			r.Header.Set(k, v)
		}
		r.Header["X-Twice"] = []string{"a", "b"}
		dlvWant(t, dlvServe(t, app, r), http.StatusOK, "snoozed")
		sent = remote.one(t)
		want := http.Header{
			"Content-Type": {"application/json"}, "Traceparent": {"00-ab-cd-01"}, "X-Tenant": {"acme"}, "X-Both": {"call"}, "X-Twice": {"a,b"},
			"X-Cloudtasks-Projectname": {"potato"}, "Typedtasks-Timeout": {"20s"}, "Typedtasks-Retry": sent.Header["Typedtasks-Retry"],
			"Typedtasks-Id": {"a"}, "Typedtasks-Attempts": {fmt.Sprint(n)},
		}
		if !reflect.DeepEqual(sent.Header, want) {
			t.Errorf("headers\n %v, want\n %v", sent.Header, want)
		}
		if sent.Retry == nil || *sent.Retry != retry || sent.Timeout != 20*time.Second || sent.Queue != "urgent" || sent.ID != fmt.Sprintf("a-s%d", n) {
			t.Errorf("enqueued %+v with %+v", sent, sent.Retry)
		}
	}
}

func TestSnooze_WithoutCallOptions_KeepsTheDefinitions(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{}
	retry := transport.RetryConfig{MaxAttempts: 3}
	task := dlvTask(dlvReturns(tasks.Snooze(time.Hour)), tasks.OnQueue("mail"), tasks.WithTimeout(time.Minute), tasks.WithRetryConfig(retry))
	app := dlvApp(t, tasks.Config{Transport: remote}, task)
	if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
		t.Fatal(err)
	}
	r := dlvPost("/tasks/order", dlvBody)
	r.Header = remote.one(t).Header
	dlvServe(t, app, r)
	if got := remote.one(t); got.Queue != "mail" || got.Timeout != time.Minute || got.Retry == nil || *got.Retry != retry {
		t.Errorf("enqueued %+v with %+v", got, got.Retry)
	}
}

func TestSnooze_Redelivered_MakesTheSameTask(t *testing.T) {
	t.Parallel()
	for _, holder := range []transport.Kind{transport.KindExists, transport.KindGone} {
		t.Run(holder.String(), func(t *testing.T) {
			t.Parallel()
			taken := map[string]bool{}
			remote := &dlvRemote{fail: func(task *transport.Task) error {
				if taken[task.ID] {
					return &transport.Error{Op: transport.OpEnqueue, Queue: task.Queue, ID: task.ID, Kind: holder}
				}
				taken[task.ID] = true
				return nil
			}}
			app := dlvApp(t, tasks.Config{Transport: remote}, dlvTask(dlvReturns(tasks.Snooze(time.Hour))))
			for range 3 {
				dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", "a")), http.StatusOK, "snoozed")
			}
			if ids := slices.Collect(maps.Keys(taken)); !slices.Equal(ids, []string{"a-s1"}) {
				t.Errorf("enqueued %q, want a-s1 alone", ids)
			}
		})
	}
}

func TestSnooze_EnqueueFails_IsAFailedAttempt(t *testing.T) {
	t.Parallel()
	down := errors.New(dlvSecret)
	remote := &dlvRemote{fail: func(*transport.Task) error { return down }}
	app := dlvApp(t, tasks.Config{Transport: remote}, dlvTask(dlvReturns(tasks.Snooze(time.Hour))))
	r := dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", "a")
	dlvWant(t, dlvServe(t, app, r), http.StatusInternalServerError, "failed")

	down = nil
	r = dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", "a", "X-CloudTasks-TaskRetryCount", "1")
	dlvWant(t, dlvServe(t, app, r), http.StatusOK, "snoozed")
	if got := remote.one(t); got.ID != "a-s1" || got.Header.Get("Typedtasks-Attempts") != "2" {
		t.Errorf("enqueued %q, %v", got.ID, got.Header)
	}
}

func TestSnooze_DeadlinePassed_StillEnqueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		remote := &dlvRemote{}
		app := dlvApp(t, tasks.Config{Transport: remote}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
			<-ctx.Done()
			return tasks.Snooze(time.Hour)
		}))
		dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "snoozed")
		remote.one(t)
	})
}

func TestSnooze_GoesThroughUseEnqueue_WhichMayChangeIt(t *testing.T) {
	t.Parallel()
	local, seen := &dlvLocal{}, 0
	app := dlvApp(t, tasks.Config{Transport: local}, dlvTask(dlvReturns(tasks.Snooze(time.Hour))))
	app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			seen += len(ts)
			copy(ts[0].Body, "        ")
			ts[0].Header.Set("X-Seen", "1")
			return next(ctx, ts)
		}
	})
	body, header := []byte(dlvBody), http.Header{"X-Tenant": {"acme"}}
	d := &transport.Delivery{Attempt: 1, Task: transport.Task{ID: "a", Queue: "q", URL: app.Config().Endpoint + "/tasks/order", Body: body, Header: header}}
	if code, _, err := local.handler(t.Context(), d); code != http.StatusOK {
		t.Fatalf("answered %d, %v", code, err)
	}
	if got := local.one(t); seen != 1 || got.Header.Get("X-Seen") != "1" {
		t.Errorf("the middleware saw %d tasks", seen)
	}
	if !bytes.Equal(body, []byte(dlvBody)) || len(header) != 1 {
		t.Errorf("the delivery is now %s, %v", body, header)
	}
}

func TestSnooze_OverMemory_ComesBackWithItsHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type visit struct {
			after   time.Duration
			id      string
			attempt int
			first   bool
		}
		var visits []visit
		began := time.Now()
		task := dlvTask(func(ctx context.Context, o dlvOrder) error {
			m, _ := tasks.MetadataFrom(ctx)
			visits = append(visits, visit{time.Since(began), m.ID, m.Attempt, m.FirstAttempt()})
			switch len(visits) {
			case 1, 4:
				return errors.New("once more")
			case 2, 5:
				return tasks.Snooze(time.Hour)
			case 3:
				return tasks.Snooze(0)
			}
			return nil
		}, tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 2, MinBackoff: time.Second, MaxBackoff: time.Second}))
		_, m := dlvMemory(t, tasks.Config{}, task)
		receipt, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithID("a"))
		if err != nil || receipt.ID != "a" {
			t.Fatalf("%+v, %v", receipt, err)
		}
		dlvPass(24 * time.Hour)
		want := []visit{
			{0, "a", 1, true},
			{time.Second, "a", 2, false},
			{time.Hour + time.Second, "a", 3, false},
			{time.Hour + time.Second, "a", 4, false}, // retry limits start afresh
			{time.Hour + 2*time.Second, "a", 5, false},
			{2*time.Hour + 2*time.Second, "a", 6, false},
		}
		if !slices.Equal(visits, want) {
			t.Errorf("visits\n %v, want\n %v", visits, want)
		}
		if n := m.Backlog(); n != 0 {
			t.Errorf("%d tasks are left", n)
		}
		for _, id := range []string{"a", "a-s1", "a-s2", "a-s3"} {
			if _, err := m.Get(t.Context(), "shop", id); !errors.Is(err, transport.ErrGone) {
				t.Errorf("%s: %v, want a task that is gone", id, err)
			}
		}
	})
}

func TestSnooze_OverMemory_UnnamedTask_KeepsTheIDOfItsReceipt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		task := dlvTask(func(ctx context.Context, _ dlvOrder) error {
			m, _ := tasks.MetadataFrom(ctx)
			if ids = append(ids, m.ID); len(ids) < 4 {
				return tasks.Snooze(time.Minute)
			}
			return nil
		})
		dlvMemory(t, tasks.Config{}, task)
		receipt, err := task.Enqueue(t.Context(), dlvOrder{ID: 7})
		if err != nil {
			t.Fatal(err)
		}
		dlvPass(time.Hour)
		if want := slices.Repeat([]string{receipt.ID}, 4); !slices.Equal(ids, want) {
			t.Errorf("ran as %q, want %q", ids, want)
		}
	})
}

func TestSnooze_SchedulerJobDeliveredTwice_MakesOneTask(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(func(context.Context, enqMail) error { return tasks.Snooze(time.Minute) }, tasks.WithName("report"))
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	var ids []string
	for _, at := range []string{"2026-11-24T03:00:00-03:00", "2026-11-24T06:00:00Z", "2026-11-25T06:00:00Z"} {
		r := httptest.NewRequest(http.MethodPost, app.Config().MountPath+"/tasks/report", strings.NewReader(`{"to":"ana"}`))
		r.Header.Set("X-CloudScheduler-JobName", "shop--report")
		r.Header.Set("X-CloudScheduler-ScheduleTime", at)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("answered %d: %s", w.Code, w.Body)
		}
	}
	for _, got := range fake.all() {
		ids = append(ids, got.ID)
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("ids %q: want one task for the run that was delivered twice, and one for the next day's", ids)
	}
}

func TestSnooze_HeadersThatWereAskedFor_StayThoughProxiesAddSuchToo(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(func(context.Context, enqMail) error { return tasks.Snooze(time.Minute) }, tasks.WithName("report"), tasks.WithHeader("Accept", "text/plain"))
	app := enqApp(t, tasks.Config{Transport: fake, PropagatedHeaders: []string{"X-Cloud-Trace-Context"}}, task)
	r := httptest.NewRequest(http.MethodPost, app.Config().MountPath+"/tasks/report", strings.NewReader(`{"to":"ana"}`))
	for k, v := range map[string]string{"X-CloudTasks-TaskName": "a", "Accept": "text/plain", "X-Cloud-Trace-Context": "t/1", "X-Forwarded-For": "10.0.0.1"} {
		r.Header.Set(k, v)
	}
	app.ServeHTTP(httptest.NewRecorder(), r)
	h := fake.only(t).Header
	if h.Get("Accept") != "text/plain" || h.Get("X-Cloud-Trace-Context") != "t/1" || h.Get("X-Forwarded-For") != "" {
		t.Errorf("headers %v", h)
	}
}

func TestSnooze_BeyondMaxETA_Fails(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(func(context.Context, enqMail) error { return tasks.Snooze(2 * time.Hour) }, tasks.WithName("report"))
	app := enqApp(t, tasks.Config{Transport: fake, MaxETA: time.Hour}, task)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest(http.MethodPost, app.Config().MountPath+"/tasks/report", strings.NewReader(`{"to":"ana"}`)))
	if w.Code != http.StatusInternalServerError || len(fake.all()) != 0 {
		t.Errorf("answered %d, %d tasks enqueued", w.Code, len(fake.all()))
	}
}

func TestPropagate_ValueThatNoTaskCanCarry_IsLeftBehind(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	task := tasks.New(enqDone[enqMail])
	app := enqApp(t, tasks.Config{Transport: fake}, task)
	r := httptest.NewRequest(http.MethodPost, "/signup", nil)
	r.Header.Set("traceparent", "caf\xe9")
	app.Propagate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		enqMust(task.Enqueue(r.Context(), enqMail{To: "ana"}))(t)
	})).ServeHTTP(httptest.NewRecorder(), r)
	if v, there := fake.only(t).Header["Traceparent"]; there {
		t.Errorf("carried %q", v)
	}
}
