package cloudtasks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// mixed makes n tasks, some named, on two queues.
func mixed(n int) []*transport.Task {
	tasks := make([]*transport.Task, n)
	for i := range tasks {
		tasks[i] = task("")
		if i%2 == 0 {
			tasks[i].ID = fmt.Sprintf("t-%d", i)
		}
		if i%3 == 0 {
			tasks[i].Queue = "other"
		}
		tasks[i].Body = []byte(fmt.Sprint(i))
	}
	return tasks
}

// requireDone holds each result to its task, whose body the queue has under the receipt's id.
func requireDone(t *testing.T, s *server, tasks []*transport.Task, results []transport.Result) {
	t.Helper()
	if len(results) != len(tasks) {
		t.Fatalf("%d results for %d tasks", len(results), len(tasks))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range results {
		k := tasks[i]
		stored := s.tasks[parent+"/queues/"+k.Queue+"/tasks/"+r.Receipt.ID]
		if r.Err != nil || r.Receipt.Queue != k.Queue || k.ID != "" && k.ID != r.Receipt.ID || string(stored.GetHttpRequest().GetBody()) != string(k.Body) {
			t.Fatalf("result %d: %+v, stored %v; want %+v", i, r, stored, k)
		}
	}
	if len(s.tasks) != len(tasks) {
		t.Errorf("%d tasks were created, want %d", len(s.tasks), len(tasks))
	}
}

func TestEnqueueBatch_ResultsInOrder_WhateverTheServerOffers(t *testing.T) {
	for name, change := range map[string]func(*server){
		"done in the first answer": func(*server) {},
		"done later":               func(s *server) { s.polls = 4 },
		"no batches":               func(s *server) { s.noBatch = true },
		"queues missing":           func(s *server) { clear(s.queues); s.settling = 2 },
		"queues missing, alone":    func(s *server) { clear(s.queues); s.noBatch = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer("mail", "other")
			change(s)
			tasks := mixed(450)
			requireDone(t, s, tasks, s.dial(t).EnqueueBatch(t.Context(), tasks))
			ids := map[string]bool{}
			for _, m := range s.calls("BatchCreateTasks") {
				r := m.(*cloudtaskspb.BatchCreateTasksRequest)
				if len(r.RequestId) < 16 || ids[r.RequestId] {
					t.Errorf("request id %q", r.RequestId)
				}
				ids[r.RequestId] = true
				for _, one := range r.Requests {
					if one.Parent != r.Parent {
						t.Errorf("a task for %s in a request for %s", one.Parent, r.Parent)
					}
				}
			}
			if n := len(s.calls("CreateQueue")); n > 2 {
				t.Errorf("%d calls of CreateQueue for two queues", n)
			}
		})
	}
}

func TestEnqueueBatch_Unimplemented_IsRemembered(t *testing.T) {
	s := newServer("mail")
	s.noBatch = true
	tr := s.dial(t, cloudtasks.WithInFlight(1))
	for range 2 {
		for _, r := range tr.EnqueueBatch(t.Context(), []*transport.Task{task(""), task("")}) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	if n := len(s.calls("BatchCreateTasks")); n != 1 || len(s.calls("CreateTask")) != 4 {
		t.Errorf("%d calls of BatchCreateTasks, %d of CreateTask; want 1 and 4", n, len(s.calls("CreateTask")))
	}
}

func TestEnqueueBatch_RespectsLimitsOfARequest(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	var tasks []*transport.Task
	for i := range 9 {
		k := task("")
		if k.Body = make([]byte, 10); i%2 == 0 {
			k.Body = make([]byte, 1_000_000)
		}
		tasks = append(tasks, k)
	}
	for range 250 {
		tasks = append(tasks, task(""))
	}
	for i, r := range tr.EnqueueBatch(t.Context(), tasks) {
		if r.Err != nil {
			t.Fatalf("%d: %v", i, r.Err)
		}
	}
	total := 0
	for _, m := range s.calls("BatchCreateTasks") {
		n := len(m.(*cloudtaskspb.BatchCreateTasksRequest).Requests)
		if n > cloudtasks.MaxBatchTasks || proto.Size(m) > cloudtasks.MaxBatchBytes {
			t.Errorf("a request of %d tasks, %d bytes", n, proto.Size(m))
		}
		total += n
	}
	if total != len(tasks) {
		t.Errorf("%d tasks were sent, want %d", total, len(tasks))
	}
}

func TestEnqueueBatch_EachTaskStandsForItself(t *testing.T) {
	for name, noBatch := range map[string]bool{"batch": false, "alone": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer("mail")
			s.noBatch = noBatch
			tr := s.dial(t)
			enqueue(t, tr, task("taken"))
			s.gone[parent+"/queues/mail/tasks/past"] = true
			refused, scheme := task("refused"), task("scheme")
			refused.Header = http.Header{"X-Refuse": {"1"}}
			scheme.URL = "gopher://x"
			tasks := []*transport.Task{task(""), task("taken"), refused, task("past"), task("not/legal"), scheme, task(""), task("fine")}
			kinds := []transport.Kind{0, transport.KindExists, transport.KindInvalid, transport.KindGone, transport.KindInvalid, transport.KindInvalid, 0, 0}
			for i, r := range tr.EnqueueBatch(t.Context(), tasks) {
				duplicate := kinds[i] == transport.KindExists || kinds[i] == transport.KindGone
				if transport.KindOf(r.Err) != kinds[i] || (r.Err == nil) != (kinds[i] == 0) || r.Receipt.Duplicate != duplicate {
					t.Errorf("result %d: %+v, want kind %s", i, r, kinds[i])
				}
				if r.Err == nil && (r.Receipt.ID == "" || tasks[i].ID != "" && tasks[i].ID != r.Receipt.ID) {
					t.Errorf("result %d: receipt %+v", i, r.Receipt)
				}
				if e, ok := errors.AsType[*transport.Error](r.Err); r.Err != nil && (!ok || e.ID != tasks[i].ID) {
					t.Errorf("result %d: %v does not name %q", i, r.Err, tasks[i].ID)
				}
			}
			if n := len(s.ids("mail")); n != 4 {
				t.Errorf("%d tasks wait, want 4", n)
			}
		})
	}
}

// batchAnswer makes BatchCreateTasks answer like this, the first n times.
func (s *server) batchAnswer(n int32, answer func(*cloudtaskspb.BatchCreateTasksRequest) (*longrunningpb.Operation, error)) {
	var times atomic.Int32
	s.hook = func(_ context.Context, method string, req proto.Message, handle func() (any, error)) (any, error) {
		if r, ok := req.(*cloudtaskspb.BatchCreateTasksRequest); ok && times.Add(1) <= n {
			return answer(r)
		}
		return handle()
	}
}

func metadata(failed map[int32]*statuspb.Status) *anypb.Any {
	m, _ := anypb.New(&cloudtaskspb.BatchCreateTasksMetadata{FailedRequests: failed})
	return m
}

func TestEnqueueBatch_TasksRefusedForTheirQueue_AreSentAgain(t *testing.T) {
	s := newServer("mail")
	s.batchAnswer(1, func(r *cloudtaskspb.BatchCreateTasksRequest) (*longrunningpb.Operation, error) {
		first, err := s.CreateTask(t.Context(), r.Requests[0])
		if err != nil {
			return nil, err
		}
		done, err := anypb.New(&cloudtaskspb.BatchCreateTasksResponse{Tasks: []*cloudtaskspb.Task{first}})
		missing := status.Convert(errNoQueue).Proto()
		return &longrunningpb.Operation{
			Name: parent + "/operations/x", Done: true, Metadata: metadata(map[int32]*statuspb.Status{1: missing, 2: missing}),
			Result: &longrunningpb.Operation_Response{Response: done},
		}, err
	})
	tasks := []*transport.Task{task(""), task(""), task("c")}
	requireDone(t, s, tasks, s.dial(t).EnqueueBatch(t.Context(), tasks))
	if n := len(s.calls("BatchCreateTasks")[1].(*cloudtaskspb.BatchCreateTasksRequest).Requests); n != 2 {
		t.Errorf("the second request has %d tasks, want the 2 that failed", n)
	}
}

func TestEnqueueBatch_RequestOrOperationFails_FailsEachOfItsTasks(t *testing.T) {
	for name, c := range map[string]struct {
		op   *longrunningpb.Operation
		err  error
		code codes.Code
	}{
		"request":   {nil, status.Error(codes.Unavailable, "down"), codes.Unavailable},
		"operation": {&longrunningpb.Operation{Name: "x", Done: true, Result: &longrunningpb.Operation_Error{Error: &statuspb.Status{Code: int32(codes.Aborted), Message: "all failed"}}}, nil, codes.Aborted},
		"metadata":  {&longrunningpb.Operation{Name: "x", Done: true, Metadata: &anypb.Any{TypeUrl: "x/y"}, Result: &longrunningpb.Operation_Response{Response: empty()}}, nil, codes.Unknown},
		"unknown":   {&longrunningpb.Operation{Name: "x"}, nil, codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer("mail")
			s.batchAnswer(1, func(*cloudtaskspb.BatchCreateTasksRequest) (*longrunningpb.Operation, error) { return c.op, c.err })
			for _, r := range s.dial(t).EnqueueBatch(t.Context(), []*transport.Task{task("a"), task("b")}) {
				if r.Err == nil || status.Code(r.Err) != c.code || r.Receipt != (transport.Receipt{}) {
					t.Errorf("%+v, want code %s", r, c.code)
				}
				if e, ok := errors.AsType[*transport.Error](r.Err); !ok || e.Op != transport.OpEnqueue || e.Queue != "mail" || e.ID == "" {
					t.Errorf("error %v", r.Err)
				}
			}
			if n := len(s.calls("CreateQueue")); n != 0 {
				t.Errorf("%d calls of CreateQueue: the queue is there", n)
			}
		})
	}
}

func empty() *anypb.Any {
	a, _ := anypb.New(&cloudtaskspb.BatchCreateTasksResponse{})
	return a
}

func TestEnqueueBatch_QuestionsFail_OutcomeIsFoundAllTheSame(t *testing.T) {
	s := newServer("mail")
	s.polls = 2
	var times atomic.Int32
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "GetOperation" && times.Add(1) <= 2 {
			return nil, status.Error(codes.ResourceExhausted, "slow down")
		}
		return handle()
	}
	tasks := []*transport.Task{task("a"), task("")}
	requireDone(t, s, tasks, s.dial(t).EnqueueBatch(t.Context(), tasks))
}

func TestEnqueueBatch_OperationNeverEnds(t *testing.T) {
	for name, limit := range map[string]time.Duration{"operation timeout": 0, "context": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer("mail")
				s.polls = 1 << 30
				ctx, least := t.Context(), cloudtasks.OperationTimeout
				if limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, limit)
					defer cancel()
					least = limit
				}
				tr := s.bubble(t)
				began := time.Now()
				for _, r := range tr.EnqueueBatch(ctx, []*transport.Task{task("a"), task("b")}) {
					if r.Err == nil || !strings.Contains(r.Err.Error(), "unknown") || !strings.Contains(r.Err.Error(), "/operations/") || ctx.Err() != nil && !errors.Is(r.Err, ctx.Err()) {
						t.Errorf("error %v", r.Err)
					}
				}
				if took := time.Since(began); took < least || took > least+5*time.Second {
					t.Errorf("it took %s, want about %s", took, least)
				}
			})
		})
	}
}

func TestEnqueueBatch_EndedContextOrClosed_EnqueuesNothing(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range tr.EnqueueBatch(ctx, mixed(3)) {
		if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("error %v, want Canceled", r.Err)
		}
	}
	if rs := tr.EnqueueBatch(t.Context(), nil); len(rs) != 0 {
		t.Errorf("%d results of nothing", len(rs))
	}
	_ = tr.Close()
	for _, r := range tr.EnqueueBatch(t.Context(), mixed(3)) {
		if !errors.Is(r.Err, transport.ErrClosed) {
			t.Errorf("error %v, want ErrClosed", r.Err)
		}
	}
	if n := len(s.calls("BatchCreateTasks")) + len(s.calls("CreateTask")); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestEnqueueBatch_KeepsRequestsInFlight(t *testing.T) {
	const n = 4
	for name, noBatch := range map[string]bool{"BatchCreateTasks": false, "CreateTask": true} {
		t.Run(name, func(t *testing.T) {
			want := int32(n)
			if noBatch {
				want = 3 * n
			}
			s := newServer("mail")
			s.noBatch = noBatch
			var flying, most atomic.Int32
			full := make(chan struct{})
			s.hook = func(ctx context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
				if method != name {
					return handle()
				}
				now := flying.Add(1)
				defer flying.Add(-1)
				if now > most.Load() {
					most.Store(now)
				}
				if now == want {
					closeOnce(full)
				}
				select {
				case <-full: // all that may fly do
				case <-ctx.Done():
				}
				return handle()
			}
			tasks := make([]*transport.Task, 1200)
			for i := range tasks {
				tasks[i] = task("")
			}
			requireDone(t, s, tasks, s.dial(t, cloudtasks.WithInFlight(n)).EnqueueBatch(t.Context(), tasks))
			if got := most.Load(); got != want {
				t.Errorf("%d requests were in flight, want %d", got, want)
			}
		})
	}
}
