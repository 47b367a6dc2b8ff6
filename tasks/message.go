package tasks

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// Deliver runs one message of a subscriber, as received by somebody else than the App: its own goroutine, or a
// pulling client's. The run's context ends with ctx, or after the Timeout of d's [Spec]. nil means that the message
// is done with, and to be acknowledged; [ErrShutdown] that the App takes no more.
func (a *App) Deliver(ctx context.Context, d Definition, m *transport.Message) error {
	rt := a.table.Load().byOwner[d.binding()]
	if rt == nil {
		return fmt.Errorf("tasks: %w with %s", ErrNotRegistered, a)
	}
	if !a.gate.enter() {
		return refusedError{}
	}
	defer a.gate.leave()
	now := time.Now()
	run := lazyctx.WithDeadline(ctx, now.Add(rt.timeout))
	defer run.Cancel()
	del := &transport.Delivery{Task: transport.Task{URL: rt.url}, Attempt: 1, Message: m}
	v := a.newRun(run, rt, del, inProcess, now.Sub(a.made)).deliver()
	if v.outcome.status() < http.StatusMultipleChoices {
		return nil
	}
	return v.err
}

// isMessage reports whether the delivery came straight from a subscription, and not as the task that a message was
// turned into.
func (r *run) isMessage() bool {
	return r.route.spec.Kind == KindSubscriber && r.delivery.Queue == ""
}

// readPush is readDelivery for an unwrapped push. Attributes come as headers there: whoever may publish may say
// anything in them, so none passes for a header of the platform or of our own.
func readPush(d *transport.Delivery, h http.Header) {
	d.Header = make(http.Header, len(h))
	for name, vs := range h {
		if !headers.Reserved(name) || pushesOwn(name) {
			d.Header[name] = vs
		}
	}
}

// pushesOwn names what Pub/Sub itself says of a push: an attribute that says it too comes second, if at all.
func pushesOwn(canonical string) bool {
	switch canonical {
	case "Authorization", "User-Agent", "Content-Length",
		pushwire.HeaderSubscription, pushwire.HeaderMessageID, pushwire.HeaderOrderingKey, pushwire.HeaderPublishTime:
		return true
	}
	return false
}

// open finds the message of a delivery to a subscriber, and what it says of the delivery. For other definitions it
// has nothing to do.
func (r *run) open() error {
	if r.route.spec.Kind != KindSubscriber {
		return nil
	}
	d := r.delivery
	if d.Message == nil {
		m, err := pushwire.Parse(d.Body, d.Header)
		if err != nil {
			return err
		}
		d.Message, r.wrapped = m, !pushwire.Unwrapped(d.Header)
	}
	m := d.Message
	if r.isMessage() { // a task was one of ours once, and no subscription keeps it
		if want := r.route.spec.Subscription; want != "" && m.Subscription != "" && !sameSubscription(want, m.Subscription) {
			return &misdirectedError{got: m.Subscription, want: want}
		}
		d.ID, d.Attempt = m.ID, max(m.DeliveryAttempt, 1)
	}
	r.adoptHeaders(m)
	return nil
}

// adoptHeaders takes the headers that a message carries for the delivery's own, over those of the push; a task that a
// message was turned into has its own. What no task could carry is left: it must not keep the run from enqueueing.
func (r *run) adoptHeaders(m *transport.Message) {
	carried, _ := pushwire.ExtractHeaders(m.Data, r.app.cfg.PropagatedHeadersKey)
	var own http.Header
	for i, name := range r.app.propagated {
		if _, set := r.delivery.Header[name]; set && !r.isMessage() {
			continue
		}
		value, ok := carried[name]
		if !ok {
			value, ok = m.Attributes[pushwire.HeaderAttribute(r.app.spelled[i])]
		}
		if !ok {
			continue
		}
		if own == nil {
			own = make(http.Header, len(r.app.propagated))
		}
		own[name] = []string{value}
	}
	if own == nil {
		return
	}
	picked, left := r.app.pick(own)
	if left != nil && !r.told.Swap(true) {
		r.app.leaveBehind(r.Context, left)
	}
	if picked != nil {
		r.delivery.Header = cloneHeader(r.delivery.Header, len(picked))
		maps.Copy(r.delivery.Header, picked)
	}
}

// sameSubscription compares ids, and projects where both names have one.
func sameSubscription(want, got string) bool {
	if transport.ResourceID(want) == want || transport.ResourceID(got) == got {
		return transport.ResourceID(want) == transport.ResourceID(got)
	}
	return want == got
}

// misdirectedError is a push of a subscription that belongs to another subscriber. It stays there: neither
// acknowledged nor quarantined, until the push endpoint is set right.
type misdirectedError struct{ got, want string }

func (e *misdirectedError) Error() string {
	return fmt.Sprintf("this endpoint takes messages of subscription %q, not of %q: set that one's push endpoint right", e.want, e.got)
}

// asTask is the task that a message is turned into: to run as soon as possible, or as a snooze says. Its id is
// made of the message's, so that a message that comes again makes no second task.
func (r *run) asTask(ctx context.Context, v verdict) (*transport.Task, *order, error) {
	m := r.delivery.Message
	var o order
	if err := r.app.order(ctx, r.route, r.route.spec.TaskOptions, &o); err != nil {
		return nil, nil, err
	}
	if v.outcome == OutcomeSnoozed { // whatever time the options say
		own := *o.settings
		own.when = when{option: "In", d: v.after}
		o.settings = &own
	}
	body := pushwire.Body(m)
	if r.wrapped {
		body = slices.Clone(r.delivery.Body) // middleware may change it
	}
	t, err := o.wrap(ctx, body, nil)
	if err != nil {
		return nil, nil, err
	}
	if m.ID != "" { // the time tells it from those of another life of an emulator
		t.ID = hashID(m.Subscription+"\x00"+m.ID+"\x00"+m.PublishTime.UTC().Format(time.RFC3339Nano), r.route.spec.Name)
	}
	if v.outcome == OutcomeSnoozed {
		t.Header = cloneHeader(t.Header, 2)
		if first := t.ID; first != "" {
			t.ID = snoozedID(first, "")
			t.Header[headerID] = []string{first}
		}
		t.Header[headerAttempts] = []string{strconv.Itoa(r.metadata().Attempt)}
	}
	return t, &o, o.check(t)
}

// enqueueMessage turns the message into a task. An id that is taken means that it has been one already.
func (r *run) enqueueMessage(ctx context.Context, v verdict) error {
	t, o, err := r.asTask(ctx, v)
	if err == nil {
		_, err = o.send(ctx, t)
	}
	return err
}

// checkTaskOptions tells what is wrong with options that are used again and again, and with what goes under them: no
// message could become a task.
func (a *App) checkTaskOptions(spec Spec) (errs []error) {
	if spec.Kind != KindTask && spec.Kind != KindPeriodic { // whose own settings know better
		if err := transport.CheckHeader(spec.Header); err != nil {
			errs = append(errs, fmt.Errorf("headers: %w", err))
		}
	}
	s, err := (settings{header: spec.Header}).over(spec.TaskOptions)
	if err != nil {
		return append(errs, err)
	}
	if s.id != "" { // an id serves once
		errs = append(errs, fmt.Errorf("%w: WithID: one id for all messages would make all but the first duplicates", ErrInvalid))
	}
	if _, err := s.when.resolve(a.now(), a.cfg.MaxETA); err != nil {
		errs = append(errs, err)
	}
	if err := s.policy.Or(a.cfg.EnqueueRetry).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("WithEnqueueRetry over Config.EnqueueRetry: %w", err))
	}
	if err := transport.CheckHeader(s.header); err != nil && s.ownHeader && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("headers: %w", err))
	}
	return errs
}
