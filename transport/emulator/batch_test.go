package emulator_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// batchOf is a request to create these tasks.
func batchOf(tasks ...*cloudtaskspb.Task) *cloudtaskspb.BatchCreateTasksRequest {
	req := &cloudtaskspb.BatchCreateTasksRequest{Parent: queueA}
	for _, task := range tasks {
		req.Requests = append(req.Requests, &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: task})
	}
	return req
}

func (r *rig) batch(req *cloudtaskspb.BatchCreateTasksRequest) *cloudtasks.BatchCreateTasksOperation {
	r.t.Helper()
	op, err := r.BatchCreateTasks(r.ctx(), req)
	if err != nil {
		r.t.Fatalf("BatchCreateTasks: %v", err)
	}
	return op
}

func TestBatchCreateTasks_EachTaskStandsForItself(t *testing.T) {
	r := start(t)
	r.create(r.later("taken"))
	bad := r.later("")
	bad.GetHttpRequest().Url = ""
	req := batchOf(r.later("one"), r.later("taken"), bad, r.later(""), r.later("one"))
	req.Requests[3].ResponseView = cloudtaskspb.Task_FULL
	req.Requests[3].Parent = ""
	op := r.batch(req)
	if !op.Done() {
		t.Fatal("not done in the first answer")
	}
	answer, err := op.Poll(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Tasks) != 2 || answer.Tasks[0].Name != queueA+"/tasks/one" || string(answer.Tasks[1].GetHttpRequest().Body) != "body" || answer.Tasks[0].GetHttpRequest().Body != nil {
		t.Errorf("created %v", answer.Tasks)
	}
	meta, err := op.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	if meta.State != cloudtaskspb.BatchCreateTasksMetadata_PARTIALLY_SUCCEEDED || meta.StartTime == nil || meta.EndTime == nil || len(meta.FailedRequests) != 3 {
		t.Errorf("metadata %v", meta)
	}
	for i, want := range map[int32]codes.Code{1: codes.AlreadyExists, 2: codes.InvalidArgument, 4: codes.AlreadyExists} {
		if got := codes.Code(meta.FailedRequests[i].GetCode()); got != want {
			t.Errorf("request %d: %s, want %s", i, got, want)
		}
	}
	if n := r.e.Backlog(); n != 3 {
		t.Errorf("%d tasks wait, want 3", n)
	}
}

func TestBatchCreateTasks_AllSucceed(t *testing.T) {
	r := start(t)
	var tasks []*cloudtaskspb.Task
	for range 100 {
		tasks = append(tasks, r.task(""))
	}
	op := r.batch(batchOf(tasks...))
	meta, err := op.Metadata()
	if err != nil || meta.State != cloudtaskspb.BatchCreateTasksMetadata_SUCCEEDED || len(meta.FailedRequests) != 0 {
		t.Errorf("metadata %v, %v", meta, err)
	}
	r.await(100)
}

func TestBatchCreateTasks_Refusals(t *testing.T) {
	r := start(t)
	many := make([]*cloudtaskspb.Task, 101)
	for i := range many {
		many[i] = r.task("")
	}
	elsewhere := batchOf(r.task(""))
	elsewhere.Requests[0].Parent = queueB
	gone := batchOf(r.task(""))
	gone.Parent, gone.Requests[0].Parent = missing, missing
	malformed := batchOf(r.task(""))
	malformed.Parent, malformed.Requests[0].Parent = "x", "x"
	for _, tc := range []struct {
		name string
		req  *cloudtaskspb.BatchCreateTasksRequest
		code codes.Code
		text string
	}{
		{"nothing", batchOf(), codes.InvalidArgument, ""},
		{"101 tasks", batchOf(many...), codes.InvalidArgument, ""},
		{"another queue's task", elsewhere, codes.InvalidArgument, ""},
		{"a queue that does not exist", gone, codes.NotFound, textNoQueue},
		{"a parent that is none", malformed, codes.PermissionDenied, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := r.BatchCreateTasks(r.ctx(), tc.req)
			wantStatus(t, err, tc.code, tc.text)
		})
	}
	if n := r.e.Backlog(); n != 0 {
		t.Errorf("%d tasks were created", n)
	}
}

func TestBatchCreateTasks_SameRequestID_CreatesOnce(t *testing.T) {
	r := start(t)
	var mu sync.Mutex
	names := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			req := batchOf(r.later(""), r.later(""))
			req.RequestId = "the-same"
			op := r.batch(req)
			mu.Lock()
			defer mu.Unlock()
			names[op.Name()] = true
		})
	}
	wg.Wait()
	if n := r.e.Backlog(); n != 2 || len(names) != 1 {
		t.Errorf("%d tasks, operations %v", n, names)
	}
	other := batchOf(r.later(""))
	other.RequestId = "another"
	r.batch(other)
	r.batch(batchOf(r.later("")))
	r.batch(batchOf(r.later("")))
	if n := r.e.Backlog(); n != 5 {
		t.Errorf("%d tasks, want 5", n)
	}
}

func TestBatchDeleteTasks_EachTaskStandsForItself(t *testing.T) {
	r := start(t)
	for _, id := range []string{"a", "b", "c"} {
		r.create(r.later(id))
	}
	name := func(id string) string { return queueA + "/tasks/" + id }
	op, err := r.BatchDeleteTasks(r.ctx(), &cloudtaskspb.BatchDeleteTasksRequest{Parent: queueA, Names: []string{name("a"), name("b")}})
	if err != nil {
		t.Fatal(err)
	}
	meta, err := op.Metadata()
	if err != nil || !op.Done() || meta.State != cloudtaskspb.BatchDeleteTasksMetadata_SUCCEEDED {
		t.Errorf("all there: %v, %v", meta, err)
	}
	op, err = r.BatchDeleteTasks(r.ctx(), &cloudtaskspb.BatchDeleteTasksRequest{Parent: queueA, Names: []string{name("a"), name("c"), name("d")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Poll(r.ctx()); err != nil {
		t.Errorf("one of three there: %v", err)
	}
	meta, err = op.Metadata()
	if err != nil || meta.State != cloudtaskspb.BatchDeleteTasksMetadata_PARTIALLY_SUCCEEDED || len(meta.FailedRequests) != 2 {
		t.Errorf("one of three there: %v, %v", meta, err)
	}
	if s := meta.FailedRequests[0]; codes.Code(s.GetCode()) != codes.NotFound || s.GetMessage() != textGone {
		t.Errorf("deleted twice: %v", s)
	}
	if s := meta.FailedRequests[2]; codes.Code(s.GetCode()) != codes.NotFound || s.GetMessage() != textNoEntity {
		t.Errorf("never there: %v", s)
	}
	op, err = r.BatchDeleteTasks(r.ctx(), &cloudtaskspb.BatchDeleteTasksRequest{Parent: queueA, Names: []string{name("d"), name("e")}})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, op.Poll(r.ctx()), codes.Aborted,
		"None of the requests succeeded, refer to BatchDeleteTasksMetadata.failed_requests for individual error details")
}

func TestBatchDeleteTasks_Refusals(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		name   string
		parent string
		names  []string
		code   codes.Code
	}{
		{"nothing", queueA, nil, codes.InvalidArgument},
		{"1001 names", queueA, strings.Split(strings.Repeat(queueA+"/tasks/x ", 1001), " ")[:1001], codes.InvalidArgument},
		{"another queue's task", queueA, []string{queueB + "/tasks/x"}, codes.InvalidArgument},
		{"no task's name", queueA, []string{"x"}, codes.InvalidArgument},
		{"a queue that does not exist", missing, []string{missing + "/tasks/x"}, codes.NotFound},
		{"a parent that is none", "x", []string{"x/tasks/x"}, codes.PermissionDenied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := r.BatchDeleteTasks(r.ctx(), &cloudtaskspb.BatchDeleteTasksRequest{Parent: tc.parent, Names: tc.names})
			wantStatus(t, err, tc.code, "")
		})
	}
}

func TestOperations_ThatTakeTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithOperationTime(3*time.Second))
		op := r.batch(batchOf(r.later("x")))
		if op.Done() {
			t.Fatal("done in the first answer")
		}
		if answer, err := op.Poll(r.ctx()); answer != nil || err != nil || op.Done() {
			t.Fatalf("polled at once: %v, %v", answer, err)
		}
		began := time.Now()
		answer, err := op.Wait(r.ctx()) // polls by itself
		if err != nil || len(answer.Tasks) != 1 || time.Since(began) < 3*time.Second {
			t.Errorf("after %s: %v, %v", time.Since(began), answer, err)
		}
	})
}

func TestWaitOperation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithOperationTime(time.Minute))
		ops := longrunningpb.NewOperationsClient(r.conn)
		op := r.batch(batchOf(r.later("x")))
		wait := func(timeout *durationpb.Duration) (*longrunningpb.Operation, time.Duration) {
			began := time.Now()
			got, err := ops.WaitOperation(context.Background(), &longrunningpb.WaitOperationRequest{Name: op.Name(), Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			return got, time.Since(began)
		}
		if got, took := wait(durationpb.New(10 * time.Second)); got.Done || took != 10*time.Second {
			t.Errorf("for 10 s: %v after %s", got, took)
		}
		if got, took := wait(nil); !got.Done || took != 50*time.Second {
			t.Errorf("for as long as it takes: %v after %s", got, took)
		}
		if got, took := wait(nil); !got.Done || took != 0 {
			t.Errorf("once it is done: %v after %s", got, took)
		}
	})
}

func TestOperations_Service(t *testing.T) {
	r := start(t)
	ops := longrunningpb.NewOperationsClient(r.conn)
	var names []string
	for range 5 {
		names = append(names, r.batch(batchOf(r.later(""))).Name())
	}
	if !strings.HasPrefix(names[0], location+"/operations/") {
		t.Errorf("name %s", names[0])
	}
	listed := func() (got []string) {
		for token := ""; ; {
			page, err := ops.ListOperations(r.ctx(), &longrunningpb.ListOperationsRequest{Name: location, PageSize: 2, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range page.Operations {
				got = append(got, op.Name)
			}
			if token = page.NextPageToken; token == "" {
				return got
			}
		}
	}
	if got := listed(); len(got) != 5 {
		t.Errorf("listed %q", got)
	}
	if _, err := ops.CancelOperation(r.ctx(), &longrunningpb.CancelOperationRequest{Name: names[0]}); err != nil {
		t.Error(err)
	}
	if op, err := r.GetOperation(r.ctx(), &longrunningpb.GetOperationRequest{Name: names[0]}); err != nil || !op.Done || op.GetError() != nil {
		t.Errorf("after Cancel: %v, %v", op, err)
	}
	if _, err := ops.DeleteOperation(r.ctx(), &longrunningpb.DeleteOperationRequest{Name: names[0]}); err != nil {
		t.Error(err)
	}
	if got := listed(); len(got) != 4 {
		t.Errorf("listed after Delete %q", got)
	}
	_, err := ops.GetOperation(r.ctx(), &longrunningpb.GetOperationRequest{Name: names[0]})
	wantStatus(t, err, codes.NotFound, textNoEntity)
	_, err = ops.DeleteOperation(r.ctx(), &longrunningpb.DeleteOperationRequest{Name: names[0]})
	wantStatus(t, err, codes.NotFound, "")
	_, err = ops.CancelOperation(r.ctx(), &longrunningpb.CancelOperationRequest{Name: names[0]})
	wantStatus(t, err, codes.NotFound, "")
	_, err = ops.WaitOperation(r.ctx(), &longrunningpb.WaitOperationRequest{Name: names[0]})
	wantStatus(t, err, codes.NotFound, "")
	for req, want := range map[*longrunningpb.ListOperationsRequest]codes.Code{
		{Name: "x"}:                           codes.PermissionDenied,
		{Name: location, Filter: "done:true"}: codes.Unimplemented,
		{Name: location, PageSize: -1}:        codes.InvalidArgument,
		{Name: location, PageToken: "x"}:      codes.InvalidArgument,
	} {
		_, err := ops.ListOperations(r.ctx(), req)
		wantStatus(t, err, want, "")
	}
}

func TestOperations_TheOldestAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		first := r.batch(batchOf(r.later("first"))).Name()
		for i := range 999 {
			r.batch(batchOf(r.later(fmt.Sprint(i))))
		}
		if _, err := r.GetOperation(r.ctx(), &longrunningpb.GetOperationRequest{Name: first}); err != nil {
			t.Errorf("the first of 1000: %v", err)
		}
		r.batch(batchOf(r.later("last")))
		_, err := r.GetOperation(r.ctx(), &longrunningpb.GetOperationRequest{Name: first})
		if status.Code(err) != codes.NotFound {
			t.Errorf("the first of 1001: %v", err)
		}
		synctest.Wait()
	})
}
