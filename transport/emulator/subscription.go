package emulator

import (
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/types/known/durationpb"

	limits "github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// subscriptionUpdates is what an update of a subscription may name.
func subscriptionUpdates() updatable {
	return updatableIn("UpdateSubscriptionRequest", &pubsubpb.Subscription{},
		"name", "topic", "filter", "enable_message_ordering", "detached", "state", "topic_message_retention_duration",
		"analytics_hub_subscription_info", "tags")
}

// completeSubscription checks a subscription and completes it, in place, as it is to be stored. What is output
// only is the caller's. The filter is checked by the broker.
func completeSubscription(s *pubsubpb.Subscription) error {
	if err := refuseExports(s); err != nil {
		return err
	}
	if s.AckDeadlineSeconds == 0 {
		s.AckDeadlineSeconds = int32(limits.DefaultAckDeadline / time.Second)
	}
	if !isAckDeadline(s.AckDeadlineSeconds) {
		return invalid("Invalid ack deadline given (ack_deadline_seconds=%d): it must be between 10 and 600 seconds.", s.AckDeadlineSeconds)
	}
	if s.MessageRetentionDuration == nil {
		s.MessageRetentionDuration = durationpb.New(limits.DefaultRetention)
	}
	if err := checkRetention(s.MessageRetentionDuration); err != nil {
		return err
	}
	if err := completeExpiration(s); err != nil {
		return err
	}
	if err := completeRetryPolicy(s.RetryPolicy); err != nil {
		return err
	}
	if err := completeDeadLetter(s); err != nil {
		return err
	}
	if err := completePush(s); err != nil {
		return err
	}
	return checkLabels(s.Labels)
}

func isAckDeadline(seconds int32) bool {
	d := time.Duration(seconds) * time.Second
	return d >= limits.MinAckDeadline && d <= limits.MaxAckDeadline
}

func refuseExports(s *pubsubpb.Subscription) error {
	switch {
	case s.BigqueryConfig != nil:
		return unimplemented("Subscriptions that write to BigQuery are", "leave bigquery_config unset")
	case s.CloudStorageConfig != nil:
		return unimplemented("Subscriptions that write to Cloud Storage are", "leave cloud_storage_config unset")
	case s.BigtableConfig != nil:
		return unimplemented("Subscriptions that write to Bigtable are", "leave bigtable_config unset")
	case len(s.MessageTransforms) > 0:
		return unimplemented("Message transforms are", "leave message_transforms unset")
	}
	return nil
}

func completeExpiration(s *pubsubpb.Subscription) error {
	if s.ExpirationPolicy == nil {
		s.ExpirationPolicy = &pubsubpb.ExpirationPolicy{Ttl: durationpb.New(limits.DefaultExpiration)}
	}
	ttl := s.ExpirationPolicy.Ttl
	if ttl != nil && (!ttl.IsValid() || ttl.AsDuration() < limits.MinExpiration) {
		return invalid("Invalid expiration_policy.ttl given (%s): it must be at least 1 day, or unset for a subscription that never expires.", ttl.AsDuration())
	}
	return nil
}

func completeRetryPolicy(r *pubsubpb.RetryPolicy) error {
	if r == nil {
		return nil
	}
	if r.MaximumBackoff == nil {
		r.MaximumBackoff = durationpb.New(limits.MaxBackoff)
	}
	if r.MinimumBackoff == nil {
		r.MinimumBackoff = durationpb.New(min(limits.DefaultMinBackoff, r.MaximumBackoff.AsDuration()))
	}
	for _, d := range []*durationpb.Duration{r.MinimumBackoff, r.MaximumBackoff} {
		if negative(d) || d.AsDuration() > limits.MaxBackoff {
			return invalid("Invalid retry_policy given: minimum_backoff and maximum_backoff must be between 0 and 600 seconds, not %s.", d.AsDuration())
		}
	}
	if r.MinimumBackoff.AsDuration() > r.MaximumBackoff.AsDuration() {
		return invalid("Invalid retry_policy given: minimum_backoff (%s) must not exceed maximum_backoff (%s).",
			r.MinimumBackoff.AsDuration(), r.MaximumBackoff.AsDuration())
	}
	return nil
}

func completeDeadLetter(s *pubsubpb.Subscription) error {
	d := s.DeadLetterPolicy
	if d == nil {
		return nil
	}
	if err := checkTopicName(d.DeadLetterTopic); err != nil {
		return err
	}
	if d.DeadLetterTopic == s.Topic {
		return invalid("Invalid dead_letter_policy given: the dead-letter topic must be another one than the subscription's.")
	}
	if d.MaxDeliveryAttempts == 0 {
		d.MaxDeliveryAttempts = limits.DefaultMaxAttempts
	}
	if d.MaxDeliveryAttempts < limits.MinMaxAttempts || d.MaxDeliveryAttempts > limits.MaxMaxAttempts {
		return invalid("Invalid dead_letter_policy given: max_delivery_attempts must be between 5 and 100, not %d.", d.MaxDeliveryAttempts)
	}
	return nil
}

// toBroker returns a complete subscription as the broker takes it.
func toBroker(s *pubsubpb.Subscription) *transport.Subscription {
	b := &transport.Subscription{
		Name:                s.Name,
		Topic:               s.Topic,
		Labels:              s.Labels,
		Push:                toPush(s.PushConfig),
		Filter:              s.Filter,
		Ordered:             s.EnableMessageOrdering,
		AckDeadline:         time.Duration(s.AckDeadlineSeconds) * time.Second,
		Retention:           s.MessageRetentionDuration.AsDuration(),
		RetainAcked:         s.RetainAckedMessages,
		Expiration:          transport.NeverExpires,
		ExactlyOnceDelivery: s.EnableExactlyOnceDelivery,
	}
	if ttl := s.ExpirationPolicy.GetTtl(); ttl != nil {
		b.Expiration = ttl.AsDuration()
	}
	if r := s.RetryPolicy; r != nil {
		b.Retry = &transport.BackoffRange{Min: toBackoff(r.MinimumBackoff), Max: toBackoff(r.MaximumBackoff)}
	}
	if d := s.DeadLetterPolicy; d != nil {
		b.DeadLetter = &transport.DeadLetterPolicy{Topic: d.DeadLetterTopic, MaxAttempts: int(d.MaxDeliveryAttempts)}
	}
	return b
}

// toFields returns those fields that the broker knows, and has the same names for.
func toFields(touched []string) (fields []transport.SubscriptionField) {
	for _, name := range touched {
		switch f := transport.SubscriptionField(name); f {
		case transport.FieldLabels, transport.FieldPush, transport.FieldRetry, transport.FieldAckDeadline, transport.FieldRetention,
			transport.FieldRetainAcked, transport.FieldExpiration, transport.FieldExactlyOnce, transport.FieldDeadLetter:
			fields = append(fields, f)
		}
	}
	return fields
}
