package backoff

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Never retries nothing. As a Policy's On it switches off, for one task or one call, what the App retries.
func Never(error) bool { return false }

// Codes returns an On that retries errors holding one of these gRPC codes, however deeply they are wrapped or
// joined. Where no gRPC status is in the error at all, context.DeadlineExceeded counts as
// codes.DeadlineExceeded and context.Canceled as codes.Canceled. Without codes it is [Never].
func Codes(retried ...codes.Code) func(error) bool {
	if len(retried) == 0 {
		return Never
	}
	retried = slices.Clone(retried) // the caller may go on using its slice
	return func(err error) bool {
		found, matched := find(err, retried)
		if found {
			return matched
		}
		return slices.Contains(retried, codes.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) ||
			slices.Contains(retried, codes.Canceled) && errors.Is(err, context.Canceled)
	}
}

// find reports whether any gRPC status is in err's tree, and whether one with a wanted code is.
// status.FromError would not do: it stops at the first status, which of two joined ones may be the wrong one.
func find(err error, wanted []codes.Code) (found, matched bool) {
	if e, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		if s := e.GRPCStatus(); s != nil {
			found, matched = true, slices.Contains(wanted, s.Code())
		}
	}
	if matched {
		return true, true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		f, m := find(e.Unwrap(), wanted)
		return found || f, m
	case interface{ Unwrap() []error }:
		for _, child := range e.Unwrap() {
			f, m := find(child, wanted)
			if m {
				return true, true
			}
			found = found || f
		}
	}
	return found, false
}
