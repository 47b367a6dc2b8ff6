package cloudscheduler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
)

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// failing answers the first n calls with a code; done tells whether they are carried out all the same.
func failing(n int, code codes.Code, done bool) *server {
	s := newServer()
	left := n
	s.hook = func(_ context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
		s.mu.Lock()
		fail := left > 0
		left--
		s.mu.Unlock()
		if !fail {
			return handle()
		}
		if done {
			_, _ = handle()
		}
		return nil, status.Error(code, "injected")
	}
	return s
}

// ready is failing, with a job that is there.
func ready(n int, code codes.Code, done bool) *server {
	s := failing(n, code, done)
	j := stored(nothing)
	j.Name = parent + "/jobs/shop--Nightly"
	s.keep(j)
	return s
}

func TestCalls_RefusedForTheMoment_AreMadeAgain(t *testing.T) {
	for name := range everyCall(nil) {
		for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted} {
			t.Run(name+" "+code.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := ready(5, code, false)
					sched := s.pipe(t)
					began := time.Now()
					err := everyCall(sched)[name](t.Context(), "shop--Nightly")
					took := time.Since(began)
					if name == "RunJob" && (code == codes.Unavailable || code == codes.DeadlineExceeded) { // may have run
						requireKind(t, err, transport.OpRun, `job "shop--Nightly"`, transport.KindOther)
						if s.total() != 1 {
							t.Errorf("%d calls", s.total())
						}
						return
					}
					// 0.5, 1, 2, 4, 8 s, each up to half more or less.
					if err != nil || s.total() < 6 || took < 7750*time.Millisecond || took > 23250*time.Millisecond {
						t.Errorf("%d calls in %s: %v", s.total(), took, err)
					}
				})
			})
		}
	}
}

func TestCalls_OtherFailures_EndAtOnce(t *testing.T) {
	for name := range everyCall(nil) {
		for code, kind := range map[codes.Code]transport.Kind{
			codes.InvalidArgument: transport.KindInvalid, codes.PermissionDenied: transport.KindOther, codes.Unauthenticated: transport.KindOther,
			codes.Internal: transport.KindOther, codes.Unknown: transport.KindOther, codes.Unimplemented: transport.KindUnsupported,
			codes.OutOfRange: transport.KindOther,
		} {
			s := ready(1, code, false)
			err := everyCall(s.dial(t))[name](t.Context(), "shop--Nightly")
			op, resource := opOf(name)
			requireKind(t, err, op, resource, kind)
			if status.Code(err) != code || s.total() != 1 {
				t.Errorf("%s: %d calls: %v", name, s.total(), err)
			}
		}
	}
}

func TestCalls_AnswersAreLost_WhatIsDoneCounts(t *testing.T) {
	for name, state := range map[string]transport.JobState{"PutJob": transport.JobEnabled, "DeleteJob": "", "PauseJob": transport.JobPaused} {
		for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded} {
			bubble(t, func(t *testing.T) {
				s := ready(2, code, true)
				sched := s.pipe(t)
				if err := everyCall(sched)[name](t.Context(), "shop--Nightly"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				switch j := s.job("shop--Nightly"); {
				case state == "" && j != nil, state != "" && j.GetState().String() != string(state):
					t.Errorf("%s left %v", name, j)
				}
			})
		}
	}
	bubble(t, func(t *testing.T) { // nothing was lost: it was never there
		s := failing(2, codes.ResourceExhausted, false)
		err := s.pipe(t).DeleteJob(t.Context(), "shop--Nightly")
		requireKind(t, err, transport.OpDelete, `job "shop--Nightly"`, transport.KindNotFound)
	})
}

func TestPutJob_CreationsAnswerIsLost_IsUpdated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		lost := false
		s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
			resp, err := handle()
			if method == "CreateJob" && !lost {
				lost = true
				return nil, status.Error(codes.Unavailable, "injected")
			}
			return resp, err
		}
		put(t, s.pipe(t), nightly())
		if c, u := len(s.calls("CreateJob")), len(s.calls("UpdateJob")); c != 2 || u != 2 {
			t.Errorf("created %d times, updated %d times", c, u)
		}
	})
}

func TestCalls_NeverWork_GiveUpInTime(t *testing.T) {
	for _, c := range []struct {
		opts        []cloudscheduler.Option
		least, most time.Duration
		calls       int // at least
	}{
		{nil, 80 * time.Second, 2 * time.Minute, 7},
		{[]cloudscheduler.Option{cloudscheduler.WithRetryTime(10 * time.Second)}, 2 * time.Second, 10 * time.Second, 3},
		{[]cloudscheduler.Option{cloudscheduler.WithRetryTime(0)}, 0, 0, 1},
	} {
		bubble(t, func(t *testing.T) {
			s := failing(1000, codes.ResourceExhausted, false)
			sched := s.pipe(t, c.opts...)
			began := time.Now()
			err := sched.PutJob(t.Context(), nightly())
			took := time.Since(began)
			requireKind(t, err, transport.OpPutJob, `job "shop--Nightly"`, transport.KindOther)
			if took < c.least || took > c.most || s.total() < c.calls || status.Code(err) != codes.ResourceExhausted {
				t.Errorf("%d calls in %s: %v", s.total(), took, err)
			}
			if c.calls > 1 && !strings.Contains(err.Error(), "attempts in ") {
				t.Errorf("error %v does not tell of the attempts", err)
			}
			if c.calls == 1 && s.total() != 1 {
				t.Errorf("%d calls", s.total())
			}
		})
	}
}

func TestPutJob_UpdateAndCreation_ShareTheTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		s := newServer()
		s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
			if method == "CreateJob" || time.Since(began) < 40*time.Second {
				return nil, status.Error(codes.ResourceExhausted, "injected")
			}
			return handle()
		}
		err := s.pipe(t).PutJob(t.Context(), nightly())
		if took := time.Since(began); took < 80*time.Second || took > 2*time.Minute || len(s.calls("CreateJob")) < 4 {
			t.Errorf("%d creations, after %s: %v", len(s.calls("CreateJob")), took, err)
		}
	})
}

func TestCalls_ContextEndsWhileWaiting_EndWithBothErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := failing(1000, codes.Unavailable, false)
		sched := s.pipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		err := sched.PutJob(ctx, nightly())
		if took := time.Since(began); took != 10*time.Second || !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.Unavailable {
			t.Errorf("after %s: %v", took, err)
		}
		for _, part := range []string{"injected", "attempts in 10s", "127.0.0.1:1, as WithEndpoint says"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %v does not say %s", err, part)
			}
		}
	})
}

func TestCalls_NoAnswer_AreCappedAndMadeAgain(t *testing.T) {
	for name, ctx := range map[string]func(*testing.T) context.Context{
		"no deadline": func(t *testing.T) context.Context { return t.Context() },
		"a long one": func(t *testing.T) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			t.Cleanup(cancel)
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newServer()
				silent := true
				s.hook = func(ctx context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
					d, ok := ctx.Deadline()
					if left := time.Until(d); !ok || left > cloudscheduler.CallTimeout {
						t.Errorf("a call has %s", left)
					}
					if silent {
						silent = false
						<-ctx.Done()
						return nil, status.FromContextError(ctx.Err()).Err()
					}
					return handle()
				}
				sched := s.pipe(t)
				began := time.Now()
				err := sched.PutJob(ctx(t), nightly())
				if took := time.Since(began); err != nil || took < cloudscheduler.CallTimeout || took > cloudscheduler.CallTimeout+time.Second {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}

func TestCalls_ContextHasEnded_NothingIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newServer()
	for name, call := range everyCall(s.dial(t)) {
		err := call(ctx, "shop--Nightly")
		op, resource := opOf(name)
		requireKind(t, err, op, resource, transport.KindOther)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.total() != 0 {
		t.Errorf("%d calls", s.total())
	}
}

func TestCalls_MadeAgain_WarnOnceAMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		s := ready(12, codes.ResourceExhausted, false)
		sched := s.pipe(t, cloudscheduler.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), cloudscheduler.WithRetryTime(time.Hour))
		put(t, sched, nightly()) // takes more than two minutes
		warnings := strings.Count(log.String(), "level=WARN")
		if warnings < 2 || warnings > 5 {
			t.Errorf("%d warnings:\n%s", warnings, log.String())
		}
		for _, part := range []string{`"cloudscheduler: a call is refused for the moment, and made again"`, "call=put", `resource="job \"shop--Nightly\""`, "injected"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("no %s in\n%s", part, log.String())
			}
		}
	})
}

func TestClose_DuringACall_AnswersErrClosed(t *testing.T) {
	s := newServer()
	called, ended := make(chan struct{}), make(chan error)
	s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
		close(called)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	sched := s.dial(t)
	go func() { ended <- sched.PutJob(t.Context(), nightly()) }()
	<-called
	if err := sched.Close(); err != nil {
		t.Error(err)
	}
	requireKind(t, <-ended, transport.OpPutJob, `job "shop--Nightly"`, transport.KindClosed)
}

// Time does not change a certificate.
func TestCalls_BadCertificate_EndsAtOnce(t *testing.T) {
	dial := grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
		return nil, errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority")
	})
	sched := connect(t, cloudscheduler.WithEndpoint("127.0.0.1:1"), cloudscheduler.WithClientOptions(option.WithGRPCDialOption(dial)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := sched.PutJob(ctx, nightly())
	if status.Code(err) != codes.Unavailable || ctx.Err() != nil || !strings.Contains(err.Error(), "x509") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(err.Error(), "attempts in") {
		t.Errorf("tried again: %v", err)
	}
}
