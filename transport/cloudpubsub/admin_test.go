package cloudpubsub_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

func TestTopic_CreateAndGet(t *testing.T) {
	b := newServer().dial(t)
	want := &transport.Topic{Name: "orders", Labels: map[string]string{"app": "shop"}}
	for _, topic := range []*transport.Topic{want, {Name: "bare"}, {Name: "projects/other/topics/orders"}} {
		if err := b.CreateTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Topic(t.Context(), topic.Name); err != nil || !reflect.DeepEqual(got, topic) {
			t.Errorf("Topic(%q) = %+v, %v", topic.Name, got, err)
		}
	}
	requireKind(t, b.CreateTopic(t.Context(), want), transport.OpCreate, `topic "orders"`, transport.KindExists)
	_, err := b.Topic(t.Context(), "nowhere")
	requireKind(t, err, transport.OpGet, `topic "nowhere"`, transport.KindNotFound)
}

func TestSubscriptions_AreReadPageByPage(t *testing.T) {
	s := newServer("orders")
	b := s.dial(t)
	var want []string
	for _, id := range []string{"aaa", "bbb", "ccc", "ddd", "eee"} {
		want = append(want, id)
		if err := b.CreateSubscription(t.Context(), &transport.Subscription{Name: id, Topic: "orders"}); err != nil {
			t.Fatal(err)
		}
	}
	s.topics["projects/other/topics/orders"] = &pubsubpb.Topic{}
	if err := b.CreateSubscription(t.Context(), &transport.Subscription{Name: "projects/other/subscriptions/fff", Topic: "projects/other/topics/orders"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for sub, err := range b.Subscriptions(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, sub.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("subscriptions %q, want %q", got, want)
	}
	for range b.Subscriptions(t.Context()) {
		break
	}
	if n := len(s.calls("ListSubscriptions")); n != 3+1 {
		t.Errorf("%d pages were asked for", n)
	}
}

func TestSubscriptions_Error_EndsThem(t *testing.T) {
	s := newServer()
	s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
		return nil, status.Error(codes.PermissionDenied, "injected")
	}
	n := 0
	for sub, err := range s.dial(t).Subscriptions(t.Context()) {
		n++
		requireKind(t, err, transport.OpList, `subscriptions of project "emulator"`, transport.KindOther)
		if sub != nil || !strings.Contains(err.Error(), "roles/pubsub.viewer") {
			t.Errorf("%+v, %v", sub, err)
		}
	}
	if n != 1 {
		t.Errorf("%d turns", n)
	}
}

func TestCreateSubscription_OutOfRange_IsRefusedBeforeItIsSent(t *testing.T) {
	s := newServer("orders", "orders-dead")
	b := s.dial(t)
	for name, c := range map[string]struct {
		change func(*transport.Subscription)
		text   string
	}{
		"ack deadline":           {func(s *transport.Subscription) { s.AckDeadline = 601 * time.Second }, "ack deadline"},
		"fraction of a second":   {func(s *transport.Subscription) { s.AckDeadline = 10500 * time.Millisecond }, "whole seconds"},
		"retention":              {func(s *transport.Subscription) { s.Retention = time.Minute }, "retention"},
		"expiration":             {func(s *transport.Subscription) { s.Expiration = time.Hour }, "expiration"},
		"filter":                 {func(s *transport.Subscription) { s.Filter = "attributes." }, "filter"},
		"no topic":               {func(s *transport.Subscription) { s.Topic = "" }, "characters"},
		"bad topic":              {func(s *transport.Subscription) { s.Topic = "projects/p/orders" }, "projects/PROJECT/topics/ID"},
		"bad dead-letter topic":  {func(s *transport.Subscription) { s.DeadLetter.Topic = "a/b" }, `"a/b"`},
		"dead letters go round":  {func(s *transport.Subscription) { s.DeadLetter.Topic = "projects/emulator/topics/orders" }, "is the topic itself"},
		"attempts":               {func(s *transport.Subscription) { s.DeadLetter.MaxAttempts = 1 }, "attempts"},
		"bad name":               {func(s *transport.Subscription) { s.Name = "a b c" }, `"a b c"`},
		"two things at one time": {func(s *transport.Subscription) { s.AckDeadline, s.Retention = 1, 1 }, "retention"},
	} {
		t.Run(name, func(t *testing.T) {
			sub := everything()
			c.change(sub)
			err := b.CreateSubscription(t.Context(), sub)
			if !errors.Is(err, transport.ErrInvalid) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "subscription") {
				t.Errorf("error %v, want one that says %q", err, c.text)
			}
		})
	}
	if n := len(s.requests); n != 0 {
		t.Errorf("%d methods were called", n)
	}
}

func TestCreateSubscription_WhatIsMissing_IsNamed(t *testing.T) {
	for missing, topics := range map[string][]string{"orders": {"orders-dead"}, "orders-dead": {"orders"}} {
		b := newServer(topics...).dial(t)
		err := b.CreateSubscription(t.Context(), everything())
		if !errors.Is(err, transport.ErrNotFound) || transport.KindOf(err) != transport.KindNotFound || !strings.Contains(err.Error(), `create subscription "audit": get topic "`+missing+`": it does not exist`) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	b := newServer("orders", "orders-dead").dial(t)
	if err := b.CreateSubscription(t.Context(), everything()); err != nil {
		t.Fatal(err)
	}
	requireKind(t, b.CreateSubscription(t.Context(), everything()), transport.OpCreate, `subscription "audit"`, transport.KindExists)
}

func TestUpdateSubscription_SendsTheNamedFieldsOnly(t *testing.T) {
	for field, of := range map[transport.SubscriptionField]func(*pubsubpb.Subscription) any{
		transport.FieldLabels:      func(p *pubsubpb.Subscription) any { return p.Labels },
		transport.FieldPush:        func(p *pubsubpb.Subscription) any { return p.PushConfig.PushEndpoint },
		transport.FieldRetry:       func(p *pubsubpb.Subscription) any { return p.RetryPolicy.String() },
		transport.FieldAckDeadline: func(p *pubsubpb.Subscription) any { return p.AckDeadlineSeconds },
		transport.FieldRetention:   func(p *pubsubpb.Subscription) any { return p.MessageRetentionDuration.AsDuration() },
		transport.FieldRetainAcked: func(p *pubsubpb.Subscription) any { return p.RetainAckedMessages },
		transport.FieldExpiration:  func(p *pubsubpb.Subscription) any { return p.ExpirationPolicy.Ttl.AsDuration() },
		transport.FieldExactlyOnce: func(p *pubsubpb.Subscription) any { return p.EnableExactlyOnceDelivery },
		transport.FieldDeadLetter:  func(p *pubsubpb.Subscription) any { return p.DeadLetterPolicy.String() },
	} {
		t.Run(string(field), func(t *testing.T) {
			s := newServer("orders", "orders-dead")
			b := s.dial(t)
			want := everything()
			if field == transport.FieldPush {
				want = pushed()
			}
			if err := b.CreateSubscription(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			created := s.calls("CreateSubscription")[0].(*pubsubpb.Subscription)
			ill := everything() // what is not named is not even looked at
			ill.Topic, ill.Filter, ill.AckDeadline = "a/b", "((", 1
			if field == transport.FieldAckDeadline {
				ill.AckDeadline, ill.Retention = want.AckDeadline, 1
			}
			ill.Push = want.Push
			if err := b.UpdateSubscription(t.Context(), ill, field); err != nil {
				t.Fatal(err)
			}
			got := s.calls("UpdateSubscription")[0].(*pubsubpb.UpdateSubscriptionRequest)
			if !slices.Equal(got.UpdateMask.Paths, []string{string(field)}) || got.Subscription.Name != project+"/subscriptions/audit" {
				t.Errorf("sent %v", got)
			}
			if g, w := of(got.Subscription), of(created); !reflect.DeepEqual(g, w) || reflect.ValueOf(w).IsZero() {
				t.Errorf("sent %v, want %v", g, w)
			}
			// The mask is one that the API's definition allows.
			if mask, err := fieldmaskpb.New(&pubsubpb.Subscription{}, string(field)); err != nil {
				t.Errorf("%v: %v", mask, err)
			}
		})
	}
}

func TestUpdateSubscription_Nil_TakesAway(t *testing.T) {
	s := newServer("orders", "orders-dead")
	b := s.dial(t)
	if err := b.CreateSubscription(t.Context(), pushed()); err != nil {
		t.Fatal(err)
	}
	if err := b.UpdateSubscription(t.Context(), &transport.Subscription{Name: "audit"}, transport.FieldPush, transport.FieldRetry, transport.FieldDeadLetter, transport.FieldExpiration); err != nil {
		t.Fatal(err)
	}
	got := s.calls("UpdateSubscription")[0].(*pubsubpb.UpdateSubscriptionRequest)
	if !proto.Equal(got.Subscription.PushConfig, &pubsubpb.PushConfig{}) || got.Subscription.RetryPolicy != nil || got.Subscription.DeadLetterPolicy != nil || got.Subscription.ExpirationPolicy.Ttl.AsDuration() != 31*day {
		t.Errorf("sent %v", got)
	}
}

func TestUpdateSubscription_Errors(t *testing.T) {
	s := newServer("orders")
	b := s.dial(t)
	sub := &transport.Subscription{Name: "audit", Topic: "orders"}
	requireKind(t, b.UpdateSubscription(t.Context(), sub, transport.FieldLabels), transport.OpUpdate, `subscription "audit"`, transport.KindNotFound)
	if err := b.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	if err := b.UpdateSubscription(t.Context(), sub); err != nil || len(s.calls("UpdateSubscription")) != 1 {
		t.Errorf("an update of no field: %v", err)
	}
	for _, f := range []transport.SubscriptionField{"filter", "topic", "enable_message_ordering", "nonsense"} {
		if err := b.UpdateSubscription(t.Context(), sub, f); !errors.Is(err, transport.ErrInvalid) || !strings.Contains(err.Error(), string(f)) {
			t.Errorf("field %s: %v", f, err)
		}
	}
	sub.AckDeadline = time.Second
	if err := b.UpdateSubscription(t.Context(), sub, transport.FieldAckDeadline); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	sub.DeadLetter = &transport.DeadLetterPolicy{Topic: "orders-dead"}
	err := b.UpdateSubscription(t.Context(), sub, transport.FieldDeadLetter)
	if !errors.Is(err, transport.ErrNotFound) || !strings.Contains(err.Error(), `topic "orders-dead": it does not exist`) {
		t.Errorf("error %v", err)
	}
}

func TestDeleteSubscription(t *testing.T) {
	s := newServer("orders")
	b := s.dial(t)
	if err := b.CreateSubscription(t.Context(), &transport.Subscription{Name: "audit", Topic: "orders"}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteSubscription(t.Context(), "audit"); err != nil || len(s.subscriptions) != 0 {
		t.Errorf("%v, left %v", err, slices.Collect(maps.Keys(s.subscriptions)))
	}
	requireKind(t, b.DeleteSubscription(t.Context(), "audit"), transport.OpDelete, `subscription "audit"`, transport.KindNotFound)
}

// calls about one resource, by name.
func adminCalls(b *cloudpubsub.Broker) map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{
		"Topic": func(ctx context.Context, name string) error { _, err := b.Topic(ctx, name); return err },
		"CreateTopic": func(ctx context.Context, name string) error {
			return b.CreateTopic(ctx, &transport.Topic{Name: name})
		},
		"Subscription": func(ctx context.Context, name string) error { _, err := b.Subscription(ctx, name); return err },
		"CreateSubscription": func(ctx context.Context, name string) error {
			return b.CreateSubscription(ctx, &transport.Subscription{Name: name, Topic: "orders", Push: &transport.PushConfig{Endpoint: "https://x"}})
		},
		"UpdateSubscription": func(ctx context.Context, name string) error {
			return b.UpdateSubscription(ctx, &transport.Subscription{Name: name}, transport.FieldLabels)
		},
		"DeleteSubscription": b.DeleteSubscription,
	}
}

func TestAdmin_Errors_SayWhatToDo(t *testing.T) {
	s := newServer()
	s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
		return nil, status.Error(codes.PermissionDenied, "injected")
	}
	b := s.dial(t)
	for name, call := range adminCalls(b) {
		err := call(t.Context(), "audit")
		if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "grant the caller roles/pubsub.") || !strings.Contains(err.Error(), `"audit"`) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "CreateSubscription" && !strings.Contains(err.Error(), "on tasks@emulator.iam.gserviceaccount.com, roles/iam.serviceAccountUser") {
			t.Errorf("%s: %v", name, err)
		}
		if err := call(t.Context(), "not a name"); !errors.Is(err, transport.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
