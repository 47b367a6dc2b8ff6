package cloudtasks_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

const parent = "projects/emulator/locations/local"

// server is Cloud Tasks as far as the driver calls it: it keeps tasks, and dispatches none. The texts of its
// errors are those of the service.
type server struct {
	cloudtaskspb.UnimplementedCloudTasksServer
	longrunningpb.UnimplementedOperationsServer

	// hook sees every call; handle does it. It is set before the first call.
	hook func(ctx context.Context, method string, req proto.Message, handle func() (any, error)) (any, error)

	mu         sync.Mutex
	queues     map[string]*cloudtaskspb.Queue
	tasks      map[string]*cloudtaskspb.Task
	order      []string        // names of tasks as they were created
	gone       map[string]bool // names of tasks that are no more
	blocked    map[string]bool // names of queues that were deleted lately
	operations map[string]*longrunningpb.Operation
	requests   map[string][]proto.Message // by method
	ran        []string

	noBatch    bool // BatchCreateTasks and BatchDeleteTasks are Unimplemented
	polls      int  // how many questions an operation answers before it is done
	settling   int  // how many times a new queue answers NotFound
	oldMissing bool // a missing queue is a FailedPrecondition
	pageSize   int

	asked    map[string]int // by operation
	unseen   map[string]int // by queue
	lastTask int
	address  string
	grpc     *grpc.Server
}

func newServer(queues ...string) *server {
	s := &server{
		queues: map[string]*cloudtaskspb.Queue{}, tasks: map[string]*cloudtaskspb.Task{}, gone: map[string]bool{},
		blocked: map[string]bool{}, operations: map[string]*longrunningpb.Operation{}, requests: map[string][]proto.Message{},
		asked: map[string]int{}, unseen: map[string]int{}, pageSize: 1000,
	}
	for _, q := range queues {
		s.queues[parent+"/queues/"+q] = &cloudtaskspb.Queue{Name: parent + "/queues/" + q}
	}
	return s
}

// start serves on a socket until the test ends, or stop.
func (s *server) start(tb testing.TB) string {
	tb.Helper()
	l := gcptest.Listen(tb, s.address)
	s.address = l.Addr().String()
	s.serve(tb, l)
	return s.address
}

func (s *server) serve(tb testing.TB, l net.Listener) {
	g := grpc.NewServer(grpc.UnaryInterceptor(s.intercept))
	cloudtaskspb.RegisterCloudTasksServer(g, s)
	longrunningpb.RegisterOperationsServer(g, s)
	s.grpc = g
	gcptest.Serve(tb, l, g)
}

// dial starts the server and makes a driver for it.
func (s *server) dial(tb testing.TB, opts ...cloudtasks.Option) *cloudtasks.Transport {
	tb.Helper()
	return connect(tb, append([]cloudtasks.Option{cloudtasks.WithEndpoint(s.start(tb))}, opts...)...)
}

func connect(tb testing.TB, opts ...cloudtasks.Option) *cloudtasks.Transport {
	tb.Helper()
	quiet := cloudtasks.WithLogger(slog.New(slog.DiscardHandler))
	t, err := cloudtasks.New(tb.Context(), append([]cloudtasks.Option{quiet}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = t.Close() })
	return t
}

func (s *server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	if d, ok := ctx.Deadline(); !ok || time.Until(d) > 30*time.Second {
		return nil, status.Error(codes.InvalidArgument, "The request deadline is too far. The deadline cannot be more than 30s in the future.")
	}
	s.mu.Lock()
	s.requests[method] = append(s.requests[method], proto.Clone(req.(proto.Message)))
	s.mu.Unlock()
	handle := func() (any, error) { return next(ctx, req) }
	if s.hook == nil {
		return handle()
	}
	return s.hook(ctx, method, req.(proto.Message), handle)
}

// calls returns the requests of a method, and counts them.
func (s *server) calls(method string) []proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests[method])
}

// ids returns the ids of the tasks that wait on a queue, sorted.
func (s *server) ids(queue string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix := parent + "/queues/" + queue + "/tasks/"
	var ids []string
	for name := range s.tasks {
		if id, ok := strings.CutPrefix(name, prefix); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

var (
	errNoQueue     = status.Error(codes.NotFound, "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.")
	errNoQueueOld  = status.Error(codes.FailedPrecondition, "Queue does not exist.")
	errNoEntity    = status.Error(codes.NotFound, "Requested entity was not found.")
	errTaskGone    = status.Error(codes.NotFound, "The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted.")
	errExists      = status.Error(codes.AlreadyExists, "Requested entity already exists")
	errExisted     = status.Error(codes.AlreadyExists, "The task cannot be created because a task with this name existed too recently.")
	errQueueExists = status.Error(codes.AlreadyExists, "Queue already exists")
	errBlocked     = status.Error(codes.FailedPrecondition, "The queue cannot be created because a queue with this name existed too recently.")
)

func (s *server) find(queue string) error {
	if s.queues[queue] == nil || s.unseen[queue] > 0 {
		s.unseen[queue] = max(s.unseen[queue]-1, 0)
		if s.oldMissing {
			return errNoQueueOld
		}
		return errNoQueue
	}
	return nil
}

func (s *server) CreateQueue(_ context.Context, r *cloudtaskspb.CreateQueueRequest) (*cloudtaskspb.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newQueue(r.Queue)
}

func (s *server) newQueue(q *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	switch {
	case s.queues[q.Name] != nil:
		return nil, errQueueExists
	case s.blocked[q.Name]:
		return nil, errBlocked
	}
	q = proto.CloneOf(q)
	if q.RetryConfig.GetMaxDoublings() == 0 && q.RetryConfig != nil {
		q.RetryConfig.MaxDoublings = 16
	}
	s.queues[q.Name] = q
	s.unseen[q.Name] = s.settling
	return q, nil
}

func (s *server) UpdateQueue(_ context.Context, r *cloudtaskspb.UpdateQueueRequest) (*cloudtaskspb.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[r.Queue.Name]
	if q == nil {
		if _, err := s.newQueue(r.Queue); err != nil {
			return nil, err
		}
		q = s.queues[r.Queue.Name]
	}
	q.RateLimits, q.RetryConfig = r.Queue.RateLimits, r.Queue.RetryConfig
	return q, nil
}

func (s *server) GetQueue(_ context.Context, r *cloudtaskspb.GetQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.onQueue(r.Name, func(*cloudtaskspb.Queue) {})
}

func (s *server) PauseQueue(_ context.Context, r *cloudtaskspb.PauseQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.onQueue(r.Name, func(q *cloudtaskspb.Queue) { q.State = cloudtaskspb.Queue_PAUSED })
}

func (s *server) ResumeQueue(_ context.Context, r *cloudtaskspb.ResumeQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.onQueue(r.Name, func(q *cloudtaskspb.Queue) { q.State = cloudtaskspb.Queue_RUNNING })
}

func (s *server) PurgeQueue(_ context.Context, r *cloudtaskspb.PurgeQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.onQueue(r.Name, func(*cloudtaskspb.Queue) {
		maps.DeleteFunc(s.tasks, func(name string, _ *cloudtaskspb.Task) bool { return strings.HasPrefix(name, r.Name+"/") })
	})
}

func (s *server) onQueue(name string, do func(*cloudtaskspb.Queue)) (*cloudtaskspb.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.find(name); err != nil {
		return nil, err
	}
	q := s.queues[name]
	do(q)
	return proto.CloneOf(q), nil
}

func (s *server) CreateTask(_ context.Context, r *cloudtaskspb.CreateTaskRequest) (*cloudtaskspb.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newTask(r)
}

func (s *server) newTask(r *cloudtaskspb.CreateTaskRequest) (*cloudtaskspb.Task, error) {
	if err := s.find(r.Parent); err != nil {
		return nil, err
	}
	t := r.Task
	if t.Name == "" {
		s.lastTask++
		t.Name = fmt.Sprintf("%s/tasks/%d", r.Parent, s.lastTask)
	}
	switch {
	case s.tasks[t.Name] != nil:
		return nil, errExists
	case s.gone[t.Name]:
		return nil, errExisted
	case t.GetHttpRequest().GetHeaders()["X-Refuse"] != "":
		return nil, status.Error(codes.InvalidArgument, "refused")
	}
	t.CreateTime = timestamppb.New(time.Now().Truncate(time.Second))
	if t.ScheduleTime == nil {
		t.ScheduleTime = timestamppb.Now()
	}
	s.tasks[t.Name] = t
	s.order = append(s.order, t.Name)
	return basic(t), nil
}

// basic is the view without a body.
func basic(t *cloudtaskspb.Task) *cloudtaskspb.Task {
	h := t.GetHttpRequest()
	return &cloudtaskspb.Task{
		Name: t.Name, ScheduleTime: t.ScheduleTime, CreateTime: t.CreateTime, DispatchDeadline: t.DispatchDeadline,
		DispatchCount: t.DispatchCount, ResponseCount: t.ResponseCount, RetryConfig: t.RetryConfig, View: cloudtaskspb.Task_BASIC,
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url: h.GetUrl(), HttpMethod: h.GetHttpMethod(), Headers: h.GetHeaders(), AuthorizationHeader: h.GetAuthorizationHeader(),
		}},
	}
}

func (s *server) GetTask(_ context.Context, r *cloudtaskspb.GetTaskRequest) (*cloudtaskspb.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.task(r.Name)
	if err != nil || r.ResponseView == cloudtaskspb.Task_FULL {
		return t, err
	}
	return basic(t), nil
}

func (s *server) task(name string) (*cloudtaskspb.Task, error) {
	switch t := s.tasks[name]; {
	case t != nil:
		return t, nil
	case s.gone[name]:
		return nil, errTaskGone
	default:
		return nil, errNoEntity
	}
}

func (s *server) RunTask(_ context.Context, r *cloudtaskspb.RunTaskRequest) (*cloudtaskspb.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.task(r.Name)
	if err != nil {
		return nil, err
	}
	s.ran = append(s.ran, r.Name)
	return basic(t), nil
}

func (s *server) DeleteTask(_ context.Context, r *cloudtaskspb.DeleteTaskRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &emptypb.Empty{}, s.drop(r.Name)
}

func (s *server) drop(name string) error {
	if _, err := s.task(name); err != nil {
		return err
	}
	delete(s.tasks, name)
	s.gone[name] = true
	return nil
}

func (s *server) ListTasks(_ context.Context, r *cloudtaskspb.ListTasksRequest) (*cloudtaskspb.ListTasksResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.find(r.Parent); err != nil {
		return nil, err
	}
	at := 0
	if r.PageToken != "" {
		if _, err := fmt.Sscan(r.PageToken, &at); err != nil {
			return nil, status.Error(codes.InvalidArgument, "page token")
		}
	}
	resp := &cloudtaskspb.ListTasksResponse{}
	for ; at < len(s.order); at++ {
		if len(resp.Tasks) == s.pageSize {
			resp.NextPageToken = fmt.Sprint(at)
			break
		}
		t := s.tasks[s.order[at]]
		if t == nil || !strings.HasPrefix(t.Name, r.Parent+"/") {
			continue
		}
		if r.ResponseView != cloudtaskspb.Task_FULL {
			t = basic(t)
		}
		resp.Tasks = append(resp.Tasks, t)
	}
	return resp, nil
}

func (s *server) BatchCreateTasks(_ context.Context, r *cloudtaskspb.BatchCreateTasksRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noBatch {
		return s.UnimplementedCloudTasksServer.BatchCreateTasks(context.Background(), r)
	}
	if len(r.Requests) < 1 || len(r.Requests) > 100 {
		return nil, status.Errorf(codes.InvalidArgument, "%d requests", len(r.Requests))
	}
	if err := s.find(r.Parent); err != nil {
		return nil, err
	}
	resp, meta := &cloudtaskspb.BatchCreateTasksResponse{}, &cloudtaskspb.BatchCreateTasksMetadata{FailedRequests: map[int32]*statuspb.Status{}}
	for i, one := range r.Requests {
		t, err := s.newTask(one)
		if err != nil {
			meta.FailedRequests[int32(i)] = status.Convert(err).Proto()
			continue
		}
		resp.Tasks = append(resp.Tasks, t)
	}
	return s.operation(r.RequestId, resp, meta, nil)
}

func (s *server) BatchDeleteTasks(_ context.Context, r *cloudtaskspb.BatchDeleteTasksRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noBatch {
		return s.UnimplementedCloudTasksServer.BatchDeleteTasks(context.Background(), r)
	}
	if len(r.Names) < 1 || len(r.Names) > 1000 {
		return nil, status.Errorf(codes.InvalidArgument, "%d names", len(r.Names))
	}
	if err := s.find(r.Parent); err != nil {
		return nil, err
	}
	meta := &cloudtaskspb.BatchDeleteTasksMetadata{FailedRequests: map[int32]*statuspb.Status{}}
	for i, name := range r.Names {
		if err := s.drop(name); err != nil {
			meta.FailedRequests[int32(i)] = status.Convert(err).Proto()
		}
	}
	var failed error
	if len(meta.FailedRequests) == len(r.Names) {
		failed = status.Error(codes.Aborted, "all failed")
	}
	return s.operation(r.RequestId, &emptypb.Empty{}, meta, failed)
}

func (s *server) operation(id string, resp, meta proto.Message, failed error) (*longrunningpb.Operation, error) {
	m, err := anypb.New(meta)
	if err != nil {
		return nil, err
	}
	op := &longrunningpb.Operation{Name: parent + "/operations/" + id, Metadata: m, Done: true}
	if failed != nil {
		op.Result = &longrunningpb.Operation_Error{Error: status.Convert(failed).Proto()}
	} else {
		r, err := anypb.New(resp)
		if err != nil {
			return nil, err
		}
		op.Result = &longrunningpb.Operation_Response{Response: r}
	}
	s.operations[op.Name] = op
	if s.polls > 0 {
		return &longrunningpb.Operation{Name: op.Name}, nil
	}
	return op, nil
}

func (s *server) GetOperation(_ context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := s.operations[r.Name]
	if op == nil {
		return nil, errNoEntity
	}
	if s.asked[r.Name]++; s.asked[r.Name] < s.polls {
		return &longrunningpb.Operation{Name: op.Name}, nil
	}
	return op, nil
}
