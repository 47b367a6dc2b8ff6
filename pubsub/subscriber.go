package pubsub

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Message is a message as a subscriber gets it.
type Message[M any] struct {
	Data        M
	Attributes  map[string]string
	ID          string    // the server's
	OrderingKey string    // as it was published
	PublishTime time.Time // UTC
	// DeliveryAttempt counts from 1 where the subscription has a [DeadLetter] topic, about right; else it is 0.
	DeliveryAttempt int
}

// Raw is data as it came, whatever it is: for Message[Raw] and Publisher[Raw]. No codec touches it, and nothing
// validates it.
type Raw []byte

// Subscriber receives messages whose data is an M. It is made by [NewSubscriber], usually as a package variable,
// and belongs to the Apps that it is registered with.
type Subscriber[M any] struct {
	tasks.Binding
	def *subscriber
}

// NewSubscriber defines a subscriber that runs fn for each message. It never fails: what is wrong with it is an
// error of App.Register.
//
// fn's nil acknowledges; an error, a panic or the end of the ack deadline has the message delivered again, see
// [AckDeadline], [Backoff] and [DeadLetter]. A message without data is an M of zero value, if that is valid. Tasks'
// outcomes serve here too: see the package documentation.
func NewSubscriber[M any](fn func(context.Context, Message[M]) error, opts ...SubscriberOption) *Subscriber[M] {
	d := &subscriber{definition: definition{typ: reflect.TypeFor[M]()}, newTarget: payload.Target[M]()}
	for _, o := range opts {
		if o == nil {
			d.problem("an option is nil: leave it out")
			continue
		}
		o.subscriber(d)
	}
	if fn == nil {
		d.problem("the function is nil: pass one to pubsub.NewSubscriber")
	}
	d.call = func(ctx context.Context, in *inlet, m *transport.Message) (any, error) {
		return handle(ctx, d, in, m, fn)
	}
	d.check()
	return &Subscriber[M]{def: d}
}

// Spec describes the definition.
func (s *Subscriber[M]) Spec() tasks.Spec { return s.definition().spec(&s.Binding) }

// Message is a message with m for its data.
func (s *Subscriber[M]) Message(m M) Message[M] { return Message[M]{Data: m} }

func (s *Subscriber[M]) definition() *subscriber {
	if s.def == nil { // a zero Subscriber, which no App registers
		return &subscriber{definition: definition{typ: reflect.TypeFor[M](), errs: []error{errZero("Subscriber")}}}
	}
	return s.def
}

// subscriber is a subscriber with its data's type erased.
type subscriber struct {
	definition
	aliases                         []string
	subscription                    string // as given
	pull, unwrapped, viaTasks       bool
	taskOptions                     []tasks.EnqueueOption
	filter                          string
	deadLetter                      string
	deadLetters                     bool
	maxAttempts                     int // 0: the App's
	backoff                         bool
	minBackoff, maxBackoff          time.Duration
	ackDeadline, retention, expires time.Duration
	maxMessages, maxBytes           int
	upgrades                        payload.Upgrades

	newTarget func() any // what data is decoded into, boxed
	call      func(ctx context.Context, in *inlet, m *transport.Message) (any, error)
}

func (d *subscriber) setExpiration(t time.Duration) {
	if d.expires = t; t != transport.NeverExpires && t < 24*time.Hour {
		d.problem("Expiration: %s is less than 24h0m0s; transport.NeverExpires keeps it for ever", t)
	}
}

// check finds what only shows once all options are known.
func (d *subscriber) check() {
	if _, err := filter.Parse(d.filter); err != nil {
		d.problem("Filter: %w", err)
	}
	if d.maxAttempts > 0 && !d.deadLetters {
		d.problem("MaxDeliveryAttempts has no effect without a dead-letter topic: add pubsub.DeadLetter")
	}
	if d.pull && (d.unwrapped || d.viaTasks) {
		d.problem("Pull goes with neither Unwrapped nor ViaTasks: those are for pushes")
	}
	names := []string{d.nameOf()}
	for _, a := range d.aliases {
		if slices.Contains(names, a) {
			d.problem("WithAliases: %q is a name of the subscriber already", a)
		}
		names = append(names, a)
	}
	if !d.pull && (d.maxMessages > 0 || d.maxBytes > 0) {
		d.problem("MaxOutstanding is for subscribers that pull: add pubsub.Pull")
	}
	d.checkUpgrades()
}

// nameOf is the definition's name: as given, else the subscription's id, else the type's.
func (d *subscriber) nameOf() string {
	if d.name != "" {
		return d.name
	}
	if id := transport.ResourceID(d.subscription); isName(id) {
		return id
	}
	return d.typeName()
}

func (d *subscriber) spec(b *tasks.Binding) tasks.Spec {
	name, errs := d.nameOf(), d.errs
	for _, n := range append([]string{name}, d.aliases...) {
		if !isName(n) {
			errs = append(errs[:len(errs):len(errs)], fmt.Errorf("name %q: give it letters, digits, \".\", \"-\" and \"_\" with pubsub.WithName", n))
		}
	}
	s := tasks.Spec{
		Kind: tasks.KindSubscriber, Name: name, Path: name, Aliases: d.aliases, Timeout: d.timeout(), Payload: d.typ,
		Subscription: d.subscription, ViaTasks: d.viaTasks, TaskOptions: d.taskOptions, Err: errors.Join(errs...),
		Handle: func(ctx context.Context, del *transport.Delivery) (any, error) { return d.handle(ctx, b, del) },
		Resolve: func(app *tasks.App) (any, error) {
			in, err := d.resolve(app)
			if err != nil {
				return nil, err
			}
			return in, nil
		},
		Start: func(app *tasks.App) error { return d.start(app, b) },
	}
	for _, u := range d.upgrades {
		s.Upgrades = append(s.Upgrades, u.From)
	}
	if n := d.typeName(); n != name && d.name == "" { // as it was served before Subscription was given
		s.Also = []string{n}
	}
	return s
}

// maxExtension is for how long a pulled message may be handled: as long as Pub/Sub's client extends its lease.
const maxExtension = time.Hour

// maxAckDeadline is Pub/Sub's.
const maxAckDeadline = 600 * time.Second

func (d *subscriber) timeout() time.Duration {
	switch {
	case d.pull:
		return maxExtension
	case d.ackDeadline > 0:
		return d.ackDeadline
	}
	return 10 * time.Second // Pub/Sub's default
}

// start declares the subscription where the broker is in this process.
func (d *subscriber) start(app *tasks.App, b *tasks.Binding) error {
	local, err := transport.BrokerAs[transport.SubscriptionDeclarer](app.Config().Broker)
	if err != nil {
		return nil // Sync is for that one
	}
	in, ok := b.Resolved(app).(*inlet)
	if !ok {
		return tasks.ErrNotRegistered
	}
	s := in.subscription
	if _, err := transport.BrokerAs[transport.Receiver](app.Config().Broker); err != nil && s.Push == nil {
		pushed := *s // nobody can pull there: eager, say
		pushed.Push = &transport.PushConfig{Endpoint: d.endpoint(app.Config())}
		pushed.AckDeadline = maxAckDeadline
		s = &pushed
	}
	return local.DeclareSubscription(s)
}
