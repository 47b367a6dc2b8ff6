package pubsub

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// difference is one field of a subscription that is not as it should be.
type difference struct {
	field transport.SubscriptionField // empty: it cannot be changed
	plan.Field
}

// compare lists how have differs from to. Zeros mean Pub/Sub's defaults on both sides. What belongs to one field
// stands together.
func compare(have, to *transport.Subscription) (fixed, changeable []difference) {
	h, w := resolved(have), resolved(to)
	immutable := func(name string, a, b any) {
		if a != b {
			fixed = append(fixed, difference{Field: plan.Field{Name: name, From: fmt.Sprint(a), To: fmt.Sprint(b)}})
		}
	}
	immutable("topic", h.Topic, w.Topic)
	immutable("filter", quoted(h.Filter), quoted(w.Filter))
	immutable("ordering", h.Ordered, w.Ordered)

	differs := func(field transport.SubscriptionField, name string, a, b any) {
		if a != b {
			changeable = append(changeable, difference{field, plan.Field{Name: name, From: fmt.Sprint(a), To: fmt.Sprint(b)}})
		}
	}
	differs(transport.FieldPush, "push", pushText(h.Push), pushText(w.Push))
	differs(transport.FieldRetry, "backoff", backoffText(h.Retry), backoffText(w.Retry))
	differs(transport.FieldDeadLetter, "dead letter", deadLetterText(h.DeadLetter), deadLetterText(w.DeadLetter))
	differs(transport.FieldAckDeadline, "ack deadline", span(h.AckDeadline), span(w.AckDeadline))
	differs(transport.FieldRetention, "retention", span(h.Retention), span(w.Retention))
	differs(transport.FieldExpiration, "expiration", expirationText(h.Expiration), expirationText(w.Expiration))
	differs(transport.FieldExactlyOnce, "exactly once", h.ExactlyOnceDelivery, w.ExactlyOnceDelivery)
	for _, key := range slices.Sorted(maps.Keys(withLabels(h.Labels, w.Labels))) {
		differs(transport.FieldLabels, "label "+key, labelText(h.Labels, key), labelText(w.Labels, key))
	}
	return fixed, changeable
}

// resolved is s with Pub/Sub's defaults filled in. What is wrong with it is the broker's to say.
func resolved(s *transport.Subscription) *transport.Subscription {
	r, _, _ := subscription.Resolve(s)
	return r
}

// fieldsOf is what a Change tells of differences.
func fieldsOf(ds []difference) (fields []plan.Field) {
	for _, d := range ds {
		fields = append(fields, d.Field)
	}
	return fields
}

func texts(ds []difference) string { return converge.Words(fieldsOf(ds)) }

func quoted(filter string) string {
	if filter == "" {
		return "none"
	}
	return "`" + filter + "`"
}

func pushText(p *transport.PushConfig) string {
	if p == nil || p.Endpoint == "" {
		return "none (pulled)"
	}
	s := p.Endpoint
	if p.ServiceAccount != "" {
		s += " as " + p.ServiceAccount + " for " + cmp.Or(p.Audience, p.Endpoint)
	}
	if p.Unwrapped {
		s += " unwrapped"
		if p.WriteMetadata {
			s += " with metadata"
		}
	}
	return s
}

func backoffText(r *transport.BackoffRange) string {
	if r == nil {
		return "none"
	}
	return converge.Span(r.Min) + " to " + converge.Span(r.Max)
}

func deadLetterText(p *transport.DeadLetterPolicy) string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%s after %d", p.Topic, p.MaxAttempts)
}

func expirationText(d time.Duration) string {
	if d == transport.NeverExpires {
		return "never"
	}
	return span(d)
}

func labelText(labels map[string]string, key string) string {
	if v, ok := labels[key]; ok {
		return cmp.Or(v, `""`)
	}
	return "none"
}

// span writes whole days as such.
func span(d time.Duration) string {
	if days := d / (24 * time.Hour); d%(24*time.Hour) == 0 && days > 1 {
		return fmt.Sprintf("%d days", days)
	}
	return converge.Span(d)
}
