package cloudpubsub_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Started when go.opencensus.io is imported, which the client does, and never ended.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		// Of the client's Receive: it looks up to ten seconds later whether it should end.
		goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}

// connect makes a broker that ends with the test.
func connect(tb testing.TB, opts ...cloudpubsub.Option) *cloudpubsub.Broker {
	tb.Helper()
	quiet := cloudpubsub.WithLogger(slog.New(slog.DiscardHandler))
	b, err := cloudpubsub.New(tb.Context(), append([]cloudpubsub.Option{quiet}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return b
}

func message(data string) *transport.Message {
	return &transport.Message{Topic: "orders", Data: []byte(data)}
}

func keyed(key, data string) *transport.Message {
	return &transport.Message{Topic: "orders", OrderingKey: key, Data: []byte(data)}
}

func publish(tb testing.TB, b transport.Broker, m *transport.Message) string {
	tb.Helper()
	id, err := b.Publish(tb.Context(), m)
	if err != nil || id == "" {
		tb.Fatalf("Publish: id %q, %v", id, err)
	}
	return id
}

// requireKind also holds the error to its form: a *transport.Error about op and resource, with the platform's own
// reachable.
func requireKind(tb testing.TB, err error, op, resource string, kind transport.Kind) {
	tb.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Op != op || e.Resource != resource || e.Kind != kind {
		tb.Fatalf("error %v: want a *transport.Error of %q %s, kind %s", err, op, resource, kind)
	}
	if _, ok := status.FromError(err); !ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		tb.Fatalf("error %v hides the platform's", err)
	}
}
