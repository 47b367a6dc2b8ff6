package tasks

import (
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/transport"
)

// Sentinels for errors.Is.
var (
	// ErrNotRegistered: the task belongs to no App, or not to the App in the context.
	ErrNotRegistered = errors.New("not registered")
	// ErrAmbiguousApp: the task belongs to several Apps and the context names none; use App.Context.
	ErrAmbiguousApp = errors.New("registered with several Apps")
	// ErrShutdown: the App has been shut down.
	ErrShutdown = errors.New("the App is shut down")
	// ErrNotOurs: the task in the queue belongs to another definition.
	ErrNotOurs = errors.New("the task belongs to another definition")
	// ErrNothingToSync: the App declares nothing of what is to be synced.
	ErrNothingToSync = errors.New("nothing to sync")
	// ErrUnknown: a limit that cannot be known from here.
	ErrUnknown = errors.New("cannot be known")

	// ErrForbidden: what an Authenticator returns, or wraps, for a caller whom it knows and does not allow.
	ErrForbidden = transport.ErrForbidden
	// ErrTooLarge: the task exceeds transport.MaxTaskSize, about 1 MiB with its headers.
	ErrTooLarge = transport.ErrTooLarge
	// ErrTooFar: the task is due later than Config.MaxETA, or 720 h, from now.
	ErrTooFar = transport.ErrTooFar
	// ErrInvalid: an option is out of range or does not go with another; the cause names it.
	ErrInvalid = transport.ErrInvalid
)

// errNilApp: the App was not made, most often because the error of NewApp was not looked at.
var errNilApp = fmt.Errorf("%w: the App is nil", ErrInvalid)

// errNilDefinition: a definition is nil where one is needed.
var errNilDefinition = fmt.Errorf("%w: the definition is nil", ErrInvalid)

// refusedError is what a delivery gets that came after Shutdown. Brokers in this process look for the method NotTaken
// of the error itself: they keep the message and count no attempt.
type refusedError struct{}

func (refusedError) Error() string  { return "tasks: " + ErrShutdown.Error() }
func (refusedError) Unwrap() error  { return ErrShutdown }
func (refusedError) NotTaken() bool { return true }
