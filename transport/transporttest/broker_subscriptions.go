package transporttest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func subscriptionLaws() []brokerLaw {
	return []brokerLaw{
		{"subscriptions/create", "A subscription that was created can be looked up, with all its settings, and is the broker's own copy.", subscriptionsCreate},
		{"subscriptions/defaults", "A setting that was not made is Pub/Sub's default, or zero, which means it.", subscriptionsDefaults},
		{"subscriptions/exists", "Creating a subscription that exists answers ErrExists and changes nothing.", subscriptionsExists},
		{"subscriptions/missing", "A subscription that does not exist, or whose topic does not, answers ErrNotFound.", subscriptionsMissing},
		{"subscriptions/invalid", "A setting out of range answers ErrInvalid, and no subscription is made.", subscriptionsInvalid},
		{"subscriptions/list", "Subscriptions yields each subscription once, and ends where its caller breaks off.", subscriptionsList},
		{"subscriptions/delete", "Deleting a subscription drops its backlog with it and frees its name.", subscriptionsDelete},
		{"subscriptions/race", "Of several that create one subscription at the same time, one succeeds.", subscriptionsRace},
	}
}

// settings are all that a subscription may say, but what excludes each other: exactly once is for pull only.
func settings(name string) *transport.Subscription {
	return &transport.Subscription{
		Name: name, Topic: topic, Labels: map[string]string{"app": "shop"}, Filter: `attributes:region`, Ordered: true,
		Retry: &transport.BackoffRange{Min: 20 * time.Second, Max: 300 * time.Second}, AckDeadline: 30 * time.Second,
		Retention: 24 * time.Hour, RetainAcked: true, Expiration: transport.NeverExpires, ExactlyOnceDelivery: true,
		DeadLetter: &transport.DeadLetterPolicy{Topic: deadTopic, MaxAttempts: 7},
	}
}

func pushSettings(name string) *transport.Subscription {
	s := settings(name)
	s.ExactlyOnceDelivery = false
	s.Push = &transport.PushConfig{Endpoint: "https://conformance.test/unserved", ServiceAccount: "pusher@conformance.iam.gserviceaccount.com", Audience: "https://conformance.test"}
	return s
}

// plain is s with ids for names and Pub/Sub's defaults for zeros, so that drivers may answer either.
func plain(s *transport.Subscription) *transport.Subscription {
	p := *s
	p.Name, p.Topic = transport.ResourceID(s.Name), transport.ResourceID(s.Topic)
	if p.Labels = maps.Clone(s.Labels); len(p.Labels) == 0 {
		p.Labels = nil
	}
	p.AckDeadline = cmp.Or(s.AckDeadline, 10*time.Second)
	p.Retention = cmp.Or(s.Retention, 7*24*time.Hour)
	p.Expiration = cmp.Or(s.Expiration, 31*24*time.Hour)
	if s.Push != nil {
		push := *s.Push
		push.Audience = cmp.Or(push.Audience, push.Endpoint)
		p.Push = &push
	}
	if s.Retry != nil {
		retry := *s.Retry
		p.Retry = &retry
	}
	if s.DeadLetter != nil {
		p.DeadLetter = &transport.DeadLetterPolicy{Topic: transport.ResourceID(s.DeadLetter.Topic), MaxAttempts: cmp.Or(s.DeadLetter.MaxAttempts, 5)}
	}
	return &p
}

// wantSettings records unless the subscription is as want says.
func (t *brokerTrial) wantSettings(want *transport.Subscription) {
	ctx, cancel := t.context()
	defer cancel()
	got, err := t.Admin.Subscription(ctx, want.Name)
	if err != nil {
		t.errorf("Subscription(%q): %v", want.Name, err)
		return
	}
	t.wantSame(got, want)
}

// wantSame records each setting in which the two differ.
func (t *brokerTrial) wantSame(got, want *transport.Subscription) {
	g, w := reflect.ValueOf(*plain(got)), reflect.ValueOf(*plain(want))
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.errorf("subscription %q has %s %+v, want %+v", want.Name, g.Type().Field(i).Name, pointed(g.Field(i)), pointed(w.Field(i)))
		}
	}
}

// pointed is what v is or points to.
func pointed(v reflect.Value) any {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v.Interface()
}

func subscriptionsCreate(t *brokerTrial) {
	t.needsAdmin()
	unwrapped := pushSettings("unwrapped-sub")
	unwrapped.Push.Unwrapped, unwrapped.Push.WriteMetadata = true, true
	few := t.sub("brief-sub")
	few.Expiration = 48 * time.Hour
	for _, want := range []*transport.Subscription{settings(subscription), pushSettings("push-sub"), unwrapped, few} {
		given := plain(want)
		t.subscribe(given)
		given.AckDeadline = time.Minute
		if given.Retry != nil {
			given.Labels["app"], given.Retry.Min, given.DeadLetter.MaxAttempts = "changed afterwards", time.Second, 50
		}
		t.wantSettings(want)
	}
	ctx, cancel := t.context()
	defer cancel()
	lent, err := t.Admin.Subscription(ctx, subscription)
	if err != nil {
		t.fatalf("Subscription: %v", err)
	}
	lent.Labels["app"], lent.Retry.Min, lent.DeadLetter.MaxAttempts = "changed", time.Second, 50
	t.wantSettings(settings(subscription))
}

func subscriptionsDefaults(t *brokerTrial) {
	t.needsAdmin()
	t.subscribe(t.sub(subscription))
	t.wantSettings(t.sub(subscription))
}

func subscriptionsExists(t *brokerTrial) {
	t.needsAdmin()
	t.subscribe(settings(subscription))
	t.publish(&transport.Message{Topic: topic, Attributes: map[string]string{"region": "emea"}})
	t.wantError(t.create(t.sub(subscription)), transport.ErrExists, "CreateSubscription of one that exists")
	t.wantSettings(settings(subscription))
	box, _ := t.receive(subscription, ack)
	box.exactly("it was published once", "")
}

func subscriptionsMissing(t *brokerTrial) {
	t.needsAdmin()
	ctx, cancel := t.context()
	defer cancel()
	s := t.sub("never-made")
	got, err := t.Admin.Subscription(ctx, s.Name)
	t.wantError(err, transport.ErrNotFound, "Subscription of one that does not exist (%+v)", got)
	t.wantError(t.Admin.UpdateSubscription(ctx, s, transport.FieldAckDeadline), transport.ErrNotFound, "UpdateSubscription of one that does not exist")
	t.wantError(t.Admin.DeleteSubscription(ctx, s.Name), transport.ErrNotFound, "DeleteSubscription of one that does not exist")
	s.Topic = "never-made"
	t.wantError(t.create(s), transport.ErrNotFound, "CreateSubscription to a topic that does not exist")
}

func subscriptionsInvalid(t *brokerTrial) {
	t.needsAdmin()
	t.needsChecks()
	t.topic(topic)
	t.topic(deadTopic)
	for what, change := range map[string]func(*transport.Subscription){
		"no name":                                 func(s *transport.Subscription) { s.Name = "" },
		"a name with a space":                     func(s *transport.Subscription) { s.Name = "no name" },
		"a reserved name":                         func(s *transport.Subscription) { s.Name = "google-sub" },
		"no topic":                                func(s *transport.Subscription) { s.Topic = "" },
		"an ack deadline under 10 s":              func(s *transport.Subscription) { s.AckDeadline = 9 * time.Second },
		"an ack deadline over 600 s":              func(s *transport.Subscription) { s.AckDeadline = 601 * time.Second },
		"a retention under 10 minutes":            func(s *transport.Subscription) { s.Retention = 9 * time.Minute },
		"a retention over 31 days":                func(s *transport.Subscription) { s.Retention = 32 * 24 * time.Hour },
		"an expiration under a day":               func(s *transport.Subscription) { s.Expiration = 23 * time.Hour },
		"a negative pause":                        func(s *transport.Subscription) { s.Retry.Min = -time.Second },
		"a pause over 600 s":                      func(s *transport.Subscription) { s.Retry.Max = 601 * time.Second },
		"fewer than 5 attempts":                   func(s *transport.Subscription) { s.DeadLetter.MaxAttempts = 4 },
		"more than 100 attempts":                  func(s *transport.Subscription) { s.DeadLetter.MaxAttempts = 101 },
		"a filter over 256 bytes":                 func(s *transport.Subscription) { s.Filter = `attributes.a = "` + strings.Repeat("x", 256) + `"` },
		"exactly-once delivery of what is pushed": func(s *transport.Subscription) { s.Push = pushSettings("").Push },
	} {
		s := settings(subscription)
		change(s)
		t.wantError(t.create(s), transport.ErrInvalid, "%s", what)
	}
	t.subscribe(settings(subscription)) // its name is free
}

func subscriptionsList(t *brokerTrial) {
	t.needsAdmin()
	ctx, cancel := t.context()
	defer cancel()
	list := func(most int) (all []*transport.Subscription) {
		for s, err := range t.Admin.Subscriptions(ctx) {
			if err != nil {
				t.fatalf("Subscriptions: %v", err)
			}
			if all = append(all, s); len(all) == most {
				break
			}
		}
		return all
	}
	if all := list(10); len(all) != 0 {
		t.errorf("a fresh broker lists %d subscriptions", len(all))
	}
	want := map[string]*transport.Subscription{}
	for i := range 12 {
		s := settings(fmt.Sprintf("sub-%d", i))
		s.AckDeadline = time.Duration(10+i) * time.Second
		want[s.Name] = s
		t.subscribe(s)
	}
	for _, s := range list(100) {
		id := transport.ResourceID(s.Name)
		if want[id] == nil {
			t.errorf("Subscriptions yields %q, which was not made, or twice", s.Name)
			continue
		}
		t.wantSame(s, want[id])
		delete(want, id)
	}
	if len(want) > 0 {
		t.errorf("Subscriptions leaves out %q", slices.Sorted(maps.Keys(want)))
	}
	if all := list(3); len(all) != 3 {
		t.errorf("Subscriptions yields %d to who breaks off after 3", len(all))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var last error
	for _, err := range t.Admin.Subscriptions(ended) {
		last = err
	}
	t.wantError(last, context.Canceled, "the last of Subscriptions with an ended context")
}

func subscriptionsDelete(t *brokerTrial) {
	t.needsAdmin()
	ctx, cancel := t.context()
	defer cancel()
	t.subscribe(t.sub(subscription))
	kept := t.listen(t.sub("kept-sub"), ack)
	t.publish(t.message("dropped"))
	t.wantError(t.Admin.DeleteSubscription(ctx, subscription), nil, "DeleteSubscription")
	_, err := t.Admin.Subscription(ctx, subscription)
	t.wantError(err, transport.ErrNotFound, "Subscription of one that was deleted")
	t.wantError(t.Admin.DeleteSubscription(ctx, subscription), transport.ErrNotFound, "DeleteSubscription of one that was deleted")
	again := t.listen(t.sub(subscription), ack)
	t.publish(t.message("after"))
	again.exactly("it went with the subscription of that name", "after")
	kept.exactly("it is another subscription", "dropped", "after")
}

func subscriptionsRace(t *brokerTrial) {
	t.needsAdmin()
	t.topic(topic)
	t.wantOneWinner("CreateSubscription", func(ctx context.Context) error {
		return t.Admin.CreateSubscription(ctx, t.sub(subscription))
	})
}
