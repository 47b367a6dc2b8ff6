package memory

import (
	"context"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Exhausted is a task that was given up, with its payload. It can be run again: [Transport.Requeue].
type Exhausted struct {
	transport.Task
	Created      time.Time
	FirstAttempt time.Time // zero if there was none
	GivenUp      time.Time
	Attempts     int
	LastStatus   int    // HTTP status of the last attempt; 504 after a timeout, 0 if there was none
	LastErr      error  // what the handler returned beside it
	Reason       Reason // why no attempt follows
	Quarantined  bool   // the handler has taken it over: it answered the notice with 2xx
}

// Reason tells why a task was given up.
type Reason string

// The reasons.
const (
	OutOfAttempts Reason = "out of attempts" // its retry settings allow no more
	TooOld        Reason = "too old"         // it is past [transport.MaxLifetime]
)

// Exhausted returns the tasks that were given up lately, oldest first, as copies. A task that the handler has
// taken over is listed as well: see Quarantined.
func (t *Transport) Exhausted() []Exhausted {
	recs := t.engine.Exhausted()
	list := make([]Exhausted, len(recs))
	for i, r := range recs {
		list[i] = Exhausted{
			Task:         r.Task,
			Created:      r.Created,
			FirstAttempt: r.FirstAttempt,
			GivenUp:      r.GivenUp,
			Attempts:     r.Attempts,
			LastStatus:   r.LastStatus,
			LastErr:      r.LastErr,
			Reason:       Reason(r.Reason),
			Quarantined:  r.Quarantined,
		}
	}
	return list
}

// ExhaustedDropped returns how many tasks were dropped from that list to make room for later ones.
func (t *Transport) ExhaustedDropped() int { return t.engine.ExhaustedDropped() }

// Requeue takes a task from the list and enqueues it anew, due at once and with all its attempts before it. An
// explicit id is kept, a generated one is replaced; the Receipt has it. ErrNotFound if the task is not in the
// list, ErrExists if its id is in use again; then it stays there.
func (t *Transport) Requeue(ctx context.Context, queue, id string) (transport.Receipt, error) {
	return t.engine.Requeue(ctx, queue, id)
}

// RequeueAll requeues every task in the list and returns how many it did. The error joins one for each that
// failed.
func (t *Transport) RequeueAll(ctx context.Context) (int, error) { return t.engine.RequeueAll(ctx) }
