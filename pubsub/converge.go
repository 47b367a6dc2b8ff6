package pubsub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/transport"
)

// recreation is how long making a subscription anew may take once it is deleted, even if the caller gives up.
const recreation = 20 * time.Second

// keepers makes sure that each dead-letter topic has a subscription, before anything is dead-lettered.
func (s *syncing) keepers(ctx context.Context) {
	s.run.Each(ctx, "subscription", len(s.wanted.keepers), func(i int) converge.Outcome {
		return converge.Settle(func() converge.Outcome { return s.keeper(ctx, s.wanted.keepers[i]) })
	})
}

// subscriptions makes those of subscribers what they should be.
func (s *syncing) subscriptions(ctx context.Context) {
	subs := s.wanted.subscriptions
	done := make([]bool, len(subs))
	s.run.Each(ctx, "subscription", len(subs), func(i int) converge.Outcome {
		o := converge.Settle(func() converge.Outcome { return s.subscription(ctx, subs[i]) })
		done[i] = o.Err == nil
		return o
	})
	for i, sub := range subs {
		if done[i] {
			s.converged = append(s.converged, sub)
		}
	}
}

// keeper makes sure that a dead-letter topic has a subscription. One that is not ours is left as it is.
func (s *syncing) keeper(ctx context.Context, want *transport.Subscription) converge.Outcome {
	have, err := s.admin.Subscription(ctx, want.Name)
	switch {
	case errors.Is(err, transport.ErrNotFound):
		return s.createKeeper(ctx, want)
	case err != nil:
		return converge.Failed("subscription", want.Name, err)
	case have.Topic == deletedTopic:
		return s.blocked(want.Name, fmt.Sprintf("its topic was deleted, so that it keeps no new dead letters: delete it by hand (%s), and the next Sync makes it anew", s.loss(ctx, have)))
	case have.Topic != s.topicAs(want.Topic, have.Topic):
		return s.blocked(want.Name, fmt.Sprintf("it should keep the dead letters of topic %q, and reads topic %q: rename one of the two", want.Topic, have.Topic))
	case have.Labels[labelManaged] != managedBy || s.claim(have) != "":
		return converge.One(Unchanged, "subscription", want.Name, lacking(have))
	case have.Filter != "":
		return s.blocked(want.Name, fmt.Sprintf("it keeps only the dead letters that match %s: delete it by hand (%s), and the next Sync makes it anew", quoted(have.Filter), s.loss(ctx, have)))
	case have.Labels[labelApp] != "": // a subscriber's until now
		return s.keepOnly(ctx, have, "no subscriber declares it any more, and it keeps dead letters: ")
	case have.Expiration != transport.NeverExpires:
		never := *have
		never.Expiration = transport.NeverExpires
		_, ds := compare(have, &never)
		return s.update(ctx, &never, ds, "")
	}
	return converge.One(Unchanged, "subscription", want.Name, "")
}

// createKeeper takes what it can get: there are emulators that refuse 31 days.
func (s *syncing) createKeeper(ctx context.Context, want *transport.Subscription) converge.Outcome {
	o := s.create(ctx, want, "keeps dead letters, never expires")
	if !errors.Is(o.Err, transport.ErrInvalid) {
		return o
	}
	less := *want
	less.Retention = 0
	why := fmt.Sprintf("keeps dead letters for %s only, as %s was refused; never expires", span(resolved(&less).Retention), span(want.Retention))
	if o := s.create(ctx, &less, why); o.Err == nil {
		return o
	}
	return o
}

// deletedTopic is the topic of subscriptions whose topic was deleted.
const deletedTopic = "_deleted-topic_"

// lacking says in what a subscription that others made may lose dead letters.
func lacking(have *transport.Subscription) string {
	switch {
	case have.Filter != "":
		return "not ours, and left as it is: it keeps only the dead letters that match " + quoted(have.Filter)
	case have.Expiration != transport.NeverExpires:
		return "not ours, and left as it is: it expires after " + span(resolved(have).Expiration) + " without use, and with it the dead letters"
	}
	return ""
}

// keepOnly makes of a subscriber's subscription one that only keeps dead letters.
func (s *syncing) keepOnly(ctx context.Context, have *transport.Subscription, why string) converge.Outcome {
	k := keeperOf(have.Name, have.Topic)
	k.Filter, k.Ordered = have.Filter, have.Ordered
	k.Labels = withLabels(have.Labels, k.Labels)
	delete(k.Labels, labelApp)
	_, ds := compare(have, k)
	o := s.update(ctx, k, ds, why)
	if errors.Is(o.Err, transport.ErrInvalid) { // as in createKeeper
		ds = slices.DeleteFunc(ds, func(d difference) bool { return d.field == transport.FieldRetention })
		return s.update(ctx, k, ds, why)
	}
	return o
}

// subscription makes one of a subscriber what it should be.
func (s *syncing) subscription(ctx context.Context, want *transport.Subscription) converge.Outcome {
	have, err := s.admin.Subscription(ctx, want.Name)
	switch {
	case errors.Is(err, transport.ErrNotFound):
		return s.create(ctx, want, pushOrPull(want))
	case err != nil:
		return converge.Failed("subscription", want.Name, err)
	}
	if claim := s.claim(have); claim != "" {
		return s.blocked(want.Name, claim+": choose another name with pubsub.Subscription")
	}
	to := *want
	to.Topic = s.topicAs(want.Topic, have.Topic)
	to.Labels = withLabels(have.Labels, want.Labels)
	if d := want.DeadLetter; d != nil {
		policy := *d
		if have.DeadLetter != nil {
			policy.Topic = s.topicAs(d.Topic, have.DeadLetter.Topic)
		}
		to.DeadLetter = &policy
	}
	to.RetainAcked = have.RetainAcked // no option says what it should be
	to.ExactlyOnceDelivery = have.ExactlyOnceDelivery && to.Push == nil
	keeps := have.Labels[labelKeeps] == deadLetters
	if keeps && to.Expiration == 0 {
		to.Expiration = transport.NeverExpires
	}
	fixed, changeable := compare(have, &to)
	switch {
	case len(fixed) > 0 && keeps:
		return s.blocked(want.Name, fmt.Sprintf("%s cannot be changed, and what keeps dead letters is not replaced: delete it by hand (%s), and the next Sync makes it anew", texts(fixed), s.loss(ctx, have)), fixed...)
	case len(fixed) > 0 && !isOurs(have.Labels, s.cfg.Name):
		return s.blocked(want.Name, fmt.Sprintf("%s cannot be changed, and without the labels of this App it is not replaced: delete it by hand (%s), and the next Sync makes it anew, or choose another name with pubsub.Subscription", texts(fixed), s.loss(ctx, have)), fixed...)
	case len(fixed) > 0 && !s.replace:
		return s.blocked(want.Name, fmt.Sprintf("%s cannot be changed: AllowReplace makes it anew, and %s", texts(fixed), s.wholeLoss(ctx, have)), fixed...)
	case len(fixed) > 0:
		why := texts(fixed) + "; " + s.wholeLoss(ctx, have)
		if topic := s.brokenTopic(want); topic != "" {
			return converge.Failed("subscription", want.Name, fmt.Errorf("not replaced, as topic %q could be neither found nor made: %s", topic, why))
		}
		if !converge.MayDestroy(ctx, "subscription", want.Name) {
			return converge.Unconfirmed("subscription", want.Name, ErrBlocked)
		}
		return s.recreate(ctx, &to, fixed, why)
	case len(changeable) > 0:
		return s.update(ctx, &to, changeable, "")
	}
	return converge.One(Unchanged, "subscription", want.Name, "")
}

// claim says whose a subscription is, if it is neither this App's nor nobody's.
func (s *syncing) claim(have *transport.Subscription) string {
	app, by := have.Labels[labelApp], have.Labels[labelManaged]
	switch {
	case app != "" && app != labelValue(s.cfg.Name):
		return fmt.Sprintf("it belongs to the App %q", app)
	case by != "" && by != managedBy:
		return fmt.Sprintf("it is managed by %q", by)
	}
	return ""
}

// wholeLoss is loss, and the roles.
func (s *syncing) wholeLoss(ctx context.Context, sub *transport.Subscription) string {
	if s.granter == nil {
		return s.loss(ctx, sub)
	}
	return s.loss(ctx, sub) + "; roles that others were granted on it go too"
}

func pushOrPull(sub *transport.Subscription) string {
	if sub.Push == nil {
		return "pulled"
	}
	return "push to " + sub.Push.Endpoint
}

func (s *syncing) create(ctx context.Context, want *transport.Subscription, why string) converge.Outcome {
	if !s.dryRun {
		if err := s.admin.CreateSubscription(ctx, want); err != nil {
			o := converge.Failed("subscription", want.Name, err)
			o.Raced = errors.Is(err, transport.ErrExists)
			return o
		}
	}
	return converge.One(Created, "subscription", want.Name, why)
}

func (s *syncing) update(ctx context.Context, to *transport.Subscription, ds []difference, why string) converge.Outcome {
	var fields []transport.SubscriptionField
	for _, d := range ds {
		if len(fields) == 0 || fields[len(fields)-1] != d.field {
			fields = append(fields, d.field)
		}
	}
	if !s.dryRun {
		if err := s.admin.UpdateSubscription(ctx, to, fields...); err != nil {
			o := converge.Failed("subscription", to.Name, err)
			o.Raced = errors.Is(err, transport.ErrNotFound)
			return o
		}
	}
	return converge.One(Updated, "subscription", to.Name, why+texts(ds), fieldsOf(ds)...)
}

// recreate deletes first: two subscriptions cannot have one name. Once that is done it makes the new one even if ctx
// ends.
func (s *syncing) recreate(ctx context.Context, to *transport.Subscription, ds []difference, why string) converge.Outcome {
	done := converge.One(Replaced, "subscription", to.Name, why, fieldsOf(ds)...)
	if s.dryRun {
		return done
	}
	if err := s.admin.DeleteSubscription(ctx, to.Name); err != nil && !errors.Is(err, transport.ErrNotFound) {
		return converge.Failed("subscription", to.Name, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recreation)
	defer cancel()
	switch err := s.admin.CreateSubscription(ctx, to); {
	case err == nil:
		return done
	case errors.Is(err, transport.ErrExists): // another deploy made it anew
		o := converge.Failed("subscription", to.Name, err)
		o.Raced, o.Replaced = true, done.Changes
		return o
	default:
		return converge.Failed("subscription", to.Name, fmt.Errorf("it was deleted, and is missing until the next Sync: %w", err))
	}
}

func (s *syncing) blocked(name, why string, ds ...difference) converge.Outcome {
	o := converge.One(Blocked, "subscription", name, why, fieldsOf(ds)...)
	o.Err = fmt.Errorf("subscription %q: %w: %s", name, ErrBlocked, why)
	return o
}
