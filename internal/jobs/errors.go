package jobs

import (
	"errors"

	"github.com/typedtasks/typedtasks/transport"
)

// The verbs of errors that package transport has none for.
const (
	OpRestore  = "restore"
	OpShutdown = "shut down"
)

// ErrNotTaken, returned by Config.Fire, says that nobody has looked at the attempt: it is made again after 100 ms, and
// is not counted.
var ErrNotTaken = errors.New("the attempt was not taken")

var (
	errDeadline = errors.New("the attempt deadline passed without an answer")
	errGoexit   = errors.New("the handler ended its goroutine (runtime.Goexit, or FailNow of a test)")
)

func jobError(op, name string, kind transport.Kind, cause error) error {
	return &transport.Error{Op: op, Resource: transport.JobResource(name), Kind: kind, Err: cause}
}

func missing(op, name string) error { return jobError(op, name, transport.KindNotFound, nil) }
