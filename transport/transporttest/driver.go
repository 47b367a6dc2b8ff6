package transporttest

import (
	"cmp"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Driver is a fresh driver and what the suite must know about it. Only Transport is always needed; the zero
// value of each other field means what its comment says.
type Driver struct {
	// Transport is the driver under test. The suite shuts it down after the case where it is a
	// [transport.Server]; anything else that it holds is for testing.TB.Cleanup to end.
	Transport transport.Transport

	// Serve makes what arrives at endpoint reach h until the test ends. nil: Transport, or what it wraps, is
	// a [transport.Server]. It is called once for each driver, with Endpoint.
	Serve func(endpoint string, h transport.Handler) error

	// Endpoint is the URL that tasks are addressed to, continued with "/" or "?". Empty:
	// "https://conformance.test/run", which is enough where nothing leaves the process.
	Endpoint string

	// Queue and OtherQueue are two queues that run tasks without delay: existing ones, or ones that the driver
	// creates at their first use. Empty: "conformance" and "conformance-2".
	Queue, OtherQueue string

	// MissingQueue names a queue that does not exist, for a driver that answers ErrQueueMissing then. Empty: the
	// driver creates what it does not know.
	MissingQueue string

	// Bubble runs each case, and the function that makes the Driver, in a testing/synctest bubble, on its
	// clock. It is for drivers whose goroutines all block within the process and end at Shutdown or Cleanup.
	Bubble bool

	// Eager says that Enqueue runs the handler itself and returns its error: times and retry settings are
	// ignored and no id is remembered. It implies NoDelay and NoTombstones.
	Eager bool

	// NoDelay says that ETA is ignored: every task is due at once.
	NoDelay bool

	// NoTombstones says that an id is free again as soon as its task is gone.
	NoTombstones bool

	// Overhead is how many bytes the driver adds to a task by itself, a decorator's header say: the size limit is
	// tried with so much less.
	Overhead int

	// Patience is how long to wait for what must happen, Grace how long to watch that nothing does; real clock
	// only. 0: ten seconds and 50 ms. In a bubble they are an hour and a minute.
	Patience, Grace time.Duration
}

func (d Driver) withDefaults() Driver {
	d.Endpoint = cmp.Or(d.Endpoint, "https://conformance.test/run")
	d.Queue = cmp.Or(d.Queue, "conformance")
	d.OtherQueue = cmp.Or(d.OtherQueue, d.Queue+"-2")
	d.NoDelay = d.NoDelay || d.Eager
	d.NoTombstones = d.NoTombstones || d.Eager
	if d.Bubble {
		d.Patience, d.Grace = time.Hour, time.Minute
	}
	d.Patience = cmp.Or(d.Patience, 10*time.Second)
	d.Grace = cmp.Or(d.Grace, 50*time.Millisecond)
	return d
}

// incomplete says what keeps the suite from running at all, empty if nothing does.
func (d Driver) incomplete() string {
	if d.Transport == nil {
		return "Driver.Transport is nil"
	}
	if _, err := transport.As[transport.Server](d.Transport); err != nil && d.Serve == nil {
		return "nothing delivers: set Driver.Serve, or make the driver a transport.Server (" + err.Error() + ")"
	}
	return ""
}
