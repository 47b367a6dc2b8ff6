package cloudtasks_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// logs is a logger and what it wrote.
func logs() (cloudtasks.Option, *bytes.Buffer) {
	var b bytes.Buffer
	return cloudtasks.WithLogger(slog.New(slog.NewTextHandler(&b, nil))), &b
}

func TestEnqueue_MissingQueue_IsCreatedAsDeclared(t *testing.T) {
	for name, old := range map[string]bool{"as today": false, "older servers": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.oldMissing = old
			tr := s.dial(t)
			err := tr.DeclareQueues(map[string]transport.QueueConfig{"mail": {
				MaxDispatchesPerSecond: transport.NoRateLimit, MaxConcurrentDispatches: 7,
				Retry: transport.RetryConfig{MaxAttempts: 5, MaxDoublings: 3, MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryDuration: time.Hour},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if r := enqueue(t, tr, task("a")); r.Queue != "mail" || r.Duplicate {
				t.Errorf("receipt %+v", r)
			}
			enqueue(t, tr, task("b"))
			golden(t, "create-queue", s.calls("CreateQueue")[0])
			if n := len(s.calls("CreateQueue")); n != 1 {
				t.Errorf("%d calls of CreateQueue", n)
			}
			if ids := s.ids("mail"); len(ids) != 2 {
				t.Errorf("the queue holds %q", ids)
			}
		})
	}
}

func TestEnqueue_MissingQueueUndeclared_IsCreatedWithCloudTasksDefaults(t *testing.T) {
	s := newServer()
	option, log := logs()
	enqueue(t, s.dial(t, option), task("a"))
	want := &cloudtaskspb.CreateQueueRequest{Parent: parent, Queue: &cloudtaskspb.Queue{Name: parent + "/queues/mail"}}
	if got := s.calls("CreateQueue")[0]; !proto.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	if !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), parent+"/queues/mail") {
		t.Errorf("logged %q", log)
	}
}

func TestEnqueue_NewQueueWithoutDoubling_GetsItBySecondCall(t *testing.T) {
	s := newServer()
	option, log := logs()
	tr := s.dial(t, option)
	linear := transport.QueueConfig{Retry: transport.RetryConfig{MinBackoff: time.Second, MaxBackoff: time.Minute}}
	if err := tr.DeclareQueues(map[string]transport.QueueConfig{"mail": linear}); err != nil {
		t.Fatal(err)
	}
	enqueue(t, tr, task("a"))
	if cfg, err := tr.Queue(t.Context(), "mail"); err != nil || cfg.Retry.MaxDoublings != 0 || cfg.Retry.MinBackoff != time.Second {
		t.Errorf("the queue has %+v, %v", cfg.Retry, err)
	}
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "UpdateQueue" {
			return nil, status.Error(codes.PermissionDenied, "not you")
		}
		return handle()
	}
	if err := tr.DeclareQueues(map[string]transport.QueueConfig{"other": linear}); err != nil {
		t.Fatal(err)
	}
	other := task("a")
	other.Queue = "other"
	enqueue(t, tr, other)
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "not you") {
		t.Errorf("logged %q", log)
	}
}

func TestEnqueue_MissingQueue_ManyAtOnce_CreateItOnce(t *testing.T) {
	s := newServer()
	tr := s.dial(t)
	var gate, all sync.WaitGroup
	gate.Add(1)
	for range 64 {
		all.Go(func() {
			gate.Wait()
			if r, err := tr.Enqueue(t.Context(), task("")); err != nil || r.ID == "" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	gate.Done()
	all.Wait()
	if n := len(s.calls("CreateQueue")); n != 1 {
		t.Errorf("%d calls of CreateQueue, want 1", n)
	}
	if ids := s.ids("mail"); len(ids) != 64 {
		t.Errorf("%d tasks were enqueued, want 64", len(ids))
	}
}

func TestEnqueue_NewQueueNotKnownYet_TriesAgain(t *testing.T) {
	s := newServer()
	s.settling = 3
	enqueue(t, s.dial(t), task("a"))
	if n := len(s.calls("CreateTask")); n != 5 || len(s.calls("CreateQueue")) != 1 {
		t.Errorf("%d calls of CreateTask, %d of CreateQueue; want 5 and 1", n, len(s.calls("CreateQueue")))
	}
}

func TestEnqueue_NewQueueNotKnownYet_StopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.settling = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.bubble(t).Enqueue(ctx, task("a"))
		requireKind(t, err, transport.OpEnqueue, transport.KindQueueMissing)
		if !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.NotFound {
			t.Errorf("error %v, code %s", err, status.Code(err))
		}
	})
}

func TestEnqueue_QueueThereAndNotKnown_TriesAgain(t *testing.T) {
	s := newServer("mail") // after 30 idle days, or created by another process just now
	s.unseen[parent+"/queues/mail"] = 3
	enqueue(t, s.dial(t), task("a"))
	if n := len(s.calls("CreateQueue")); n != 1 {
		t.Errorf("%d calls of CreateQueue, want 1", n)
	}
}

func TestEnqueue_SomethingElseNotFound_SaysSoAtOnce(t *testing.T) {
	s := newServer("mail")
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "CreateTask" {
			return nil, status.Error(codes.NotFound, "the service account was not found")
		}
		return handle()
	}
	tr := s.dial(t)
	for range 2 {
		_, err := tr.Enqueue(t.Context(), task("a"))
		requireKind(t, err, transport.OpEnqueue, transport.KindOther)
		if status.Code(err) != codes.NotFound {
			t.Errorf("code %s", status.Code(err))
		}
	}
	if n := len(s.calls("CreateQueue")); n != 1 {
		t.Errorf("%d calls of CreateQueue, want 1", n)
	}
}

func TestEnqueue_QueueCannotBeCreated_SaysWhatToDo(t *testing.T) {
	s := newServer()
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "CreateQueue" {
			return nil, status.Error(codes.PermissionDenied, "not you")
		}
		return handle()
	}
	tr := s.dial(t)
	_, err := tr.Enqueue(t.Context(), task("a"))
	requireKind(t, err, transport.OpEnqueue, transport.KindQueueMissing)
	if !errors.Is(err, transport.ErrQueueMissing) || status.Code(err) != codes.PermissionDenied {
		t.Errorf("error %v, code %s", err, status.Code(err))
	}
	for _, part := range []string{`"mail"`, parent, "WithLocation", "CLOUD_TASKS_LOCATION", "roles/cloudtasks.queueAdmin", "not you", "Queue does not exist"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
	s.mu.Lock()
	s.hook = nil
	s.mu.Unlock()
	enqueue(t, tr, task("a")) // a failure is not remembered
}

func TestEnqueue_QueueCannotBeCreated_ManyAtOnce_ShareTheFailure(t *testing.T) {
	s := newServer()
	arrived := make(chan struct{}, 64)
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "CreateQueue" {
			for range 64 { // all have found it missing
				<-arrived
			}
			return nil, status.Error(codes.PermissionDenied, "not you")
		}
		defer func() { arrived <- struct{}{} }()
		return handle()
	}
	tr := s.dial(t)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if _, err := tr.Enqueue(t.Context(), task("")); status.Code(err) != codes.PermissionDenied {
				t.Errorf("error %v", err)
			}
		})
	}
	all.Wait()
	if n := len(s.calls("CreateQueue")); n != 1 {
		t.Errorf("%d calls of CreateQueue, want 1", n)
	}
}

func TestEnqueue_CreatorGivesUp_NextOneCreatesTheQueue(t *testing.T) {
	s := newServer()
	ctx, cancel := context.WithCancel(t.Context())
	creating, second := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.hook = func(call context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		first := false
		if method == "CreateQueue" {
			once.Do(func() { first = true })
		}
		if first {
			close(creating)
			<-call.Done()
			return nil, call.Err()
		}
		defer func() {
			if method == "CreateTask" {
				select {
				case <-creating:
					closeOnce(second)
				default:
				}
			}
		}()
		return handle()
	}
	tr := s.dial(t)
	var all sync.WaitGroup
	all.Go(func() {
		_, err := tr.Enqueue(ctx, task("first"))
		requireCancelled(t, err)
	})
	<-creating
	all.Go(func() {
		if _, err := tr.Enqueue(t.Context(), task("second")); err != nil {
			t.Error(err)
		}
	})
	waits, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	<-second
	_, err := tr.Enqueue(waits, task("third")) // gives up while another creates
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want DeadlineExceeded", err)
	}
	cancel()
	all.Wait()
	if ids := s.ids("mail"); len(ids) != 1 || ids[0] != "second" {
		t.Errorf("enqueued %q", ids)
	}
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

func requireCancelled(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}
