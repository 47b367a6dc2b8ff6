package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// SyncOption configures [Sync].
type SyncOption interface{ sync(*syncing) }

// DryRun only plans: nothing is changed.
func DryRun() SyncOption { return syncOption(func(s *syncing) { s.dryRun = true }) }

// AllowReplace deletes and recreates a subscription whose topic, filter or ordering has changed, which cannot be
// done otherwise. The messages that wait in it are lost; the plan says so, and how many where that can be known. One
// that keeps dead letters, or does not have the labels of the App, is never replaced.
func AllowReplace() SyncOption { return syncOption(func(s *syncing) { s.replace = true }) }

// Sync makes the topics, dead-letter topics and subscriptions of app what the code says, and returns what it did:
//
//   - Missing topics are created, those of publishers, subscribers and dead letters. A topic is never deleted or
//     changed: a label says who made it, not who uses it.
//   - A dead-letter topic has a subscription that keeps what goes there (31 days at most) and never expires: that of a
//     subscriber without a filter, else one of the topic's name. It is never deleted, whatever becomes of the code.
//   - The topic of a Publisher[tasks.Quarantined] is kept likewise.
//   - Subscriptions are created, or updated in the fields that differ; what no option can say (retaining what is
//     acknowledged, exactly-once delivery) stays as it is. A changed topic, filter or ordering needs
//     [AllowReplace]; without it the subscription stays as it is and Sync fails with [ErrBlocked]. So it does for one
//     that belongs to another App or another tool (label managed-by). One without labels becomes the App's.
//   - Subscriptions with the labels of this App that no subscriber declares are deleted. Nobody else's ever are, which
//     is why each program needs a name of its own: one that shares tasks.Config.Name with another deletes what that
//     one declares.
//   - Where the broker checks permissions, Pub/Sub's own account gets the two roles that dead-lettering needs; where
//     that is not allowed, or it is not known who that is, the plan has the commands.
//
// What fails hinders nothing else; the error joins all failures, and the plan has each. A look-up that fails is
// never taken for a missing resource. Once ctx ends nothing further is begun, and what was done stays. Sync may run in
// several places at once: what another was faster with is taken as it is found.
//
// Errors: tasks.ErrNoBroker; [ErrNothingToSync] for an App without a name, or without publishers and subscribers;
// transport.ErrUnsupported for a broker that cannot be managed; tasks.ErrShutdown; tasks.ErrInvalid for a nil App;
// [ErrBlocked]; the broker's.
func Sync(ctx context.Context, app *tasks.App, opts ...SyncOption) (Plan, error) {
	s, err := newSyncing(app)
	if err != nil {
		return Plan{}, fmt.Errorf("pubsub: sync: %w", err)
	}
	for _, o := range opts {
		if o != nil {
			o.sync(s)
		}
	}
	s.run.Plan.DryRun = s.dryRun
	if err := s.collect(ctx); err != nil {
		return Plan{}, fmt.Errorf("pubsub: sync: %w", err)
	}
	for _, phase := range []func(context.Context){s.topics, s.keepers, s.subscriptions, s.deleteObsolete, s.grants} {
		phase(ctx)
	}
	if err := s.run.Err(); err != nil {
		return s.run.Plan, fmt.Errorf("pubsub: sync: %w", err)
	}
	return s.run.Plan, nil
}

var (
	// ErrNothingToSync: the App has no name, or neither publishers nor subscribers.
	ErrNothingToSync = tasks.ErrNothingToSync
	// ErrBlocked: a subscription can only be replaced, or is not ours to change.
	ErrBlocked = errors.New("blocked")
)

// syncing is one Sync: what should be, what is, and what was done.
type syncing struct {
	cfg             tasks.Config
	admin           transport.BrokerAdmin
	granter         transport.DeadLetterGranter // nil where permissions are not checked
	dryRun, replace bool
	wanted          desired

	obsolete  []*transport.Subscription // ours, and nobody's any more
	converged []*transport.Subscription // subscribers', those that exist now as they should be

	mu     sync.Mutex
	named  map[string]string // topics that were found -> what the broker calls them
	broken map[string]bool   // topics that could be neither found nor made

	run converge.Run
}

func newSyncing(app *tasks.App) (*syncing, error) {
	if app == nil {
		return nil, fmt.Errorf("%w: the App is nil", tasks.ErrInvalid)
	}
	cfg := app.Config()
	if cfg.Broker == nil {
		return nil, tasks.ErrNoBroker
	}
	if cfg.Name == "" {
		return nil, fmt.Errorf("%w: Config.Name is empty, so that nothing could be told from another App's", ErrNothingToSync)
	}
	admin, err := transport.BrokerAs[transport.BrokerAdmin](cfg.Broker)
	if err != nil {
		return nil, err
	}
	s := &syncing{cfg: cfg, admin: admin, named: map[string]string{}, broken: map[string]bool{}}
	s.granter, _ = transport.BrokerAs[transport.DeadLetterGranter](cfg.Broker)
	s.wanted, err = want(app)
	return s, err
}

// collect finds what is obsolete. Nothing is done before that is known.
func (s *syncing) collect(ctx context.Context) error {
	declared := s.wanted.names()
	for sub, err := range s.admin.Subscriptions(ctx) {
		if err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		if isOurs(sub.Labels, s.cfg.Name) && !declared[transport.ResourceID(sub.Name)] {
			s.obsolete = append(s.obsolete, sub)
		}
	}
	return nil
}

type syncOption func(*syncing)

func (o syncOption) sync(s *syncing) { o(s) }
