package gcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

const (
	// patience is how long a call waits for an emulator that refuses connections: it may be starting.
	patience = 3 * time.Second

	// Meanwhile it is looked for as often as this. gRPC's own pauses would outlast what is left.
	firstLook, mostLook = 50 * time.Millisecond, 200 * time.Millisecond
	connectTimeout      = 20 * time.Second // gRPC's default
)

// Watching are dial options for [Watch], and for an emulator: a call that finds nobody there is over after 3 s, however
// long Google's client would try. Methods that are named in full are left alone. They come before others, as the
// error that they end a call with is for that client.
func (s *Settings) Watching(but ...string) []option.ClientOption {
	if s.Endpoint.Text == "" {
		return []option.ClientOption{option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(remember))}
	}
	looks := backoff.Config{BaseDelay: firstLook, Multiplier: 1.6, Jitter: 0.2, MaxDelay: mostLook}
	return []option.ClientOption{
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(seek(but), remember)),
		option.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{Backoff: looks, MinConnectTimeout: connectTimeout})),
	}
}

// seek is an interceptor that waits for a connection, so that nothing is sent twice, and for patience where it is
// refused. Then it ends the call.
func seek(but []string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if cc.GetState() == connectivity.Ready || slices.Contains(but, method) || settled(ctx, cc) != connectivity.TransientFailure {
			return next(ctx, method, req, reply, cc, opts...)
		}
		waiting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			err := next(ctx, method, req, reply, cc, opts...) // fails at once, and tells why
			if status.Code(err) != codes.Unavailable || cc.GetState() != connectivity.TransientFailure || BadCertificate(err) {
				return err
			}
			cc.WaitForStateChange(waiting, connectivity.TransientFailure)
			state := settled(waiting, cc)
			switch {
			case ctx.Err() != nil:
				return err
			case waiting.Err() != nil:
				return &goneError{err}
			case state != connectivity.TransientFailure:
				return next(ctx, method, req, reply, cc, opts...)
			}
		}
	}
}

// settled is the state of a connection that is being made, once that has come to something or ctx ends.
func settled(ctx context.Context, cc *grpc.ClientConn) connectivity.State {
	for {
		state := cc.GetState()
		switch state {
		case connectivity.Idle:
			cc.Connect()
		case connectivity.Connecting:
		default:
			return state
		}
		if !cc.WaitForStateChange(ctx, state) {
			return state
		}
	}
}

// goneError ends a call to an emulator that is not there. It has no gRPC status: Google's client, which goes by that,
// would try again. [Value.Unanswered] gives the status back.
type goneError struct{ err error }

func (e *goneError) Error() string {
	return fmt.Sprintf("no connection in %s: %v: %s", patience, context.DeadlineExceeded, description(e.err))
}

func (e *goneError) Unwrap() error { return context.DeadlineExceeded }

// BadCertificate reports whether a server was not trusted, which no time changes.
func BadCertificate(err error) bool { return strings.Contains(err.Error(), "x509: ") }

// Watch returns ctx for one call, of any number of attempts, and what to pass the call's error through: where that says
// no more than that time was up, it adds what came of the last attempt that was answered. Google's client, which tries
// again by itself, forgets it.
func Watch(ctx context.Context) (context.Context, func(error) error) {
	m := &memory{}
	return context.WithValue(ctx, memoryKey{}, m), func(err error) error {
		if last := m.last.Load(); last != nil {
			return because(err, *last)
		}
		return err
	}
}

// memory is the last answer to a call if it was that another one may come later.
type memory struct{ last atomic.Pointer[error] }

type memoryKey struct{}

func remember(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := next(ctx, method, req, reply, cc, opts...)
	if m, ok := ctx.Value(memoryKey{}).(*memory); ok {
		switch status.Code(err) {
		case codes.Unavailable, codes.ResourceExhausted, codes.Aborted, codes.Internal:
			m.last.Store(&err)
		case codes.Canceled, codes.DeadlineExceeded: // say nothing about the server
		default:
			m.last.Store(nil)
		}
	}
	return err
}

// because adds last to an error that says no more than that time was up. A goneError has its cause, and must not get a
// status.
func because(err, last error) error {
	if _, gone := errors.AsType[*goneError](err); gone || !timeIsUp(err) || errors.Is(err, last) {
		return err
	}
	text := once(err.Error())
	if !strings.Contains(text, description(last)) {
		text += "; the last answer was: " + once(last.Error())
	}
	return &saidError{text, []error{err, last}}
}

func timeIsUp(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	code := status.Code(err)
	return code == codes.DeadlineExceeded || code == codes.Canceled
}
