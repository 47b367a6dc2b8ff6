package cloudscheduler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
)

// onNightly is everyCall on one job.
func onNightly(s *cloudscheduler.Scheduler) map[string]func(context.Context) error {
	calls := map[string]func(context.Context) error{}
	for name, call := range everyCall(s) {
		calls[name] = func(ctx context.Context) error { return call(ctx, "shop--Nightly") }
	}
	return calls
}

func TestEmulator_NobodyThere_IsSaidInTime(t *testing.T) {
	addr := gcptest.Refused(t)
	t.Setenv("CLOUD_SCHEDULER_EMULATOR_HOST", addr)
	var log bytes.Buffer
	s := connect(t, cloudscheduler.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	gcptest.NobodyThere(t, addr+", as CLOUD_SCHEDULER_EMULATOR_HOST says", onNightly(s))
	if strings.Contains(log.String(), "for the moment") {
		t.Errorf("logged %s", log.String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for name, call := range onNightly(s) {
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "does it run") {
			t.Errorf("%s within 1 ms: %v", name, err)
		}
	}
}

func TestEmulator_ComesLate_IsFound(t *testing.T) {
	const late = 2700 * time.Millisecond
	for name := range onNightly(nil) {
		bubble(t, func(t *testing.T) {
			s, p := ready(0, codes.OK, false), gcptest.NewPipes()
			s.serve(t, p)
			sched := connect(t, cloudscheduler.WithEndpoint("127.0.0.1:1"), cloudscheduler.WithRetryTime(0),
				cloudscheduler.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(p.Late(time.Now().Add(late))))))
			began := time.Now()
			err := onNightly(sched)[name](t.Context())
			if took := time.Since(began); err != nil || took < late || took > 3*time.Second {
				t.Errorf("%s after %s: %v", name, took, err)
			}
		})
	}
}

func TestCalls_LastAttemptIsNotAnswered_TellTheAnswerBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		answered := false
		s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
			if !answered {
				answered = true
				return nil, status.Error(codes.ResourceExhausted, "injected")
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.pipe(t).Job(ctx, "shop--Nightly")
		const want = `get job "shop--Nightly": after 2 attempts in 10s: context deadline exceeded; the last answer was: rpc error: code = ResourceExhausted desc = injected (from the emulator at 127.0.0.1:1, as WithEndpoint says)`
		if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	})
}

func TestCalls_CanceledByTheirCaller_SaySoOnce(t *testing.T) {
	s := newServer()
	called := make(chan struct{}, 1)
	s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
		called <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	sched := s.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	_, err := sched.Job(ctx, "shop--Nightly")
	if err == nil || err.Error() != `get job "shop--Nightly": context canceled` || !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Errorf("error %v", err)
	}
}
