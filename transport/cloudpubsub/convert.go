package cloudpubsub

import (
	"cmp"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// subscriptionProto is s, whose defaults are filled in, as the API wants it: with every default spelled out, and each
// name in full.
func (b *Broker) subscriptionProto(s *transport.Subscription) (*pubsubpb.Subscription, error) {
	name, err := b.fullName(subscriptions, s.Name)
	if err != nil {
		return nil, err
	}
	p := &pubsubpb.Subscription{
		Name:                      name,
		Labels:                    s.Labels,
		PushConfig:                b.pushProto(s.Push),
		Filter:                    s.Filter,
		EnableMessageOrdering:     s.Ordered,
		AckDeadlineSeconds:        int32(s.AckDeadline / time.Second),
		MessageRetentionDuration:  durationpb.New(s.Retention),
		RetainAckedMessages:       s.RetainAcked,
		ExpirationPolicy:          &pubsubpb.ExpirationPolicy{},
		EnableExactlyOnceDelivery: s.ExactlyOnceDelivery,
	}
	if s.Topic != "" { // an update names none
		if p.Topic, err = b.fullName(topics, s.Topic); err != nil {
			return nil, err
		}
	}
	if s.Expiration != transport.NeverExpires {
		p.ExpirationPolicy.Ttl = durationpb.New(s.Expiration)
	}
	if s.Retry != nil {
		p.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(s.Retry.Min), MaximumBackoff: durationpb.New(s.Retry.Max)}
	}
	if d := s.DeadLetter; d != nil {
		topic, err := b.fullName(topics, d.Topic)
		if err != nil {
			return nil, err
		}
		p.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: topic, MaxDeliveryAttempts: int32(d.MaxAttempts)}
	}
	return p, nil
}

// pushProto of nil is an empty message, which an update takes for pull.
func (b *Broker) pushProto(c *transport.PushConfig) *pubsubpb.PushConfig {
	p := &pubsubpb.PushConfig{}
	if c == nil {
		return p
	}
	p.PushEndpoint = c.Endpoint
	if account := cmp.Or(c.ServiceAccount, b.account); account != "" {
		p.AuthenticationMethod = &pubsubpb.PushConfig_OidcToken_{OidcToken: &pubsubpb.PushConfig_OidcToken{
			ServiceAccountEmail: account, Audience: cmp.Or(c.Audience, b.audience, c.Endpoint),
		}}
	}
	if c.Unwrapped {
		p.Wrapper = &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{WriteMetadata: c.WriteMetadata}}
	} else {
		p.Wrapper = &pubsubpb.PushConfig_PubsubWrapper_{PubsubWrapper: &pubsubpb.PushConfig_PubsubWrapper{}}
	}
	return p
}

// subscription is p as it works: what the server leaves out is filled in, and names in the broker's project are ids.
func (b *Broker) subscription(p *pubsubpb.Subscription) *transport.Subscription {
	s := &transport.Subscription{
		Name:                b.shortName(subscriptions, p.GetName()),
		Topic:               b.shortName(topics, p.GetTopic()),
		Push:                push(p.GetPushConfig()),
		Filter:              p.GetFilter(),
		Ordered:             p.GetEnableMessageOrdering(),
		AckDeadline:         cmp.Or(time.Duration(p.GetAckDeadlineSeconds())*time.Second, subscription.DefaultAckDeadline),
		Retention:           duration(p.GetMessageRetentionDuration(), subscription.DefaultRetention),
		RetainAcked:         p.GetRetainAckedMessages(),
		Expiration:          subscription.DefaultExpiration,
		ExactlyOnceDelivery: p.GetEnableExactlyOnceDelivery(),
	}
	if len(p.GetLabels()) > 0 {
		s.Labels = p.GetLabels()
	}
	if p.GetExpirationPolicy() != nil {
		s.Expiration = duration(p.GetExpirationPolicy().GetTtl(), transport.NeverExpires)
	}
	if r := p.GetRetryPolicy(); r != nil {
		s.Retry = &transport.BackoffRange{
			Min: duration(r.GetMinimumBackoff(), subscription.DefaultMinBackoff),
			Max: duration(r.GetMaximumBackoff(), subscription.MaxBackoff),
		}
	}
	if d := p.GetDeadLetterPolicy(); d.GetDeadLetterTopic() != "" {
		s.DeadLetter = &transport.DeadLetterPolicy{
			Topic:       b.shortName(topics, d.GetDeadLetterTopic()),
			MaxAttempts: cmp.Or(int(d.GetMaxDeliveryAttempts()), subscription.DefaultMaxAttempts),
		}
	}
	return s
}

func push(p *pubsubpb.PushConfig) *transport.PushConfig {
	if p.GetPushEndpoint() == "" {
		return nil
	}
	c := &transport.PushConfig{Endpoint: p.GetPushEndpoint(), ServiceAccount: p.GetOidcToken().GetServiceAccountEmail()}
	if c.ServiceAccount != "" {
		c.Audience = cmp.Or(p.GetOidcToken().GetAudience(), c.Endpoint)
	}
	if raw := p.GetNoWrapper(); raw != nil {
		c.Unwrapped, c.WriteMetadata = true, raw.GetWriteMetadata()
	}
	return c
}

func duration(d *durationpb.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.AsDuration()
}
