package pubsub

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// The labels by which [Sync] knows what it made.
const (
	labelManaged = "managed-by"
	labelApp     = "typedtasks-app"
	managedBy    = "typedtasks"
)

// subscriptionUnder is the subscription as it should be in an App.
func (d *subscriber) subscriptionUnder(cfg tasks.Config) (*transport.Subscription, error) {
	var errs []error
	topic, err := d.topicUnder(cfg)
	if err != nil {
		errs = append(errs, err)
	}
	s := &transport.Subscription{
		Name: d.subscription, Topic: topic, Labels: labels(cfg.Name), Filter: d.filter, Ordered: d.ordered,
		AckDeadline: d.ackDeadline, Retention: d.retention, Expiration: d.expires,
	}
	if s.Name == "" {
		s.Name = derive(cfg, d.nameOf())
	}
	if err := checkResource("subscription", s.Name); err != nil {
		errs = append(errs, fmt.Errorf("%w: name it with pubsub.Subscription", err))
	}
	if s.Expiration == 0 {
		s.Expiration = cfg.Subscriber.Expiration
	}
	if !d.pull {
		s.Push = &transport.PushConfig{
			Endpoint: d.endpoint(cfg), Audience: cfg.Audience,
			Unwrapped: d.unwrapped, WriteMetadata: d.unwrapped,
		}
	}
	switch {
	case d.backoff:
		s.Retry = &transport.BackoffRange{Min: d.minBackoff, Max: d.maxBackoff}
	case cfg.Subscriber.MinBackoff > 0 || cfg.Subscriber.MaxBackoff > 0:
		s.Retry = &transport.BackoffRange{Min: cfg.Subscriber.MinBackoff, Max: cfg.Subscriber.MaxBackoff}
	}
	if d.deadLetters {
		s.DeadLetter = &transport.DeadLetterPolicy{Topic: d.deadLetter, MaxAttempts: d.maxAttempts}
		if s.DeadLetter.Topic == "" {
			s.DeadLetter.Topic = s.Name + cfg.Delimiter + "dead"
		}
		if s.DeadLetter.MaxAttempts == 0 {
			s.DeadLetter.MaxAttempts = max(cfg.Subscriber.MaxRetries, 5)
		}
		if err := checkResource("dead-letter topic", s.DeadLetter.Topic); err != nil {
			errs = append(errs, fmt.Errorf("%w: name it with pubsub.DeadLetter", err))
		}
		if sameTopic(s.DeadLetter.Topic, topic) {
			errs = append(errs, fmt.Errorf("the dead-letter topic %q is the topic itself: messages would go round in circles; name another with pubsub.DeadLetter", s.DeadLetter.Topic))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// endpoint is where the subscriber is served.
func (d *subscriber) endpoint(cfg tasks.Config) string {
	return cfg.Endpoint + "/" + cfg.SubscriptionsPath + "/" + d.nameOf()
}

// labels say whose a subscription is.
func labels(app string) map[string]string {
	l := map[string]string{labelManaged: managedBy}
	if app != "" {
		l[labelApp] = labelValue(app)
	}
	return l
}

// isOurs reports whether labels are those of the App, and of no other whose name looks like its.
func isOurs(have map[string]string, app string) bool {
	return have[labelManaged] == managedBy && have[labelApp] == labelValue(app)
}

// labelValue is an App's name as a label: itself where it may be one (63 lower-case letters, digits, "-", "_"), else
// as much of it as may and a hash, so that no two names share a label.
func labelValue(app string) string {
	legal := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(app))
	if legal == app && len(app) <= 63 && !looksHashed(app) {
		return app
	}
	sum := sha256.Sum256([]byte(app))
	return legal[:min(len(legal), 50)] + "_" + hex.EncodeToString(sum[:hashBytes])
}

const hashBytes = 6

// looksHashed reports whether a name could be the label of another: "_" and a hash at its end.
func looksHashed(app string) bool {
	at := len(app) - 2*hashBytes - 1
	return at >= 0 && app[at] == '_' && strings.Trim(app[at+1:], "0123456789abcdef") == ""
}

// withLabels are the labels that a resource has, with ours over them.
func withLabels(have, ours map[string]string) map[string]string {
	merged := maps.Clone(have)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, ours)
	return merged
}
