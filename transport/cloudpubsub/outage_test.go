package cloudpubsub_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// outlet is where a server is found, or none, within the process.
type outlet struct {
	mu     sync.Mutex
	conns  *gcptest.Pipes
	server *grpc.Server
	log    bytes.Buffer
	logMu  sync.Mutex
}

var errRefused = errors.New("connection refused")

func (o *outlet) dial(ctx context.Context, addr string) (net.Conn, error) {
	o.mu.Lock()
	p := o.conns
	o.mu.Unlock()
	if p == nil {
		return nil, errRefused
	}
	return p.Dial(ctx, addr)
}

func (o *outlet) plug(t *testing.T, s pubsubpb.SubscriberServer) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns = gcptest.NewPipes()
	o.server = grpc.NewServer()
	pubsubpb.RegisterSubscriberServer(o.server, s)
	g, p := o.server, o.conns
	var served sync.WaitGroup
	served.Go(func() { _ = g.Serve(p) })
	t.Cleanup(func() {
		g.Stop()
		served.Wait()
	})
}

func (o *outlet) unplug() {
	o.mu.Lock()
	g := o.server
	o.conns, o.server = nil, nil
	o.mu.Unlock()
	g.Stop()
}

func (o *outlet) Write(p []byte) (int, error) {
	o.logMu.Lock()
	defer o.logMu.Unlock()
	return o.log.Write(p)
}

func (o *outlet) connect(t *testing.T) *cloudpubsub.Broker {
	t.Helper()
	t.Cleanup(func() { <-time.After(2 * time.Minute) }) // the last: by then all goroutines of Google's client have ended
	return connect(t, cloudpubsub.WithEndpoint("127.0.0.1:1"), cloudpubsub.WithLogger(slog.New(slog.NewTextHandler(o, nil))),
		cloudpubsub.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(o.dial))))
}

// requireLog holds the log to how often it says something.
func (o *outlet) requireLog(t *testing.T, want map[string]int) {
	t.Helper()
	o.logMu.Lock()
	defer o.logMu.Unlock()
	for part, n := range want {
		if got := strings.Count(o.log.String(), part); got != n {
			t.Errorf("the log says %q %d times, want %d:\n%s", part, got, n, o.log.String())
		}
	}
}

func succeed(context.Context, *transport.Message) error { return nil }

func TestReceive_NobodyThere_EndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &outlet{}
		r := receive(t, o.connect(t), succeed)
		<-time.After(5 * time.Minute)
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Receive: %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		o.requireLog(t, map[string]int{"may come again": 0})
	})
}

func TestShutdown_ServerHasGone_EndsReceive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &outlet{}
		p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1), settled: make(chan string, 10)}
		o.plug(t, p)
		b := o.connect(t)
		r := receive(t, b, succeed)
		p.deliver <- delivery(received("one", ""))
		<-p.settled
		o.unplug()
		<-time.After(5 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-r.done
		if !errors.Is(r.err, transport.ErrClosed) {
			t.Errorf("Receive: %v", r.err)
		}
	})
}

func TestReceive_ServerGoesWhileAHandlerRuns(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, b *cloudpubsub.Broker, r *receiving)
		want error
		most time.Duration
	}{
		"its context ends": {func(_ *testing.T, _ *cloudpubsub.Broker, r *receiving) { r.cancel() }, nil, 4 * time.Second},
		"shutdown gives up": {func(t *testing.T, b *cloudpubsub.Broker, _ *receiving) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
		}, transport.ErrClosed, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := &outlet{}
				p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1)}
				o.plug(t, p)
				b := o.connect(t)
				running, finish := make(chan bool), make(chan bool)
				r := receive(t, b, func(context.Context, *transport.Message) error {
					running <- true
					<-finish
					return nil
				})
				p.deliver <- delivery(received("one", ""))
				<-running
				o.unplug()
				<-time.After(time.Minute)
				c.end(t, b, r)
				<-time.After(time.Minute)
				select {
				case <-r.done:
					t.Error("Receive returned while a handler was running")
				default:
				}
				finish <- true
				began := time.Now()
				<-r.done
				if !errors.Is(r.err, c.want) {
					t.Errorf("Receive: %v, want %v", r.err, c.want)
				}
				if took := time.Since(began); took > c.most {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// slow is a puller that takes its time to acknowledge.
type slow struct{ *puller }

func (s slow) Acknowledge(ctx context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	select {
	case <-time.After(20 * time.Second):
		return s.puller.Acknowledge(ctx, r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestReceive_Ends_WaitsForSlowAcknowledgements(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &outlet{}
		p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse, 1)}
		o.plug(t, slow{p})
		handled := make(chan bool, 1)
		r := receive(t, o.connect(t), func(context.Context, *transport.Message) error {
			handled <- true
			return nil
		})
		p.deliver <- delivery(received("one", ""))
		<-handled
		if err := r.stop(); err != nil {
			t.Errorf("Receive: %v", err)
		}
		if len(p.acked) != 1 {
			t.Error("it did not wait for the acknowledgement")
		}
		o.requireLog(t, map[string]int{"level=": 0})
	})
}

func TestReceive_Outages_AreLoggedOnceEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &outlet{}
		b := o.connect(t)
		p := &puller{deliver: make(chan *pubsubpb.StreamingPullResponse)}
		got := make(chan string, 1)
		for range 2 { // two streams
			receive(t, b, func(_ context.Context, m *transport.Message) error {
				got <- m.ID
				return nil
			})
		}
		warning := "level=WARN msg=\"cloudpubsub: cannot receive: the stream does not open; it is tried until it does\" host=127.0.0.1:1 subscription=projects/emulator/subscriptions/audit cause="
		for outage := range 2 {
			<-time.After(10 * time.Minute)
			// Why the second one began, gRPC tells as it was noticed: the connection broke off, or none is to be had.
			o.requireLog(t, map[string]int{"level=": 2*outage + 1, warning: outage + 1, "code = Unavailable": outage + 1})
			o.plug(t, p)
			p.deliver <- delivery(received("one", "")) // once there is a stream
			<-got
			<-time.After(5 * time.Minute)
			o.requireLog(t, map[string]int{"level=": 2*outage + 2, "level=INFO msg=\"cloudpubsub: receives again\" host=127.0.0.1:1": outage + 1})
			o.unplug()
		}
	})
}

func TestReceive_QuietStream_HasRecovered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &outlet{}
		receive(t, o.connect(t), succeed)
		<-time.After(time.Minute)
		o.plug(t, &puller{})
		<-time.After(5 * time.Minute)
		o.requireLog(t, map[string]int{"level=": 2, "receives again": 1})
	})
}

func TestReceive_ServerAnswersThatItIsAway_IsAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &outlet{}
		o.plug(t, &puller{fails: status.Error(codes.Unavailable, "injected")})
		r := receive(t, o.connect(t), succeed)
		<-time.After(10 * time.Minute)
		o.requireLog(t, map[string]int{"level=": 1, "injected": 1})
		began := time.Now()
		if err := r.stop(); err != nil || time.Since(began) != 0 {
			t.Errorf("Receive: %v after %v", err, time.Since(began))
		}
	})
}

func TestUnreachable_ErrorSaysWhoAndWhy(t *testing.T) {
	refuse := option.WithGRPCDialOption(grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return nil, errRefused }))
	for name, c := range map[string]struct {
		opts       []cloudpubsub.Option
		parts, not []string
	}{
		"an emulator": {[]cloudpubsub.Option{cloudpubsub.WithEndpoint("127.0.0.1:1"), cloudpubsub.WithClientOptions(refuse)},
			[]string{"context deadline exceeded", "the emulator at 127.0.0.1:1, as WithEndpoint says", "connection refused"}, nil},
		"Pub/Sub": {[]cloudpubsub.Option{cloudpubsub.WithProject("ppp"), cloudpubsub.WithoutOIDC(), cloudpubsub.WithClientOptions(option.WithEndpoint("127.0.0.1:1"), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())), refuse)},
			[]string{"context deadline exceeded", "connection refused"}, []string{"emulator"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := connect(t, c.opts...)
				within := func(call func(ctx context.Context) error) error {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					return call(ctx)
				}
				err := within(func(ctx context.Context) error { _, err := b.Publish(ctx, message("x")); return err })
				for _, err := range []error{err,
					within(func(ctx context.Context) error { return b.PublishBatch(ctx, []*transport.Message{message("x")})[0].Err }),
					within(func(ctx context.Context) error { _, err := b.Topic(ctx, "orders"); return err }),
					within(func(ctx context.Context) error {
						_, err := b.Publish(context.WithoutCancel(ctx), message("x")) // a minute
						return err
					}),
				} {
					for _, part := range c.parts {
						if !strings.Contains(err.Error(), part) {
							t.Errorf("error %v does not say %q", err, part)
						}
					}
					for _, part := range c.not {
						if strings.Contains(err.Error(), part) {
							t.Errorf("error %v says %q", err, part)
						}
					}
				}
				requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindOther)
				if !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.Unavailable {
					t.Errorf("error %v hides its causes", err)
				}
			})
		})
	}
}

func TestUnreachable_ServerAnswersAgain_CauseIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		var away, silent bool
		s.hook = func(ctx context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
			switch {
			case away:
				return nil, status.Error(codes.Unavailable, "injected")
			case silent:
				<-ctx.Done()
			}
			return handle()
		}
		b := s.pipe(t)
		fails := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := b.Publish(ctx, message("x"))
			synctest.Wait()
			return err
		}
		away = true
		if err := fails(); err == nil || !strings.Contains(err.Error(), "injected") {
			t.Errorf("error %v", err)
		}
		away = false
		publish(t, b, message("x"))
		silent = true
		err := fails()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "injected") {
			t.Errorf("error %v", err)
		}
	})
}
