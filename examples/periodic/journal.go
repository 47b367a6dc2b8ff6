package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// journal tells what happens, and lets the story wait for it.
type journal struct {
	mu  sync.Mutex
	out io.Writer

	runs chan string // the names of what ran
}

func newJournal(out io.Writer) *journal { return &journal{out: out, runs: make(chan string, 1024)} }

func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, format+"\n", args...)
}

// ran notes one run. The planned time is what makes a run idempotent: it is the same in each of its retries.
func (j *journal) ran(ctx context.Context, format string, args ...any) error {
	meta, ok := tasks.MetadataFrom(ctx)
	if !ok {
		return errors.New("this is no run")
	}
	how := "by hand"
	if meta.SchedulerJob != "" {
		how = "job " + meta.SchedulerJob
	}
	if !meta.ScheduleTime.IsZero() {
		how += ", planned for " + meta.ScheduleTime.Format("2006-01-02 15:04 MST")
	}
	j.say("  %s %-10s %s (%s)", time.Now().Format(time.TimeOnly), meta.Name, fmt.Sprintf(format, args...), how)
	select {
	case j.runs <- meta.Name:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns once name has run n times.
func (j *journal) wait(ctx context.Context, name string, n int) error {
	for n > 0 {
		select {
		case ran := <-j.runs:
			if ran == name {
				n--
			}
		case <-ctx.Done():
			return fmt.Errorf("%d runs of %s are missing: %w", n, name, context.Cause(ctx))
		}
	}
	return nil
}
