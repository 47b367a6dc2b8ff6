package subscription

import "github.com/typedtasks/typedtasks/transport"

// SetField sets one field of to to that of from, and reports false for what is none: name, topic, filter and ordering
// cannot be changed.
func SetField(to, from *transport.Subscription, field transport.SubscriptionField) bool {
	switch field {
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
		to.DeadLetter = from.DeadLetter
	default:
		return false
	}
	return true
}
