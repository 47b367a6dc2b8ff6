package emulator_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestCreateTask_Refusals(t *testing.T) {
	r := start(t)
	r.create(r.later("taken"))
	r.create(r.task("done"))
	r.eventually("the task is done", func() bool { return r.e.Backlog() == 1 })
	now := time.Now()
	type change func(*cloudtaskspb.CreateTaskRequest)
	of := func(f func(*cloudtaskspb.Task)) change {
		return func(q *cloudtaskspb.CreateTaskRequest) { f(q.Task) }
	}
	request := func(f func(*cloudtaskspb.HttpRequest)) change {
		return of(func(k *cloudtaskspb.Task) { f(k.GetHttpRequest()) })
	}
	retry := func(c *cloudtaskspb.RetryConfig) change {
		return of(func(k *cloudtaskspb.Task) { k.RetryConfig = c })
	}
	far := now.Add(720*time.Hour + time.Minute).UTC().Truncate(time.Microsecond)
	for _, tc := range []struct {
		name   string
		change change
		code   codes.Code
		text   string // "" where none was recorded
	}{
		{"a queue that does not exist", func(q *cloudtaskspb.CreateTaskRequest) { q.Parent = missing }, codes.NotFound, textNoQueue},
		{"a parent that is no queue's name", func(q *cloudtaskspb.CreateTaskRequest) { q.Parent = "queues/a" }, codes.PermissionDenied, ""},
		{"a parent that is empty", func(q *cloudtaskspb.CreateTaskRequest) { q.Parent = "" }, codes.PermissionDenied, ""},
		{"a queue id that is not legal", func(q *cloudtaskspb.CreateTaskRequest) { q.Parent = location + "/queues/a_b" }, codes.InvalidArgument,
			`Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".`},
		{"no task", func(q *cloudtaskspb.CreateTaskRequest) { q.Task = nil }, codes.InvalidArgument, ""},
		{"an id that waits", of(func(k *cloudtaskspb.Task) { k.Name = queueA + "/tasks/taken" }), codes.AlreadyExists, "Requested entity already exists"},
		{"an id that was executed", of(func(k *cloudtaskspb.Task) { k.Name = queueA + "/tasks/done" }), codes.AlreadyExists,
			"The task cannot be created because a task with this name existed too recently."},
		{"a name that is no task's", of(func(k *cloudtaskspb.Task) { k.Name = queueA + "/tsks/x" }), codes.InvalidArgument,
			`Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>"`},
		{"a task id with a dot", of(func(k *cloudtaskspb.Task) { k.Name = queueA + "/tasks/a.b" }), codes.InvalidArgument,
			`Task ID "a.b" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or underscores (_). Task ID must between 1 and 500 characters.`},
		{"a task id of 501 characters", of(func(k *cloudtaskspb.Task) { k.Name = queueA + "/tasks/" + strings.Repeat("x", 501) }), codes.InvalidArgument, ""},
		{"a task of another queue", of(func(k *cloudtaskspb.Task) { k.Name = queueB + "/tasks/x" }), codes.InvalidArgument,
			"The queue name from request ('" + queueA + "') must be the same as the queue name in the named task ('" + queueB + "')."},
		{"no message", of(func(k *cloudtaskspb.Task) { k.MessageType = nil }), codes.InvalidArgument, ""},
		{"an App Engine target", of(func(k *cloudtaskspb.Task) {
			k.MessageType = &cloudtaskspb.Task_AppEngineHttpRequest{AppEngineHttpRequest: &cloudtaskspb.AppEngineHttpRequest{}}
		}), codes.Unimplemented, ""},
		{"no URL", request(func(h *cloudtaskspb.HttpRequest) { h.Url = "" }), codes.InvalidArgument, "HttpRequest.url is required."},
		{"a URL of another scheme", request(func(h *cloudtaskspb.HttpRequest) { h.Url = "ftp://a.test" }), codes.InvalidArgument,
			"HttpTarget.url must start with 'http://' or 'https://'."},
		{"a URL that grows too long", request(func(h *cloudtaskspb.HttpRequest) { h.Url = "http://a.test/" + strings.Repeat(" ", 700) }), codes.InvalidArgument, ""},
		{"a URL without a host", request(func(h *cloudtaskspb.HttpRequest) { h.Url = "http://" }), codes.InvalidArgument, ""},
		{"a method that does not exist", request(func(h *cloudtaskspb.HttpRequest) { h.HttpMethod = 8 }), codes.InvalidArgument, ""},
		{"a GET with a body", request(func(h *cloudtaskspb.HttpRequest) { h.HttpMethod = cloudtaskspb.HttpMethod_GET }), codes.InvalidArgument, ""},
		{"a DELETE with a body", request(func(h *cloudtaskspb.HttpRequest) { h.HttpMethod = cloudtaskspb.HttpMethod_DELETE }), codes.InvalidArgument, ""},
		{"a header that is split", request(func(h *cloudtaskspb.HttpRequest) { h.Headers = map[string]string{"X-A": "a\r\nX-B: b"} }), codes.InvalidArgument, ""},
		{"a header's name with a space", request(func(h *cloudtaskspb.HttpRequest) { h.Headers = map[string]string{"X A": "a"} }), codes.InvalidArgument, ""},
		{"80 KB of headers", request(func(h *cloudtaskspb.HttpRequest) { h.Headers = map[string]string{"X-A": strings.Repeat("a", 80<<10-3)} }), codes.InvalidArgument, ""},
		{"an OIDC token of nobody", request(func(h *cloudtaskspb.HttpRequest) {
			h.AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{}}
		}), codes.InvalidArgument, ""},
		{"an OAuth token of nobody", request(func(h *cloudtaskspb.HttpRequest) {
			h.AuthorizationHeader = &cloudtaskspb.HttpRequest_OauthToken{OauthToken: &cloudtaskspb.OAuthToken{}}
		}), codes.InvalidArgument, ""},
		{"a deadline too short", of(func(k *cloudtaskspb.Task) { k.DispatchDeadline = durationpb.New(15*time.Second - time.Millisecond) }), codes.InvalidArgument,
			"Task.dispatchDeadline must be between [15s, 30m]."},
		{"a deadline too long", of(func(k *cloudtaskspb.Task) { k.DispatchDeadline = durationpb.New(30*time.Minute + time.Millisecond) }), codes.InvalidArgument,
			"Task.dispatchDeadline must be between [15s, 30m]."},
		{"a time too far ahead", of(func(k *cloudtaskspb.Task) { k.ScheduleTime = stamp(far) }), codes.InvalidArgument,
			"The Task.scheduleTime, " + far.Format(time.RFC3339Nano) + ", is too far in the future. Schedule time must be no more than 720h in the future."},
		{"a time that is none", of(func(k *cloudtaskspb.Task) { k.ScheduleTime = &timestamppb.Timestamp{Nanos: -1} }), codes.InvalidArgument, ""},
		{"attempts under -1", retry(&cloudtaskspb.RetryConfig{MaxAttempts: -2}), codes.InvalidArgument, "RetryConfig.maxAttempts must be greater or equal to -1."},
		{"negative doublings", retry(&cloudtaskspb.RetryConfig{MaxDoublings: -1}), codes.InvalidArgument, "RetryConfig.maxDoublings cannot be negative."},
		{"a negative backoff", retry(&cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(-1)}), codes.InvalidArgument, "RetryConfig.minBackoff cannot be negative."},
		{"a negative longest backoff", retry(&cloudtaskspb.RetryConfig{MaxBackoff: durationpb.New(-1)}), codes.InvalidArgument, ""},
		{"a negative duration", retry(&cloudtaskspb.RetryConfig{MaxRetryDuration: durationpb.New(-1)}), codes.InvalidArgument, ""},
		{"backoffs out of order", retry(&cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(2), MaxBackoff: durationpb.New(1)}), codes.InvalidArgument,
			"RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("")}
			tc.change(req)
			_, err := r.CreateTask(r.ctx(), req)
			wantStatus(t, err, tc.code, tc.text)
		})
	}
	if n := r.e.Backlog(); n != 1 {
		t.Errorf("%d tasks wait, want the one that was accepted", n)
	}
}

func TestCreateTask_Size_CountsTheStoredMessage(t *testing.T) {
	const most, probe = 1<<20 - 7, 1 << 19
	r := start(t)
	of := func(id string, n int) *cloudtaskspb.Task {
		task := r.later(id)
		task.ScheduleTime.Nanos = 999_999_000 // as long as it gets
		task.GetHttpRequest().Body = make([]byte, n)
		return task
	}
	stored := func(made *cloudtaskspb.Task) int {
		full := r.get(made.Name)
		full.View = 0 // says what was asked for, is not stored
		return proto.Size(full)
	}
	for _, ids := range [][3]string{{"a1", "a2", "a3"}, {"", "", ""}} {
		room := probe + most - stored(r.create(of(ids[0], probe)))
		_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: of(ids[1], room+2)})
		wantStatus(t, err, codes.InvalidArgument, "Task size too large")
		if n := stored(r.create(of(ids[2], room-2))); n > most || n < most-8 {
			t.Errorf("nearly the largest task is stored as %d bytes, the most is %d", n, most)
		}
	}
}

func TestCreateTask_Defaults(t *testing.T) {
	r := start(t)
	if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueA}); err != nil {
		t.Fatal(err)
	}
	task := r.task("")
	task.DispatchCount, task.View, task.FirstAttempt = 7, cloudtaskspb.Task_FULL, &cloudtaskspb.Attempt{}
	task.ScheduleTime = stamp(time.Now().Add(-time.Hour))
	before := time.Now().Add(-time.Millisecond)
	made := r.create(task)
	if !regexp.MustCompile(`^` + queueA + `/tasks/\d{19,20}$`).MatchString(made.Name) {
		t.Errorf("generated name %s", made.Name)
	}
	eta := made.ScheduleTime.AsTime()
	if eta.Before(before) || eta.After(time.Now()) || !eta.Equal(eta.Truncate(time.Microsecond)) {
		t.Errorf("schedule time %s for one in the past", eta)
	}
	if c := made.CreateTime.AsTime(); !c.Equal(eta.Truncate(time.Second)) {
		t.Errorf("create time %s, schedule time %s", c, eta)
	}
	want := &cloudtaskspb.Task{
		Name: made.Name, ScheduleTime: made.ScheduleTime, CreateTime: made.CreateTime,
		DispatchDeadline: durationpb.New(10 * time.Minute), View: cloudtaskspb.Task_BASIC,
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url: r.worker.url + "/run", HttpMethod: cloudtaskspb.HttpMethod_POST,
			Headers: map[string]string{"User-Agent": "Google-Cloud-Tasks"},
		}},
	}
	wantProto(t, "answer", made, want)
	want.View, want.GetHttpRequest().Body = cloudtaskspb.Task_FULL, []byte("body")
	wantProto(t, "stored", r.get(made.Name), want)
}

// wantProto fails unless two messages are equal.
func wantProto(t testing.TB, what string, got, want proto.Message) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("%s:\n%v\nwant\n%v", what, got, want)
	}
}

func TestCreateTask_EveryField_IsReadBack(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		name   string
		change func(*cloudtaskspb.Task)
	}{
		{"plain", func(*cloudtaskspb.Task) {}},
		{"headers as they are written", func(k *cloudtaskspb.Task) {
			k.GetHttpRequest().Headers = map[string]string{"content-type": "text/plain", "X-B": "2", "x-C": "3", "X-CloudTasks-Projectname": "p"}
		}},
		{"OIDC", func(k *cloudtaskspb.Task) {
			k.GetHttpRequest().AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: "a@p.test", Audience: "https://x"}}
		}},
		{"OIDC for the URL, odd header", func(k *cloudtaskspb.Task) {
			k.GetHttpRequest().Headers = map[string]string{"x-odd": ""}
			k.GetHttpRequest().AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: "a@p.test"}}
		}},
		{"OAuth", func(k *cloudtaskspb.Task) {
			k.GetHttpRequest().AuthorizationHeader = &cloudtaskspb.HttpRequest_OauthToken{OauthToken: &cloudtaskspb.OAuthToken{ServiceAccountEmail: "a@p.test", Scope: "s"}}
		}},
		{"a bad escape", func(k *cloudtaskspb.Task) { k.GetHttpRequest().Url = "https://a.test/100%/é?q=a b" }},
		{"retries", func(k *cloudtaskspb.Task) {
			k.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: -1, MaxDoublings: 3, MaxRetryDuration: durationpb.New(time.Hour), MinBackoff: durationpb.New(0), MaxBackoff: durationpb.New(time.Minute)}
		}},
		{"no retries set", func(k *cloudtaskspb.Task) { k.RetryConfig = &cloudtaskspb.RetryConfig{} }},
		{"times are cut", func(k *cloudtaskspb.Task) {
			k.ScheduleTime.Nanos = 123456789
			k.DispatchDeadline = durationpb.New(20*time.Second + 1234567*time.Nanosecond)
		}},
		{"GET", func(k *cloudtaskspb.Task) {
			k.GetHttpRequest().HttpMethod, k.GetHttpRequest().Body = cloudtaskspb.HttpMethod_GET, nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := r.later("")
			tc.change(want)
			made := r.create(proto.CloneOf(want))
			want.Name, want.CreateTime, want.View = made.Name, made.CreateTime, cloudtaskspb.Task_FULL
			h := want.GetHttpRequest()
			if h.HttpMethod == 0 {
				h.HttpMethod = cloudtaskspb.HttpMethod_POST
			}
			if h.Headers == nil {
				h.Headers = map[string]string{}
			}
			h.Headers["User-Agent"] = "Google-Cloud-Tasks"
			want.ScheduleTime.Nanos -= want.ScheduleTime.Nanos % 1000
			if want.DispatchDeadline == nil {
				want.DispatchDeadline = durationpb.New(10 * time.Minute)
			}
			want.DispatchDeadline.Nanos -= want.DispatchDeadline.Nanos % 1e6
			wantProto(t, "stored", r.get(made.Name), want)
		})
	}
}

func TestCreateTask_TwoSpellingsOfAHeader_OneStays(t *testing.T) {
	r := start(t)
	task := r.later("")
	task.GetHttpRequest().Headers = map[string]string{"x-a": "1", "X-A": "2", "x-A": "3", "user-agent": "me"}
	got := r.get(r.create(task).Name).GetHttpRequest().Headers
	if len(got) != 2 || got["X-A"] != "2" || got["User-Agent"] != "Google-Cloud-Tasks" {
		t.Errorf("stored %v", got)
	}
}

func TestCreateTask_FullView_ReturnsTheBody(t *testing.T) {
	r := start(t)
	got, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.later(""), ResponseView: cloudtaskspb.Task_FULL})
	if err != nil || string(got.GetHttpRequest().Body) != "body" || got.View != cloudtaskspb.Task_FULL {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCreateTask_Later_RunsAtItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		eta := time.Now().Add(720 * time.Hour).Truncate(time.Microsecond)
		task := r.task("later")
		task.ScheduleTime = stamp(eta)
		r.create(task)
		time.Sleep(720*time.Hour - time.Second)
		if n := len(r.worker.seen()); n != 0 {
			t.Fatalf("%d attempts before its time", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		calls := r.worker.seen()
		if len(calls) != 1 || calls[0].Header.Get("X-CloudTasks-TaskETA") != fmt.Sprintf("%d.%06d", eta.Unix(), eta.Nanosecond()/1000) {
			t.Fatalf("calls %v", calls)
		}
	})
}

func TestCreateTask_UsedID_IsFreeAfter24Hours(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.create(r.task("again"))
		synctest.Wait()
		time.Sleep(24*time.Hour - time.Second)
		_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("again")})
		wantStatus(t, err, codes.AlreadyExists, "The task cannot be created because a task with this name existed too recently.")
		time.Sleep(time.Second)
		r.create(r.task("again"))
		synctest.Wait()
		if n := len(r.worker.seen()); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestCreateTask_31DaysOld_IsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.worker.statuses(500)
		task := r.task("old")
		task.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: -1, MinBackoff: durationpb.New(time.Hour), MaxBackoff: durationpb.New(24 * time.Hour)}
		r.create(task)
		time.Sleep(31*24*time.Hour - time.Second)
		if r.e.Backlog() != 1 {
			t.Fatal("gone before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r.e.Backlog() != 0 {
			t.Error("still there")
		}
	})
}

func TestCreateTask_DeadlineBeyond30Seconds_IsRefused(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := r.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("")})
	wantStatus(t, err, codes.InvalidArgument, "")
	if !strings.HasPrefix(err.Error(), "rpc error: code = InvalidArgument desc = The request deadline is ") ||
		!strings.HasSuffix(err.Error(), ". The deadline cannot be more than 30s in the future.") {
		t.Errorf("text %q", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := r.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("")}); err != nil {
		t.Errorf("with 30 s: %v", err)
	}
}

func TestCreateTask_OnDemand_MakesTheQueue(t *testing.T) {
	r := start(t, emulator.WithQueuesOnDemand())
	for range 2 {
		if _, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: missing, Task: r.task("")}); err != nil {
			t.Fatal(err)
		}
	}
	r.await(2)
	if err := r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: missing}); err != nil {
		t.Fatal(err)
	}
	_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: missing, Task: r.task("")})
	wantStatus(t, err, codes.NotFound, textNoQueue)
}
