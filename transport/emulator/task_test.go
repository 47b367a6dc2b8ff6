package emulator_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

// list pages through a queue.
func (r *rig) list(size int32, view cloudtaskspb.Task_View) (tasks []*cloudtaskspb.Task, pages int) {
	r.t.Helper()
	it := r.ListTasks(r.ctx(), &cloudtaskspb.ListTasksRequest{Parent: queueA, PageSize: size, ResponseView: view})
	for token := ""; ; {
		page, next, err := it.InternalFetch(int(size), token)
		if err != nil {
			r.t.Fatal(err)
		}
		tasks = append(tasks, page...)
		pages++
		if token = next; token == "" {
			return tasks, pages
		}
	}
}

func TestTasks_NamesThatLeadNowhere(t *testing.T) {
	r := start(t)
	r.create(r.task("done"))
	r.eventually("the task is done", func() bool { return r.e.Backlog() == 0 })
	for _, tc := range []struct {
		task string
		code codes.Code
		text string
	}{
		{queueA + "/tasks/never", codes.NotFound, textNoEntity},
		{queueA + "/tasks/12345678901234567890", codes.NotFound, textNoEntity},
		{queueA + "/tasks/done", codes.NotFound, textGone},
		{missing + "/tasks/x", codes.NotFound, textNoQueue},
		{queueA, codes.InvalidArgument, `Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>"`},
		{queueA + "/tasks/a/b", codes.InvalidArgument, ""},
		{queueA + "/tasks/", codes.InvalidArgument, ""},
	} {
		_, err := r.GetTask(r.ctx(), &cloudtaskspb.GetTaskRequest{Name: tc.task})
		wantStatus(t, err, tc.code, tc.text)
		_, err = r.RunTask(r.ctx(), &cloudtaskspb.RunTaskRequest{Name: tc.task})
		wantStatus(t, err, tc.code, tc.text)
		err = r.DeleteTask(r.ctx(), &cloudtaskspb.DeleteTaskRequest{Name: tc.task})
		wantStatus(t, err, tc.code, tc.text)
	}
}

func TestGetTask_BasicView_HasNoBody(t *testing.T) {
	r := start(t)
	task := r.later("x")
	task.GetHttpRequest().Headers = map[string]string{"X-A": "1"}
	r.create(task)
	got, err := r.GetTask(r.ctx(), &cloudtaskspb.GetTaskRequest{Name: queueA + "/tasks/x"})
	if err != nil || got.View != cloudtaskspb.Task_BASIC || got.GetHttpRequest().Body != nil || got.GetHttpRequest().Headers["X-A"] != "1" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestGetTask_Attempts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		task := r.task("x")
		task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Minute), MaxBackoff: durationpb.New(time.Minute)}
		first := time.Now()
		r.worker.hold()
		r.create(task)
		synctest.Wait()
		got := r.get(queueA + "/tasks/x")
		want := &cloudtaskspb.Task{
			Name: got.Name, MessageType: got.MessageType, View: got.View, CreateTime: got.CreateTime, DispatchDeadline: got.DispatchDeadline, RetryConfig: got.RetryConfig,
			ScheduleTime: stamp(first), DispatchCount: 1,
			FirstAttempt: &cloudtaskspb.Attempt{DispatchTime: stamp(first)},
			LastAttempt:  &cloudtaskspb.Attempt{ScheduleTime: stamp(first), DispatchTime: stamp(first)},
		}
		wantProto(t, "in flight", got, want)

		time.Sleep(time.Second)
		r.worker.statuses(404)
		r.worker.release() // the first attempt ends with 200 unless something went wrong before
		synctest.Wait()
		if r.e.Backlog() != 0 {
			t.Fatal("answered with 200 and still there")
		}

		task.Name = queueA + "/tasks/y"
		first = time.Now()
		r.create(task)
		synctest.Wait()
		answered := time.Now()
		time.Sleep(time.Second)
		got = r.get(queueA + "/tasks/y")
		want.Name, want.CreateTime, want.ScheduleTime, want.ResponseCount = got.Name, got.CreateTime, stamp(answered.Add(time.Minute)), 1
		want.FirstAttempt.DispatchTime = stamp(first)
		want.LastAttempt = &cloudtaskspb.Attempt{
			ScheduleTime: stamp(first), DispatchTime: stamp(first), ResponseTime: stamp(answered),
			ResponseStatus: got.LastAttempt.GetResponseStatus(),
		}
		wantProto(t, "failed", got, want)
		if s := got.LastAttempt.ResponseStatus; codes.Code(s.GetCode()) != codes.NotFound || s.GetMessage() != "NOT_FOUND(5): HTTP status code 404" {
			t.Errorf("response status %v", s)
		}
	})
}

func TestGetTask_LastAttempt_SpeaksGRPC(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		for status, want := range map[int]codes.Code{
			400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound, 409: codes.Aborted,
			418: codes.Unknown, 429: codes.ResourceExhausted, 499: codes.Canceled, 500: codes.Internal, 501: codes.Unimplemented,
			503: codes.Unavailable, 504: codes.DeadlineExceeded,
		} {
			r.worker.statuses(status)
			task := r.task("")
			task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Hour)}
			made := r.create(task)
			time.Sleep(time.Second) // 429 and 503 slow the queue down
			if got := codes.Code(r.get(made.Name).LastAttempt.GetResponseStatus().GetCode()); got != want {
				t.Errorf("%d is %s, want %s", status, got, want)
			}
			if err := r.DeleteTask(r.ctx(), &cloudtaskspb.DeleteTaskRequest{Name: made.Name}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestListTasks_Pages(t *testing.T) {
	r := start(t)
	var want []string
	for i := range 25 {
		want = append(want, r.create(r.later(fmt.Sprintf("t%02d", i))).Name)
	}
	r.create(r.task("done"))
	r.eventually("one is done", func() bool { return r.e.Backlog() == 25 })
	for _, size := range []int32{0, 1, 7, 24, 25, 26, 5000} {
		tasks, pages := r.list(size, cloudtaskspb.Task_BASIC)
		var got []string
		for _, task := range tasks {
			got = append(got, task.Name)
			if task.GetHttpRequest().Body != nil {
				t.Errorf("the basic view has a body: %v", task)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || size > 1 && size < 25 && pages < 25/int(size) {
			t.Errorf("page size %d: %d pages with %q", size, pages, got)
		}
	}
	if tasks, _ := r.list(0, cloudtaskspb.Task_FULL); string(tasks[0].GetHttpRequest().Body) != "body" {
		t.Errorf("the full view: %v", tasks[0])
	}
}

func TestListTasks_MoreThanAPageHolds(t *testing.T) {
	r := start(t)
	r.many(2500)
	if tasks, pages := r.list(0, cloudtaskspb.Task_BASIC); len(tasks) != 2500 || pages != 3 {
		t.Errorf("%d tasks in %d pages", len(tasks), pages)
	}
}

// many creates n tasks for later.
func (r *rig) many(n int) {
	r.t.Helper()
	var wg sync.WaitGroup
	for at := 0; at < n; at += 100 {
		req := &cloudtaskspb.BatchCreateTasksRequest{Parent: queueA}
		for range min(100, n-at) {
			req.Requests = append(req.Requests, &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.later("")})
		}
		ctx := r.ctx()
		wg.Go(func() {
			if _, err := r.BatchCreateTasks(ctx, req); err != nil {
				r.t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestListTasks_Refusals(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		for range 3 {
			r.create(r.later(""))
		}
		page := func(req *cloudtaskspb.ListTasksRequest) (token string, err error) {
			it := r.ListTasks(r.ctx(), req)
			_, token, err = it.InternalFetch(int(req.PageSize), req.PageToken)
			return token, err
		}
		_, err := page(&cloudtaskspb.ListTasksRequest{Parent: missing})
		wantStatus(t, err, codes.NotFound, textNoQueue)
		_, err = page(&cloudtaskspb.ListTasksRequest{Parent: "x"})
		wantStatus(t, err, codes.PermissionDenied, "")
		_, err = page(&cloudtaskspb.ListTasksRequest{Parent: queueA, PageToken: "AAAA"})
		wantStatus(t, err, codes.InvalidArgument, "")
		_, err = page(&cloudtaskspb.ListTasksRequest{Parent: queueA, PageToken: "?"})
		wantStatus(t, err, codes.InvalidArgument, "")
		token, err := page(&cloudtaskspb.ListTasksRequest{Parent: queueA, PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = page(&cloudtaskspb.ListTasksRequest{Parent: queueB, PageToken: token})
		wantStatus(t, err, codes.InvalidArgument, "")
		time.Sleep(2*time.Hour - time.Second)
		for range 3 { // those from before have run
			r.create(r.later(""))
		}
		if _, err := page(&cloudtaskspb.ListTasksRequest{Parent: queueA, PageSize: 1, PageToken: token}); err != nil {
			t.Errorf("a token of nearly two hours: %v", err)
		}
		time.Sleep(2 * time.Second)
		_, err = page(&cloudtaskspb.ListTasksRequest{Parent: queueA, PageSize: 1, PageToken: token})
		wantStatus(t, err, codes.InvalidArgument, "")
	})
}

func TestDeleteTask_InFlight_IsNotStoppedAndNotRetried(t *testing.T) {
	r := start(t)
	r.worker.hold()
	r.create(r.task("x"))
	call := r.await(1)[0]
	if err := r.DeleteTask(r.ctx(), &cloudtaskspb.DeleteTaskRequest{Name: queueA + "/tasks/x"}); err != nil {
		t.Fatal(err)
	}
	if err := call.Context().Err(); err != nil {
		t.Errorf("the attempt was stopped: %v", err)
	}
	_, err := r.GetTask(r.ctx(), &cloudtaskspb.GetTaskRequest{Name: queueA + "/tasks/x"})
	wantStatus(t, err, codes.NotFound, textGone)
	_, err = r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("x")})
	wantStatus(t, err, codes.AlreadyExists, "")
	r.worker.statuses(500)
	r.worker.release()
	r.create(r.later("y"))
	if n := len(r.worker.seen()); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

func TestRunTask_RunsWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueA}); err != nil {
			t.Fatal(err)
		}
		r.worker.hold()
		task := r.later("x")
		task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(10 * time.Minute), MaxBackoff: durationpb.New(10 * time.Minute)}
		made := r.create(task)
		got, err := r.RunTask(r.ctx(), &cloudtaskspb.RunTaskRequest{Name: made.Name, ResponseView: cloudtaskspb.Task_FULL})
		if err != nil {
			t.Fatal(err)
		}
		if got.DispatchCount != 1 || got.ResponseCount != 0 || got.LastAttempt.GetDispatchTime() == nil || got.LastAttempt.ResponseTime != nil || got.View != cloudtaskspb.Task_FULL {
			t.Errorf("as it was dispatched: %v", got)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if n := len(r.worker.seen()); n != 1 {
			t.Fatalf("%d attempts", n)
		}
		// It runs while it runs.
		r.worker.statuses(500)
		if _, err := r.RunTask(r.ctx(), &cloudtaskspb.RunTaskRequest{Name: made.Name}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(r.worker.seen()); n != 2 {
			t.Fatalf("%d attempts", n)
		}
		if got := r.get(made.Name); got.DispatchCount != 2 || got.ResponseCount != 1 {
			t.Errorf("with one attempt in flight: %v", got)
		}
		r.worker.release()
		synctest.Wait()
		if r.e.Backlog() != 0 {
			t.Error("the first attempt was answered with 200, the task is still there")
		}
	})
}

func TestRunTask_ThatFails_WaitsFromTheCallOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.worker.answers(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(30 * time.Second)
			w.WriteHeader(500)
		})
		task := r.later("x")
		task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(10 * time.Minute), MaxBackoff: durationpb.New(10 * time.Minute)}
		made := r.create(task)
		called := time.Now()
		if _, err := r.RunTask(r.ctx(), &cloudtaskspb.RunTaskRequest{Name: made.Name}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.get(made.Name).ScheduleTime.AsTime(); !got.Equal(called.Add(10 * time.Minute)) {
			t.Errorf("due %s after the call, want 10 minutes", got.Sub(called))
		}
	})
}
