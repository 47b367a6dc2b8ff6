// Package jobs fires recurring requests with the semantics of Cloud Scheduler, in this process. It knows no wire:
// transport/memory, the emulator and tasktest are its faces.
//
// # How it works
//
// One mutex guards everything, and one timer fires for whatever is due first; it is set anew every ten minutes at the
// least, so that a machine that slept and a clock that was set are noticed. An attempt has a goroutine of its own for
// as long as it takes: between attempts there is a pending timer at most, and without jobs not even that.
//
// # Rules
//
// A job has one run at a time, and a run one attempt at a time. A time of the schedule that comes while a run is being
// attempted is skipped; it comes late where that run was asked for by hand. Of the times that nobody was awake for,
// the first is made up for, and the schedule goes on from now. A run that failed is attempted again as the job's
// RetryConfig says, until the next time of the schedule at most. A run by hand takes the place of one that waits for
// its retry. A job that is paused is fired by hand only, and not retried.
//
// # Where it differs from Cloud Scheduler
//
// An attempt that ignores its deadline has failed, but nothing else of the job begins before it returns. What is asked
// for by hand during an attempt begins after it, once, however often it was asked for.
//
// # Manual mode
//
// With [Config].Manual nothing fires by itself: [Jobs.Next] tells when something is due, [Jobs.RunNext] makes one
// attempt in the caller's goroutine.
package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// Config sets Jobs up. Fire is needed.
type Config struct {
	Clock  engine.Clock // nil: engine.WallClock
	Manual bool         // nothing fires by itself, see the package documentation

	// Fire makes one attempt. nil: done; an error: it failed, and so has one that panics; [ErrNotTaken]: nobody has
	// looked at it. ctx ends at the job's deadline. j is Fire's own.
	Fire func(ctx context.Context, j *transport.Job, r Run) error

	// Served says of a URL that was declared whether somebody serves it; nil: always. It must not call the Jobs.
	Served func(url string) bool

	// Changed is told of each job whose settings, state or times have changed, and of one that is gone, from any
	// goroutine and while nothing is locked; nil: nobody is. It may come late: ask for what is the case.
	Changed func(name string)
}

// Run is what one attempt belongs to.
type Run struct {
	Planned time.Time // the time of the schedule that it is for, or when it was asked for; in the job's time zone
	Attempt int       // from 1
	ByHand  bool      // asked for by RunNow
	Cron    bool      // the schedule is a five-field one
}

// Jobs holds jobs and fires them. Their names are whatever strings its face gives them. It is safe for concurrent use.
// It copies what it is given, and what it returns is the caller's own.
type Jobs struct {
	cfg    Config
	clock  engine.Clock
	base   context.Context // of all attempts
	cancel context.CancelFunc

	mu      sync.Mutex
	stage   stage
	jobs    map[string]*job
	timer   engine.Timer
	armed   time.Time // when the timer fires; zero: not
	seen    time.Time // when it fired last
	changed []string  // to be told once nothing is locked

	busy    int           // attempts in flight
	drained chan struct{} // closed when there are none any more
}

// stage is how far the jobs are on their way to their end.
type stage uint8

const (
	open     stage = iota
	draining       // begins no attempt, takes jobs
	closed
)

// New returns a Jobs without any.
func New(cfg Config) *Jobs {
	if cfg.Clock == nil {
		cfg.Clock = engine.WallClock{}
	}
	if cfg.Served == nil {
		cfg.Served = func(string) bool { return true }
	}
	if cfg.Changed == nil {
		cfg.Changed = func(string) {}
	}
	s := &Jobs{cfg: cfg, clock: cfg.Clock, jobs: map[string]*job{}, drained: make(chan struct{})}
	s.base, s.cancel = context.WithCancel(context.Background())
	s.seen = s.Now()
	return s
}

// Now is the time of the clock.
func (s *Jobs) Now() time.Time { return s.clock.Now().Round(0) } // times are compared by the wall clock

// unlock tells of what has changed as well.
func (s *Jobs) unlock() {
	changed := s.changed
	s.changed = nil
	s.mu.Unlock()
	for _, name := range changed {
		s.cfg.Changed(name)
	}
}

func (s *Jobs) tell(j *job) { s.changed = append(s.changed, j.spec.Name) }
