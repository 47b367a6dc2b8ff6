package tasktest

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Deliver delivers m to the subscriber, once, through the real pipeline, as Pub/Sub would push it over HTTP, also to
// one that pulls. Data that does not validate is delivered all the same, filters are not asked. An empty ID and a zero
// PublishTime become what Pub/Sub would send, and so does a zero DeliveryAttempt where the subscription has a
// dead-letter topic.
//
// A subscriber with pubsub.ViaTasks is not run by this: the message becomes a task, which Drain runs.
//
// Of the options [With], [Attempt], [WithHeader], [WithToken] and [Mount] serve.
func Deliver[M any](t testing.TB, s *pubsub.Subscriber[M], m pubsub.Message[M], opts ...RunOption) Result {
	t.Helper()
	o := options(t, opts)
	alone := o.in(t, s)
	return o.rec.deliver(t, s.Spec().Name, o.push(t, s, unencoded(m), &m.Data), alone)
}

// PushRequest builds the push of m as Pub/Sub would send it to the subscriber of an App mounted at the root, or as
// [Mount] says. Defaults and options are those of [Deliver].
func PushRequest[M any](t testing.TB, s *pubsub.Subscriber[M], m pubsub.Message[M], opts ...RunOption) *http.Request {
	t.Helper()
	o := options(t, opts)
	if o.rec != nil {
		o.rec.require(t, s)
	}
	return o.push(t, s, unencoded(m), &m.Data)
}

// unencoded is m without its data.
func unencoded[M any](m pubsub.Message[M]) *transport.Message {
	return &transport.Message{
		Attributes: maps.Clone(m.Attributes), OrderingKey: m.OrderingKey, ID: m.ID, PublishTime: m.PublishTime, DeliveryAttempt: m.DeliveryAttempt,
	}
}

// defaultMessageID is what ids of Pub/Sub look like.
const defaultMessageID = "136969346945"

// push builds the push of a message whose data is what ptr points to.
func (o *runOptions) push(t testing.TB, d tasks.Definition, m *transport.Message, ptr any) *http.Request {
	t.Helper()
	spec := d.Spec()
	if spec.Err != nil {
		t.Fatalf("tasktest: the definition of %s %s is not valid: %v", spec.Kind, spec.Name, spec.Err)
	}
	cfg, now := o.app()
	is, err := pubsub.Describe(cfg, d)
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	if len(o.tasksOnly) > 0 {
		t.Fatalf("tasktest: %s: %s", spec.Name, o.tasksOnly[0])
	}
	if m.Data, err = codecOf(is).Marshal(boxed(ptr)); err != nil {
		t.Fatalf("tasktest: %s: the data does not encode: %v", spec.Name, err)
	}
	m.ID = or(m.ID, defaultMessageID)
	if m.PublishTime.IsZero() {
		m.PublishTime = now
	}
	m.Subscription = is.Subscription.Name
	if transport.ResourceID(m.Subscription) == m.Subscription {
		m.Subscription = "projects/" + project + "/subscriptions/" + m.Subscription
	}
	unwrapped := is.Subscription.Push != nil && is.Subscription.Push.Unwrapped
	o.countAttempts(t, spec.Name, m, is, unwrapped)
	own := o.propagate(cfg, m, is.Raw)

	body, header := pushwire.Body(m), http.Header{"Content-Type": {"application/json"}}
	if unwrapped {
		body, header = m.Data, pushwire.Header(m)
	}
	req := o.post(t, cfg, cfg.SubscriptionsPath+"/"+spec.Path, body)
	header.Set("User-Agent", "APIs-Google")
	maps.Copy(req.Header, header)
	maps.Copy(req.Header, own)
	return req
}

// countAttempts sets the attempt where a push tells it.
func (o *runOptions) countAttempts(t testing.TB, name string, m *transport.Message, is pubsub.Description, unwrapped bool) {
	t.Helper()
	told := is.Subscription.DeadLetter != nil && !unwrapped
	switch {
	case told && o.counted:
		m.DeliveryAttempt = o.attempt
	case told && m.DeliveryAttempt == 0:
		m.DeliveryAttempt = 1
	case o.counted && unwrapped:
		t.Fatalf("tasktest: %s: Attempt(%d): an unwrapped push does not tell attempts", name, o.attempt)
	case o.counted && !told:
		t.Fatalf("tasktest: %s: Attempt(%d): Pub/Sub tells attempts only where there is a dead-letter topic: add pubsub.DeadLetter", name, o.attempt)
	}
}

// propagate puts the propagated headers into the message, and returns the others, which are the push's own.
func (o *runOptions) propagate(cfg tasks.Config, m *transport.Message, raw bool) (own http.Header) {
	own, carried := http.Header{}, map[string]string{}
	for name, vs := range o.header {
		if slices.Contains(cfg.PropagatedHeaders, name) {
			carried[name] = vs[0]
		} else {
			own[name] = vs
		}
	}
	if len(carried) == 0 {
		return own
	}
	if !raw {
		if data, ok := pushwire.InjectHeaders(m.Data, cfg.PropagatedHeadersKey, carried, false); ok {
			m.Data = data
			return own
		}
	}
	if m.Attributes == nil {
		m.Attributes = map[string]string{}
	}
	for name, value := range carried {
		m.Attributes[pushwire.HeaderAttribute(name)] = value
	}
	return own
}
