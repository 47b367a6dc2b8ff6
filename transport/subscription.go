package transport

import (
	"context"
	"iter"
	"time"
)

// Topic is what messages are published to.
type Topic struct {
	Name   string // its id, see [CheckTopic]
	Labels map[string]string
}

// Subscription is one party's stream of a topic's messages. Zero values mean Pub/Sub's defaults.
type Subscription struct {
	Name   string // its id, see [CheckTopic]
	Topic  string // the topic's id
	Labels map[string]string

	Push    *PushConfig   // nil: pulled
	Filter  string        // Pub/Sub's syntax over attributes; empty: everything
	Ordered bool          // messages of one ordering key one after the other
	Retry   *BackoffRange // nil: at once, with the pauses that push has of its own

	AckDeadline         time.Duration // 10 to 600 s; 0: 10 s. How long a push, or a pull without extension, may take
	Retention           time.Duration // of what is not acknowledged, 10 min to 31 days; 0: 7 days
	RetainAcked         bool          // keep what was acknowledged, for Seek
	Expiration          time.Duration // of an idle subscription, at least 24 h; 0: 31 days; [NeverExpires]
	ExactlyOnceDelivery bool          // pull only
	DeadLetter          *DeadLetterPolicy
}

// NeverExpires, as a Subscription's Expiration, keeps it however idle.
const NeverExpires time.Duration = -1

// PushConfig says where a subscription's messages are posted to.
type PushConfig struct {
	Endpoint       string
	ServiceAccount string // whose OIDC token is sent along; empty: the driver's, or none
	Audience       string // of that token; empty: Endpoint
	Unwrapped      bool   // the data alone is the body
	WriteMetadata  bool   // with Unwrapped: the rest comes in x-goog-pubsub-* headers
}

// BackoffRange bounds the pause before a redelivery, which doubles from one to the next. Both 0 to 600 s.
type BackoffRange struct{ Min, Max time.Duration }

// DeadLetterPolicy sends a message that failed too often to another topic.
type DeadLetterPolicy struct {
	Topic       string // the topic's id
	MaxAttempts int    // 5 to 100; 0: 5
}

// BrokerAdmin manages topics and subscriptions. Errors match ErrNotFound, ErrExists, ErrInvalid.
type BrokerAdmin interface {
	// Topic returns the topic as it is.
	Topic(ctx context.Context, name string) (*Topic, error)
	// CreateTopic creates a topic; ErrExists where there is one of that name.
	CreateTopic(ctx context.Context, t *Topic) error

	// Subscription returns the subscription as it is, with the platform's defaults filled in.
	Subscription(ctx context.Context, name string) (*Subscription, error)
	// Subscriptions yields all of the project; an error ends it.
	Subscriptions(ctx context.Context) iter.Seq2[*Subscription, error]
	// CreateSubscription answers ErrNotFound where its topic, or its dead-letter topic, does not exist.
	CreateSubscription(ctx context.Context, s *Subscription) error
	// UpdateSubscription changes the named fields, see [SubscriptionField], to those of s.
	UpdateSubscription(ctx context.Context, s *Subscription, fields ...SubscriptionField) error
	// DeleteSubscription drops its backlog with it.
	DeleteSubscription(ctx context.Context, name string) error
}

// SubscriptionField names a field of a subscription that can be changed, as Pub/Sub's update mask does.
type SubscriptionField string

// The fields that can be changed. Name, topic, filter and ordering cannot: recreate.
const (
	FieldLabels      SubscriptionField = "labels"
	FieldPush        SubscriptionField = "push_config"
	FieldRetry       SubscriptionField = "retry_policy"
	FieldAckDeadline SubscriptionField = "ack_deadline_seconds"
	FieldRetention   SubscriptionField = "message_retention_duration"
	FieldRetainAcked SubscriptionField = "retain_acked_messages"
	FieldExpiration  SubscriptionField = "expiration_policy"
	FieldExactlyOnce SubscriptionField = "enable_exactly_once_delivery"
	FieldDeadLetter  SubscriptionField = "dead_letter_policy"
)

// DeadLetterGranter gives the platform's own service account the roles that dead-lettering needs: to publish to
// the dead-letter topic, and to acknowledge on the subscription. It is a part of brokers that check permissions.
type DeadLetterGranter interface {
	// DeadLetterGrants lists what is missing for s, and grants it where apply is set. A grant that could not be
	// made, or not even looked up, comes back with Err and the command that makes it by hand.
	DeadLetterGrants(ctx context.Context, s *Subscription, apply bool) []Grant
}

// PushAuthorizer tells whose OIDC token a push carries where its PushConfig names no service account.
type PushAuthorizer interface {
	PushServiceAccount() string
}

// Grant is one role for one member on one resource.
type Grant struct {
	Kind, Resource string // "topic" or "subscription", and its id
	Role, Member   string
	Command        string // for a shell, where Err is set
	Err            error
}

// SubscriptionDeclarer takes the subscriptions of a program that runs beside the broker, and talks to nobody: the
// subscription, its topic and its dead-letter topic come into being, or get these settings.
type SubscriptionDeclarer interface {
	DeclareSubscription(s *Subscription) error
}

// SubscriptionBacklogger tells how many messages of a subscription are not acknowledged yet.
type SubscriptionBacklogger interface {
	SubscriptionBacklog(ctx context.Context, name string) (int, error)
}
