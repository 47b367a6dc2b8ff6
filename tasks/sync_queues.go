package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// QueueSyncOption configures [SyncQueues].
type QueueSyncOption interface{ syncQueues(*queueSync) }

// QueuesDryRun only plans: nothing is changed.
func QueuesDryRun() QueueSyncOption { return queuesDryRunOption{} }

// DeleteQueues deletes the queues of these names as well, and the tasks that wait in them are lost: the plan says how
// many, up to 1000, where that can be known. One that is not there is fine. Refused with [ErrInvalid] where the queue is
// in use: declared in Config.Queues, Config.Queue itself, or the one of a registered definition; what OnQueueFunc or an
// option of a call may choose is not known here. On Cloud Tasks the name cannot be used again for days.
func DeleteQueues(names ...string) QueueSyncOption { return deleteQueuesOption(slices.Clone(names)) }

// SyncQueues makes the queues that Config.Queues declares what it says, and returns what it did:
//
//   - Missing queues are created.
//   - Those whose settings differ are updated; the plan has each field, from what to what. What a declaration leaves
//     unset should be at the transport's default: that of Cloud Tasks, or no rate limit in memory. What the transport
//     cannot do is no difference: NoRateLimit is 500 per second on Cloud Tasks, which derives MaxBurst itself.
//   - No queue is paused or resumed, and none deleted but those of [DeleteQueues]. All others are left alone.
//
// What fails hinders nothing else; the error joins all failures, and the plan has each. A look-up that fails is never
// taken for a missing queue. Once ctx ends nothing further is begun, and what was done stays. SyncQueues may run in
// several places at once.
//
// Errors: [ErrNothingToSync] without Config.Queues and DeleteQueues; transport.ErrUnsupported for a transport whose
// queues cannot be managed, or deleted where that is asked for; [ErrShutdown]; [ErrInvalid] for a nil App, for a name
// that no queue may have, before anything is changed, and where DeleteQueues refuses one; the transport's.
func SyncQueues(ctx context.Context, app *App, opts ...QueueSyncOption) (plan.Plan, error) {
	if app == nil {
		return plan.Plan{}, fmt.Errorf("tasks: sync queues: %w", errNilApp)
	}
	s := &queueSync{app: app, declared: app.cfg.Queues}
	for _, o := range opts {
		if o != nil {
			o.syncQueues(s)
		}
	}
	if err := s.begin(); err != nil {
		return plan.Plan{}, fmt.Errorf("tasks: sync queues: %w", err)
	}
	names := sortedKeys(s.declared)
	s.run.Plan.DryRun = s.dryRun
	s.run.Each(ctx, "queue", len(names), func(i int) converge.Outcome { return s.put(ctx, names[i]) })
	s.run.Each(ctx, "queue", len(s.unwanted), func(i int) converge.Outcome { return s.delete(ctx, s.unwanted[i]) })
	if err := s.run.Err(); err != nil {
		return s.run.Plan, fmt.Errorf("tasks: sync queues: %w", err)
	}
	return s.run.Plan, nil
}

// queueSync is one SyncQueues.
type queueSync struct {
	app      *App
	declared map[string]transport.QueueConfig
	unwanted []string // to be deleted
	dryRun   bool

	admin   transport.QueueAdmin
	deleter transport.QueueDeleter // nil where nothing is to be deleted
	inUse   map[string]string      // queue -> why it must stay
	resolve func(transport.QueueConfig) transport.QueueConfig

	run converge.Run
}

func (s *queueSync) begin() (err error) {
	switch {
	case s.app.released.Load():
		return ErrShutdown
	case len(s.declared) == 0 && len(s.unwanted) == 0:
		return fmt.Errorf("%w: Config.Queues of %s declares none", ErrNothingToSync, s.app)
	}
	if s.admin, err = transport.As[transport.QueueAdmin](s.app.cfg.Transport); err != nil {
		return err
	}
	if len(s.unwanted) > 0 {
		if err := checkQueues(s.unwanted); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		if s.deleter, err = transport.As[transport.QueueDeleter](s.app.cfg.Transport); err != nil {
			return err
		}
		s.inUse = s.app.queuesInUse()
	}
	s.resolve = queueResolver(s.app.cfg.Transport)
	return nil
}

// put makes a declared queue what it should be.
func (s *queueSync) put(ctx context.Context, name string) converge.Outcome {
	cfg := s.declared[name]
	want := s.resolve(cfg)
	have, err := s.admin.Queue(ctx, name)
	missing := errors.Is(err, transport.ErrQueueMissing)
	if err != nil && !missing {
		return converge.Failed("queue", name, err)
	}
	done := converge.One(plan.Created, "queue", name, queueWords(s.resolve(transport.QueueConfig{}), want))
	if !missing {
		fields := queueFields(have, want)
		if len(fields) == 0 {
			return converge.One(plan.Unchanged, "queue", name, "")
		}
		done = converge.One(plan.Updated, "queue", name, converge.Words(fields), fields...)
	}
	if !s.dryRun {
		if err := s.admin.PutQueue(ctx, name, cfg); err != nil {
			return converge.Failed("queue", name, err)
		}
		s.app.queueLimits.Delete(name)
	}
	return done
}

// delete deletes a queue that nobody uses.
func (s *queueSync) delete(ctx context.Context, name string) converge.Outcome {
	if why := s.inUse[name]; why != "" {
		o := converge.One(plan.Blocked, "queue", name, why)
		o.Err = fmt.Errorf("queue %q is not deleted: %w: %s", name, ErrInvalid, why)
		return o
	}
	if _, err := s.admin.Queue(ctx, name); errors.Is(err, transport.ErrQueueMissing) {
		return converge.One(plan.Unchanged, "queue", name, "gone")
	} else if err != nil {
		return converge.Failed("queue", name, err)
	}
	if !converge.MayDestroy(ctx, "queue", name) {
		return converge.Unconfirmed("queue", name, ErrInvalid)
	}
	done := converge.One(plan.Deleted, "queue", name, s.loss(ctx, name))
	if s.dryRun {
		return done
	}
	if err := s.deleter.DeleteQueue(ctx, name); err != nil && !errors.Is(err, transport.ErrQueueMissing) {
		return converge.Failed("queue", name, err)
	}
	s.app.queueLimits.Delete(name)
	return done
}

// lossCounted is how many tasks are counted at most: one page of Cloud Tasks.
const lossCounted = 1000

// loss says what goes with a queue.
func (s *queueSync) loss(ctx context.Context, name string) string {
	n, known := 0, false
	if in, err := transport.As[transport.Inspector](s.app.cfg.Transport); err == nil {
		known = true
		for _, err := range in.All(ctx, name) {
			if known = err == nil; !known {
				break
			}
			if n++; n == lossCounted {
				return fmt.Sprintf("%d or more tasks that wait in it are lost", n)
			}
		}
	} else if b, err := transport.As[transport.Backlogger](s.app.cfg.Transport); err == nil {
		known = b.Backlog() == 0 // of all queues
	}
	switch {
	case !known:
		return "what waits in it is lost"
	case n == 0:
		return "nothing waits in it"
	case n == 1:
		return "1 task that waits in it is lost"
	}
	return fmt.Sprintf("%d tasks that wait in it are lost", n)
}

// checkQueues tells which names no queue may have.
func checkQueues(names []string) error {
	var errs []error
	for _, name := range names {
		if err := transport.CheckQueue(name); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrInvalid, err))
		}
	}
	return errors.Join(errs...)
}

// queuesInUse tells of each queue that must stay why.
func (a *App) queuesInUse() map[string]string {
	inUse := map[string]string{}
	for queue, s := range a.queueUses() {
		if inUse[queue] == "" {
			inUse[queue] = describe(s) + " uses it: choose another queue with OnQueue first"
		}
	}
	inUse[a.cfg.Queue] = "it is Config.Queue, where tasks go that choose no other"
	for name := range a.cfg.Queues {
		inUse[name] = "Config.Queues declares it: remove it there first"
	}
	return inUse
}

type (
	queuesDryRunOption struct{}
	deleteQueuesOption []string
)

func (queuesDryRunOption) syncQueues(s *queueSync) { s.dryRun = true }

func (o deleteQueuesOption) syncQueues(s *queueSync) {
	for _, name := range o {
		if !slices.Contains(s.unwanted, name) {
			s.unwanted = append(s.unwanted, name)
		}
	}
}

func (queuesDryRunOption) String() string { return "QueuesDryRun()" }
func (o deleteQueuesOption) String() string {
	return fmt.Sprintf("DeleteQueues(%s)", strings.Trim(fmt.Sprintf("%q", []string(o)), "[]"))
}
