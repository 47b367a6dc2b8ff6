package emulator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	limits "github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

const (
	fuzzTopic        = "projects/p/topics/orders"
	fuzzSubscription = "projects/p/subscriptions/audit"
)

// refusedProperly fails unless err is what a service says to a bad request.
func refusedProperly(t *testing.T, err error) {
	t.Helper()
	if c := status.Code(err); c != codes.InvalidArgument && c != codes.Unimplemented || status.Convert(err).Message() == "" {
		t.Errorf("refused by %v", err)
	}
}

func FuzzPubsubNames(f *testing.F) {
	for _, s := range []string{fuzzTopic, fuzzSubscription, "projects/a.b:c/topics/a%~+", "projects/p/topics/x/subscriptions/y", "topics/abc", "", "projects/p"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		isTopic, isSubscription := checkTopicName(name) == nil, checkSubscriptionName(name) == nil
		if isTopic && isSubscription {
			t.Errorf("%q is both", name)
		}
		for part, is := range map[string]bool{topicsPart: isTopic, subscriptionsPart: isSubscription} {
			if is && (projectOf(name)+part+shortID(name) != name || checkProject(projectOf(name)) != nil || transport.CheckTopic(shortID(name)) != nil) {
				t.Errorf("%q is %q in %q", name, shortID(name), projectOf(name))
			}
		}
		if id, project := describeSubscription(name); isSubscription && "projects/"+project+subscriptionsPart+id != name {
			t.Errorf("%q is described as %q of %q", name, id, project)
		}
	})
}

func FuzzPublishRequest(f *testing.F) {
	for _, r := range []*pubsubpb.PublishRequest{
		{Topic: fuzzTopic, Messages: []*pubsubpb.PubsubMessage{{Data: []byte("x"), Attributes: map[string]string{"a": "b"}, OrderingKey: "k"}}},
		{Topic: fuzzTopic, Messages: []*pubsubpb.PubsubMessage{{Data: []byte("x")}, {Attributes: map[string]string{"": ""}}}},
		{Topic: fuzzTopic, Messages: []*pubsubpb.PubsubMessage{{}}},
		{},
	} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &pubsubpb.PublishRequest{}
		if proto.Unmarshal(b, r) != nil || checkTopicName(r.Topic) != nil {
			return
		}
		ms, err := toMessages(r)
		if err != nil {
			refusedProperly(t, err)
			return
		}
		if len(ms) != len(r.Messages) || len(ms) == 0 || len(ms) > transport.MaxPublishBatch {
			t.Fatalf("%d messages of %d", len(ms), len(r.Messages))
		}
		for i, m := range ms {
			if err := m.Check(); err != nil {
				t.Errorf("passed: %v", err)
			}
			if string(m.Data) != string(r.Messages[i].Data) || m.OrderingKey != ms[0].OrderingKey {
				t.Errorf("%v came out as %+v", r.Messages[i], m)
			}
		}
	})
}

func FuzzSubscription(f *testing.F) {
	for _, s := range []*pubsubpb.Subscription{
		{Name: fuzzSubscription, Topic: fuzzTopic},
		{
			Name: fuzzSubscription, Topic: fuzzTopic, AckDeadlineSeconds: 20, Filter: "attributes:x", ExpirationPolicy: &pubsubpb.ExpirationPolicy{},
			RetryPolicy:      &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(0), MaximumBackoff: durationpb.New(0)},
			DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: fuzzTopic + "2"}, Labels: map[string]string{"a": "b"},
			PushConfig: &pubsubpb.PushConfig{PushEndpoint: "http://a.b/c", Wrapper: &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{}}},
		},
		{Name: fuzzSubscription, Topic: fuzzTopic, RetryPolicy: &pubsubpb.RetryPolicy{MaximumBackoff: &durationpb.Duration{Seconds: 1, Nanos: -1}}},
	} {
		b, err := proto.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &pubsubpb.Subscription{}
		if proto.Unmarshal(b, s) != nil || checkSubscriptionName(s.Name) != nil || checkTopicName(s.Topic) != nil {
			return
		}
		if err := completeSubscription(s); err != nil {
			refusedProperly(t, err)
			return
		}
		again := proto.CloneOf(s)
		if err := completeSubscription(again); err != nil || !proto.Equal(again, s) {
			t.Errorf("completed twice: %v, %v, the first time %v", again, err, s)
		}
		s.Filter = "" // which the broker judges
		given := toBroker(s)
		resolved, _, err := limits.Resolve(given)
		if err != nil {
			t.Fatalf("%v was accepted: %v", s, err)
		}
		if resolved.AckDeadline != given.AckDeadline || resolved.Retention != given.Retention || resolved.Expiration != given.Expiration {
			t.Errorf("%+v is %+v to the broker", given, resolved)
		}
		if r := s.RetryPolicy; r != nil && (resolved.Retry.Min-r.MinimumBackoff.AsDuration() > time.Nanosecond || resolved.Retry.Max-r.MaximumBackoff.AsDuration() > time.Nanosecond) {
			t.Errorf("retry policy %v is %+v to the broker", r, resolved.Retry)
		}
	})
}

func FuzzUpdateMask(f *testing.F) {
	for _, s := range []string{"push_config", "push_config.push_endpoint,labels", "pushConfig", "*", "", "expiration_policy.ttl.seconds", "topic", "labels.a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, paths string) {
		u := subscriptionUpdates()
		mask := &fieldmaskpb.FieldMask{Paths: strings.Split(paths, ",")}
		touched, err := u.check(mask)
		if err != nil {
			refusedProperly(t, err)
			return
		}
		was := &pubsubpb.Subscription{Name: fuzzSubscription, Topic: fuzzTopic, Filter: "attributes:x", AckDeadlineSeconds: 30}
		from := &pubsubpb.Subscription{Name: "other", Topic: "other", Filter: "other", Labels: map[string]string{"a": "b"}, AckDeadlineSeconds: 60}
		into := proto.CloneOf(was)
		if err := applyMask(into, from, mask); err != nil {
			t.Fatalf("mask %q was accepted: %v", paths, err)
		}
		if into.Name != was.Name || into.Topic != was.Topic || into.Filter != was.Filter {
			t.Errorf("mask %q changed what nobody changes: %v", paths, into)
		}
		if into.AckDeadlineSeconds != was.AckDeadlineSeconds && !slices.Contains(touched, "ack_deadline_seconds") {
			t.Errorf("mask %q touches %q, and more", paths, touched)
		}
	})
}

func FuzzReadOfPubsub(f *testing.F) {
	f.Add([]byte(topicToRecord(&topic{Topic: newTopic(fuzzTopic)})))
	f.Add([]byte(subscriptionToRecord(&subscription{Subscription: &pubsubpb.Subscription{Name: fuzzSubscription}})))
	f.Add([]byte(newRecord(topicDeletedRecord, fuzzTopic)))
	f.Add([]byte(newRecord(subscriptionDeletedRecord, fuzzSubscription)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSaved()
		if s.read(b) != nil { // must not panic
			return
		}
		for name, topic := range s.topics {
			again := newSaved()
			if err := again.read(topicToRecord(topic)); err != nil || !proto.Equal(again.topics[name].Topic, topic.Topic) {
				t.Errorf("%v was written, and read as %v: %v", topic, again.topics[name], err)
			}
		}
	})
}
