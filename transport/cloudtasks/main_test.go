package cloudtasks_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const url = "https://shop.example.com/_tasks/tasks/Welcome"

func task(id string) *transport.Task {
	return &transport.Task{ID: id, Queue: "mail", URL: url, Body: []byte(`{"id":1}`)}
}

func enqueue(t testing.TB, tr transport.Transport, task *transport.Task) transport.Receipt {
	t.Helper()
	r, err := tr.Enqueue(t.Context(), task)
	if err != nil {
		t.Fatalf("Enqueue: %v", err)
	}
	return r
}

// requireKind also holds the error to its form: a *transport.Error about op, with the platform's own reachable.
func requireKind(t testing.TB, err error, op string, kind transport.Kind) {
	t.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Op != op || e.Kind != kind {
		t.Fatalf("error %v: want a *transport.Error of %q, kind %s", err, op, kind)
	}
	if _, ok := status.FromError(err); !ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v hides the platform's", err)
	}
}

func prototextOf(m proto.Message) string { return prototext.Format(m) }
