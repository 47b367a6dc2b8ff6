package cloudtasks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

func TestDelete_OneAndMany_EachMissingOneIsNamed(t *testing.T) {
	for name, change := range map[string]func(*server){
		"batches":        func(*server) {},
		"batches, later": func(s *server) { s.polls = 2 },
		"one by one":     func(s *server) { s.noBatch = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer("mail")
			change(s)
			tr := s.dial(t)
			for _, id := range []string{"one", "two", "three", "stays"} {
				enqueue(t, tr, task(id))
			}
			s.gone[parent+"/queues/mail/tasks/past"] = true
			if err := tr.Delete(t.Context(), "mail"); err != nil {
				t.Errorf("of nothing: %v", err)
			}
			if err := tr.Delete(t.Context(), "mail", "one"); err != nil {
				t.Errorf("of one: %v", err)
			}
			err := tr.Delete(t.Context(), "mail", "stranger", "two", "bad id", "past", "three")
			var ids []string
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				e := e.(*transport.Error)
				ids = append(ids, e.ID+": "+e.Kind.String())
				if e.Op != transport.OpDelete || e.Queue != "mail" || errors.Is(e, transport.ErrGone) != (e.ID == "past") {
					t.Errorf("error %v", e)
				}
			}
			if got, want := strings.Join(ids, ", "), "stranger: not found, bad id: invalid, past: not found"; got != want {
				t.Errorf("errors for %s; want %s", got, want)
			}
			if ids := s.ids("mail"); len(ids) != 1 || ids[0] != "stays" {
				t.Errorf("left: %q", ids)
			}
		})
	}
}

func TestDelete_AllMissing_EachIsNotFound(t *testing.T) {
	s := newServer("mail")
	err := s.dial(t).Delete(t.Context(), "mail", "a", "b")
	errs := err.(interface{ Unwrap() []error }).Unwrap()
	if len(errs) != 2 || !errors.Is(errs[0], transport.ErrNotFound) || !errors.Is(errs[1], transport.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if n := len(s.calls("GetQueue")); n != 1 {
		t.Errorf("the queue was asked for %d times, want 1", n)
	}
}

func TestDelete_MissingQueue_SaysSo(t *testing.T) {
	tr := newServer().dial(t)
	requireKind(t, tr.Delete(t.Context(), "mail", "a"), transport.OpDelete, transport.KindQueueMissing)
	for _, e := range tr.Delete(t.Context(), "mail", "a", "b").(interface{ Unwrap() []error }).Unwrap() {
		requireKind(t, e, transport.OpDelete, transport.KindQueueMissing)
	}
	if err := tr.Delete(t.Context(), "a_b", "a", "b"); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	if err := tr.Delete(t.Context(), "mail", "a b"); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}

func TestDelete_Many_AThousandPerRequest(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	var ids []string
	var tasks []*transport.Task
	for i := range 2500 {
		ids = append(ids, fmt.Sprint("t-", i))
		tasks = append(tasks, task(ids[i]))
	}
	tr.EnqueueBatch(t.Context(), tasks)
	if err := tr.Delete(t.Context(), "mail", ids...); err != nil {
		t.Fatal(err)
	}
	if left := s.ids("mail"); len(left) != 0 {
		t.Errorf("%d tasks are left", len(left))
	}
	seen := map[string]bool{}
	for _, m := range s.calls("BatchDeleteTasks") {
		r := m.(*cloudtaskspb.BatchDeleteTasksRequest)
		if r.RequestId == "" || seen[r.RequestId] || len(r.Names) > 1000 {
			t.Errorf("request id %q, %d names", r.RequestId, len(r.Names))
		}
		seen[r.RequestId] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d requests, want 3", len(seen))
	}
}

func TestDelete_RequestFails_FailsEachOfItsTasks(t *testing.T) {
	s := newServer("mail")
	s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
		return nil, status.Error(codes.Internal, "broken")
	}
	err := s.dial(t).Delete(t.Context(), "mail", "a", "b", "c")
	errs := err.(interface{ Unwrap() []error }).Unwrap()
	if len(errs) != 3 {
		t.Fatalf("error %v", err)
	}
	for i, e := range errs {
		requireKind(t, e, transport.OpDelete, transport.KindOther)
		if !strings.Contains(e.Error(), `"`+string(rune('a'+i))+`"`) {
			t.Errorf("error %v", e)
		}
	}
}

func TestDelete_Unimplemented_IsRemembered(t *testing.T) {
	s := newServer("mail")
	s.noBatch = true
	tr := s.dial(t)
	for range 2 {
		_ = tr.Delete(t.Context(), "mail", "a", "b")
	}
	if n := len(s.calls("BatchDeleteTasks")); n != 1 || len(s.calls("DeleteTask")) != 4 {
		t.Errorf("%d calls of BatchDeleteTasks, %d of DeleteTask; want 1 and 4", n, len(s.calls("DeleteTask")))
	}
}
