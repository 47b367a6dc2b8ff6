package cloudpubsub_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

const day = 24 * time.Hour

// everything sets each field that a pulled subscription can have.
func everything() *transport.Subscription {
	return &transport.Subscription{
		Name: "audit", Topic: "orders", Labels: map[string]string{"app": "shop"}, Filter: `attributes:region`, Ordered: true,
		Retry: &transport.BackoffRange{Min: 15 * time.Second, Max: 90 * time.Second}, AckDeadline: 20 * time.Second, Retention: 2 * day, RetainAcked: true,
		Expiration: 3 * day, ExactlyOnceDelivery: true, DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead", MaxAttempts: 7},
	}
}

// pushed is the same for one that is pushed.
func pushed() *transport.Subscription {
	s := everything()
	s.ExactlyOnceDelivery = false
	s.Push = &transport.PushConfig{Endpoint: "https://shop.example.com/push", ServiceAccount: "a@b", Audience: "https://shop.example.com", Unwrapped: true, WriteMetadata: true}
	return s
}

func TestSubscription_EveryFieldThereAndBack(t *testing.T) {
	for _, s := range []*transport.Subscription{everything(), pushed()} {
		requireComplete(t, s, "Push", "ExactlyOnceDelivery")
	}
	requireComplete(t, pushed().Push)
	requireComplete(t, pushed().Retry)
	requireComplete(t, pushed().DeadLetter)

	never, wrapped, elsewhere := everything(), pushed(), everything()
	never.Expiration = transport.NeverExpires
	wrapped.Push.Unwrapped, wrapped.Push.WriteMetadata = false, false
	elsewhere.Name, elsewhere.Topic, elsewhere.DeadLetter.Topic = "projects/p/subscriptions/audit", "projects/p/topics/orders", "projects/p/topics/orders-dead"
	for name, s := range map[string]*transport.Subscription{"pulled": everything(), "pushed": pushed(), "never expires": never, "wrapped": wrapped, "of another project": elsewhere} {
		t.Run(name, func(t *testing.T) {
			server := newServer("orders", "orders-dead")
			for _, topic := range []string{"orders", "orders-dead"} {
				server.topics["projects/p/topics/"+topic] = &pubsubpb.Topic{}
			}
			b := server.dial(t)
			if err := b.CreateSubscription(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			got, err := b.Subscription(t.Context(), s.Name)
			if err != nil || !reflect.DeepEqual(got, s) {
				t.Errorf("read back %+v, %v; want %+v", got, err, s)
			}
		})
	}
}

// requireComplete says when a field was added that the test does not set yet.
func requireComplete(t *testing.T, p any, optional ...string) {
	t.Helper()
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && !slices.Contains(optional, name) {
			t.Errorf("%s.%s is not set: set it, and convert it", v.Type(), name)
		}
	}
}

func TestSubscription_ZerosOfCallerAndServer_AreTheDefaults(t *testing.T) {
	for name, c := range map[string]struct {
		asked *transport.Subscription
		kept  *pubsubpb.Subscription // what the server says; nil: what it was told
		want  *transport.Subscription
	}{
		"nothing set": {
			asked: &transport.Subscription{},
			want:  &transport.Subscription{AckDeadline: 10 * time.Second, Retention: 7 * day, Expiration: 31 * day},
		},
		"policies with zeros": {
			asked: &transport.Subscription{Retry: &transport.BackoffRange{}, DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead"}},
			want: &transport.Subscription{AckDeadline: 10 * time.Second, Retention: 7 * day, Expiration: 31 * day,
				Retry: &transport.BackoffRange{Min: 10 * time.Second, Max: 600 * time.Second}, DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead", MaxAttempts: 5}},
		},
		"server says nothing": {
			asked: &transport.Subscription{},
			kept: &pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{}, RetryPolicy: &pubsubpb.RetryPolicy{}, ExpirationPolicy: &pubsubpb.ExpirationPolicy{},
				DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: project + "/topics/orders-dead"}},
			want: &transport.Subscription{AckDeadline: 10 * time.Second, Retention: 7 * day, Expiration: transport.NeverExpires,
				Retry: &transport.BackoffRange{Min: 10 * time.Second, Max: 600 * time.Second}, DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead", MaxAttempts: 5}},
		},
		"server says nothing of expiration": {
			asked: &transport.Subscription{},
			kept:  &pubsubpb.Subscription{RetryPolicy: &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(0)}},
			want: &transport.Subscription{AckDeadline: 10 * time.Second, Retention: 7 * day, Expiration: 31 * day,
				Retry: &transport.BackoffRange{Max: 600 * time.Second}},
		},
		"topic was deleted": {
			asked: &transport.Subscription{},
			kept:  &pubsubpb.Subscription{Topic: "_deleted-topic_"},
			want:  &transport.Subscription{Topic: "_deleted-topic_", AckDeadline: 10 * time.Second, Retention: 7 * day, Expiration: 31 * day},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer("orders", "orders-dead")
			b := server.dial(t)
			c.asked.Name, c.asked.Topic = "audit", "orders"
			if err := b.CreateSubscription(t.Context(), c.asked); err != nil {
				t.Fatal(err)
			}
			c.want.Name = "audit"
			if c.want.Topic == "" {
				c.want.Topic = "orders"
			}
			if c.kept != nil {
				c.kept.Name = project + "/subscriptions/audit"
				if c.kept.Topic == "" {
					c.kept.Topic = project + "/topics/orders"
				}
				server.subscriptions[c.kept.Name] = c.kept
			}
			got, err := b.Subscription(t.Context(), "audit")
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("read back %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestSubscription_PushToken_IsTheSubscriptionsElseTheDrivers(t *testing.T) {
	const endpoint = "https://shop.example.com/push"
	for name, c := range map[string]struct {
		opts              []cloudpubsub.Option
		push              transport.PushConfig
		account, audience string
	}{
		"the subscription's":    {[]cloudpubsub.Option{cloudpubsub.WithServiceAccount("driver@p"), cloudpubsub.WithAudience("driver")}, transport.PushConfig{ServiceAccount: "own@p", Audience: "own"}, "own@p", "own"},
		"the driver's":          {[]cloudpubsub.Option{cloudpubsub.WithServiceAccount("driver@p"), cloudpubsub.WithAudience("driver")}, transport.PushConfig{}, "driver@p", "driver"},
		"for the endpoint":      {[]cloudpubsub.Option{cloudpubsub.WithServiceAccount("driver@p")}, transport.PushConfig{}, "driver@p", endpoint},
		"the emulator's":        {nil, transport.PushConfig{}, "tasks@emulator.iam.gserviceaccount.com", endpoint},
		"none":                  {[]cloudpubsub.Option{cloudpubsub.WithoutOIDC(), cloudpubsub.WithAudience("driver")}, transport.PushConfig{Audience: "own"}, "", ""},
		"one though the driver": {[]cloudpubsub.Option{cloudpubsub.WithoutOIDC()}, transport.PushConfig{ServiceAccount: "own@p"}, "own@p", endpoint},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer("orders")
			b := server.dial(t, c.opts...)
			c.push.Endpoint = endpoint
			if err := b.CreateSubscription(t.Context(), &transport.Subscription{Name: "audit", Topic: "orders", Push: &c.push}); err != nil {
				t.Fatal(err)
			}
			got := server.subscriptions[project+"/subscriptions/audit"].PushConfig
			want := &pubsubpb.PushConfig{PushEndpoint: endpoint, Wrapper: &pubsubpb.PushConfig_PubsubWrapper_{PubsubWrapper: &pubsubpb.PushConfig_PubsubWrapper{}}}
			if c.account != "" {
				want.AuthenticationMethod = &pubsubpb.PushConfig_OidcToken_{OidcToken: &pubsubpb.PushConfig_OidcToken{ServiceAccountEmail: c.account, Audience: c.audience}}
			}
			if !proto.Equal(got, want) {
				t.Errorf("push configuration %v, want %v", got, want)
			}
			back, err := b.Subscription(t.Context(), "audit")
			if err != nil || *back.Push != (transport.PushConfig{Endpoint: endpoint, ServiceAccount: c.account, Audience: c.audience}) {
				t.Errorf("read back %+v, %v", back, err)
			}
		})
	}
}

func TestSubscription_TokenWithoutAudience_IsForTheEndpoint(t *testing.T) {
	server := newServer()
	server.subscriptions[project+"/subscriptions/audit"] = &pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{
		PushEndpoint: "https://x", AuthenticationMethod: &pubsubpb.PushConfig_OidcToken_{OidcToken: &pubsubpb.PushConfig_OidcToken{ServiceAccountEmail: "a@b"}},
	}}
	got, err := server.dial(t).Subscription(t.Context(), "audit")
	if err != nil || *got.Push != (transport.PushConfig{Endpoint: "https://x", ServiceAccount: "a@b", Audience: "https://x"}) {
		t.Errorf("%+v, %v", got.Push, err)
	}
}
