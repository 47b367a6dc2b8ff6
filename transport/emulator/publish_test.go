package emulator_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestPublish_ReachesEverySubscriptionWhoseFilterMatches(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	r.subscribe(func(s *pubsubpb.Subscription) { s.Name, s.Filter = burial, `attributes.region = "emea"` })
	began := time.Now()
	ids := r.publish(text("one"), &pubsubpb.PubsubMessage{
		Data: []byte("two"), Attributes: map[string]string{"region": "emea", "x": ""}, OrderingKey: "k", MessageId: "mine",
	})
	got := r.pull(audit, 10)
	if len(got) != 2 || got[0].Message.MessageId != ids[0] || got[1].Message.MessageId != ids[1] || string(got[0].Message.Data) != "one" {
		t.Fatalf("pulled %v, published %q", got, ids)
	}
	if n, err := strconv.Atoi(ids[0]); err != nil || n <= 0 || ids[1] == "mine" {
		t.Errorf("ids %q", ids)
	}
	m := r.pullOne(burial).Message
	if string(m.Data) != "two" || !maps.Equal(m.Attributes, map[string]string{"region": "emea", "x": ""}) || m.OrderingKey != "k" {
		t.Errorf("filtered: %v", m)
	}
	if at := m.PublishTime.AsTime(); at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("published at %s", at)
	}
	if got[0].DeliveryAttempt != 0 {
		t.Errorf("attempt %d without a dead-letter policy", got[0].DeliveryAttempt)
	}
}

func TestPublish_Bad_IsRefusedAsAWhole(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	big := func(n int) *pubsubpb.PubsubMessage { return &pubsubpb.PubsubMessage{Data: make([]byte, n)} }
	attributes := func(m map[string]string) []*pubsubpb.PubsubMessage {
		return []*pubsubpb.PubsubMessage{{Attributes: m}}
	}
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprint("k", i)] = ""
	}
	for what, tc := range map[string]struct {
		topic string
		ms    []*pubsubpb.PubsubMessage
		code  codes.Code
		says  string
	}{
		"bad topic":         {"orders", texts("", 1), codes.InvalidArgument, "(name=orders)"},
		"no topic":          {orders + "2", texts("", 1), codes.NotFound, "(resource=orders2)"},
		"no messages":       {orders, nil, codes.InvalidArgument, "message_count is too small"},
		"many messages":     {orders, texts("", 1001), codes.InvalidArgument, "message_count is too large. You passed 1001"},
		"empty":             {orders, []*pubsubpb.PubsubMessage{text("fine"), {OrderingKey: "k"}}, codes.InvalidArgument, "non-empty data, or at least one attribute"},
		"large":             {orders, []*pubsubpb.PubsubMessage{big(10_000_001)}, codes.InvalidArgument, "10000001"},
		"large in all":      {orders, []*pubsubpb.PubsubMessage{big(6_000_000), big(4_000_001)}, codes.InvalidArgument, "request_size is too large. You passed 10000001"},
		"many attributes":   {orders, attributes(many), codes.InvalidArgument, "101 attributes"},
		"no attribute key":  {orders, attributes(map[string]string{"": "x"}), codes.InvalidArgument, "empty key"},
		"long attribute":    {orders, attributes(map[string]string{"k": strings.Repeat("x", 1025)}), codes.InvalidArgument, "1025"},
		"Google's":          {orders, attributes(map[string]string{"googclient": "x"}), codes.InvalidArgument, "reserved"},
		"long ordering key": {orders, []*pubsubpb.PubsubMessage{{Data: []byte("x"), OrderingKey: strings.Repeat("k", 1025)}}, codes.InvalidArgument, "1025"},
		"two ordering keys": {orders, []*pubsubpb.PubsubMessage{{Data: []byte("x"), OrderingKey: "a"}, {Data: []byte("x"), OrderingKey: "b"}},
			codes.InvalidArgument, `messages[0] has "a", messages[1] has "b"`},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: tc.topic, Messages: tc.ms})
			wantStatus(t, err, tc.code, "")
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %s", err, tc.says)
			}
		})
	}
	if n := r.backlog(audit); n != 0 {
		t.Errorf("%d messages of refused requests were stored", n)
	}
	for what, ms := range map[string][]*pubsubpb.PubsubMessage{"1000 messages": texts("", 1000), "10 MB": {big(10_000_000)}} {
		if _, err := r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: orders, Messages: ms}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPublish_ByTheClient_BatchedAndCompressed(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	p := r.client().Publisher("orders")
	p.PublishSettings.EnableCompression = true
	p.PublishSettings.CompressionBytesThreshold = 1
	var results []*pubsub.PublishResult
	for i := range 500 {
		results = append(results, p.Publish(r.ctx(), &pubsub.Message{Data: []byte(strconv.Itoa(i))}))
	}
	p.Stop()
	var ids []string
	for _, result := range results {
		id, err := result.Get(r.ctx())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 500 || r.backlog(audit) != 500 {
		t.Errorf("%d ids, %d messages wait", n, r.backlog(audit))
	}
}

func TestWithTopicsOnDemand_CreatesTopics(t *testing.T) {
	r := startPubsub(t, emulator.WithTopicsOnDemand())
	const first, second, third = project + "/topics/first", project + "/topics/second", project + "/topics/third"
	publish := func(topic string) error {
		_, err := r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: topic, Messages: texts("", 1)})
		return err
	}
	if err := publish(first); err != nil {
		t.Errorf("published to one that does not exist: %v", err)
	}
	r.subscribe(func(s *pubsubpb.Subscription) {
		s.Topic, s.DeadLetterPolicy = second, &pubsubpb.DeadLetterPolicy{DeadLetterTopic: third}
	})
	for _, name := range []string{first, second, third} {
		if _, err := r.topics.GetTopic(r.ctx(), &pubsubpb.GetTopicRequest{Topic: name}); err != nil {
			t.Error(err)
		}
	}
	if err := publish(second); err != nil || r.backlog(audit) != 1 {
		t.Errorf("published: %v; %d messages wait", err, r.backlog(audit))
	}
	wantStatus(t, publish("projects/p/topics/x"), codes.InvalidArgument, "")
}

func TestWithTopics_BadName_IsAnError(t *testing.T) {
	if _, err := emulator.New(emulator.WithTopics("orders")); err == nil || !strings.Contains(err.Error(), `"orders"`) {
		t.Errorf("error %v", err)
	}
}
