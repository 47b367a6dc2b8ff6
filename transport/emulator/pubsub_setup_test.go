package emulator_test

import (
	"fmt"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pubsubadmin "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

const (
	project = "projects/p"
	orders  = project + "/topics/orders"
	dead    = project + "/topics/orders-dead"
	audit   = project + "/subscriptions/audit"
	burial  = project + "/subscriptions/burial"
)

// pubsubRig is a rig with the topics orders and orders-dead, and Google's clients for Pub/Sub.
type pubsubRig struct {
	*rig
	topics *pubsubadmin.TopicAdminClient
	subs   *pubsubadmin.SubscriptionAdminClient
	stub   pubsubpb.SubscriberClient // for what the client hides
}

// startPubsub is start with topics, on a real socket.
func startPubsub(t testing.TB, opts ...emulator.Option) *pubsubRig {
	t.Helper()
	return withPubsub(start(t, append([]emulator.Option{emulator.WithTopics(orders, dead)}, opts...)...))
}

// startPubsubHere is startPubsub within a bubble.
func startPubsubHere(t testing.TB, opts ...emulator.Option) *pubsubRig {
	t.Helper()
	return withPubsub(startHere(t, append([]emulator.Option{emulator.WithTopics(orders, dead)}, opts...)...))
}

func withPubsub(r *rig) *pubsubRig {
	r.t.Helper()
	p := &pubsubRig{rig: r, stub: pubsubpb.NewSubscriberClient(r.conn)}
	var err error
	if p.topics, err = pubsubadmin.NewTopicAdminClient(r.t.Context(), option.WithGRPCConn(r.conn)); err != nil {
		r.t.Fatal(err)
	}
	if p.subs, err = pubsubadmin.NewSubscriptionAdminClient(r.t.Context(), option.WithGRPCConn(r.conn)); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// client is the one that applications publish and receive with.
func (r *pubsubRig) client() *pubsub.Client {
	r.t.Helper()
	c, err := pubsub.NewClient(r.t.Context(), "p", option.WithGRPCConn(r.conn), option.WithTelemetryDisabled())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// subscribe makes audit, a pull subscription to orders unless set up otherwise.
func (r *pubsubRig) subscribe(set ...func(*pubsubpb.Subscription)) *pubsubpb.Subscription {
	r.t.Helper()
	s := &pubsubpb.Subscription{Name: audit, Topic: orders}
	for _, f := range set {
		f(s)
	}
	made, err := r.subs.CreateSubscription(r.ctx(), s)
	if err != nil {
		r.t.Fatalf("CreateSubscription: %v", err)
	}
	return made
}

// pushed lets a subscription be pushed to the worker.
func (r *pubsubRig) pushed(s *pubsubpb.Subscription) {
	s.PushConfig = &pubsubpb.PushConfig{PushEndpoint: r.worker.url + "/push"}
}

// deadLettered gives a subscription a dead-letter topic after 5 attempts, a second apart.
func deadLettered(s *pubsubpb.Subscription) {
	s.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead}
	s.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(time.Second), MaximumBackoff: durationpb.New(time.Second)}
}

func exactlyOnce(s *pubsubpb.Subscription) { s.EnableExactlyOnceDelivery = true }
func ordered(s *pubsubpb.Subscription)     { s.EnableMessageOrdering = true }

// publish publishes messages to orders, each alone, and returns their ids.
func (r *pubsubRig) publish(ms ...*pubsubpb.PubsubMessage) (ids []string) {
	r.t.Helper()
	for _, m := range ms {
		answer, err := r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: orders, Messages: []*pubsubpb.PubsubMessage{m}})
		if err != nil {
			r.t.Fatalf("Publish: %v", err)
		}
		ids = append(ids, answer.MessageIds...)
	}
	return ids
}

func text(s string) *pubsubpb.PubsubMessage { return &pubsubpb.PubsubMessage{Data: []byte(s)} }

func texts(prefix string, n int) (ms []*pubsubpb.PubsubMessage) {
	for i := range n {
		ms = append(ms, text(fmt.Sprint(prefix, i)))
	}
	return ms
}

// pull returns what there is at once.
func (r *pubsubRig) pull(name string, most int32) []*pubsubpb.ReceivedMessage {
	r.t.Helper()
	//lint:ignore SA1019 that it does not wait is what tests need
	answer, err := r.subs.Pull(r.ctx(), &pubsubpb.PullRequest{Subscription: name, MaxMessages: most, ReturnImmediately: true})
	if err != nil {
		r.t.Fatalf("Pull: %v", err)
	}
	return answer.ReceivedMessages
}

// pullOne is pull where there must be one.
func (r *pubsubRig) pullOne(name string) *pubsubpb.ReceivedMessage {
	r.t.Helper()
	got := r.pull(name, 10)
	if len(got) != 1 {
		r.t.Fatalf("%d messages, want 1: %v", len(got), got)
	}
	return got[0]
}

func (r *pubsubRig) acknowledge(ids ...string) error {
	return r.subs.Acknowledge(r.ctx(), &pubsubpb.AcknowledgeRequest{Subscription: audit, AckIds: ids})
}

func (r *pubsubRig) modify(seconds int32, ids ...string) error {
	return r.subs.ModifyAckDeadline(r.ctx(), &pubsubpb.ModifyAckDeadlineRequest{Subscription: audit, AckIds: ids, AckDeadlineSeconds: seconds})
}

func (r *pubsubRig) backlog(name string) int {
	r.t.Helper()
	n, err := r.e.SubscriptionBacklog(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// drained waits until nothing is left of a subscription.
func (r *pubsubRig) drained(name string) {
	r.t.Helper()
	r.eventually("all acknowledged on "+name, func() bool { return r.backlog(name) == 0 })
}
