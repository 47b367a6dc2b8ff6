package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/typedtasks/typedtasks/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// statusError has a status and a cause, as the errors of Google's clients do; its status may be nil.
type statusError struct {
	status *status.Status
	cause  error
}

func (e statusError) Error() string              { return "status error" }
func (e statusError) GRPCStatus() *status.Status { return e.status }
func (e statusError) Unwrap() error              { return e.cause }

func TestCodes(t *testing.T) {
	t.Parallel()
	unavailable := status.Error(codes.Unavailable, "down")
	notFound := status.Error(codes.NotFound, "no such queue")
	on := backoff.Codes(codes.Unavailable, codes.DeadlineExceeded)
	tests := []struct {
		name string
		on   func(error) bool
		err  error
		want bool
	}{
		{"the code itself", on, unavailable, true},
		{"another of the codes", on, status.Error(codes.DeadlineExceeded, "slow"), true},
		{"another code", on, notFound, false},
		{"no error", on, nil, false},
		{"no status", on, errTemporary, false},
		{"wrapped", on, fmt.Errorf("a: %w", fmt.Errorf("b: %w", unavailable)), true},
		{"joined first", on, errors.Join(unavailable, errTemporary), true},
		{"joined last", on, errors.Join(errTemporary, unavailable), true},
		{"joined after another status", on, errors.Join(notFound, unavailable), true},
		{"wrapped within a join within a wrap", on, fmt.Errorf("a: %w, %w", errTemporary, fmt.Errorf("b: %w", unavailable)), true},
		{"beneath another status", on, statusError{status.New(codes.Internal, ""), unavailable}, true},
		{"a type with a status of its own", on, statusError{status.New(codes.Unavailable, ""), nil}, true},
		{"a nil status is none", on, statusError{nil, context.DeadlineExceeded}, true},
		{"a context's deadline", on, context.DeadlineExceeded, true},
		{"a context's deadline, wrapped", on, fmt.Errorf("a: %w", context.DeadlineExceeded), true},
		{"a context's deadline beside a status", on, errors.Join(notFound, context.DeadlineExceeded), false},
		{"a context's deadline beneath a status", on, statusError{status.New(codes.Internal, ""), context.DeadlineExceeded}, false},
		{"a cancelled context, not asked for", on, context.Canceled, false},
		{"a cancelled context", backoff.Codes(codes.Canceled), context.Canceled, true},
		{"a context's deadline, not asked for", backoff.Codes(codes.Canceled), context.DeadlineExceeded, false},
		{"no codes", backoff.Codes(), unavailable, false},
		{"Never", backoff.Never, unavailable, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.on(tt.err); got != tt.want {
				t.Errorf("got %v for %v, want %v", got, tt.err, tt.want)
			}
		})
	}
}

func TestCodes_CallersSlice_IsNotKept(t *testing.T) {
	t.Parallel()
	list := []codes.Code{codes.Unavailable}
	on := backoff.Codes(list...)
	list[0] = codes.NotFound
	if !on(status.Error(codes.Unavailable, "down")) {
		t.Error("changing the slice after Codes changed what is retried")
	}
}
