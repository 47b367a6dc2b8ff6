package cloudtasks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

func TestGet_ReturnsEveryField(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	k := task("a")
	k.Audience = "https://audience.example.com"
	k.Header = http.Header{"X-One": {"1"}}
	k.ETA = time.Now().Add(time.Hour).Truncate(time.Microsecond).UTC()
	k.Timeout = 20 * time.Second
	k.Retry = &transport.RetryConfig{MaxAttempts: 7, MaxDoublings: 2, MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryDuration: time.Hour}
	enqueue(t, tr, k)
	stored := s.tasks[parent+"/queues/mail/tasks/a"]
	stored.DispatchCount, stored.ResponseCount = 3, 2
	w, err := tr.Get(t.Context(), "mail", "a")
	if err != nil {
		t.Fatal(err)
	}
	want := &transport.Waiting{Task: *k, Created: stored.CreateTime.AsTime(), Dispatches: 3, Seen: 2}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("got %+v\nwant %+v", w, want)
	}
}

func TestGet_NotThere_TellsWhatIsMissing(t *testing.T) {
	s := newServer("mail")
	s.gone[parent+"/queues/mail/tasks/past"] = true
	tr := s.dial(t)
	for name, c := range map[string]struct {
		queue, id string
		kind      transport.Kind
		gone      bool
	}{
		"never was":     {"mail", "stranger", transport.KindNotFound, false},
		"gone":          {"mail", "past", transport.KindNotFound, true},
		"missing queue": {"nowhere", "any", transport.KindQueueMissing, false},
		"illegal id":    {"mail", "a b", transport.KindInvalid, false},
		"illegal queue": {"a_b", "a", transport.KindInvalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tr.Get(t.Context(), c.queue, c.id)
			e, ok := errors.AsType[*transport.Error](err)
			if !ok || e.Op != transport.OpGet || e.Kind != c.kind || e.Queue != c.queue || e.ID != c.id || errors.Is(err, transport.ErrGone) != c.gone {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestGet_QueueMayNotBeRead_TaskCountsAsNotFound(t *testing.T) {
	s := newServer("mail")
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "GetQueue" {
			return nil, status.Error(codes.PermissionDenied, "no")
		}
		return handle()
	}
	_, err := s.dial(t).Get(t.Context(), "mail", "stranger")
	requireKind(t, err, transport.OpGet, transport.KindNotFound)
}

func TestAll_YieldsEveryPage(t *testing.T) {
	s := newServer("mail", "other")
	s.pageSize = 10
	tr := s.dial(t)
	for i := range 25 {
		enqueue(t, tr, task(fmt.Sprint("t", i)))
	}
	other := task("elsewhere")
	other.Queue = "other"
	enqueue(t, tr, other)
	seen := map[string]bool{}
	for w, err := range tr.All(t.Context(), "mail") {
		if err != nil {
			t.Fatal(err)
		}
		if w.Queue != "mail" || w.URL != url || w.Body != nil || seen[w.ID] {
			t.Errorf("%+v", w)
		}
		seen[w.ID] = true
	}
	if len(seen) != 25 || len(s.calls("ListTasks")) != 3 {
		t.Errorf("%d tasks in %d pages, want 25 in 3", len(seen), len(s.calls("ListTasks")))
	}
	all := tr.All(t.Context(), "mail")
	for range all {
		break
	}
	n := 0
	for range all {
		n++
	}
	if n != 25 || len(s.calls("ListTasks")) != 7 {
		t.Errorf("again: %d tasks, %d pages in all, want 25 and 7", n, len(s.calls("ListTasks")))
	}
}

func TestAll_Fails_EndsWithTheError(t *testing.T) {
	s := newServer("mail")
	s.pageSize = 2
	tr := s.dial(t)
	for i := range 3 {
		enqueue(t, tr, task(fmt.Sprint("t", i)))
	}
	s.hook = func(_ context.Context, _ string, req proto.Message, handle func() (any, error)) (any, error) {
		if r, ok := req.(*cloudtaskspb.ListTasksRequest); ok && r.PageToken != "" {
			return nil, status.Error(codes.Internal, "broken")
		}
		return handle()
	}
	var tasks int
	var last error
	for w, err := range tr.All(t.Context(), "mail") {
		if last = err; w != nil {
			tasks++
		}
	}
	requireKind(t, last, transport.OpList, transport.KindOther)
	if tasks != 2 || status.Code(last) != codes.Internal {
		t.Errorf("%d tasks, then %v", tasks, last)
	}
	for queue, kind := range map[string]transport.Kind{"nowhere": transport.KindQueueMissing, "a_b": transport.KindInvalid} {
		n := 0
		for _, err := range tr.All(t.Context(), queue) {
			n++
			if transport.KindOf(err) != kind {
				t.Errorf("%s: %v", queue, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: yields %d times", queue, n)
		}
	}
}

func TestAll_EmptyQueue_YieldsNothing(t *testing.T) {
	for w, err := range newServer("mail").dial(t).All(t.Context(), "mail") {
		t.Errorf("yields %+v, %v", w, err)
	}
}
