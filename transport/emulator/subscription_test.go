package emulator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestCreateSubscription_FillsDefaultsIn(t *testing.T) {
	r := startPubsub(t)
	made := r.subscribe()
	want := &pubsubpb.Subscription{
		Name: audit, Topic: orders, AckDeadlineSeconds: 10, MessageRetentionDuration: durationpb.New(7 * 24 * time.Hour),
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{Ttl: durationpb.New(31 * 24 * time.Hour)},
		PushConfig:       &pubsubpb.PushConfig{}, State: pubsubpb.Subscription_ACTIVE,
	}
	if !proto.Equal(made, want) {
		t.Errorf("created %v\nwant %v", made, want)
	}
	got, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit})
	if err != nil || !proto.Equal(got, made) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCreateSubscription_KeepsWhatIsSet(t *testing.T) {
	r := startPubsub(t)
	s := &pubsubpb.Subscription{
		Name: audit, Topic: orders, Labels: map[string]string{"by": "me"}, AckDeadlineSeconds: 600, RetainAckedMessages: true,
		MessageRetentionDuration: durationpb.New(31 * 24 * time.Hour), EnableMessageOrdering: true,
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{}, Filter: `attributes.region = "emea"`,
		RetryPolicy:      &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(0)},
		DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead},
		PushConfig: &pubsubpb.PushConfig{
			PushEndpoint: "https://shop.example/push", Wrapper: &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{WriteMetadata: true}},
			AuthenticationMethod: &pubsubpb.PushConfig_OidcToken_{OidcToken: &pubsubpb.PushConfig_OidcToken{ServiceAccountEmail: "a@b.c", Audience: "aud"}},
		},
	}
	made, err := r.subs.CreateSubscription(r.ctx(), s)
	if err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(s)
	want.State = pubsubpb.Subscription_ACTIVE
	want.RetryPolicy.MaximumBackoff = durationpb.New(600 * time.Second)
	want.DeadLetterPolicy.MaxDeliveryAttempts = 5
	want.PushConfig.Attributes = map[string]string{"x-goog-version": "v1"}
	if !proto.Equal(made, want) {
		t.Errorf("created %v\nwant %v", made, want)
	}
	_, err = r.subs.CreateSubscription(r.ctx(), s)
	wantStatus(t, err, codes.AlreadyExists, "Resource already exists in the project (resource=audit).")
}

func TestCreateSubscription_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	push := func(c *pubsubpb.PushConfig) *pubsubpb.Subscription { return &pubsubpb.Subscription{PushConfig: c} }
	retry := func(least, most time.Duration) *pubsubpb.Subscription {
		return &pubsubpb.Subscription{RetryPolicy: &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(least), MaximumBackoff: durationpb.New(most)}}
	}
	for what, tc := range map[string]struct {
		s    *pubsubpb.Subscription // named audit, to orders, where it does not say otherwise
		code codes.Code
		says string
	}{
		"bad name":             {&pubsubpb.Subscription{Name: "audit"}, codes.InvalidArgument, "(name=audit)"},
		"a topic's name":       {&pubsubpb.Subscription{Name: orders}, codes.InvalidArgument, "resource_names"},
		"bad topic":            {&pubsubpb.Subscription{Topic: "orders"}, codes.InvalidArgument, "(name=orders)"},
		"no topic":             {&pubsubpb.Subscription{Topic: orders + "2"}, codes.NotFound, "(resource=orders2)"},
		"deleted topic":        {&pubsubpb.Subscription{Topic: "_deleted-topic_"}, codes.InvalidArgument, "_deleted-topic_"},
		"short ack deadline":   {&pubsubpb.Subscription{AckDeadlineSeconds: 9}, codes.InvalidArgument, "ack_deadline_seconds=9"},
		"long ack deadline":    {&pubsubpb.Subscription{AckDeadlineSeconds: 601}, codes.InvalidArgument, "ack_deadline_seconds=601"},
		"short retention":      {&pubsubpb.Subscription{MessageRetentionDuration: durationpb.New(599 * time.Second)}, codes.InvalidArgument, "9m59s"},
		"long retention":       {&pubsubpb.Subscription{MessageRetentionDuration: durationpb.New(745 * time.Hour)}, codes.InvalidArgument, "745h0m0s"},
		"short expiration":     {&pubsubpb.Subscription{ExpirationPolicy: &pubsubpb.ExpirationPolicy{Ttl: durationpb.New(time.Hour)}}, codes.InvalidArgument, "at least 1 day"},
		"negative backoff":     {retry(-time.Second, time.Second), codes.InvalidArgument, "-1s"},
		"long backoff":         {retry(time.Second, 601*time.Second), codes.InvalidArgument, "10m1s"},
		"backoff upside down":  {retry(20*time.Second, 10*time.Second), codes.InvalidArgument, "must not exceed"},
		"bad dead-letter name": {&pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{}}, codes.InvalidArgument, "(name=)"},
		"own topic for dead letters": {&pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: orders}},
			codes.InvalidArgument, "another one"},
		"no dead-letter topic": {&pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead + "2"}},
			codes.NotFound, "(resource=orders-dead2)"},
		"few attempts":   {&pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: 4}}, codes.InvalidArgument, "not 4"},
		"many attempts":  {&pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: 101}}, codes.InvalidArgument, "not 101"},
		"bad filter":     {&pubsubpb.Subscription{Filter: `attributes.a = "b" AND`}, codes.InvalidArgument, "at 22"},
		"long filter":    {&pubsubpb.Subscription{Filter: "attributes:" + strings.Repeat("x", 246)}, codes.InvalidArgument, "256"},
		"bad label":      {&pubsubpb.Subscription{Labels: map[string]string{"A": ""}}, codes.InvalidArgument, `"A"`},
		"bad endpoint":   {push(&pubsubpb.PushConfig{PushEndpoint: "shop.example"}), codes.InvalidArgument, "endpoint=shop.example"},
		"no host":        {push(&pubsubpb.PushConfig{PushEndpoint: "https:///x"}), codes.InvalidArgument, "endpoint=https:///x"},
		"no account":     {push(&pubsubpb.PushConfig{PushEndpoint: "https://a.b", AuthenticationMethod: &pubsubpb.PushConfig_OidcToken_{OidcToken: &pubsubpb.PushConfig_OidcToken{}}}), codes.InvalidArgument, "service_account_email"},
		"push version":   {push(&pubsubpb.PushConfig{PushEndpoint: "https://a.b", Attributes: map[string]string{"x-goog-version": "v7"}}), codes.InvalidArgument, `"v7"`},
		"old version":    {push(&pubsubpb.PushConfig{PushEndpoint: "https://a.b", Attributes: map[string]string{"x-goog-version": "v1beta1"}}), codes.Unimplemented, "use v1"},
		"push once":      {&pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{PushEndpoint: "https://a.b"}, EnableExactlyOnceDelivery: true}, codes.InvalidArgument, "push subscriptions"},
		"to BigQuery":    {&pubsubpb.Subscription{BigqueryConfig: &pubsubpb.BigQueryConfig{}}, codes.Unimplemented, "bigquery_config"},
		"to Storage":     {&pubsubpb.Subscription{CloudStorageConfig: &pubsubpb.CloudStorageConfig{}}, codes.Unimplemented, "cloud_storage_config"},
		"to Bigtable":    {&pubsubpb.Subscription{BigtableConfig: &pubsubpb.BigtableConfig{}}, codes.Unimplemented, "bigtable_config"},
		"transformation": {&pubsubpb.Subscription{MessageTransforms: []*pubsubpb.MessageTransform{{}}}, codes.Unimplemented, "message_transforms"},
	} {
		t.Run(what, func(t *testing.T) {
			if tc.s.Name == "" {
				tc.s.Name = audit
			}
			if tc.s.Topic == "" {
				tc.s.Topic = orders
			}
			_, err := r.subs.CreateSubscription(r.ctx(), tc.s)
			wantStatus(t, err, tc.code, "")
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %s", err, tc.says)
			}
		})
	}
	_, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit})
	wantStatus(t, err, codes.NotFound, "Resource not found (resource=audit).")
	_, err = r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: "audit"})
	wantStatus(t, err, codes.InvalidArgument, "")
}

func (r *pubsubRig) update(s *pubsubpb.Subscription, paths ...string) (*pubsubpb.Subscription, error) {
	if s.Name == "" {
		s.Name = audit
	}
	return r.subs.UpdateSubscription(r.ctx(), &pubsubpb.UpdateSubscriptionRequest{Subscription: s, UpdateMask: mask(paths...)})
}

func TestUpdateSubscription_ChangesWhatTheMaskNames(t *testing.T) {
	r := startPubsub(t)
	want := r.subscribe(r.pushed)
	for _, step := range []struct {
		paths []string
		from  *pubsubpb.Subscription
		then  func()
	}{
		{[]string{"ack_deadline_seconds"}, &pubsubpb.Subscription{AckDeadlineSeconds: 60, Labels: map[string]string{"no": "no"}},
			func() { want.AckDeadlineSeconds = 60 }},
		{[]string{"ack_deadline_seconds", "labels"}, &pubsubpb.Subscription{Labels: map[string]string{"a": "b"}},
			func() { want.AckDeadlineSeconds, want.Labels = 10, map[string]string{"a": "b"} }},
		{[]string{"push_config.push_endpoint"}, &pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{PushEndpoint: "http://a.b/c"}},
			func() { want.PushConfig.PushEndpoint = "http://a.b/c" }},
		{[]string{"push_config.no_wrapper.write_metadata"}, &pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{
			Wrapper: &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{WriteMetadata: true}}}},
			func() {
				want.PushConfig.Wrapper = &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{WriteMetadata: true}}
			}},
		{[]string{"push_config"}, &pubsubpb.Subscription{}, func() { want.PushConfig = &pubsubpb.PushConfig{} }},
		{[]string{"enable_exactly_once_delivery", "retain_acked_messages"}, &pubsubpb.Subscription{EnableExactlyOnceDelivery: true, RetainAckedMessages: true},
			func() { want.EnableExactlyOnceDelivery, want.RetainAckedMessages = true, true }},
		{[]string{"expiration_policy.ttl"}, &pubsubpb.Subscription{},
			func() { want.ExpirationPolicy = &pubsubpb.ExpirationPolicy{} }},
		{[]string{"expiration_policy"}, &pubsubpb.Subscription{},
			func() { want.ExpirationPolicy = &pubsubpb.ExpirationPolicy{Ttl: durationpb.New(31 * 24 * time.Hour)} }},
		{[]string{"dead_letter_policy"}, &pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead}},
			func() {
				want.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: 5}
			}},
		{[]string{"dead_letter_policy.max_delivery_attempts"}, &pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{MaxDeliveryAttempts: 7}},
			func() { want.DeadLetterPolicy.MaxDeliveryAttempts = 7 }},
		{[]string{"dead_letter_policy"}, &pubsubpb.Subscription{}, func() { want.DeadLetterPolicy = nil }},
		{[]string{"retry_policy"}, &pubsubpb.Subscription{RetryPolicy: &pubsubpb.RetryPolicy{MaximumBackoff: durationpb.New(time.Second)}},
			func() {
				want.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(time.Second), MaximumBackoff: durationpb.New(time.Second)}
			}},
		{[]string{"message_retention_duration"}, &pubsubpb.Subscription{MessageRetentionDuration: durationpb.New(time.Hour)},
			func() { want.MessageRetentionDuration = durationpb.New(time.Hour) }},
		{[]string{"message_transforms"}, &pubsubpb.Subscription{}, func() {}},
	} {
		got, err := r.update(step.from, step.paths...)
		step.then()
		if err != nil || !proto.Equal(got, want) {
			t.Fatalf("%v: %v\n got %v\nwant %v", step.paths, err, got, want)
		}
	}
}

func TestUpdateSubscription_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	was := r.subscribe()
	for what, tc := range map[string]struct {
		s     *pubsubpb.Subscription
		paths []string
		code  codes.Code
		says  string
	}{
		"no mask":        {&pubsubpb.Subscription{}, nil, codes.InvalidArgument, "must contain a non-empty paths list"},
		"name":           {&pubsubpb.Subscription{}, []string{"name"}, codes.InvalidArgument, "the 'name' field in the Subscription is not mutable"},
		"topic":          {&pubsubpb.Subscription{Topic: dead}, []string{"topic"}, codes.InvalidArgument, "not mutable"},
		"filter":         {&pubsubpb.Subscription{Filter: "attributes:x"}, []string{"filter"}, codes.InvalidArgument, "not mutable"},
		"ordering":       {&pubsubpb.Subscription{EnableMessageOrdering: true}, []string{"enable_message_ordering"}, codes.InvalidArgument, "not mutable"},
		"detached":       {&pubsubpb.Subscription{Detached: true}, []string{"detached"}, codes.InvalidArgument, "not mutable"},
		"unknown":        {&pubsubpb.Subscription{}, []string{"push_config.color"}, codes.InvalidArgument, "'push_config.color' is not a known Subscription field"},
		"camel case":     {&pubsubpb.Subscription{}, []string{"pushConfig"}, codes.InvalidArgument, "not a known Subscription field"},
		"into a scalar":  {&pubsubpb.Subscription{}, []string{"filter.x"}, codes.InvalidArgument, "not a known"},
		"one of two bad": {&pubsubpb.Subscription{AckDeadlineSeconds: 20}, []string{"ack_deadline_seconds", "topic"}, codes.InvalidArgument, "'topic'"},
		"out of range":   {&pubsubpb.Subscription{AckDeadlineSeconds: 5}, []string{"ack_deadline_seconds"}, codes.InvalidArgument, "ack_deadline_seconds=5"},
		"no dead-letter topic": {&pubsubpb.Subscription{DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead + "2"}},
			[]string{"dead_letter_policy"}, codes.NotFound, "orders-dead2"},
		"not there": {&pubsubpb.Subscription{Name: audit + "2"}, []string{"labels"}, codes.NotFound, "audit2"},
		"bad name":  {&pubsubpb.Subscription{Name: "x"}, []string{"labels"}, codes.InvalidArgument, "(name=x)"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := r.update(tc.s, tc.paths...)
			wantStatus(t, err, tc.code, "")
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %s", err, tc.says)
			}
		})
	}
	if got, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit}); err != nil || !proto.Equal(got, was) {
		t.Errorf("what was refused has changed it: %v, %v", got, err)
	}
}

func TestListSubscriptions_Pages(t *testing.T) {
	r := startPubsub(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprint(project, "/subscriptions/sub", i)
		r.subscribe(func(s *pubsubpb.Subscription) { s.Name = name })
		want = append(want, name)
	}
	r.subscribe(func(s *pubsubpb.Subscription) { s.Name = "projects/p2/subscriptions/sub" })
	list := func(req *pubsubpb.ListSubscriptionsRequest) (names []string, err error) {
		it := r.subs.ListSubscriptions(r.ctx(), req)
		for {
			s, err := it.Next()
			if err != nil {
				return names, err
			}
			names = append(names, s.Name)
		}
	}
	for _, size := range []int32{0, 2, 7, 2000} {
		if got, err := list(&pubsubpb.ListSubscriptionsRequest{Project: project, PageSize: size}); err != iterator.Done || !slices.Equal(got, want) {
			t.Errorf("by %d: listed %q, %v, want %q", size, got, err, want)
		}
	}
	_, err := list(&pubsubpb.ListSubscriptionsRequest{Project: "p"})
	wantStatus(t, err, codes.InvalidArgument, "")
	_, err = list(&pubsubpb.ListSubscriptionsRequest{Project: project, PageSize: -1})
	wantStatus(t, err, codes.InvalidArgument, "")
}

func TestDeleteSubscription_EndsWhoPulls(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	pulled := make(chan error, 1)
	go func() {
		_, err := r.subs.Pull(r.ctx(), &pubsubpb.PullRequest{Subscription: audit, MaxMessages: 1})
		pulled <- err
	}()
	r.publish(text("a"))
	if err := <-pulled; err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := r.subs.Pull(r.ctx(), &pubsubpb.PullRequest{Subscription: audit, MaxMessages: 1})
		pulled <- err
	}()
	if err := r.subs.DeleteSubscription(r.ctx(), &pubsubpb.DeleteSubscriptionRequest{Subscription: audit}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, <-pulled, codes.NotFound, "")
	wantStatus(t, r.subs.DeleteSubscription(r.ctx(), &pubsubpb.DeleteSubscriptionRequest{Subscription: audit}), codes.NotFound, "")
	wantStatus(t, r.subs.DeleteSubscription(r.ctx(), &pubsubpb.DeleteSubscriptionRequest{Subscription: "x"}), codes.InvalidArgument, "")
	r.subscribe()
	if n := r.backlog(audit); n != 0 {
		t.Errorf("a new one of that name has %d messages", n)
	}
}

func TestSnapshots_AreNotEmulated(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	const snapshot = project + "/snapshots/one"
	calls := map[string]func() error{
		"create": func() error {
			_, err := r.subs.CreateSnapshot(r.ctx(), &pubsubpb.CreateSnapshotRequest{Name: snapshot, Subscription: audit})
			return err
		},
		"get": func() error {
			_, err := r.subs.GetSnapshot(r.ctx(), &pubsubpb.GetSnapshotRequest{Snapshot: snapshot})
			return err
		},
		"update": func() error {
			_, err := r.subs.UpdateSnapshot(r.ctx(), &pubsubpb.UpdateSnapshotRequest{Snapshot: &pubsubpb.Snapshot{Name: snapshot}})
			return err
		},
		"list": func() error {
			_, err := r.subs.ListSnapshots(r.ctx(), &pubsubpb.ListSnapshotsRequest{Project: project}).Next()
			return err
		},
		"list by topic": func() error {
			_, err := r.topics.ListTopicSnapshots(r.ctx(), &pubsubpb.ListTopicSnapshotsRequest{Topic: orders}).Next()
			return err
		},
		"delete": func() error {
			return r.subs.DeleteSnapshot(r.ctx(), &pubsubpb.DeleteSnapshotRequest{Snapshot: snapshot})
		},
		"seek": func() error {
			_, err := r.subs.Seek(r.ctx(), &pubsubpb.SeekRequest{Subscription: audit, Target: &pubsubpb.SeekRequest_Snapshot{Snapshot: snapshot}})
			return err
		},
	}
	for what, call := range calls {
		t.Run(what, func(t *testing.T) {
			wantStatus(t, call(), codes.Unimplemented, "Snapshots are not emulated: seek to a time instead.")
		})
	}
}

func (r *pubsubRig) seek(to time.Time) error {
	_, err := r.subs.Seek(r.ctx(), &pubsubpb.SeekRequest{Subscription: audit, Target: &pubsubpb.SeekRequest_Time{Time: timestamppb.New(to)}})
	return err
}
