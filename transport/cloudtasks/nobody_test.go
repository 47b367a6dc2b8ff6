package cloudtasks_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// someCalls are of each kind: those that Google's client makes again and those that it does not, single and many.
func someCalls(tr *cloudtasks.Transport) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Enqueue": func(ctx context.Context) error { _, err := tr.Enqueue(ctx, task("a")); return err },
		"EnqueueBatch": func(ctx context.Context) error {
			return tr.EnqueueBatch(ctx, []*transport.Task{task("a"), task("b")})[1].Err
		},
		"Get":    func(ctx context.Context) error { _, err := tr.Get(ctx, "mail", "a"); return err },
		"Delete": func(ctx context.Context) error { return tr.Delete(ctx, "mail", "a") },
		"All": func(ctx context.Context) error {
			for _, err := range tr.All(ctx, "mail") {
				return err
			}
			return nil
		},
		"Queue":    func(ctx context.Context) error { _, err := tr.Queue(ctx, "mail"); return err },
		"PutQueue": func(ctx context.Context) error { return tr.PutQueue(ctx, "mail", transport.QueueConfig{}) },
		"Pause":    func(ctx context.Context) error { return tr.Pause(ctx, "mail") },
	}
}

func TestEmulator_NobodyThere_IsSaidInTime(t *testing.T) {
	addr := gcptest.Refused(t)
	t.Setenv("CLOUD_TASKS_EMULATOR_HOST", addr)
	tr := connect(t)
	gcptest.NobodyThere(t, addr+", as CLOUD_TASKS_EMULATOR_HOST says", someCalls(tr))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for name, call := range someCalls(tr) {
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "does it run") {
			t.Errorf("%s within 1 ms: %v", name, err)
		}
	}
}

func TestEmulator_ComesLate_IsFound(t *testing.T) {
	const late = 2700 * time.Millisecond
	for name := range someCalls(nil) {
		synctest.Test(t, func(t *testing.T) {
			s, p := newServer("mail"), gcptest.NewPipes()
			s.serve(t, p)
			tr := connect(t, cloudtasks.WithEndpoint("127.0.0.1:1"),
				cloudtasks.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(p.Late(time.Now().Add(late))))))
			began := time.Now()
			err := someCalls(tr)[name](t.Context())
			if took := time.Since(began); status.Code(err) == codes.Unavailable || took < late || took > 3*time.Second {
				t.Errorf("%s after %s: %v", name, took, err)
			}
		})
	}
}

// What Google's client forgets when time is up.
func TestCalls_CappedWhileTheyAreMadeAgain_TellTheLastAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		connect func(t *testing.T) *cloudtasks.Transport
		want    string
	}{
		"an emulator that answers": {func(t *testing.T) *cloudtasks.Transport {
			s := newServer("mail")
			s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
				return nil, status.Error(codes.Unavailable, "injected")
			}
			return s.bubble(t)
		}, `read queue "mail": context deadline exceeded; the last answer was: rpc error: code = Unavailable desc = injected (from the emulator at 127.0.0.1:1, as WithEndpoint says; does it run?)`},
		"Cloud Tasks, refused": {func(t *testing.T) *cloudtasks.Transport {
			refuse := func(context.Context, string) (net.Conn, error) { return nil, errors.New("connection refused") }
			return connect(t, cloudtasks.WithProject("p"), cloudtasks.WithLocation("l"), cloudtasks.WithoutOIDC(), cloudtasks.WithClientOptions(
				option.WithEndpoint("127.0.0.1:1"), option.WithoutAuthentication(),
				option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())), option.WithGRPCDialOption(grpc.WithContextDialer(refuse))))
		}, `read queue "mail": context deadline exceeded; the last answer was: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: connection refused"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := c.connect(t).Queue(t.Context(), "mail")
				if took := time.Since(began); took != cloudtasks.CallTimeout || err == nil || err.Error() != c.want {
					t.Errorf("after %s: %v\nwant %s", took, err, c.want)
				}
				if !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.Unavailable {
					t.Errorf("error %v hides its causes", err)
				}
			})
		})
	}
}

func TestCalls_CanceledByTheirCaller_SaySoOnce(t *testing.T) {
	s := newServer("mail")
	called := make(chan struct{}, 1)
	s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
		called <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tr := s.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	_, err := tr.Enqueue(ctx, task("a"))
	if err == nil || err.Error() != `enqueue task "a" on queue "mail": context canceled` || !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestWithClient_EmulatorsVariableIsNotToBlame(t *testing.T) {
	t.Setenv("CLOUD_TASKS_EMULATOR_HOST", "127.0.0.1:1")
	tr := connect(t, cloudtasks.WithClient(rawClient(t, gcptest.Refused(t))))
	if err := tr.Pause(t.Context(), "mail"); status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "emulator") {
		t.Errorf("error %v", err)
	}
}

// Questions about an operation are asked again for minutes, but not at an emulator that has gone.
func TestEmulator_GoesDuringABatch_IsSaidInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newServer("mail"), gcptest.NewPipes()
		s.polls = 1000
		s.serve(t, p)
		gone := make(chan struct{})
		tr := connect(t, cloudtasks.WithEndpoint("127.0.0.1:1"), cloudtasks.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(
			func(ctx context.Context, addr string) (net.Conn, error) {
				select {
				case <-gone:
					return nil, errors.New("connection refused")
				default:
					return p.Dial(ctx, addr)
				}
			}))))
		time.AfterFunc(5*time.Second, func() {
			close(gone)
			s.grpc.Stop()
		})
		began := time.Now()
		err := tr.EnqueueBatch(t.Context(), []*transport.Task{task("a"), task("b")})[0].Err
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("after %s", took)
		}
		for _, part := range []string{"the outcome of operation", "no connection in 3s", "connection refused", "as WithEndpoint says; does it run?"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error %v does not say %s", err, part)
			}
		}
		requireKind(t, err, transport.OpEnqueue, transport.KindOther)
	})
}
