package transporttest

import (
	"cmp"
	"context"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// SchedulerDriver is a fresh scheduler, without jobs, and what the suite must know about it. Only Scheduler is always
// needed; the zero value of each other field means what its comment says.
type SchedulerDriver struct {
	// Scheduler is the driver under test.
	Scheduler transport.Scheduler

	// Admin looks at single jobs, pauses and runs them. nil: found with [transport.SchedulerAs], else the cases about it
	// are skipped.
	Admin transport.JobAdmin

	// Serve makes what is fired at endpoint reach h until the test ends, and h's status the answer. nil: Scheduler is a
	// [transport.Server], else nothing is fired. It is called with what continues Endpoint with "/"; several times on
	// one driver. Of a Delivery the cases look at URL, Header and Body.
	Serve func(endpoint string, h transport.Handler) error

	// Endpoint is the URL that jobs are fired at. Empty: "https://conformance.test/jobs", which is enough where nothing
	// leaves the process.
	Endpoint string

	// Close ends the scheduler, after each case; what else it holds is for testing.TB.Cleanup to end. nil: Scheduler
	// has a method Shutdown(context.Context) error or Close() error, else there is nothing to end.
	Close func() error

	// Bubble runs each case, and the function that makes the SchedulerDriver, in a testing/synctest bubble, on its
	// clock. It is for drivers whose goroutines all block within the process and end with Close or Cleanup. Without it
	// the cases about schedules and their times are skipped: they take years.
	Bubble bool

	// NoChecks says that names and settings of jobs are not checked. Schedules and time zones are, always.
	NoChecks bool

	// Patience is how long to wait for what must happen, Grace how long to watch that nothing does; real clock
	// only. 0: ten seconds and 50 ms. In a bubble they are an hour and a minute.
	Patience, Grace time.Duration
}

func (d SchedulerDriver) withDefaults() SchedulerDriver {
	if d.Admin == nil {
		d.Admin, _ = transport.SchedulerAs[transport.JobAdmin](d.Scheduler)
	}
	if s, err := transport.SchedulerAs[transport.Server](d.Scheduler); err == nil && d.Serve == nil {
		d.Serve = s.Serve
	}
	if d.Close == nil {
		d.Close = schedulerCloser(d.Scheduler)
	}
	d.Endpoint = cmp.Or(d.Endpoint, "https://conformance.test/jobs")
	if d.Bubble {
		d.Patience, d.Grace = time.Hour, time.Minute
	}
	d.Patience = cmp.Or(d.Patience, 10*time.Second)
	d.Grace = cmp.Or(d.Grace, 50*time.Millisecond)
	return d
}

// schedulerCloser finds how to end s, nil if it cannot be.
func schedulerCloser(s transport.Scheduler) func() error {
	if s, err := transport.SchedulerAs[interface{ Shutdown(context.Context) error }](s); err == nil {
		return func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return s.Shutdown(ctx)
		}
	}
	if c, err := transport.SchedulerAs[interface{ Close() error }](s); err == nil {
		return c.Close
	}
	return nil
}
