package transporttest_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/transport"
)

func refuse(op string, kind transport.Kind, err error) error {
	return &transport.Error{Op: op, Resource: "subscription", Kind: kind, Err: err}
}

func (b *broker) CreateTopic(_ context.Context, t *transport.Topic) error {
	if err := transport.CheckTopic(t.Name); err != nil && !b.has("takes any name") {
		return refuse(transport.OpCreate, transport.KindInvalid, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[t.Name] != nil && !b.has("creates topics again") {
		return refuse(transport.OpCreate, transport.KindExists, nil)
	}
	b.topics[t.Name] = &transport.Topic{Name: t.Name, Labels: maps.Clone(t.Labels)}
	if b.has("loses labels") {
		b.topics[t.Name].Labels = nil
	}
	return nil
}

func (b *broker) Topic(_ context.Context, name string) (*transport.Topic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[name]
	if t == nil {
		if b.has("finds every topic") {
			return &transport.Topic{Name: name}, nil
		}
		return nil, refuse(transport.OpGet, transport.KindNotFound, nil)
	}
	return t, nil
}

// check is what Pub/Sub checks.
func (b *broker) check(s *transport.Subscription) error {
	in := func(what string, d, least, most time.Duration) error {
		if d < least || d > most {
			return errors.New(what + " out of range")
		}
		return nil
	}
	var errs []error
	for _, name := range []string{s.Name, s.Topic} {
		errs = append(errs, transport.CheckTopic(name))
	}
	if s.AckDeadline != 0 {
		errs = append(errs, in("ack deadline", s.AckDeadline, 10*time.Second, 600*time.Second))
	}
	if s.Retention != 0 {
		errs = append(errs, in("retention", s.Retention, 10*time.Minute, 31*24*time.Hour))
	}
	if s.Expiration != 0 && s.Expiration != transport.NeverExpires {
		errs = append(errs, in("expiration", s.Expiration, 24*time.Hour, 1<<62))
	}
	if s.Retry != nil {
		errs = append(errs, in("pause", s.Retry.Min, 0, 600*time.Second), in("pause", s.Retry.Max, 0, 600*time.Second))
	}
	if d := s.DeadLetter; d != nil && d.MaxAttempts != 0 && (d.MaxAttempts < 5 || d.MaxAttempts > 100) {
		errs = append(errs, errors.New("attempts out of range"))
	}
	if s.Push != nil && s.ExactlyOnceDelivery {
		errs = append(errs, errors.New("exactly once is for pull only"))
	}
	if b.has("takes any settings") {
		errs = nil
	}
	if _, err := filter.Parse(s.Filter); !b.has("takes any filter") {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return refuse(transport.OpCreate, transport.KindInvalid, err)
	}
	return nil
}

func (b *broker) CreateSubscription(_ context.Context, s *transport.Subscription) error {
	if err := b.check(s); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[s.Topic] == nil && !b.has("subscribes to unknown topics") {
		return refuse(transport.OpCreate, transport.KindNotFound, nil)
	}
	if b.subs[s.Name] != nil && !b.has("creates subscriptions again") {
		return refuse(transport.OpCreate, transport.KindExists, nil)
	}
	b.add(s)
	return nil
}

// add makes a subscription. mu is held.
func (b *broker) add(s *transport.Subscription) {
	st := &stream{Subscription: b.owned(s)}
	st.filter, _ = filter.Parse(s.Filter)
	if st.filter == nil {
		st.filter = &filter.Filter{}
	}
	if b.has("keeps what the last of its name had waiting") && b.subs[s.Name] != nil {
		st.backlog = b.subs[s.Name].backlog
	}
	if b.has("shows what was published before") {
		for _, m := range b.history {
			st.backlog = append(st.backlog, &copied{Message: *m})
		}
	}
	b.subs[s.Name] = st
	b.push(st)
}

// owned copies s with all that it refers to.
func (b *broker) owned(s *transport.Subscription) transport.Subscription {
	o := *s
	if b.has("keeps the caller's subscription") {
		return o
	}
	o.Labels = maps.Clone(s.Labels)
	if s.Push != nil {
		push := *s.Push
		o.Push = &push
	}
	if s.Retry != nil {
		retry := *s.Retry
		o.Retry = &retry
	}
	if s.DeadLetter != nil {
		dead := *s.DeadLetter
		o.DeadLetter = &dead
	}
	switch b.fault {
	case "loses the push settings":
		if o.Push != nil {
			o.Push.Audience = ""
		}
	case "makes up an ack deadline":
		if o.AckDeadline == 0 {
			o.AckDeadline = time.Minute
		}
	}
	return o
}

func (b *broker) Subscription(_ context.Context, name string) (*transport.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[name]
	if s == nil || s.deleted {
		return nil, refuse(transport.OpGet, transport.KindNotFound, nil)
	}
	if b.has("lends out its own subscription") {
		return &s.Subscription, nil
	}
	o := b.owned(&s.Subscription)
	return &o, nil
}

func (b *broker) Subscriptions(ctx context.Context) iter.Seq2[*transport.Subscription, error] {
	return func(yield func(*transport.Subscription, error) bool) {
		b.mu.Lock()
		names := slices.Sorted(maps.Keys(b.subs))
		b.mu.Unlock()
		if b.has("loses the second page") {
			names = names[:min(len(names), 10)]
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil && !b.has("lists under an ended context") {
				yield(nil, err)
				return
			}
			s, err := b.Subscription(ctx, name)
			if err != nil {
				continue // deleted
			}
			if !yield(s, nil) || b.has("lists twice") && !yield(s, nil) {
				return
			}
		}
	}
}

func (b *broker) UpdateSubscription(_ context.Context, s *transport.Subscription, fields ...transport.SubscriptionField) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.subs[s.Name]
	if st == nil || st.deleted {
		return refuse(transport.OpUpdate, transport.KindNotFound, nil)
	}
	to, from := st.Subscription, b.owned(s)
	if b.has("updates what is not named") {
		to.AckDeadline, to.Labels = from.AckDeadline, from.Labels
	}
	if b.has("updates one field at a time") {
		fields = fields[:1]
	}
	for _, f := range fields {
		switch f {
		case transport.FieldLabels:
			to.Labels = from.Labels
		case transport.FieldPush:
			to.Push = from.Push
		case transport.FieldRetry:
			to.Retry = from.Retry
		case transport.FieldAckDeadline:
			to.AckDeadline = from.AckDeadline
		case transport.FieldRetention:
			to.Retention = from.Retention
		case transport.FieldRetainAcked:
			to.RetainAcked = from.RetainAcked
		case transport.FieldExpiration:
			to.Expiration = from.Expiration
		case transport.FieldExactlyOnce:
			to.ExactlyOnceDelivery = from.ExactlyOnceDelivery
		case transport.FieldDeadLetter:
			if from.DeadLetter != nil || !b.has("cannot clear the dead-letter policy") {
				to.DeadLetter = from.DeadLetter
			}
		default:
			if !b.has("updates any field") {
				return refuse(transport.OpUpdate, transport.KindInvalid, errors.New(string(f)+" cannot be changed"))
			}
		}
	}
	if err := b.check(&to); err != nil {
		return err
	}
	st.Subscription = to
	if b.has("drops the backlog at an update") {
		st.backlog = nil
	}
	if b.has("never pushes what was pulled") {
		return nil
	}
	b.push(st)
	return nil
}

func (b *broker) DeleteSubscription(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.subs[name]
	if st == nil || st.deleted {
		return refuse(transport.OpDelete, transport.KindNotFound, nil)
	}
	st.deleted = true
	if !b.has("keeps what the last of its name had waiting") {
		delete(b.subs, name)
	}
	b.change()
	return nil
}
