package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"
	"github.com/typedtasks/typedtasks/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// recorder is an f that fails each time, or as often as it is told, and keeps when it was called.
type recorder struct {
	began time.Time
	at    []time.Duration // of each call, since began
	fail  func(ctx context.Context, n int) error
}

func newRecorder(fail func(ctx context.Context, n int) error) *recorder {
	return &recorder{began: time.Now(), fail: fail}
}

func (r *recorder) call(ctx context.Context) error {
	r.at = append(r.at, time.Since(r.began))
	return r.fail(ctx, len(r.at))
}

func (r *recorder) wantCalls(t *testing.T, want ...time.Duration) {
	t.Helper()
	if !slices.Equal(r.at, want) {
		t.Errorf("called at %v, want %v", r.at, want)
	}
}

func (r *recorder) wantElapsed(t *testing.T, want time.Duration) {
	t.Helper()
	if got := time.Since(r.began); got != want {
		t.Errorf("took %s, want %s", got, want)
	}
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got error %q, want %q", err, want)
	}
}

func failing(context.Context, int) error { return errTemporary }

const second = time.Second

func TestDo_NotEnabled_CallsOnceAndReturnsTheErrorAsItIs(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, policy := range map[string]backoff.Policy{
		"no On":           {Initial: 1, Deadline: 1},
		"Never":           {On: backoff.Never},
		"Never and wrong": {On: backoff.Never, Multiplier: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.WithValue(t.Context(), key{}, 1)
			calls := 0
			err := policy.Do(ctx, func(got context.Context) error {
				calls++
				if got != ctx {
					t.Error("f did not get the caller's context")
				}
				return errTemporary
			})
			if err != errTemporary || calls != 1 {
				t.Errorf("got %v after %d calls, want f's own error after 1", err, calls)
			}
		})
	}
}

func TestDo_InvalidPolicy_NeverCalls(t *testing.T) {
	t.Parallel()
	err := backoff.Policy{On: always, Multiplier: 0.5, Jitter: 2}.Do(t.Context(), func(context.Context) error {
		t.Error("f was called")
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "Multiplier") || !strings.Contains(err.Error(), "Jitter") {
		t.Errorf("got %v, want an error that names Multiplier and Jitter", err)
	}
}

func TestDo_Success_FollowsTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, n int) error {
			if n < 6 {
				return errTemporary
			}
			return nil
		})
		policy := backoff.Policy{On: always, Initial: second, Maximum: 5 * second, Multiplier: 2}
		if err := policy.Do(t.Context(), r.call); err != nil {
			t.Errorf("got %v, want no error", err)
		}
		r.wantCalls(t, 0, 1*second, 3*second, 7*second, 12*second, 17*second)
	})
}

func TestDo_Defaults_GiveUpWithin120Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(failing)
		err := backoff.Policy{On: always}.Do(t.Context(), r.call)
		if !errors.Is(err, errTemporary) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the last error and no context's", err)
		}
		r.wantCalls(t, 0, 1*second, 3*second, 7*second, 15*second, 31*second, 63*second)
		r.wantElapsed(t, 63*second) // the next wait, 60 s, is not begun
		wantText(t, err, "gave up after 7 attempts in 1m3s: "+
			"the next wait of 1m0s would pass the policy's Deadline of 2m0s; last error: temporary")
	})
}

func TestDo_WaitUpToTheDeadline_IsNotBegun(t *testing.T) {
	t.Parallel()
	for deadline, calls := range map[time.Duration]int{3 * second: 2, 3*second + 1: 3} {
		t.Run(deadline.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder(failing)
				err := backoff.Policy{On: always, Deadline: deadline}.Do(t.Context(), r.call)
				if !errors.Is(err, errTemporary) {
					t.Errorf("got %v, want the last error", err)
				}
				r.wantCalls(t, []time.Duration{0, 1 * second, 3 * second}[:calls]...)
			})
		})
	}
}

func TestDo_ContextDeadlineFirst_GivesUpBeforeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*second)
		defer cancel()
		r := newRecorder(failing)
		err := backoff.Policy{On: always}.Do(ctx, r.call)
		r.wantCalls(t, 0, 1*second)
		r.wantElapsed(t, 1*second)
		wantText(t, err, "gave up after 2 attempts in 1s: "+
			"the next wait of 2s would pass the context's deadline; last error: temporary")
	})
}

func TestDo_HangingAttempt_IsCutAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errCut := errors.New("cut")
		r := newRecorder(func(ctx context.Context, n int) error {
			if n == 1 {
				return status.Error(codes.Unavailable, "down")
			}
			<-ctx.Done()
			return errCut
		})
		err := backoff.Policy{On: backoff.Codes(codes.Unavailable), Deadline: 10 * second}.Do(t.Context(), r.call)
		r.wantCalls(t, 0, 1*second)
		r.wantElapsed(t, 10*second)
		if !errors.Is(err, errCut) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want both the last error and the context's", err)
		}
		wantText(t, err, "gave up after 2 attempts in 10s: the policy's Deadline of 10s has passed; last error: cut")
	})
}

func TestDo_ContextCancelledMidWait_ReturnsBothErrors(t *testing.T) {
	t.Parallel()
	errLeft := errors.New("the user left")
	tests := []struct {
		name  string
		cause error
		text  string
	}{
		{"without a cause", nil, "gave up after 1 attempt in 500ms: context canceled; last error: temporary"},
		{"with a cause", errLeft, "gave up after 1 attempt in 500ms: context canceled: the user left; last error: temporary"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(500*time.Millisecond, func() { cancel(tt.cause) })
				r := newRecorder(failing)
				err := backoff.Policy{On: always}.Do(ctx, r.call)
				r.wantCalls(t, 0)
				r.wantElapsed(t, 500*time.Millisecond)
				if !errors.Is(err, errTemporary) || !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want both the last error and the context's", err)
				}
				if tt.cause != nil && !errors.Is(err, tt.cause) {
					t.Errorf("got %v, want the context's cause too", err)
				}
				wantText(t, err, tt.text)
			})
		})
	}
}

func TestDo_ContextEndedBefore_CallsOnceAndDoesNotAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := newRecorder(func(ctx context.Context, _ int) error { return fmt.Errorf("send: %w", ctx.Err()) })
		policy := backoff.Policy{On: func(error) bool {
			t.Error("On was asked although no attempt could follow")
			return true
		}}
		if err := policy.Do(ctx, r.call); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		r.wantCalls(t, 0)
	})
}

func TestDo_RefusedError_ComesBackAtOnceAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := status.Error(codes.NotFound, "no such queue")
		r := newRecorder(func(_ context.Context, n int) error {
			if n < 3 {
				return status.Error(codes.Unavailable, "down")
			}
			return refused
		})
		err := backoff.Policy{On: backoff.Codes(codes.Unavailable)}.Do(t.Context(), r.call)
		if err != refused {
			t.Errorf("got %v, want f's own error", err)
		}
		r.wantCalls(t, 0, 1*second, 3*second)
	})
}

func TestDo_On_SeesEachErrorOnceAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []error
		returned := []error{errTemporary, fmt.Errorf("a: %w", errTemporary), cenkalti.Permanent(errTemporary), nil}
		policy := backoff.Policy{On: func(err error) bool { seen = append(seen, err); return true }}
		err := policy.Do(t.Context(), func(context.Context) error { return returned[len(seen)] })
		if err != nil {
			t.Errorf("got %v, want no error: On decides, whatever the error is made of", err)
		}
		if !slices.Equal(seen, returned[:3]) {
			t.Errorf("On saw %v, want %v", seen, returned[:3])
		}
	})
}

func TestDo_AttemptsOwnTimeout_IsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(ctx context.Context, n int) error {
			ctx, cancel := context.WithTimeout(ctx, 2*second)
			defer cancel()
			if n < 3 {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		policy := backoff.Policy{On: backoff.Codes(codes.DeadlineExceeded)}
		if err := policy.Do(t.Context(), r.call); err != nil {
			t.Errorf("got %v, want no error", err)
		}
		r.wantCalls(t, 0, 3*second, 7*second)
	})
}

func TestDo_Panic_ReachesTheCaller(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := recover(); got != "boom" {
			t.Errorf("recovered %v, want f's own panic", got)
		}
	}()
	err := backoff.Policy{On: always}.Do(t.Context(), func(context.Context) error { panic("boom") })
	t.Errorf("Do returned %v, want a panic", err)
}

func TestRetry_FailsThenSucceeds_ReturnsNil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, n int) error {
			if n < 3 {
				return errTemporary
			}
			return nil
		})
		f := func() error { return r.call(t.Context()) }
		if err := backoff.Retry(backoff.Policy{On: always, Multiplier: 3}, f); err != nil {
			t.Errorf("got %v, want no error", err)
		}
		r.wantCalls(t, 0, 1*second, 4*second)
	})
}

func TestRetry_NoTimeLeft_GivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(failing)
		err := backoff.Retry(backoff.Policy{On: always, Deadline: second}, func() error { return r.call(t.Context()) })
		r.wantElapsed(t, 0)
		wantText(t, err, "gave up after 1 attempt in 0s: "+
			"the next wait of 1s would pass the policy's Deadline of 1s; last error: temporary")
	})
}

func BenchmarkDo(b *testing.B) {
	ctx, f := b.Context(), func(context.Context) error { return nil }
	for name, policy := range map[string]backoff.Policy{"Off": {}, "FirstAttemptSucceeds": {On: always}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := policy.Do(ctx, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
