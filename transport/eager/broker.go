package eager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// declared is a subscription as it was declared, with ids for names.
type declared struct {
	*transport.Subscription
	filter *filter.Filter
}

// Publish implements [transport.Broker]: it runs the topic's subscribers and returns when all have returned. Their
// errors come back joined, beside the id; each says which subscription it is of and wraps the handler's own, or names
// the status. [transport.ErrUnsupported] is among them where nobody serves an endpoint.
func (t *Transport) Publish(ctx context.Context, m *transport.Message) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", publishError(m, transport.KindOther, err)
	}
	if err := m.Check(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	run := &publishing{cancel}
	defer run.Cancel()
	id, subs, err := t.enterMessage(m, run)
	if err != nil {
		return "", err
	}
	defer t.leave(run)

	now := time.Now()
	var errs []error
	for _, s := range subs {
		if s.Push == nil || s.Topic != transport.ResourceID(m.Topic) || !s.filter.Match(m.Attributes) {
			continue
		}
		if err := t.deliver(ctx, s, id, m, now); err != nil {
			errs = append(errs, fmt.Errorf("subscription %q: %w", s.Name, err))
		}
	}
	return id, errors.Join(errs...)
}

// DeclareSubscription implements [transport.SubscriptionDeclarer]. One that was declared before gets the new settings
// and keeps its place in the order. [transport.ErrInvalid].
func (t *Transport) DeclareSubscription(s *transport.Subscription) error {
	invalid := func(err error) error {
		return &transport.Error{Op: transport.OpCreate, Resource: fmt.Sprintf("subscription %q", s.Name), Kind: transport.KindInvalid, Err: err}
	}
	cfg, f, err := subscription.Resolve(s)
	if err != nil {
		return invalid(err)
	}
	cfg.Name, cfg.Topic = transport.ResourceID(s.Name), transport.ResourceID(s.Topic)
	for _, name := range []string{cfg.Name, cfg.Topic} {
		if err := transport.CheckTopic(name); err != nil {
			return invalid(err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = slices.Clone(t.subs)
	d := declared{cfg, f}
	if i := slices.IndexFunc(t.subs, func(other declared) bool { return other.Name == cfg.Name }); i >= 0 {
		t.subs[i] = d
	} else {
		t.subs = append(t.subs, d)
	}
	return nil
}

// publishing is a message whose subscribers run.
type publishing struct{ cancel context.CancelFunc }

// Cancel ends the contexts of those who handle it.
func (p *publishing) Cancel() { p.cancel() }

// enterMessage counts run among those that run, and gives its message an id.
func (t *Transport) enterMessage(m *transport.Message, run *publishing) (id string, subs []declared, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing && len(t.running) == 0 {
		return "", nil, publishError(m, transport.KindClosed, nil)
	}
	t.running[run] = struct{}{}
	t.lastID++
	return strconv.FormatUint(t.lastID, 10), t.subs, nil
}

// deliver runs the subscriber of s with a copy of m.
func (t *Transport) deliver(ctx context.Context, s declared, id string, m *transport.Message, now time.Time) error {
	t.mu.Lock()
	h := t.table.Find(s.Push.Endpoint)
	t.mu.Unlock()
	if h == nil {
		err := fmt.Errorf("nobody serves %q: call Serve first", s.Push.Endpoint)
		return publishError(m, transport.KindUnsupported, err)
	}
	run := lazyctx.WithDeadline(ctx, time.Now().Add(s.AckDeadline))
	defer run.Cancel()
	d := &transport.Delivery{
		Task:         transport.Task{ID: id, URL: s.Push.Endpoint, Timeout: s.AckDeadline},
		Attempt:      1,
		FirstAttempt: now,
		Message: &transport.Message{
			OrderingKey:  m.OrderingKey,
			Data:         slices.Clone(m.Data),
			Attributes:   maps.Clone(m.Attributes),
			ID:           id,
			PublishTime:  now.UTC(),
			Subscription: s.Name,
		},
	}
	if s.DeadLetter != nil {
		d.Message.DeliveryAttempt = 1
	}
	status, _, err := serving.Call(run, h, d)
	switch {
	case serving.Acknowledges(status):
		return nil
	case err != nil:
		return err
	default:
		return publishError(m, transport.KindOther, fmt.Errorf("its handler answered %d", status))
	}
}

func publishError(m *transport.Message, kind transport.Kind, err error) error {
	return &transport.Error{Op: transport.OpPublish, Resource: fmt.Sprintf("topic %q", m.Topic), Kind: kind, Err: err}
}
