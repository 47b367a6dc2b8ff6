package gcp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Ended is err together with ctx's error where ctx has ended, so that errors.Is finds both. Its text says nothing
// twice.
func Ended(ctx context.Context, err error) error {
	text := once(err.Error())
	end := ctx.Err()
	if end == nil || errors.Is(err, end) {
		if text == err.Error() {
			return err
		}
		return &saidError{text, []error{err}}
	}
	if d := description(err); strings.HasPrefix(d, end.Error()) {
		text = strings.Replace(text, rpcPrefix(text)+d, d, 1)
	} else {
		text = end.Error() + ": " + text
	}
	return &saidError{text, []error{end, err}}
}

// Unanswered is [Ended], and tells more where err means that nobody answered, or not in time: what the last answer was,
// if it is known, and that v is an emulator, if it is one. Whether that runs is asked unless ctx ended first.
func (v Value) Unanswered(ctx context.Context, err, last error) error {
	e := Ended(ctx, err)
	if gone, ok := errors.AsType[*goneError](err); ok {
		e = &saidError{e.Error(), []error{e, gone.err}}
	} else if last != nil {
		e = because(e, last)
	}
	code := status.Code(e)
	if v.Text == "" || code != codes.Unavailable && code != codes.DeadlineExceeded && !errors.Is(e, context.DeadlineExceeded) {
		return e
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%s)", e, v.from())
	}
	return fmt.Errorf("%w%s", e, v.AtEmulator())
}

// NotAllowed is a refusal, and what would lift it, such as "roles/pubsub.editor".
func NotAllowed(err error, grant string) error {
	return fmt.Errorf("%w (grant the caller %s)", err, grant)
}

// NotConnected says why a driver's client was not made, and where credentials come from.
func NotConnected(d Driver, err error) error {
	return fmt.Errorf("%s: connect: %w (outside Google Cloud: gcloud auth application-default login, or %s for an emulator)", d.Name, err, d.Emulator)
}

// AtEmulator is said behind an error that means that nobody answered; empty where v is no endpoint.
func (v Value) AtEmulator() string {
	if v.Text == "" {
		return ""
	}
	return " (" + v.from() + "; does it run?)"
}

func (v Value) from() string {
	return fmt.Sprintf("from the emulator at %s, as %s says", v.Text, v.Source)
}

// saidError has a text of its own for errors.
type saidError struct {
	text string
	errs []error
}

func (e *saidError) Error() string   { return e.text }
func (e *saidError) Unwrap() []error { return e.errs }

// once is a text in which an error of gRPC that has been wrapped into another one introduces itself once.
func once(text string) string {
	prefix := rpcPrefix(text)
	if prefix == "" {
		return text
	}
	first := strings.Index(text, prefix) + len(prefix)
	return text[:first] + strings.ReplaceAll(text[first:], prefix, "")
}

// rpcPrefix is what the first error of gRPC in a text begins with; empty where there is none.
func rpcPrefix(text string) string {
	const begin, end = "rpc error: code = ", " desc = "
	_, rest, _ := strings.Cut(text, begin)
	code, _, ok := strings.Cut(rest, end)
	if !ok {
		return ""
	}
	return begin + code + end
}

// description is what the server, or gRPC, says of the error that err is or wraps; else its text.
func description(err error) string {
	if s, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return s.GRPCStatus().Message()
	}
	return err.Error()
}
