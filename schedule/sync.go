package schedule

import (
	"context"
	"errors"
	"fmt"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// Plan is what [Sync] did, or would do, in order: what the code declares, then what is obsolete.
type Plan = plan.Plan

// SyncOption configures [Sync].
type SyncOption interface{ sync(*syncing) }

// DryRun only plans: nothing is changed.
func DryRun() SyncOption { return syncOption(func(s *syncing) { s.dryRun = true }) }

// Sync makes the jobs of app's periodic tasks what the code says, and returns what it did:
//
//   - Missing jobs are created, those that differ are updated, and the plan has each field, from what to what. In this
//     process a job may be posted to another App of the same name: that is no difference.
//   - A job that is paused, or disabled, stays so; the plan says it.
//   - Jobs of this App that no task declares any more are deleted. Jobs have no labels, so an App's are those whose
//     name begins with its own ("shop--", see the package documentation) and whose target lies under its
//     Config.Endpoint, as a server reads a URL; "shop--admin--Report" may be of another App, "shop--admin", and only
//     goes if it is posted to a task of the name "admin--Report". Nobody else's ever are.
//   - A job of a declared name that is no HTTP request is another's. It stays as it is, and Sync fails with
//     [ErrBlocked].
//
// All jobs are listed before anything is changed; where that fails, nothing is. What fails then hinders nothing else;
// the error joins all failures, and the plan has each. Once ctx ends nothing further is begun, and what was done
// stays. Sync may run in several places at once.
//
// Errors: tasks.ErrNoScheduler; [ErrNothingToSync] for an App without a name, or without periodic tasks;
// tasks.ErrInvalid for an [Interval] of seconds, or without Config.Endpoint, where the scheduler is not in this
// process, for a token that no service account is known for, and for a nil app; tasks.ErrShutdown; [ErrBlocked]; the
// scheduler's.
func Sync(ctx context.Context, app *tasks.App, opts ...SyncOption) (Plan, error) {
	s, err := newSyncing(app)
	if err != nil {
		return Plan{}, fmt.Errorf("schedule: sync: %w", err)
	}
	for _, o := range opts {
		if o != nil {
			o.sync(s)
		}
	}
	s.run.Plan.DryRun = s.dryRun
	if err := s.collect(ctx); err != nil {
		return Plan{}, fmt.Errorf("schedule: sync: %w", err)
	}
	s.run.Each(ctx, kind, len(s.wanted), func(i int) converge.Outcome { return s.put(ctx, s.wanted[i]) })
	s.run.Each(ctx, kind, len(s.obsolete), func(i int) converge.Outcome { return s.delete(ctx, s.obsolete[i]) })
	if err := s.run.Err(); err != nil {
		return s.run.Plan, fmt.Errorf("schedule: sync: %w", err)
	}
	return s.run.Plan, nil
}

var (
	// ErrNothingToSync: the App has no name, or no periodic tasks.
	ErrNothingToSync = tasks.ErrNothingToSync
	// ErrBlocked: a job of a declared name is another's.
	ErrBlocked = errors.New("blocked")
)

// kind is what a plan calls a job.
const kind = "schedule"

// syncing is one Sync: what should be, what is, and what was done.
type syncing struct {
	cfg       tasks.Config
	scheduler transport.Scheduler
	creator   transport.JobCreator // nil: PutJob creates
	local     bool                 // it is in this process
	account   string               // whose token the scheduler sends; empty: not known
	noAccount bool                 // it has none of its own
	dryRun    bool

	wanted   []*transport.Job          // in the order of registration
	found    map[string]*transport.Job // by name
	obsolete []string                  // ours, and nobody's any more

	run converge.Run
}

type syncOption func(*syncing)

func (o syncOption) sync(s *syncing) { o(s) }
