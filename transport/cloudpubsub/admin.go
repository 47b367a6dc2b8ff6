package cloudpubsub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// Topic returns what the server knows of a topic.
func (b *Broker) Topic(ctx context.Context, name string) (*transport.Topic, error) {
	full, err := b.open(transport.OpGet, topics, name)
	if err != nil {
		return nil, err
	}
	p, err := b.client.TopicAdminClient.GetTopic(ctx, &pubsubpb.GetTopicRequest{Topic: full})
	if err != nil {
		return nil, b.failed(ctx, transport.OpGet, topicResource(name), roleViewer, err)
	}
	t := &transport.Topic{Name: b.shortName(topics, p.GetName())}
	if len(p.GetLabels()) > 0 {
		t.Labels = p.GetLabels()
	}
	return t, nil
}

// CreateTopic makes a topic, with the platform's defaults but for its labels.
func (b *Broker) CreateTopic(ctx context.Context, t *transport.Topic) error {
	full, err := b.open(transport.OpCreate, topics, t.Name)
	if err != nil {
		return err
	}
	if _, err := b.client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: full, Labels: t.Labels}); err != nil {
		return b.failed(ctx, transport.OpCreate, topicResource(t.Name), roleEditor, err)
	}
	return nil
}

// Subscription returns a subscription as it works. All defaults are filled in: an ack deadline of 10 s, a retention of
// 7 days, an expiration of 31 days or NeverExpires, 5 delivery attempts before dead-lettering, pauses of 10 to 600 s
// where there is a retry policy, and, where pushes carry a token, its service account and audience. Names of topics
// in the broker's project are ids, others are full, and that of a topic that was deleted is "_deleted-topic_".
func (b *Broker) Subscription(ctx context.Context, name string) (*transport.Subscription, error) {
	full, err := b.open(transport.OpGet, subscriptions, name)
	if err != nil {
		return nil, err
	}
	p, err := b.client.SubscriptionAdminClient.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: full})
	if err != nil {
		return nil, b.failed(ctx, transport.OpGet, subscriptionResource(name), roleViewer, err)
	}
	return b.subscription(p), nil
}

// Subscriptions yields all subscriptions of the project as [Broker.Subscription] returns them, reading them page by
// page.
func (b *Broker) Subscriptions(ctx context.Context) iter.Seq2[*transport.Subscription, error] {
	return func(yield func(*transport.Subscription, error) bool) {
		resource := fmt.Sprintf("subscriptions of project %q", b.project)
		if b.calling.isClosed() {
			yield(nil, closedError(transport.OpList, resource))
			return
		}
		for p, err := range b.client.SubscriptionAdminClient.ListSubscriptions(ctx, &pubsubpb.ListSubscriptionsRequest{Project: "projects/" + b.project}).All() {
			if err != nil {
				yield(nil, b.failed(ctx, transport.OpList, resource, roleViewer, err))
				return
			}
			if !yield(b.subscription(p), nil) {
				return
			}
		}
	}
}

// CreateSubscription makes a subscription with all of s, defaults spelled out. Its ranges and filter are checked
// before anything is sent. A push configuration without service account or audience gets the broker's.
func (b *Broker) CreateSubscription(ctx context.Context, s *transport.Subscription) error {
	resource := subscriptionResource(s.Name)
	if _, err := b.open(transport.OpCreate, subscriptions, s.Name); err != nil {
		return err
	}
	_, err := b.fullName(topics, s.Topic) // an update may do without, so complete takes it
	p, err2 := b.complete(s)
	if err := errors.Join(err, err2); err != nil {
		return invalid(transport.OpCreate, resource, err)
	}
	if d := p.GetDeadLetterPolicy().GetDeadLetterTopic(); d != "" {
		// Pub/Sub does not promise to look, and without the topic nothing is ever dead-lettered.
		if _, err := b.Topic(ctx, s.DeadLetter.Topic); errors.Is(err, transport.ErrNotFound) {
			return &transport.Error{Op: transport.OpCreate, Resource: resource, Err: err}
		}
	}
	if _, err := b.client.SubscriptionAdminClient.CreateSubscription(ctx, p); err != nil {
		if status.Code(err) == codes.NotFound { // it is not the subscription that does not exist
			err = b.failed(ctx, transport.OpGet, topicResource(s.Topic), roleViewer, err)
			return &transport.Error{Op: transport.OpCreate, Resource: resource, Err: err}
		}
		return b.failed(ctx, transport.OpCreate, resource, b.editorRole(s), err)
	}
	return nil
}

// UpdateSubscription changes the named fields to those of s, where zeros mean the defaults: nothing else is looked at.
// A nil Push makes it a pull subscription; a nil Retry or DeadLetter takes the policy away.
func (b *Broker) UpdateSubscription(ctx context.Context, s *transport.Subscription, fields ...transport.SubscriptionField) error {
	resource := subscriptionResource(s.Name)
	if _, err := b.open(transport.OpUpdate, subscriptions, s.Name); err != nil {
		return err
	}
	only := &transport.Subscription{Name: s.Name}
	mask := &fieldmaskpb.FieldMask{}
	for _, f := range fields {
		if !subscription.SetField(only, s, f) {
			return invalid(transport.OpUpdate, resource, fmt.Errorf("field %q cannot be changed: delete the subscription and create it again", f))
		}
		mask.Paths = append(mask.Paths, string(f))
	}
	if len(fields) == 0 {
		return nil
	}
	p, err := b.complete(only)
	if err != nil {
		return invalid(transport.OpUpdate, resource, err)
	}
	_, err = b.client.SubscriptionAdminClient.UpdateSubscription(ctx, &pubsubpb.UpdateSubscriptionRequest{Subscription: p, UpdateMask: mask})
	if err == nil {
		return nil
	}
	if d := only.DeadLetter; d != nil && status.Code(err) == codes.NotFound && strings.Contains(status.Convert(err).Message(), transport.ResourceID(d.Topic)) {
		err = b.failed(ctx, transport.OpGet, topicResource(d.Topic), roleViewer, err)
		return &transport.Error{Op: transport.OpUpdate, Resource: resource, Err: err}
	}
	return b.failed(ctx, transport.OpUpdate, resource, b.editorRole(only), err)
}

// DeleteSubscription drops its backlog with it.
func (b *Broker) DeleteSubscription(ctx context.Context, name string) error {
	full, err := b.open(transport.OpDelete, subscriptions, name)
	if err != nil {
		return err
	}
	if err := b.client.SubscriptionAdminClient.DeleteSubscription(ctx, &pubsubpb.DeleteSubscriptionRequest{Subscription: full}); err != nil {
		return b.failed(ctx, transport.OpDelete, subscriptionResource(name), roleEditor, err)
	}
	return nil
}

// open checks that the broker is, and a name before it is used, and returns it in full.
func (b *Broker) open(op, collection, name string) (string, error) {
	resource := topicResource(name)
	if collection == subscriptions {
		resource = subscriptionResource(name)
	}
	if b.calling.isClosed() {
		return "", closedError(op, resource)
	}
	full, err := b.fullName(collection, name)
	if err != nil {
		return "", invalid(op, resource, err)
	}
	return full, nil
}

// complete is s for the API, with its defaults filled in, if it is in order. The API counts ack deadlines in seconds.
func (b *Broker) complete(s *transport.Subscription) (*pubsubpb.Subscription, error) {
	r, _, err := subscription.Resolve(s)
	if err != nil {
		return nil, err
	}
	if r.AckDeadline%time.Second != 0 {
		return nil, fmt.Errorf("ack deadline %v is not whole seconds", r.AckDeadline)
	}
	p, err := b.subscriptionProto(r)
	if err != nil {
		return nil, err
	}
	if d := p.GetDeadLetterPolicy(); d != nil && d.GetDeadLetterTopic() == p.GetTopic() {
		return nil, fmt.Errorf("the dead-letter topic %q is the topic itself", s.Topic)
	}
	return p, nil
}

// editorRole is what creating or changing s takes.
func (b *Broker) editorRole(s *transport.Subscription) string {
	if s.Push == nil {
		return roleEditor
	}
	if account := b.pushProto(s.Push).GetOidcToken().GetServiceAccountEmail(); account != "" {
		return roleEditor + " and, on " + account + ", roles/iam.serviceAccountUser"
	}
	return roleEditor
}
