package manage

import (
	"errors"
	"fmt"
)

// ExitCode is the code that a program should exit with after a command ended with err: 0 for nil, 1 for errors that are
// not this package's. The package comment lists all.
func ExitCode(err error) int {
	if err == nil {
		return codeOK
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	return codeFailed
}

const (
	codeOK      = 0
	codeFailed  = 1
	codeUsage   = 2
	codeRefused = 3
	codeChanges = 4
)

// failure is how a command ends that did not end well. Its text is one line, whatever its cause says.
type failure struct {
	code int
	text string // empty: the cause's
	err  error
}

// Error is safe to print on a terminal.
func (f *failure) Error() string {
	if f.text == "" {
		return oneLine(f.err.Error())
	}
	return oneLine(f.text)
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// failed makes a failure of an error that is none, with the code of one that it wraps.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*failure); ok {
		return err
	}
	return &failure{code: ExitCode(err), err: err}
}

func usageError(err error) error { return &failure{code: codeUsage, err: err} }

func usagef(format string, args ...any) error { return usageError(fmt.Errorf(format, args...)) }
