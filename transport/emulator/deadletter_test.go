package emulator_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestPush_RetryPolicyThenDeadLetterOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(r.pushed, func(s *pubsubpb.Subscription) {
			s.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: 6}
			s.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(10 * time.Second), MaximumBackoff: durationpb.New(60 * time.Second)}
		})
		r.subscribe(func(s *pubsubpb.Subscription) { s.Name, s.Topic = burial, dead })
		r.worker.statuses(500)
		began := time.Now()
		r.publish(&pubsubpb.PubsubMessage{Data: []byte("m"), Attributes: map[string]string{"own": "1"}, OrderingKey: "k"})
		time.Sleep(time.Hour)
		var at []time.Duration
		var attempts []int
		for _, c := range r.worker.seen() {
			at = append(at, c.at.Sub(began)/time.Second)
			var body struct{ DeliveryAttempt int }
			if err := json.Unmarshal([]byte(c.body), &body); err != nil {
				t.Fatal(err)
			}
			attempts = append(attempts, body.DeliveryAttempt)
		}
		if want := []time.Duration{0, 10, 30, 70, 130, 190}; !slices.Equal(at, want) {
			t.Errorf("pushed after %d seconds, want %d", at, want)
		}
		if !slices.Equal(attempts, []int{1, 2, 3, 4, 5, 6}) {
			t.Errorf("attempts %d", attempts)
		}
		if n := r.backlog(audit); n != 0 {
			t.Errorf("%d messages are left of the source", n)
		}
		got := r.pullOne(burial)
		want := map[string]string{
			"own": "1", "CloudPubSubDeadLetterSourceDeliveryCount": "6", "CloudPubSubDeadLetterSourceSubscription": "audit",
			"CloudPubSubDeadLetterSourceSubscriptionProject": "p", "CloudPubSubDeadLetterSourceTopicPublishTime": began.UTC().Format(time.RFC3339Nano),
		}
		if !maps.Equal(got.Message.Attributes, want) || string(got.Message.Data) != "m" || got.Message.OrderingKey != "k" {
			t.Errorf("dead letter %v, want attributes %v", got.Message, want)
		}
	})
}

func TestPull_NacksAndExpiries_DeadLetterOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(deadLettered)
		r.subscribe(func(s *pubsubpb.Subscription) { s.Name, s.Topic = burial, dead })
		r.publish(texts("m", 20)...)
		for attempt := range int32(5) {
			got := r.pull(audit, 100)
			if len(got) != 20 || got[0].DeliveryAttempt != attempt+1 {
				t.Fatalf("attempt %d: %d messages, of attempt %d", attempt+1, len(got), got[0].GetDeliveryAttempt())
			}
			if err := r.modify(0, idsOf(got[:10])...); err != nil { // the others expire
				t.Fatal(err)
			}
			time.Sleep(12 * time.Second)
		}
		if got := r.pull(burial, 100); len(got) != 20 || r.backlog(audit) != 0 {
			t.Errorf("%d dead letters, %d messages left", len(got), r.backlog(audit))
		}
	})
}

// TestPush_Ordered_KeepsTheOrderOfEachKey answers some pushes with a failure: what follows under the key waits.
func TestPush_Ordered_KeepsTheOrderOfEachKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const keys, each = 5, 20
		r := startPubsubHere(t)
		r.subscribe(r.pushed, ordered)
		r.worker.statuses(500, 200, 503, 404, 200, 200, 500, 200, 200, 200, 500, 200)
		for i := range each {
			for k := range keys {
				r.publish(&pubsubpb.PubsubMessage{Data: fmt.Append(nil, i), OrderingKey: fmt.Sprint("key", k)})
			}
		}
		time.Sleep(10 * time.Minute)
		if n := r.backlog(audit); n != 0 {
			t.Fatalf("%d messages are left", n)
		}
		last := map[string]int{}
		failed := 0
		for _, c := range r.worker.seen() {
			var body struct {
				Message struct {
					Data        []byte
					OrderingKey string
				}
			}
			if err := json.Unmarshal([]byte(c.body), &body); err != nil {
				t.Fatal(err)
			}
			var i int
			if _, err := fmt.Sscan(string(body.Message.Data), &i); err != nil {
				t.Fatal(err)
			}
			key := body.Message.OrderingKey
			switch i {
			case last[key]: // the first, or again
				failed++
			case last[key] + 1:
				last[key] = i
			default:
				t.Fatalf("%s: %d after %d", key, i, last[key])
			}
		}
		if failed != keys+5 || len(last) != keys {
			t.Errorf("%d pushes of what had been pushed, of %d keys", failed-keys, len(last))
		}
	})
}

func TestUpdateSubscription_RetryPolicy_TakesEffectAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(r.pushed, func(s *pubsubpb.Subscription) {
			s.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(600 * time.Second)}
		})
		r.worker.statuses(500, 200)
		r.publish(text("m"))
		time.Sleep(time.Second)
		if _, err := r.update(&pubsubpb.Subscription{RetryPolicy: &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(0)}}, "retry_policy.minimum_backoff"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := len(r.worker.seen()); n != 2 {
			t.Errorf("%d pushes, want the second without its pause", n)
		}
	})
}
