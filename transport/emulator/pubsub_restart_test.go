package emulator_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func (r *pubsubRig) subscriptionWithLabels() *pubsubpb.Subscription {
	return &pubsubpb.Subscription{Name: audit, Labels: map[string]string{"a": "b"}}
}

func TestRestart_TopicsAndSubscriptionsAreThere_MessagesAreNot(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t, emulator.WithData(file))
		if !strings.Contains(r.log.String(), "messages of Pub/Sub are in memory alone") {
			t.Errorf("the log does not say so:\n%s", r.log)
		}
		sub := func(id string) string { return project + "/subscriptions/" + id }
		r.subscribe(r.pushed, ordered, deadLettered)
		updated, err := r.update(r.subscriptionWithLabels(), "labels")
		if err != nil {
			t.Fatal(err)
		}
		const passing = project + "/topics/passing"
		if _, err := r.topics.CreateTopic(r.ctx(), &pubsubpb.Topic{Name: passing}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"orphan1", "orphan2", "detached", "deleted"} {
			r.subscribe(func(s *pubsubpb.Subscription) { s.Name, s.Topic = sub(id), passing })
		}
		if _, err := r.topics.DetachSubscription(r.ctx(), &pubsubpb.DetachSubscriptionRequest{Subscription: sub("detached")}); err != nil {
			t.Fatal(err)
		}
		if err := r.subs.DeleteSubscription(r.ctx(), &pubsubpb.DeleteSubscriptionRequest{Subscription: sub("deleted")}); err != nil {
			t.Fatal(err)
		}
		if err := r.topics.DeleteTopic(r.ctx(), &pubsubpb.DeleteTopicRequest{Topic: passing}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.topics.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: orders, Policy: &iampb.Policy{Version: 3}}); err != nil {
			t.Fatal(err)
		}
		r.worker.statuses(500)
		r.publish(text("lost"))
		synctest.Wait()

		r = withPubsub(r.restart(file))
		if _, err := r.topics.GetTopic(r.ctx(), &pubsubpb.GetTopicRequest{Topic: dead}); err != nil {
			t.Error(err)
		}
		_, err = r.topics.GetTopic(r.ctx(), &pubsubpb.GetTopicRequest{Topic: passing})
		wantStatus(t, err, codes.NotFound, "")
		_, err = r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: sub("deleted")})
		wantStatus(t, err, codes.NotFound, "")
		got, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit})
		if err != nil || !proto.Equal(got, updated) {
			t.Errorf("subscription %v, %v\nit was %v", got, err, updated)
		}
		for id, topic := range map[string]string{"orphan1": "_deleted-topic_", "orphan2": "_deleted-topic_", "detached": "_deleted-topic_"} {
			got, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: sub(id)})
			if err != nil || got.Topic != topic || got.Detached != (id == "detached") {
				t.Errorf("%s: %v, %v", id, got, err)
			}
		}
		if got := r.pull(sub("orphan1"), 1); len(got) > 0 {
			t.Errorf("pulled %v", got)
		}
		if p, err := r.topics.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: orders}); err != nil || p.Version != 3 {
			t.Errorf("policy %v, %v", p, err)
		}
		if n := r.backlog(audit); n != 0 {
			t.Errorf("%d messages wait", n)
		}
		if _, err := r.update(&pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{PushEndpoint: r.worker.url}}, "push_config.push_endpoint"); err != nil {
			t.Fatal(err)
		}
		r.publish(text("new"))
		synctest.Wait()
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d pushes", n)
		}
	})
}
