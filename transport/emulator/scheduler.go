package emulator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc"

	"github.com/typedtasks/typedtasks/internal/jobs"
)

// scheduler answers the calls of Cloud Scheduler. Its methods are in files by subject.
type scheduler struct {
	schedulerpb.UnimplementedCloudSchedulerServer

	log   *slog.Logger
	core  *jobs.Jobs
	book  *jobBook
	store *store // nil: everything is in memory

	journal sync.Mutex // of changed: the last record of a job's state is its last state
}

func newScheduler(log *slog.Logger, s *store, r *jobRunner) *scheduler {
	c := &scheduler{log: log, book: newJobBook(), store: s}
	r.book, r.store = c.book, s
	cfg := jobs.Config{Fire: r.fire}
	if s != nil {
		cfg.Changed = c.changed
	}
	c.core = jobs.New(cfg)
	return c
}

func (s *scheduler) register(r *grpc.Server) { schedulerpb.RegisterCloudSchedulerServer(r, s) }

// now is the core's clock.
func (s *scheduler) now() time.Time { return s.core.Now() }

// drain begins the end: no attempt begins any more. The channel is closed once none runs.
func (s *scheduler) drain() <-chan struct{} { return s.core.Drain() }

// shutdown ends what drain began, and breaks it off when ctx ends.
func (s *scheduler) shutdown(ctx context.Context) error { return s.core.Shutdown(ctx) }
