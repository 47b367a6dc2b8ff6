package cloudtasks_test

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

func TestEnqueue_SendsWhatCloudTasksExpects(t *testing.T) {
	at := time.Date(2100, 1, 2, 3, 4, 5, 678901000, time.FixedZone("", 3600))
	for _, c := range []struct {
		name string
		opts []cloudtasks.Option
		task transport.Task
	}{
		{name: "least", task: transport.Task{Queue: "mail", URL: url + "?a=1"}},
		{name: "most", opts: []cloudtasks.Option{cloudtasks.WithProject("example.com:shop-1"), cloudtasks.WithLocation("europe-west1"), cloudtasks.WithServiceAccount("push@shop.iam.gserviceaccount.com")}, task: transport.Task{
			ID: "hash-of_it", Queue: "mail", URL: url, Audience: "https://audience.example.com", Body: []byte("body \x00\xff"),
			Header:  http.Header{"Content-Type": {"application/json"}, "X-Many": {"a", "b"}, "traceparent": {"lost"}, "Traceparent": {"00-1-2-01"}, "X-None": {}},
			ETA:     time.Now().Add(time.Hour),
			Timeout: 90*time.Second + 500*time.Millisecond,
			Retry:   &transport.RetryConfig{MaxAttempts: 7, MaxDoublings: 2, MaxRetryDuration: time.Hour, MinBackoff: 1500 * time.Millisecond, MaxBackoff: time.Minute},
		}},
		{name: "retry-defaults", task: transport.Task{Queue: "mail", URL: url, Retry: &transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts}}},
		{name: "driver-audience", opts: []cloudtasks.Option{cloudtasks.WithAudience("https://all.example.com")}, task: transport.Task{Queue: "mail", URL: url}},
		{name: "no-token", opts: []cloudtasks.Option{cloudtasks.WithoutOIDC()}, task: transport.Task{Queue: "mail", URL: "http://shop.example.com/x", Audience: "unused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer("mail")
			s.hook = func(_ context.Context, _ string, req proto.Message, _ func() (any, error)) (any, error) {
				return &cloudtaskspb.Task{Name: req.(*cloudtaskspb.CreateTaskRequest).Parent + "/tasks/7"}, nil
			}
			enqueue(t, s.dial(t, c.opts...), &c.task)
			got := s.calls("CreateTask")[0].(*cloudtaskspb.CreateTaskRequest)
			if eta := got.Task.ScheduleTime; eta != nil {
				if !eta.AsTime().Equal(c.task.ETA.Truncate(time.Microsecond)) {
					t.Errorf("schedule time %s, want %s cut to microseconds", eta.AsTime(), c.task.ETA)
				}
				eta.Seconds, eta.Nanos = at.Unix(), int32(at.Nanosecond()) // what the golden file has
			}
			golden(t, c.name, got)
		})
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a message with testdata/<name>.txtpb.
func golden(t *testing.T, name string, got proto.Message) {
	t.Helper()
	file := filepath.Join("testdata", name+".txtpb")
	if *update {
		text := strings.ReplaceAll(prototext.MarshalOptions{Multiline: true, Indent: "  "}.Format(got), ":  ", ": ")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := got.ProtoReflect().New().Interface()
	if err := prototext.Unmarshal(text, want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("sent:\n%s\nwant, as in %s:\n%s", prototext.Format(got), file, text)
	}
}

func TestEnqueue_ReceiptTellsIDQueueAndTime(t *testing.T) {
	tr := newServer("mail").dial(t)
	eta := time.Now().Add(time.Hour)
	named := task("a-1")
	named.ETA = eta
	if r, want := enqueue(t, tr, named), (transport.Receipt{ID: "a-1", Queue: "mail", ETA: eta}); r != want {
		t.Errorf("receipt %+v, want %+v", r, want)
	}
	if r, want := enqueue(t, tr, task("")), (transport.Receipt{ID: "1", Queue: "mail"}); r != want {
		t.Errorf("receipt %+v, want %+v", r, want)
	}
}

func TestEnqueue_TakenID_IsADuplicate(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	enqueue(t, tr, task("taken"))
	s.gone[parent+"/queues/mail/tasks/past"] = true
	for id, kind := range map[string]transport.Kind{"taken": transport.KindExists, "past": transport.KindGone} {
		r, err := tr.Enqueue(t.Context(), task(id))
		requireKind(t, err, transport.OpEnqueue, kind)
		if want := (transport.Receipt{ID: id, Queue: "mail", Duplicate: true, Finished: id == "past"}); r != want {
			t.Errorf("receipt %+v, want %+v", r, want)
		}
	}
}

func TestEnqueue_WhatCannotBeAccepted_IsNotSent(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	for name, c := range map[string]struct {
		change func(*transport.Task)
		kind   transport.Kind
		says   string
	}{
		"queue":  {func(k *transport.Task) { k.Queue = "no_underscore" }, transport.KindInvalid, "no_underscore"},
		"id":     {func(k *transport.Task) { k.ID = "no/slash" }, transport.KindInvalid, "no/slash"},
		"scheme": {func(k *transport.Task) { k.URL = "ftp://example.com" }, transport.KindInvalid, `"ftp://example.com" must begin with http`},
		"no url": {func(k *transport.Task) { k.URL = "" }, transport.KindInvalid, "Task.URL"},
		"size":   {func(k *transport.Task) { k.Body = make([]byte, transport.MaxTaskSize) }, transport.KindTooLarge, "bytes"},
		"time":   {func(k *transport.Task) { k.ETA = time.Now().Add(transport.MaxDelay + time.Hour) }, transport.KindTooFar, "720h"},
	} {
		k := task("a")
		c.change(k)
		_, err := tr.Enqueue(t.Context(), k)
		if e, ok := errors.AsType[*transport.Error](err); !ok || e.Kind != c.kind || e.Op != transport.OpEnqueue || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: error %v, want kind %s that says %s", name, err, c.kind, c.says)
		}
	}
	if n := len(s.calls("CreateTask")); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestEnqueue_Refused_ReturnsPlatformsErrorWithItsKind(t *testing.T) {
	for code, kind := range map[codes.Code]transport.Kind{
		codes.InvalidArgument:    transport.KindInvalid,
		codes.Unimplemented:      transport.KindUnsupported,
		codes.PermissionDenied:   transport.KindOther,
		codes.ResourceExhausted:  transport.KindOther,
		codes.Unavailable:        transport.KindOther,
		codes.DeadlineExceeded:   transport.KindOther,
		codes.Internal:           transport.KindOther,
		codes.FailedPrecondition: transport.KindOther,
	} {
		t.Run(code.String(), func(t *testing.T) {
			s := newServer("mail")
			s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
				return nil, status.Error(code, "the platform's words")
			}
			r, err := s.dial(t).Enqueue(t.Context(), task("a-1"))
			requireKind(t, err, transport.OpEnqueue, kind)
			if status.Code(err) != code || r != (transport.Receipt{}) {
				t.Errorf("code %s, receipt %+v, want %s and none", status.Code(err), r, code)
			}
			for _, part := range []string{`"a-1"`, `"mail"`, "the platform's words"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %s", err, part)
				}
			}
			if n := len(s.calls("CreateTask")); n != 1 {
				t.Errorf("%d calls, want 1: retrying is the caller's", n)
			}
		})
	}
}

func TestEnqueue_PermissionDenied_SaysWhatToGrant(t *testing.T) {
	s := newServer("mail")
	s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
		return nil, status.Error(codes.PermissionDenied, "no")
	}
	tr := s.dial(t, cloudtasks.WithServiceAccount("push@shop.iam.gserviceaccount.com"))
	_, err := tr.Enqueue(t.Context(), task(""))
	for _, part := range []string{"roles/cloudtasks.enqueuer", "push@shop.iam.gserviceaccount.com", "roles/iam.serviceAccountUser"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
}

func TestEnqueue_EndedContext_EnqueuesNothing(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	for _, ctx := range []context.Context{cancelled, expired} {
		if _, err := tr.Enqueue(ctx, task("a")); !errors.Is(err, ctx.Err()) {
			t.Errorf("error %v, want %v", err, ctx.Err())
		}
	}
	if ids := s.ids("mail"); len(ids) != 0 {
		t.Errorf("enqueued %q", ids)
	}
}

func TestEnqueue_ContextEndsMeanwhile_ReturnsItsErrorAndThePlatforms(t *testing.T) {
	s := newServer("mail")
	ctx, cancel := context.WithCancel(t.Context())
	s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_, err := s.dial(t).Enqueue(ctx, task("a"))
	if !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Errorf("error %v, code %s, want both Canceled", err, status.Code(err))
	}
	requireKind(t, err, transport.OpEnqueue, transport.KindOther)
}

func TestEnqueue_TaskMayBeChangedAfterwards(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	k := task("a")
	k.Header = http.Header{"X-A": {"1"}}
	enqueue(t, tr, k)
	clear(k.Body)
	k.Header.Set("X-A", "2")
	w, err := tr.Get(t.Context(), "mail", "a")
	if err != nil || string(w.Body) != `{"id":1}` || w.Header.Get("X-A") != "1" {
		t.Errorf("%+v, %v", w, err)
	}
}
