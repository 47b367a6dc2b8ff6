package cloudpubsub_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// puller is a Pub/Sub that delivers what it is told to, and tells what becomes of it.
type puller struct {
	pubsubpb.UnimplementedSubscriberServer
	first   chan *pubsubpb.StreamingPullRequest // what a Receive asked for
	deliver chan *pubsubpb.StreamingPullResponse
	fails   error

	mu      sync.Mutex
	acked   []string
	nacked  []string
	settled chan string // ids as they are settled, if not nil
}

func (p *puller) dial(t *testing.T, opts ...cloudpubsub.Option) *cloudpubsub.Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, func(g *grpc.Server) { pubsubpb.RegisterSubscriberServer(g, p) })
	return connect(t, append([]cloudpubsub.Option{cloudpubsub.WithEndpoint(l.Addr().String())}, opts...)...)
}

func (p *puller) StreamingPull(stream pubsubpb.Subscriber_StreamingPullServer) error {
	r, err := stream.Recv()
	if err != nil {
		return err
	}
	if p.first != nil {
		select {
		case p.first <- r:
		default:
		}
	}
	if p.fails != nil {
		return p.fails
	}
	for {
		select {
		case resp := <-p.deliver:
			if err := stream.Send(resp); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (p *puller) settle(to *[]string, ids []string) (*emptypb.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*to = append(*to, ids...)
	if p.settled != nil {
		for _, id := range ids {
			p.settled <- id
		}
	}
	return &emptypb.Empty{}, nil
}

func (p *puller) Acknowledge(_ context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	return p.settle(&p.acked, r.AckIds)
}

func (p *puller) ModifyAckDeadline(_ context.Context, r *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	if r.AckDeadlineSeconds != 0 {
		return &emptypb.Empty{}, nil
	}
	return p.settle(&p.nacked, r.AckIds)
}

func delivery(ms ...*pubsubpb.ReceivedMessage) *pubsubpb.StreamingPullResponse {
	return &pubsubpb.StreamingPullResponse{ReceivedMessages: ms}
}

func received(id, key string) *pubsubpb.ReceivedMessage {
	return &pubsubpb.ReceivedMessage{AckId: id, Message: &pubsubpb.PubsubMessage{Data: []byte(id), MessageId: id, OrderingKey: key, PublishTime: timestamppb.Now()}}
}

// receiving is a Receive that runs until stop, or the end of the test.
type receiving struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func receive(t *testing.T, b transport.Receiver, h func(context.Context, *transport.Message) error) *receiving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
	r := &receiving{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = b.Receive(ctx, "audit", h)
	}()
	t.Cleanup(func() { _ = r.stop() })
	return r
}

type contextKey struct{}

func (r *receiving) stop() error {
	r.cancel()
	<-r.done
	return r.err
}

func TestReceive_MessageIsComplete(t *testing.T) {
	p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1)}
	b := p.dial(t)
	at := time.Date(2026, 11, 24, 10, 0, 0, 5, time.UTC)
	p.deliver <- delivery(&pubsubpb.ReceivedMessage{AckId: "a", DeliveryAttempt: 3, Message: &pubsubpb.PubsubMessage{
		Data: []byte("data"), Attributes: map[string]string{"k": "v"}, OrderingKey: "key", MessageId: "17", PublishTime: timestamppb.New(at),
	}})
	got := make(chan *transport.Message, 1)
	receive(t, b, func(ctx context.Context, m *transport.Message) error {
		if ctx.Value(contextKey{}) != "value" {
			t.Error("the handler's context lacks the values of Receive's")
		}
		got <- m
		return nil
	})
	m := <-got
	if string(m.Data) != "data" || m.Attributes["k"] != "v" || m.OrderingKey != "key" || m.ID != "17" || m.DeliveryAttempt != 3 || m.Subscription != "audit" ||
		m.Topic != "" || !m.PublishTime.Equal(at) || m.PublishTime.Location() != time.UTC {
		t.Errorf("received %+v", m)
	}
}

func TestReceive_VerdictSettlesMessage(t *testing.T) {
	p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1), settled: make(chan string, 10)}
	var log bytes.Buffer
	b := p.dial(t, cloudpubsub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	r := receive(t, b, func(_ context.Context, m *transport.Message) error {
		switch string(m.Data) {
		case "fails":
			return errors.New("no")
		case "panics":
			panic("a bug")
		}
		return nil
	})
	p.deliver <- delivery(received("succeeds", ""), received("fails", ""), received("panics", ""))
	for range 3 {
		<-p.settled
	}
	if err := r.stop(); err != nil {
		t.Errorf("Receive: %v", err)
	}
	slices.Sort(p.nacked)
	if !slices.Equal(p.acked, []string{"succeeds"}) || !slices.Equal(p.nacked, []string{"fails", "panics"}) {
		t.Errorf("acknowledged %q, given back %q", p.acked, p.nacked)
	}
	for _, part := range []string{"a bug", "audit", "message=panics", "receive_test.go"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %q: %s", part, log.String())
		}
	}
}

func TestReceive_ContextEnds_WaitsForHandlersAndGivesBackTheRest(t *testing.T) {
	p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1)}
	b := p.dial(t)
	running, finish := make(chan string, 10), make(chan struct{})
	r := receive(t, b, func(ctx context.Context, m *transport.Message) error {
		running <- string(m.Data)
		<-finish
		return ctx.Err() // it has not ended
	})
	p.deliver <- inOrder("first", "second", "third")
	<-running
	r.cancel()
	select {
	case <-r.done:
		t.Error("Receive returned while a handler was running")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	if err := r.stop(); err != nil {
		t.Errorf("Receive: %v", err)
	}
	slices.Sort(p.nacked)
	if !slices.Equal(p.acked, []string{"first"}) || !slices.Equal(p.nacked, []string{"second", "third"}) {
		t.Errorf("acknowledged %q, given back %q", p.acked, p.nacked)
	}
	if len(running) > 0 {
		t.Errorf("a handler was started after the end: %q", <-running)
	}
}

// inOrder delivers messages of one key, which are handled one after the other.
func inOrder(ids ...string) *pubsubpb.StreamingPullResponse {
	r := &pubsubpb.StreamingPullResponse{SubscriptionProperties: &pubsubpb.StreamingPullResponse_SubscriptionProperties{MessageOrderingEnabled: true}}
	for _, id := range ids {
		r.ReceivedMessages = append(r.ReceivedMessages, received(id, "key"))
	}
	return r
}

func TestShutdown_ContextEnds_GivesUpAtOnce(t *testing.T) {
	p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1)}
	b := p.dial(t)
	running := make(chan bool)
	r := receive(t, b, func(ctx context.Context, _ *transport.Message) error {
		running <- true
		<-ctx.Done() // it is told, and else would be waited for
		return ctx.Err()
	})
	p.deliver <- delivery(received("one", ""))
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	<-r.done
	if !errors.Is(r.err, transport.ErrClosed) {
		t.Errorf("Receive: %v", r.err)
	}
}

func TestShutdown_WaitsForHandlersWhichMayPublish(t *testing.T) {
	s := newServer("orders")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1)}
	serve(t, l, func(g *grpc.Server) {
		pubsubpb.RegisterPublisherServer(g, s)
		pubsubpb.RegisterSubscriberServer(g, p)
	})
	b := connect(t, cloudpubsub.WithEndpoint(l.Addr().String()))
	running, finish := make(chan bool), make(chan bool)
	r := receive(t, b, func(ctx context.Context, m *transport.Message) error {
		running <- true
		<-finish
		_, err := b.Publish(ctx, message("last words"))
		return err
	})
	p.deliver <- delivery(received("one", ""))
	<-running
	var down sync.WaitGroup
	down.Go(func() {
		if err := b.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	for !errors.Is(b.Receive(t.Context(), "audit", nil), transport.ErrClosed) { // it has begun
	}
	finish <- true
	down.Wait()
	<-r.done
	if !slices.Equal(s.stored(""), []string{"last words"}) || !slices.Equal(p.acked, []string{"one"}) || !errors.Is(r.err, transport.ErrClosed) {
		t.Errorf("stored %q, acknowledged %q, Receive: %v", s.stored(""), p.acked, r.err)
	}
}

func TestReceive_EndedContext_TakesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&puller{}).dial(t).Receive(ctx, "audit", nil); err != nil {
		t.Errorf("Receive: %v", err)
	}
}

func TestReceive_Errors_SayWhatToDo(t *testing.T) {
	for code, c := range map[codes.Code]struct {
		kind transport.Kind
		text string
	}{
		codes.NotFound:           {transport.KindNotFound, "pubsub.Sync"},
		codes.PermissionDenied:   {transport.KindOther, "roles/pubsub.subscriber"},
		codes.FailedPrecondition: {transport.KindOther, "injected"},
	} {
		t.Run(code.String(), func(t *testing.T) {
			b := (&puller{fails: status.Error(code, "injected")}).dial(t, cloudpubsub.WithReceiveSettings(pubsub.ReceiveSettings{NumGoroutines: 2}))
			err := b.Receive(t.Context(), "audit", func(context.Context, *transport.Message) error { return nil })
			requireKind(t, err, transport.OpReceive, `subscription "audit"`, c.kind)
			if status.Code(err) != code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want code %v and %q", err, code, c.text)
			}
		})
	}
	err := (&puller{}).dial(t).Receive(t.Context(), "no/name", nil)
	if !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}
