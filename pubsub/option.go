package pubsub

import (
	"maps"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// PublisherOption configures a publisher where it is defined.
type PublisherOption interface{ publisher(*publisher) }

// SubscriberOption configures a subscriber where it is defined.
type SubscriberOption interface{ subscriber(*subscriber) }

// Option configures publishers and subscribers alike.
type Option interface {
	PublisherOption
	SubscriberOption
}

// PublishOption configures one call of Publish or PublishAll.
type PublishOption interface{ publish(*call) }

// EnqueueOption configures one call of Enqueue.
type EnqueueOption interface{ enqueue(*call) }

// CallOption configures calls that publish now or later.
type CallOption interface {
	PublishOption
	EnqueueOption
}

// Topic names the topic, by its id; cloudpubsub takes the full name of one in another project, too. Default: the
// type of M in kebab-case behind "<app>--".
func Topic(id string) Option {
	return both{func(p *publisher) { p.setTopic(id) }, func(s *subscriber) { s.setTopic(id) }}
}

// WithName sets the definition's name: letters, digits, ".", "-" and "_". Pushes arrive under a subscriber's.
// Default: the id of its topic or subscription where one is given, else the name of M's type.
func WithName(name string) Option {
	return both{func(p *publisher) { p.setName(name) }, func(s *subscriber) { s.setName(name) }}
}

// WithCodec turns data into bytes and back, in place of tasks.Config.Codec. [Raw] data knows no codec: App.Register
// refuses the option there.
func WithCodec(c tasks.Codec) Option {
	return both{func(p *publisher) { p.setCodec(c) }, func(s *subscriber) { s.setCodec(c) }}
}

// Ordered keeps the messages of one ordering key in order. A subscriber gets them one after the other, and one
// that fails holds up those behind it; the subscription cannot be changed to that later, only replaced. A publisher
// refuses messages without a key. Tasks keep no order: neither Enqueue, nor [ViaTasks], nor tasks.Snooze does.
func Ordered() Option {
	return both{func(p *publisher) { p.ordered = true }, func(s *subscriber) { s.ordered = true }}
}

// Attribute sets an attribute of the message: at most 100, keys up to 256 bytes, values up to 1024. Filters
// look at attributes alone.
func Attribute(key, value string) CallOption {
	return callOption(func(c *call) {
		if c.attributes == nil {
			c.attributes = map[string]string{}
		}
		c.attributes[key] = value
	})
}

// Attributes sets several.
func Attributes(attrs map[string]string) CallOption {
	attrs = maps.Clone(attrs)
	return callOption(func(c *call) {
		if c.attributes == nil {
			c.attributes = make(map[string]string, len(attrs))
		}
		maps.Copy(c.attributes, attrs)
	})
}

// OrderingKey sets the message's ordering key, at most 1024 bytes. Default: what an OrderingKey() string method
// of M returns.
func OrderingKey(key string) CallOption {
	return callOption(func(c *call) { c.orderingKey = key })
}

// Task configures the task that publishes: tasks.In, tasks.At, tasks.OnQueue and so on.
func Task(opts ...tasks.EnqueueOption) EnqueueOption {
	return taskOptions(append([]tasks.EnqueueOption(nil), opts...))
}

// Subscription names the subscription, by its id. A push that names another one is refused then. Default: the
// definition's name in kebab-case behind "<app>--".
func Subscription(id string) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		s.subscription = id
		s.given("Subscription", id)
	})
}

// WithAliases keeps old names of the subscriber served, while push endpoints still carry them.
func WithAliases(names ...string) SubscriberOption {
	names = append([]string(nil), names...)
	return subscriberOption(func(s *subscriber) { s.aliases = append(s.aliases, names...) })
}

// DeadLetter names the topic where messages go that failed [MaxDeliveryAttempts] times. An empty id derives one:
// the subscription's with "--dead" behind it. [Sync] gives it a subscription of its own, which never expires.
func DeadLetter(id string) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		if s.deadLetter, s.deadLetters = id, true; id != "" {
			s.given("DeadLetter", id)
		}
	})
}

// MaxDeliveryAttempts is how often a message is delivered before it goes to the topic of [DeadLetter]: 5 to 100.
// Default: tasks.Config.Subscriber.MaxRetries, else 5. Pub/Sub counts approximately.
func MaxDeliveryAttempts(n int) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		if s.maxAttempts = n; n < 5 || n > 100 {
			s.problem("MaxDeliveryAttempts: %d is outside 5 to 100", n)
		}
	})
}

// Backoff bounds the pause before a message that failed is delivered again; it doubles each time. Both at most
// 600 s; 0 is Pub/Sub's default, 10 s for min and 600 s for max. Without the option: tasks.Config.Subscriber's, else at
// once, with the pauses that push has of its own (100 ms to 60 s).
func Backoff(min, max time.Duration) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		if s.minBackoff, s.maxBackoff, s.backoff = min, max, true; min < 0 || max < 0 || min > 600*time.Second || max > 600*time.Second || max > 0 && min > max {
			s.problem("Backoff: %s to %s is no range within 0 to 10m0s", min, max)
		}
	})
}

// Filter takes only messages whose attributes match: Pub/Sub's syntax, like `attributes.region = "emea"`, at most
// 256 bytes. What does not match is acknowledged unseen. It cannot be changed later, only replaced.
func Filter(f string) SubscriberOption {
	return subscriberOption(func(s *subscriber) { s.filter = f })
}

// AckDeadline is how long a push may take before the message comes again: 10 s to 10 min in whole seconds, the default
// being 10 s.
// The handler's context ends then. While a pulled message is handled its lease is extended.
func AckDeadline(d time.Duration) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		if s.ackDeadline = d; d < 10*time.Second || d > maxAckDeadline {
			s.problem("AckDeadline: %s is outside 10s to 10m0s", d)
		} else if d%time.Second != 0 {
			s.problem("AckDeadline: %s is no whole number of seconds, as Pub/Sub counts them", d)
		}
	})
}

// Retention is how long what is not acknowledged is kept: 10 min to 31 days. Default: 7 days.
func Retention(d time.Duration) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		if s.retention = d; d < 10*time.Minute || d > 31*24*time.Hour {
			s.problem("Retention: %s is outside 10m0s to %s", d, 31*24*time.Hour)
		}
	})
}

// Expiration is after how long without use Pub/Sub deletes the subscription: 24 h or more, or
// transport.NeverExpires. Default: tasks.Config.Subscriber.Expiration, else 31 days.
func Expiration(d time.Duration) SubscriberOption {
	return subscriberOption(func(s *subscriber) { s.setExpiration(d) })
}

// ViaTasks turns each message into a task of the subscriber as soon as it arrives and decodes, as M or as what
// [UpgradeFrom] takes: acknowledged at once, run and retried as the task's queue says. opts are the task's: queue,
// timeout, retry settings. A message that is redelivered makes no second task. One too large for a task (1 MiB with its
// base64) is handled as it arrives. Tasks keep no order, and a message that is replayed by Seek within a day of its task
// is not run again.
func ViaTasks(opts ...tasks.EnqueueOption) SubscriberOption {
	opts = append([]tasks.EnqueueOption(nil), opts...)
	return subscriberOption(func(s *subscriber) { s.viaTasks, s.taskOptions = true, append(s.taskOptions, opts...) })
}

// Pull makes the subscription one that [Receive] pulls from. Default: it is pushed to
// <endpoint>/subscriptions/<name>.
func Pull() SubscriberOption {
	return subscriberOption(func(s *subscriber) { s.pull = true })
}

// MaxOutstanding bounds how many messages a [Pull] subscriber handles at a time, and how many bytes of data they
// hold; 0 leaves one as it is. Default: 1000 messages and 1e9 bytes. Pub/Sub's client sends acknowledgements every
// 100 ms and counts a message until then: n messages bound the rate to about 10 n a second, however fast they are
// handled.
func MaxOutstanding(messages, bytes int) SubscriberOption {
	return subscriberOption(func(s *subscriber) {
		if s.maxMessages, s.maxBytes = messages, bytes; messages < 0 || bytes < 0 {
			s.problem("MaxOutstanding: %d messages, %d bytes: neither may be negative", messages, bytes)
		}
	})
}

// Unwrapped has Pub/Sub push the data alone as the body, and the rest as headers: attribute names lose their
// upper case then, and no delivery attempt is told. An attribute Content-Encoding is taken for a coding of the body, and
// refused: see tasks.App.ServeHTTP.
func Unwrapped() SubscriberOption {
	return subscriberOption(func(s *subscriber) { s.unwrapped = true })
}

// call is what the options of one call add up to.
type call struct {
	attributes  map[string]string
	orderingKey string
	task        []tasks.EnqueueOption
}

type both struct {
	p func(*publisher)
	s func(*subscriber)
}

func (o both) publisher(p *publisher)   { o.p(p) }
func (o both) subscriber(s *subscriber) { o.s(s) }

type subscriberOption func(*subscriber)

func (o subscriberOption) subscriber(s *subscriber) { o(s) }

type callOption func(*call)

func (o callOption) publish(c *call) { o(c) }
func (o callOption) enqueue(c *call) { o(c) }

type taskOptions []tasks.EnqueueOption

func (o taskOptions) enqueue(c *call) { c.task = append(c.task, o...) }
