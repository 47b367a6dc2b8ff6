package gcp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/api/option"
	gtransport "google.golang.org/api/transport/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
)

// invoke makes a call to an emulator, over what it dials.
func invoke(ctx context.Context, t *testing.T, method string, dial func(context.Context, string) (net.Conn, error)) error {
	t.Helper()
	s := gcp.Settings{Endpoint: set("127.0.0.1:1", "WithEndpoint"), ClientOptions: []option.ClientOption{option.WithGRPCDialOption(grpc.WithContextDialer(dial))}}
	conn, err := gtransport.Dial(t.Context(), s.DialOptions(s.Watching("/service/Own")...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, told := gcp.Watch(ctx)
	return told(conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}))
}

func refusing(cause string) func(context.Context, string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) { return nil, errors.New(cause) }
}

func TestWatching_Refused_WaitsAndThenEndsTheCall(t *testing.T) {
	for name, c := range map[string]struct {
		method, cause string
		own           time.Duration // of the caller
		took          time.Duration
		code          codes.Code
		is            error
	}{
		"nobody there":           {"/service/Method", "connection refused", 0, 3 * time.Second, codes.Unknown, context.DeadlineExceeded},
		"nor in the end":         {"/service/Method", "connection refused", time.Hour, 3 * time.Second, codes.Unknown, context.DeadlineExceeded},
		"its caller's time":      {"/service/Method", "connection refused", time.Second, time.Second, codes.Unavailable, nil},
		"a method left alone":    {"/service/Own", "connection refused", 0, 0, codes.Unavailable, nil},
		"it cannot be trusted":   {"/service/Method", "x509: unknown authority", 0, 0, codes.Unavailable, nil},
		"its caller has no time": {"/service/Method", "connection refused", -1, 0, codes.DeadlineExceeded, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				if c.own != 0 {
					ctx, cancel = context.WithTimeout(t.Context(), c.own)
				}
				defer cancel()
				began := time.Now()
				err := invoke(ctx, t, c.method, refusing(c.cause))
				if took := time.Since(began); took != c.took || status.Code(err) != c.code || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("after %s: %v", took, err)
				}
				if c.own >= 0 && !strings.Contains(err.Error(), c.cause) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

func TestUnanswered_GivesBackTheStatusOfWhoIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := invoke(t.Context(), t, "/service/Method", refusing("connection refused"))
		at := set("localhost:8123", "CLOUD_TASKS_EMULATOR_HOST")
		err = at.Unanswered(t.Context(), fmt.Errorf("wrapped: %w", err), nil)
		const want = `wrapped: no connection in 3s: context deadline exceeded: connection error: desc = "transport: Error while dialing: connection refused" (from the emulator at localhost:8123, as CLOUD_TASKS_EMULATOR_HOST says; does it run?)`
		if err.Error() != want || status.Code(err) != codes.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, code %s", err, status.Code(err))
		}
	})
}

func TestWatching_ComesLate_IsCalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		p := gcptest.NewPipes()
		gcptest.Serve(t, p, grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			calls++
			return status.Error(codes.Unavailable, "injected")
		})))
		began := time.Now()
		err := invoke(t.Context(), t, "/service/Method", p.Late(began.Add(2*time.Second)))
		if took := time.Since(began); status.Code(err) != codes.Unavailable || calls != 1 || took < 2*time.Second || took > 2300*time.Millisecond {
			t.Errorf("%d calls, after %s: %v", calls, took, err)
		}
	})
}

func TestWatch_TimeIsUp_TellsTheLastAnswerThatMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			answers []codes.Code
			err     error
			want    string
		}{
			"an answer":             {[]codes.Code{codes.Aborted, codes.Internal}, context.DeadlineExceeded, "context deadline exceeded; the last answer was: rpc error: code = Internal desc = injected"},
			"it says nothing":       {[]codes.Code{codes.Unavailable, codes.DeadlineExceeded}, context.Canceled, "context canceled; the last answer was: rpc error: code = Unavailable desc = injected"},
			"it says all":           {[]codes.Code{codes.Unavailable}, status.Error(codes.DeadlineExceeded, "context deadline exceeded: injected"), "rpc error: code = DeadlineExceeded desc = context deadline exceeded: injected"},
			"a better one followed": {[]codes.Code{codes.Unavailable, codes.OK}, context.DeadlineExceeded, "context deadline exceeded"},
			"another failure":       {[]codes.Code{codes.Unavailable}, errors.New("other"), "other"},
			"none":                  {nil, context.DeadlineExceeded, "context deadline exceeded"},
		} {
			p := gcptest.NewPipes()
			next := 0
			gcptest.Serve(t, p, grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
				code := c.answers[next]
				if next++; code == codes.OK {
					return stream.SendMsg(&emptypb.Empty{})
				}
				return status.Error(code, "injected")
			})))
			s := gcp.Settings{ClientOptions: []option.ClientOption{option.WithGRPCDialOption(grpc.WithContextDialer(p.Dial))}}
			conn, err := gtransport.DialInsecure(t.Context(), append(s.DialOptions(s.Watching()...), option.WithEndpoint("127.0.0.1:1"))...)
			if err != nil {
				t.Fatal(err)
			}
			ctx, told := gcp.Watch(t.Context())
			for range c.answers {
				_ = conn.Invoke(ctx, "/service/Method", &emptypb.Empty{}, &emptypb.Empty{})
			}
			if got := told(c.err); got.Error() != c.want || !errors.Is(got, c.err) {
				t.Errorf("%s: got %v, want %s", name, got, c.want)
			}
			if told(nil) != nil {
				t.Errorf("%s: no error became one", name)
			}
			_ = conn.Close()
		}
	})
}

func TestUnanswered_AsksOnlyWhereItsCallerStillWaits(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	at := set("localhost:1", "WithEndpoint")
	away := status.Error(codes.Unavailable, "away")
	const named, asked = " (from the emulator at localhost:1, as WithEndpoint says)", " (from the emulator at localhost:1, as WithEndpoint says; does it run?)"
	for _, c := range []struct {
		at        gcp.Value
		ctx       context.Context
		err, last error
		want      string
	}{
		{at, t.Context(), away, nil, away.Error() + asked},
		{at, t.Context(), context.DeadlineExceeded, away, "context deadline exceeded; the last answer was: " + away.Error() + asked},
		{at, late, away, away, "context deadline exceeded: " + away.Error() + named},
		{at, late, status.FromContextError(late.Err()).Err(), nil, "context deadline exceeded" + named},
		{at, ended, context.Canceled, nil, "context canceled"},
		{at, ended, context.Canceled, away, "context canceled; the last answer was: " + away.Error() + named},
		{at, ended, status.FromContextError(ended.Err()).Err(), nil, "context canceled"},
		{at, ended, fmt.Errorf("wrapped: %w", status.FromContextError(ended.Err()).Err()), nil, "wrapped: context canceled"},
		{at, t.Context(), status.Error(codes.NotFound, "x"), away, "rpc error: code = NotFound desc = x"},
		{at, t.Context(), status.Error(codes.Unavailable, "dial: "+away.Error()), nil, "rpc error: code = Unavailable desc = dial: away" + asked},
		{gcp.Value{}, t.Context(), status.Error(codes.Unavailable, away.Error()), nil, away.Error()},
		{gcp.Value{}, late, away, nil, "context deadline exceeded: " + away.Error()},
	} {
		got := c.at.Unanswered(c.ctx, c.err, c.last)
		if got.Error() != c.want || !errors.Is(got, c.err) || c.ctx.Err() != nil && !errors.Is(got, c.ctx.Err()) {
			t.Errorf("got  %v\nwant %s", got, c.want)
		}
	}
}
