package cloudscheduler_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
)

const parent = "projects/emulator/locations/local"

// server is Cloud Scheduler as far as the driver calls it: it keeps jobs, and fires none.
type server struct {
	schedulerpb.UnimplementedCloudSchedulerServer

	// hook sees every call; handle does it. It is set before the first call.
	hook func(ctx context.Context, method string, req proto.Message, handle func() (any, error)) (any, error)

	mu       sync.Mutex
	jobs     map[string]*schedulerpb.Job // by full name
	requests map[string][]proto.Message  // by method
	ran      []string
}

func newServer() *server {
	return &server{jobs: map[string]*schedulerpb.Job{}, requests: map[string][]proto.Message{}}
}

// dial serves on a socket and makes a scheduler for it.
func (s *server) dial(tb testing.TB, opts ...cloudscheduler.Option) *cloudscheduler.Scheduler {
	tb.Helper()
	return connect(tb, append([]cloudscheduler.Option{cloudscheduler.WithEndpoint(s.start(tb))}, opts...)...)
}

func (s *server) start(tb testing.TB) string {
	tb.Helper()
	l := gcptest.Listen(tb, "")
	s.serve(tb, l)
	return l.Addr().String()
}

// pipe serves within the process, so that it works in bubbles, and makes a scheduler for it.
func (s *server) pipe(tb testing.TB, opts ...cloudscheduler.Option) *cloudscheduler.Scheduler {
	tb.Helper()
	p := gcptest.NewPipes()
	s.serve(tb, p)
	return connect(tb, append([]cloudscheduler.Option{
		cloudscheduler.WithEndpoint("127.0.0.1:1"), // an address that nobody looks up
		cloudscheduler.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(p.Dial))),
	}, opts...)...)
}

func (s *server) serve(tb testing.TB, l net.Listener) {
	g := grpc.NewServer(grpc.UnaryInterceptor(s.intercept))
	schedulerpb.RegisterCloudSchedulerServer(g, s)
	gcptest.Serve(tb, l, g)
}

func (s *server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
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

// total counts the requests of all methods.
func (s *server) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		n += len(r)
	}
	return n
}

// keep puts jobs there that the driver has not made.
func (s *server) keep(jobs ...*schedulerpb.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		s.jobs[j.Name] = j
	}
}

// job is one as the server has it.
func (s *server) job(id string) *schedulerpb.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[parent+"/jobs/"+id]
}

var (
	errNoJob   = status.Error(codes.NotFound, "Job not found.")
	errExists  = status.Error(codes.AlreadyExists, "Job already exists.")
	errBadForm = status.Error(codes.InvalidArgument, "field mask")
)

func (s *server) find(name string) (*schedulerpb.Job, error) {
	if j := s.jobs[name]; j != nil {
		return j, nil
	}
	return nil, errNoJob
}

func (s *server) CreateJob(_ context.Context, r *schedulerpb.CreateJobRequest) (*schedulerpb.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.Job.Name, r.Parent+"/jobs/") {
		return nil, status.Error(codes.InvalidArgument, "Job name must be formatted: \"projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>\"")
	}
	if s.jobs[r.Job.Name] != nil {
		return nil, errExists
	}
	j := proto.CloneOf(r.Job)
	j.State = schedulerpb.Job_ENABLED
	s.jobs[j.Name] = j
	return shown(j), nil
}

func (s *server) UpdateJob(_ context.Context, r *schedulerpb.UpdateJobRequest) (*schedulerpb.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(r.Job.Name)
	if err != nil {
		return nil, err
	}
	for _, field := range r.UpdateMask.GetPaths() {
		from, to := r.Job.ProtoReflect(), j.ProtoReflect()
		d := from.Descriptor().Fields().ByTextName(field)
		if d == nil {
			return nil, errBadForm
		}
		if to.Clear(d); from.Has(d) {
			to.Set(d, from.Get(d))
		}
	}
	if j.State == schedulerpb.Job_UPDATE_FAILED {
		j.State = schedulerpb.Job_ENABLED
	}
	return shown(j), nil
}

// shown adds what Cloud Scheduler does.
func shown(j *schedulerpb.Job) *schedulerpb.Job {
	j = proto.CloneOf(j)
	if h := j.GetHttpTarget(); h != nil {
		if h.Headers == nil {
			h.Headers = map[string]string{}
		}
		h.Headers["User-Agent"] = "Google-Cloud-Scheduler"
		if h.Headers["Content-Type"] == "" && len(h.Body) > 0 {
			h.Headers["Content-Type"] = "application/octet-stream"
		}
	}
	if j.ScheduleTime == nil {
		j.ScheduleTime = timestamppb.New(time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC))
	}
	return j
}

func (s *server) GetJob(_ context.Context, r *schedulerpb.GetJobRequest) (*schedulerpb.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(r.Name)
	if err != nil {
		return nil, err
	}
	return shown(j), nil
}

func (s *server) DeleteJob(_ context.Context, r *schedulerpb.DeleteJobRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(r.Name); err != nil {
		return nil, err
	}
	delete(s.jobs, r.Name)
	return &emptypb.Empty{}, nil
}

func (s *server) PauseJob(_ context.Context, r *schedulerpb.PauseJobRequest) (*schedulerpb.Job, error) {
	return s.turn(r.Name, schedulerpb.Job_ENABLED, schedulerpb.Job_PAUSED)
}

func (s *server) ResumeJob(_ context.Context, r *schedulerpb.ResumeJobRequest) (*schedulerpb.Job, error) {
	return s.turn(r.Name, schedulerpb.Job_PAUSED, schedulerpb.Job_ENABLED)
}

func (s *server) turn(name string, from, to schedulerpb.Job_State) (*schedulerpb.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if j.State != from {
		return nil, status.Errorf(codes.FailedPrecondition, "Job state must be %s.", from)
	}
	j.State = to
	return shown(j), nil
}

func (s *server) RunJob(_ context.Context, r *schedulerpb.RunJobRequest) (*schedulerpb.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(r.Name)
	if err != nil {
		return nil, err
	}
	s.ran = append(s.ran, r.Name)
	return shown(j), nil
}

func (s *server) ListJobs(_ context.Context, r *schedulerpb.ListJobsRequest) (*schedulerpb.ListJobsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.PageSize > 500 {
		return nil, status.Error(codes.InvalidArgument, "page_size")
	}
	names := slices.Sorted(maps.Keys(s.jobs))
	at := 0
	if r.PageToken != "" {
		if _, err := fmt.Sscan(r.PageToken, &at); err != nil {
			return nil, status.Error(codes.InvalidArgument, "page_token")
		}
	}
	resp := &schedulerpb.ListJobsResponse{}
	for ; at < len(names); at++ {
		if !strings.HasPrefix(names[at], r.Parent+"/jobs/") {
			continue
		}
		if len(resp.Jobs) == int(r.PageSize) {
			resp.NextPageToken = fmt.Sprint(at)
			break
		}
		resp.Jobs = append(resp.Jobs, shown(s.jobs[names[at]]))
	}
	return resp, nil
}
