package cloudpubsub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// requests are calls of every kind that waits for an answer.
func requests(b *cloudpubsub.Broker) map[string]func(context.Context) error {
	calls := map[string]func(context.Context) error{
		"Publish": func(ctx context.Context) error { _, err := b.Publish(ctx, message("x")); return err },
		"PublishBatch": func(ctx context.Context) error {
			return b.PublishBatch(ctx, []*transport.Message{message("x")})[0].Err
		},
		"Subscriptions": func(ctx context.Context) error {
			for _, err := range b.Subscriptions(ctx) {
				return err
			}
			return nil
		},
	}
	for name, call := range adminCalls(b) {
		calls[name] = func(ctx context.Context) error { return call(ctx, "orders") }
	}
	return calls
}

func TestEmulator_NobodyThere_IsSaidInTime(t *testing.T) {
	addr := gcptest.Refused(t)
	t.Setenv("PUBSUB_EMULATOR_HOST", addr)
	b := connect(t)
	calls := requests(b)
	hedging := connect(t, cloudpubsub.WithPublishSettings(pubsub.PublishSettings{DelayThreshold: time.Millisecond, HedgingSettings: &pubsub.HedgingSettings{}}))
	calls["Publish, hedged"] = requests(hedging)["Publish"]
	gcptest.NobodyThere(t, addr+", as PUBSUB_EMULATOR_HOST says", calls)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for name, call := range calls {
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "does it run") {
			t.Errorf("%s within 1 ms: %v", name, err)
		}
	}
}

func TestEmulator_ComesLate_IsFound(t *testing.T) {
	const late = 2700 * time.Millisecond
	for name := range requests(nil) {
		bubble(t, func(t *testing.T) {
			s, p := newServer("orders"), gcptest.NewPipes()
			serve(t, p, s.register, grpc.UnaryInterceptor(s.intercept))
			b := connect(t, cloudpubsub.WithEndpoint("127.0.0.1:1"),
				cloudpubsub.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(p.Late(time.Now().Add(late))))))
			began := time.Now()
			err := requests(b)[name](t.Context())
			if took := time.Since(began); status.Code(err) == codes.Unavailable || errors.Is(err, context.DeadlineExceeded) || took < late || took > 3*time.Second {
				t.Errorf("%s after %s: %v", name, took, err)
			}
		})
	}
}

func TestCalls_CanceledByTheirCaller_SaySoOnce(t *testing.T) {
	s := newServer("orders")
	called := make(chan struct{}, 1)
	s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
		called <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	b := s.dial(t)
	for name, c := range map[string]struct {
		call func(context.Context) error
		want string
	}{
		"Topic":   {func(ctx context.Context) error { _, err := b.Topic(ctx, "orders"); return err }, `get topic "orders": context canceled`},
		"Publish": {func(ctx context.Context) error { _, err := b.Publish(ctx, message("x")); return err }, `publish to topic "orders": context canceled`},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-called
			cancel()
		}()
		if err := c.call(ctx); err == nil || err.Error() != c.want || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
