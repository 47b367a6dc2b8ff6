package cloudtasks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

func TestEnqueue_QueueDeletedLately_GoesToBackupQueue(t *testing.T) {
	for name, c := range map[string]struct {
		opts          []cloudtasks.Option
		queue, backup string
	}{
		"default":    {nil, "mail", "mail--temp"},
		"configured": {[]cloudtasks.Option{cloudtasks.WithBackupQueue("spare")}, "mail", "spare"},
		"long name":  {nil, strings.Repeat("q", 100), strings.Repeat("q", 94) + "--temp"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.blocked[parent+"/queues/"+c.queue] = true
			option, log := logs()
			tr := s.dial(t, append(c.opts, option)...)
			for _, id := range []string{"a", "b"} {
				k := task(id)
				k.Queue = c.queue
				if r, want := enqueue(t, tr, k), (transport.Receipt{ID: id, Queue: c.backup}); r != want {
					t.Errorf("receipt %+v, want %+v", r, want)
				}
			}
			k := task("a")
			k.Queue = c.queue
			if r, err := tr.Enqueue(t.Context(), k); !errors.Is(err, transport.ErrExists) || r.Queue != c.backup {
				t.Errorf("a duplicate gave %+v, %v", r, err)
			}
			if ids := s.ids(c.backup); len(ids) != 2 {
				t.Errorf("the backup queue holds %q", ids)
			}
			if n := len(s.calls("CreateQueue")); n != 2 {
				t.Errorf("%d calls of CreateQueue, want one for each queue", n)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "/queues/"+c.backup) {
				t.Errorf("logged %q, want one warning that names the backup queue", log)
			}
		})
	}
}

func TestEnqueue_QueueDeletedLately_OtherWording(t *testing.T) {
	s := newServer()
	s.hook = func(_ context.Context, method string, req proto.Message, handle func() (any, error)) (any, error) {
		if method == "CreateQueue" && !strings.Contains(prototextOf(req), "--temp") {
			return nil, status.Error(codes.FailedPrecondition, "cannot be created because a queue with this name existed recently")
		}
		return handle()
	}
	if r := enqueue(t, s.dial(t), task("a")); r.Queue != "mail--temp" {
		t.Errorf("receipt %+v", r)
	}
}

func TestEnqueue_BackupQueueDeletedToo_SaysSo(t *testing.T) {
	for name, opts := range map[string][]cloudtasks.Option{"another": nil, "itself": {cloudtasks.WithBackupQueue("mail")}} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.blocked[parent+"/queues/mail"], s.blocked[parent+"/queues/mail--temp"] = true, true
			tr := s.dial(t, opts...)
			for range 2 {
				_, err := tr.Enqueue(t.Context(), task("a"))
				if !errors.Is(err, transport.ErrQueueMissing) || !strings.Contains(err.Error(), "backup") {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

func TestEnqueue_DeletedQueue_IsTriedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.blocked[parent+"/queues/mail"] = true
		option, log := logs()
		tr := s.bubble(t, option)
		enqueue(t, tr, task("a"))
		time.Sleep(2 * time.Minute)
		enqueue(t, tr, task("b"))
		s.mu.Lock()
		clear(s.blocked)
		s.mu.Unlock()
		if r := enqueue(t, tr, task("c")); r.Queue != "mail--temp" {
			t.Errorf("receipt %+v", r)
		}
		time.Sleep(2 * time.Minute)
		if r := enqueue(t, tr, task("d")); r.Queue != "mail" {
			t.Errorf("receipt %+v", r)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings: %s", n, log)
		}
	})
}

// The API warns that CreateQueue may seem to succeed for a name that is still held.
func TestEnqueue_CreatedQueueNeverComes_GoesToBackupQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.hook = func(_ context.Context, _ string, req proto.Message, handle func() (any, error)) (any, error) {
			out, err := handle()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.queues, parent+"/queues/mail")
			return out, err
		}
		began := time.Now()
		r := enqueue(t, s.bubble(t), task("a"))
		if took := time.Since(began); r.Queue != "mail--temp" || took < time.Minute || took > 2*time.Minute {
			t.Errorf("receipt %+v after %s, want the backup queue after a minute", r, took)
		}
	})
}

func TestEnqueue_QueueDeletedWhileInUse_IsCreatedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		tr := s.bubble(t)
		enqueue(t, tr, task("a"))
		time.Sleep(time.Hour)
		enqueue(t, tr, task("b"))
		s.mu.Lock()
		clear(s.queues)
		s.mu.Unlock()
		if r := enqueue(t, tr, task("c")); r.Queue != "mail" {
			t.Errorf("receipt %+v", r)
		}
	})
}
