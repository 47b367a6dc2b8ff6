package tasktest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// firing is one attempt of a run of a job.
type firing struct {
	task string // the definition's name
	jobs.Run
	err error // nil: it is done
}

// String shows it on one line.
func (f firing) String() string {
	s := fmt.Sprintf("%s for %s", f.task, f.Planned.Format(time.RFC3339))
	if f.ByHand {
		s += ", by hand"
	}
	if f.Attempt > 1 {
		s += fmt.Sprintf(", attempt %d", f.Attempt)
	}
	if f.err != nil {
		s += ": " + short(f.err.Error())
	}
	return s
}

// mostFirings is how many attempts are remembered.
const mostFirings = 1000

// fire is what the jobs do.
func (s *recording) fire(ctx context.Context, j *transport.Job, r jobs.Run) error {
	task := s.name(j.URL)
	err := jobs.Deliver(ctx, s.Handler(j.URL), j, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.firings++
	if s.fired = append(s.fired, firing{task, r, err}); len(s.fired) > mostFirings {
		s.fired = s.fired[1:]
	}
	return err
}

// runJob makes one attempt that is due.
func (s *recording) runJob(ctx context.Context, pick func(n int) int) bool {
	ran, ok := s.jobs.RunNext(ctx, pick)
	if !ok || !ran.GaveUp {
		return ok
	}
	name := s.name(ran.URL)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp(GivenUp{Task: name, Job: ran.Job, Attempts: ran.Attempt, Err: ran.Err, at: s.Now()})
	return ok
}

// firedText lists the latest attempts of periodic tasks that their schedules made; empty where there are none.
func (s *recording) firedText() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.firings == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nfired by schedules (which counts as no enqueue)")
	shown := s.fired[max(0, len(s.fired)-mostRecords):]
	if hidden := s.firings - len(shown); hidden > 0 {
		fmt.Fprintf(&b, "\n    %d more, then", hidden)
	}
	for _, f := range shown {
		fmt.Fprintf(&b, "\n    %s", f)
	}
	return b.String()
}
