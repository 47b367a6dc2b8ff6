package cloudtasks_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/transport"
)

func (s *server) DeleteQueue(_ context.Context, r *cloudtaskspb.DeleteQueueRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[r.Name] == nil {
		return nil, errNoEntity
	}
	delete(s.queues, r.Name)
	maps.DeleteFunc(s.tasks, func(name string, _ *cloudtaskspb.Task) bool { return strings.HasPrefix(name, r.Name+"/") })
	s.blocked[r.Name] = true
	return &emptypb.Empty{}, nil
}

func TestDeleteQueue_DeletesIt(t *testing.T) {
	s := newServer("mail", "news")
	tr := s.dial(t)
	enqueue(t, tr, task("a"))
	if err := tr.DeleteQueue(t.Context(), "mail"); err != nil {
		t.Fatal(err)
	}
	if s.queues[parent+"/queues/mail"] != nil || s.queues[parent+"/queues/news"] == nil {
		t.Errorf("left %v", s.queues)
	}
	err := tr.DeleteQueue(t.Context(), "mail")
	requireKind(t, err, transport.OpDeleteQueue, transport.KindQueueMissing)
	if !strings.Contains(err.Error(), `delete queue "mail": the queue does not exist: in `+parent) {
		t.Errorf("error %v", err)
	}
}

func TestDeleteQueue_Refused(t *testing.T) {
	s := newServer("mail")
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "DeleteQueue" {
			return nil, status.Error(codes.PermissionDenied, "not you")
		}
		return handle()
	}
	tr := s.dial(t)
	err := tr.DeleteQueue(t.Context(), "mail")
	requireKind(t, err, transport.OpDeleteQueue, transport.KindOther)
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "roles/cloudtasks.admin") {
		t.Errorf("error %v", err)
	}
	if err := tr.DeleteQueue(t.Context(), "a_b"); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	if n := len(s.calls("DeleteQueue")); n != 1 {
		t.Errorf("%d calls", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.DeleteQueue(ended, "mail"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	tr.Close()
	if err := tr.DeleteQueue(t.Context(), "mail"); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// A driver that created a queue, or saw it, waits for it to be known everywhere; one that deleted it knows better.
func TestDeleteQueue_LaterEnqueue_GoesToTheBackupAtOnce(t *testing.T) {
	for name, queues := range map[string][]string{"the driver's own": nil, "one that was there": {"mail"}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(queues...)
			option, log := logs()
			tr := s.dial(t, option)
			for range 2 {
				enqueue(t, tr, task(""))
			}
			if err := tr.DeleteQueue(t.Context(), "mail"); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if r := enqueue(t, tr, task("b")); r.Queue != "mail--temp" || time.Since(began) > 10*time.Second {
				t.Errorf("receipt %+v after %s", r, time.Since(began))
			}
			if !strings.Contains(log.String(), "deleted too recently") {
				t.Errorf("logged %q", log)
			}
			delete(s.blocked, parent+"/queues/mail") // days later
			if err := tr.PutQueue(t.Context(), "mail", transport.QueueConfig{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPutQueue_NewQueueWithoutDoubling_GetsItBySecondCall(t *testing.T) {
	s := newServer()
	s.hook = func(_ context.Context, method string, req proto.Message, handle func() (any, error)) (any, error) {
		is, err := handle()
		if method == "UpdateQueue" && len(s.calls("UpdateQueue")) == 1 {
			q := proto.CloneOf(is.(*cloudtaskspb.Queue))
			q.RetryConfig.MaxDoublings = 16
			return q, err
		}
		return is, err
	}
	linear := transport.QueueConfig{Retry: transport.RetryConfig{MinBackoff: time.Second, MaxBackoff: time.Minute}}
	tr := s.dial(t)
	for range 2 {
		if err := tr.PutQueue(t.Context(), "mail", linear); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.calls("UpdateQueue")); n != 3 {
		t.Errorf("%d calls of UpdateQueue, want 2 for a new queue and 1 for one that exists", n)
	}
}

func TestResolveQueue_IsWhatCloudTasksKeeps(t *testing.T) {
	tr := newServer().dial(t)
	fresh := transport.CloudTasksQueue()
	if got := tr.ResolveQueue(transport.QueueConfig{}); got != fresh {
		t.Errorf("nothing is resolved to %+v", got)
	}
	if got := tr.ResolveQueue(transport.QueueConfig{MaxDispatchesPerSecond: transport.NoRateLimit, MaxBurst: 7}); got != fresh {
		t.Errorf("no limit is resolved to %+v", got)
	}
	linear := transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MinBackoff: 1500 * time.Millisecond}
	if got := tr.ResolveQueue(transport.QueueConfig{Retry: linear}).Retry; got != linear.WithDefaults() {
		t.Errorf("%+v is resolved to %+v", linear, got)
	}
}
