package cloudtasks_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport"
)

func TestQueue_ReturnsSettingsInForce(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	if cfg, err := tr.Queue(t.Context(), "mail"); err != nil || cfg != transport.CloudTasksQueue() {
		t.Errorf("got %+v, %v, want Cloud Tasks' defaults", cfg, err)
	}
	s.queues[parent+"/queues/mail"].RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 2.5, MaxBurstSize: 10, MaxConcurrentDispatches: 7}
	want := transport.CloudTasksQueue()
	want.MaxDispatchesPerSecond, want.MaxBurst, want.MaxConcurrentDispatches = 2.5, 10, 7
	if cfg, err := tr.Queue(t.Context(), "mail"); err != nil || cfg != want {
		t.Errorf("got %+v, %v, want %+v", cfg, err, want)
	}
}

func TestPutQueue_ReplacesRatesAndRetriesOnly(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	cfg := transport.QueueConfig{
		MaxDispatchesPerSecond: 2.5, MaxConcurrentDispatches: 7,
		Retry: transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MinBackoff: time.Second, MaxBackoff: time.Minute},
	}
	if err := tr.PutQueue(t.Context(), "mail", cfg); err != nil {
		t.Fatal(err)
	}
	golden(t, "update-queue", s.calls("UpdateQueue")[0])
	if got, err := tr.Queue(t.Context(), "mail"); err != nil || got != cfg {
		t.Errorf("put %+v, read %+v, %v", cfg, got, err)
	}
	if err := tr.PutQueue(t.Context(), "new", transport.QueueConfig{}); err != nil {
		t.Fatal(err)
	}
	if got, err := tr.Queue(t.Context(), "new"); err != nil || got != transport.CloudTasksQueue() {
		t.Errorf("a new queue has %+v, %v", got, err)
	}
}

func TestQueueAdmin_Acts(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	enqueue(t, tr, task("a"))
	q := s.queues[parent+"/queues/mail"]
	if err := tr.Pause(t.Context(), "mail"); err != nil || q.State != cloudtaskspb.Queue_PAUSED {
		t.Errorf("Pause: %v, state %s", err, q.State)
	}
	if err := tr.Resume(t.Context(), "mail"); err != nil || q.State != cloudtaskspb.Queue_RUNNING {
		t.Errorf("Resume: %v, state %s", err, q.State)
	}
	if err := tr.RunNow(t.Context(), "mail", "a"); err != nil || len(s.ran) != 1 {
		t.Errorf("RunNow: %v, ran %q", err, s.ran)
	}
	requireKind(t, tr.RunNow(t.Context(), "mail", "stranger"), transport.OpRun, transport.KindNotFound)
	if err := tr.Purge(t.Context(), "mail"); err != nil || len(s.ids("mail")) != 0 {
		t.Errorf("Purge: %v, left %q", err, s.ids("mail"))
	}
}

func TestQueueAdmin_MissingQueue_SaysSoAndWhereItLooked(t *testing.T) {
	tr := newServer().dial(t)
	ctx := t.Context()
	_, err := tr.Queue(ctx, "mail")
	for op, err := range map[string]error{
		transport.OpQueue: err, transport.OpPause: tr.Pause(ctx, "mail"), transport.OpResume: tr.Resume(ctx, "mail"),
		transport.OpPurge: tr.Purge(ctx, "mail"), transport.OpRun: tr.RunNow(ctx, "mail", "a"),
	} {
		requireKind(t, err, op, transport.KindQueueMissing)
		if !strings.Contains(err.Error(), parent) {
			t.Errorf("%v does not name the location", err)
		}
	}
}

func TestQueueAdmin_BadNameOrSetting_IsNotSent(t *testing.T) {
	s := newServer()
	tr := s.dial(t)
	ctx := t.Context()
	bad := transport.QueueConfig{MaxDispatchesPerSecond: -1}
	_, err := tr.Queue(ctx, "a_b")
	for i, err := range []error{
		err, tr.PutQueue(ctx, "a_b", transport.QueueConfig{}), tr.PutQueue(ctx, "mail", bad), tr.Pause(ctx, "a_b"),
		tr.Resume(ctx, ""), tr.Purge(ctx, "a_b"), tr.RunNow(ctx, "mail", "a b"),
	} {
		if !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("%d: error %v", i, err)
		}
	}
	err = tr.DeclareQueues(map[string]transport.QueueConfig{"mail": bad, "a_b": {}, "fine": {}})
	if err == nil || !strings.Contains(err.Error(), "a_b") || !strings.Contains(err.Error(), `queue "mail": MaxDispatchesPerSecond -1`) {
		t.Errorf("error %v", err)
	}
	if len(s.requests) != 0 {
		t.Errorf("sent %v", s.requests)
	}
}

func TestPutQueue_DeletedLately_ReturnsPlatformsError(t *testing.T) {
	s := newServer()
	s.blocked[parent+"/queues/mail"] = true
	err := s.dial(t).PutQueue(t.Context(), "mail", transport.QueueConfig{})
	requireKind(t, err, transport.OpPutQueue, transport.KindOther)
	if !strings.Contains(err.Error(), "existed too recently") {
		t.Errorf("error %v", err)
	}
}
