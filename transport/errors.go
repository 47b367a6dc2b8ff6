package transport

import (
	"errors"
	"strconv"
	"strings"
)

// Error is what drivers return: the verb, the resource, the kind of failure and its cause. errors.Is matches
// it against the sentinel of its kind and against whatever it wraps; errors.As reaches the cause.
type Error struct {
	Op    string // what was tried: OpEnqueue, OpGet, ...
	Queue string // the queue's id; empty where none is concerned
	ID    string // the task's id; empty where none is concerned
	Kind  Kind
	Err   error // the cause; nil where the kind says it all

	Resource string // what else is concerned, like `topic "orders"`; empty for queues and tasks
}

// The verbs that drivers name in Error.Op.
const (
	OpEnqueue  = "enqueue"
	OpGet      = "get"
	OpList     = "list"
	OpDelete   = "delete"
	OpRun      = "run"
	OpQueue    = "read queue"
	OpPutQueue = "put queue"
	OpPause    = "pause"
	OpResume   = "resume"
	OpPurge    = "purge"
	OpServe    = "serve"
	OpLookUp   = "look up"

	OpDeleteQueue = "delete queue"

	OpPublish = "publish to"
	OpReceive = "receive from"
	OpCreate  = "create"
	OpUpdate  = "update"

	OpPutJob = "put"
)

// Kind classifies failures. The set is closed; new kinds are only ever added at its end.
type Kind uint8

// The kinds of failure, each with a sentinel for errors.Is.
const (
	KindOther        Kind = iota // anything else: the cause tells
	KindNotFound                 // ErrNotFound
	KindExists                   // ErrExists
	KindGone                     // ErrGone
	KindQueueMissing             // ErrQueueMissing
	KindUnsupported              // ErrUnsupported
	KindClosed                   // ErrClosed
	KindCapacity                 // ErrCapacity
	KindTooLarge                 // ErrTooLarge
	KindTooFar                   // ErrTooFar
	KindInvalid                  // ErrInvalid
	kindEnd
)

// Sentinels, one for each Kind.
var (
	// ErrNotFound: no such task waits in the queue. One that has gone lately matches ErrGone too.
	ErrNotFound = errors.New("no such task")
	// ErrExists: the id is taken by a task that waits or runs.
	ErrExists = errors.New("a task with this id exists")
	// ErrGone: the id was used by a task that has run or was deleted, and is still remembered.
	ErrGone = errors.New("a task with this id existed too recently")
	// ErrQueueMissing: the queue does not exist.
	ErrQueueMissing = errors.New("the queue does not exist")
	// ErrUnsupported: the driver cannot do this.
	ErrUnsupported = errors.New("not supported by this transport")
	// ErrClosed: the transport was shut down.
	ErrClosed = errors.New("the transport is shut down")
	// ErrCapacity: the transport holds as much as it may.
	ErrCapacity = errors.New("the transport is at its capacity")
	// ErrTooLarge: the task exceeds MaxTaskSize.
	ErrTooLarge = errors.New("the task is too large")
	// ErrTooFar: the task is due later than MaxDelay from now.
	ErrTooFar = errors.New("the task is due too far in the future")
	// ErrInvalid: a field of the request is not acceptable; the cause names it.
	ErrInvalid = errors.New("the request is not valid")
)

// ErrForbidden is what an authenticator of deliveries returns, or wraps, for a caller whom it knows and does not
// allow. It is no driver's: it belongs to no Kind.
var ErrForbidden = errors.New("caller not allowed")

var kinds = [kindEnd]struct {
	name string
	err  error
}{
	KindOther:        {"other", nil},
	KindNotFound:     {"not found", ErrNotFound},
	KindExists:       {"exists", ErrExists},
	KindGone:         {"gone", ErrGone},
	KindQueueMissing: {"queue missing", ErrQueueMissing},
	KindUnsupported:  {"unsupported", ErrUnsupported},
	KindClosed:       {"closed", ErrClosed},
	KindCapacity:     {"capacity", ErrCapacity},
	KindTooLarge:     {"too large", ErrTooLarge},
	KindTooFar:       {"too far", ErrTooFar},
	KindInvalid:      {"invalid", ErrInvalid},
}

// String names the kind, "other" for one that it does not know.
func (k Kind) String() string {
	if k >= kindEnd {
		k = KindOther
	}
	return kinds[k].name
}

// Sentinel returns the error that errors.Is matches for this kind, nil for KindOther.
func (k Kind) Sentinel() error {
	if k >= kindEnd {
		return nil
	}
	return kinds[k].err
}

// KindOf classifies err: the Kind of the first *Error in its tree that has one, else that of the first
// sentinel it matches, else KindOther.
func KindOf(err error) Kind {
	if err == nil {
		return KindOther
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != KindOther {
		return e.Kind
	}
	for k := KindOther + 1; k < kindEnd; k++ {
		if errors.Is(err, kinds[k].err) {
			return k
		}
	}
	return KindOther
}

// Error reads like `enqueue task "a" on queue "mail": the queue does not exist: <cause>`, with what is set.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.ID != "" {
		b.WriteString(" task " + strconv.Quote(e.ID))
	}
	if e.Queue != "" {
		words := " queue"
		switch {
		case strings.HasSuffix(e.Op, words): // the verb has it
			words = ""
		case e.ID != "" || e.Op == OpEnqueue || e.Op == OpGet || e.Op == OpDelete || e.Op == OpRun || e.Op == OpList:
			words = " on" + words
		}
		b.WriteString(words + " " + strconv.Quote(e.Queue))
	}
	if e.Resource != "" {
		b.WriteString(" " + e.Resource)
	}
	if what := e.what(); what != "" {
		b.WriteString(": " + what)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// what is the kind in words. The sentinels speak of tasks.
func (e *Error) what() string {
	err := e.Kind.Sentinel()
	switch {
	case err == nil:
		return ""
	case e.Resource == "":
		return err.Error()
	case e.Kind == KindNotFound:
		return "it does not exist"
	case e.Kind == KindExists:
		return "it exists already"
	case e.Kind == KindTooLarge && e.Op == OpPutJob:
		return "the job is too large"
	case e.Kind == KindTooLarge:
		return "it is too large"
	}
	return err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the sentinel of the error's kind.
func (e *Error) Is(target error) bool {
	return target != nil && target == e.Kind.Sentinel()
}
