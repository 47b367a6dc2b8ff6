package emulator_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

func TestCreateTopic_ThenGet_IsTheSame(t *testing.T) {
	r := startPubsub(t)
	const name = project + "/topics/Some.new-topic_~+%25"
	made, err := r.topics.CreateTopic(r.ctx(), &pubsubpb.Topic{
		Name: name, Labels: map[string]string{"team": "shop", "größe": "", "a-1_b": "2"}, MessageRetentionDuration: durationpb.New(time.Hour),
		MessageStoragePolicy: &pubsubpb.MessageStoragePolicy{AllowedPersistenceRegions: []string{"europe-west1"}},
		Tags:                 map[string]string{"1/env": "test"}, SatisfiesPzs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if made.State != pubsubpb.Topic_ACTIVE || made.SatisfiesPzs || len(made.Tags) > 0 {
		t.Errorf("created as %v", made)
	}
	got, err := r.topics.GetTopic(r.ctx(), &pubsubpb.GetTopicRequest{Topic: name})
	if err != nil || !proto.Equal(got, made) || got.Labels["team"] != "shop" || got.MessageRetentionDuration.AsDuration() != time.Hour {
		t.Errorf("got %v, %v; created %v", got, err, made)
	}
	_, err = r.topics.CreateTopic(r.ctx(), &pubsubpb.Topic{Name: name})
	wantStatus(t, err, codes.AlreadyExists, "Resource already exists in the project (resource=Some.new-topic_~+%25).")
}

func TestCreateTopic_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	long := strings.Repeat("x", 256)
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprint("k", i)] = ""
	}
	for what, tc := range map[string]struct {
		topic *pubsubpb.Topic
		code  codes.Code
		says  string
	}{
		"no name":            {&pubsubpb.Topic{}, codes.InvalidArgument, "(name=)"},
		"short id":           {&pubsubpb.Topic{Name: project + "/topics/ab"}, codes.InvalidArgument, "(name=projects/p/topics/ab)"},
		"long id":            {&pubsubpb.Topic{Name: project + "/topics/" + long}, codes.InvalidArgument, long},
		"goog":               {&pubsubpb.Topic{Name: project + "/topics/goog-x"}, codes.InvalidArgument, "resource_names"},
		"digit first":        {&pubsubpb.Topic{Name: project + "/topics/1abc"}, codes.InvalidArgument, "resource_names"},
		"slash":              {&pubsubpb.Topic{Name: project + "/topics/a/b"}, codes.InvalidArgument, "resource_names"},
		"no project":         {&pubsubpb.Topic{Name: "topics/abc"}, codes.InvalidArgument, "resource_names"},
		"bad project":        {&pubsubpb.Topic{Name: "projects/a b/topics/abc"}, codes.InvalidArgument, "resource_names"},
		"subscription":       {&pubsubpb.Topic{Name: audit}, codes.InvalidArgument, "resource_names"},
		"short retention":    {&pubsubpb.Topic{Name: orders + "2", MessageRetentionDuration: durationpb.New(time.Minute)}, codes.InvalidArgument, "1m0s"},
		"long retention":     {&pubsubpb.Topic{Name: orders + "2", MessageRetentionDuration: durationpb.New(32 * 24 * time.Hour)}, codes.InvalidArgument, "31 days"},
		"upper case label":   {&pubsubpb.Topic{Name: orders + "2", Labels: map[string]string{"Team": ""}}, codes.InvalidArgument, `"Team"`},
		"label of a digit":   {&pubsubpb.Topic{Name: orders + "2", Labels: map[string]string{"1": ""}}, codes.InvalidArgument, `"1"`},
		"label of Google":    {&pubsubpb.Topic{Name: orders + "2", Labels: map[string]string{"goog-x": ""}}, codes.InvalidArgument, `"goog-x"`},
		"empty label":        {&pubsubpb.Topic{Name: orders + "2", Labels: map[string]string{"": "x"}}, codes.InvalidArgument, `""`},
		"bad label value":    {&pubsubpb.Topic{Name: orders + "2", Labels: map[string]string{"a": "b c"}}, codes.InvalidArgument, `"b c"`},
		"many labels":        {&pubsubpb.Topic{Name: orders + "2", Labels: many}, codes.InvalidArgument, "65 labels"},
		"key of a customer":  {&pubsubpb.Topic{Name: orders + "2", KmsKeyName: "projects/p/locations/l/keyRings/r/cryptoKeys/k"}, codes.Unimplemented, "kms_key_name"},
		"schema":             {&pubsubpb.Topic{Name: orders + "2", SchemaSettings: &pubsubpb.SchemaSettings{Schema: "s"}}, codes.Unimplemented, "schema_settings"},
		"message transforms": {&pubsubpb.Topic{Name: orders + "2", MessageTransforms: []*pubsubpb.MessageTransform{{}}}, codes.Unimplemented, "message_transforms"},
		"ingestion":          {&pubsubpb.Topic{Name: orders + "2", IngestionDataSourceSettings: &pubsubpb.IngestionDataSourceSettings{}}, codes.Unimplemented, "ingestion_data_source_settings"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := r.topics.CreateTopic(r.ctx(), tc.topic)
			wantStatus(t, err, tc.code, "")
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %s", err, tc.says)
			}
		})
	}
}

func TestUpdateTopic_ChangesWhatTheMaskNames(t *testing.T) {
	r := startPubsub(t)
	update := func(topic *pubsubpb.Topic, paths ...string) (*pubsubpb.Topic, error) {
		return r.topics.UpdateTopic(r.ctx(), &pubsubpb.UpdateTopicRequest{Topic: topic, UpdateMask: mask(paths...)})
	}
	full := &pubsubpb.Topic{Name: orders, Labels: map[string]string{"a": "b"}, MessageRetentionDuration: durationpb.New(time.Hour)}
	if got, err := update(full, "labels"); err != nil || got.Labels["a"] != "b" || got.MessageRetentionDuration != nil {
		t.Errorf("labels: %v, %v", got, err)
	}
	got, err := update(&pubsubpb.Topic{Name: orders, MessageRetentionDuration: full.MessageRetentionDuration}, "message_retention_duration")
	if err != nil || got.Labels["a"] != "b" || got.MessageRetentionDuration.AsDuration() != time.Hour {
		t.Errorf("retention: %v, %v", got, err)
	}
	s := r.subscribe()
	if s.TopicMessageRetentionDuration.AsDuration() != time.Hour {
		t.Errorf("the subscription does not tell how long its topic keeps messages: %v", s)
	}
	if got, err = update(&pubsubpb.Topic{Name: orders}, "message_retention_duration", "labels"); err != nil || got.MessageRetentionDuration != nil || len(got.Labels) > 0 {
		t.Errorf("cleared: %v, %v", got, err)
	}
	for what, tc := range map[string]struct {
		topic *pubsubpb.Topic
		paths []string
		code  codes.Code
		says  string
	}{
		"no mask":    {full, nil, codes.InvalidArgument, "update_mask"},
		"name":       {full, []string{"name"}, codes.InvalidArgument, "not mutable"},
		"unknown":    {full, []string{"color"}, codes.InvalidArgument, "'color' is not a known Topic field"},
		"camel case": {full, []string{"messageRetentionDuration"}, codes.InvalidArgument, "rather than 'pushConfig'"},
		"everything": {full, []string{"*"}, codes.InvalidArgument, "not a known Topic field"},
		"bad value":  {&pubsubpb.Topic{Name: orders, Labels: map[string]string{"A": ""}}, []string{"labels"}, codes.InvalidArgument, `"A"`},
		"bad name":   {&pubsubpb.Topic{Name: "orders"}, []string{"labels"}, codes.InvalidArgument, "(name=orders)"},
		"no topic":   {&pubsubpb.Topic{Name: orders + "2"}, []string{"labels"}, codes.NotFound, "(resource=orders2)"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := update(tc.topic, tc.paths...)
			wantStatus(t, err, tc.code, "")
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %s", err, tc.says)
			}
		})
	}
}

func TestListTopics_Pages(t *testing.T) {
	r := startPubsub(t, emulator.WithTopics("projects/other/topics/orders"))
	want := []string{orders, dead}
	for i := range 5 {
		name := fmt.Sprintf("%s/topics/t%02d", project, i)
		if _, err := r.topics.CreateTopic(r.ctx(), &pubsubpb.Topic{Name: name}); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	var got []string
	it := r.topics.ListTopics(r.ctx(), &pubsubpb.ListTopicsRequest{Project: project, PageSize: 3})
	for {
		topic, err := it.Next()
		if err == iterator.Done {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, topic.Name)
		if n := it.PageInfo().Remaining(); n > 2 {
			t.Errorf("a page of %d more", n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for what, req := range map[string]*pubsubpb.ListTopicsRequest{
		"bad project": {Project: "p"}, "size": {Project: project, PageSize: -1}, "token": {Project: project, PageToken: "x"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := r.topics.ListTopics(r.ctx(), req).Next()
			wantStatus(t, err, codes.InvalidArgument, "")
		})
	}
}

func TestListTopicSubscriptions_ListsThoseThatGetMessages(t *testing.T) {
	r := startPubsub(t)
	var want []string
	for i := range 4 {
		name := fmt.Sprint(project, "/subscriptions/sub", i)
		r.subscribe(func(s *pubsubpb.Subscription) { s.Name = name })
		want = append(want, name)
	}
	r.subscribe(func(s *pubsubpb.Subscription) { s.Topic = dead })
	if _, err := r.topics.DetachSubscription(r.ctx(), &pubsubpb.DetachSubscriptionRequest{Subscription: want[1]}); err != nil {
		t.Fatal(err)
	}
	want = slices.Delete(want, 1, 2)
	list := func(req *pubsubpb.ListTopicSubscriptionsRequest) (names []string, err error) {
		it := r.topics.ListTopicSubscriptions(r.ctx(), req)
		for {
			name, err := it.Next()
			if err != nil {
				return names, err
			}
			names = append(names, name)
		}
	}
	if got, err := list(&pubsubpb.ListTopicSubscriptionsRequest{Topic: orders, PageSize: 2}); err != iterator.Done || !slices.Equal(got, want) {
		t.Errorf("listed %q, %v, want %q", got, err, want)
	}
	_, err := list(&pubsubpb.ListTopicSubscriptionsRequest{Topic: orders + "2"})
	wantStatus(t, err, codes.NotFound, "")
	_, err = list(&pubsubpb.ListTopicSubscriptionsRequest{Topic: "orders"})
	wantStatus(t, err, codes.InvalidArgument, "")
	_, err = list(&pubsubpb.ListTopicSubscriptionsRequest{Topic: orders, PageToken: "x"})
	wantStatus(t, err, codes.InvalidArgument, "")
}

func TestDeleteTopic_LeavesSubscriptionsWithTheirBacklog(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	r.publish(text("kept"))
	if err := r.topics.DeleteTopic(r.ctx(), &pubsubpb.DeleteTopicRequest{Topic: orders}); err != nil {
		t.Fatal(err)
	}
	s, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit})
	if err != nil || s.Topic != "_deleted-topic_" {
		t.Errorf("subscription %v, %v", s, err)
	}
	_, err = r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: orders, Messages: texts("", 1)})
	wantStatus(t, err, codes.NotFound, "Resource not found (resource=orders).")
	if got := r.pullOne(audit); string(got.Message.Data) != "kept" {
		t.Errorf("pulled %v", got)
	}
	if _, err := r.topics.CreateTopic(r.ctx(), &pubsubpb.Topic{Name: orders}); err != nil {
		t.Errorf("created again: %v", err)
	}
	r.publish(text("new"))
	if n := r.backlog(audit); n != 1 {
		t.Errorf("%d messages wait: the new topic of that name has got the subscription", n)
	}
	wantStatus(t, r.topics.DeleteTopic(r.ctx(), &pubsubpb.DeleteTopicRequest{Topic: orders + "2"}), codes.NotFound, "")
	wantStatus(t, r.topics.DeleteTopic(r.ctx(), &pubsubpb.DeleteTopicRequest{}), codes.InvalidArgument, "")
	_, err = r.topics.GetTopic(r.ctx(), &pubsubpb.GetTopicRequest{Topic: orders + "2"})
	wantStatus(t, err, codes.NotFound, "")
}

func TestDetachSubscription_DropsItsBacklog(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	r.publish(text("lost"))
	lease := r.pullOne(audit)
	detach := func(name string) error {
		_, err := r.topics.DetachSubscription(r.ctx(), &pubsubpb.DetachSubscriptionRequest{Subscription: name})
		return err
	}
	for range 2 {
		if err := detach(audit); err != nil {
			t.Fatal(err)
		}
	}
	s, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit})
	if err != nil || !s.Detached || s.Topic != orders {
		t.Errorf("subscription %v, %v", s, err)
	}
	_, err = r.subs.Pull(r.ctx(), &pubsubpb.PullRequest{Subscription: audit, MaxMessages: 1})
	wantStatus(t, err, codes.FailedPrecondition, "The subscription is detached from its topic.")
	wantStatus(t, r.seek(time.Unix(0, 0)), codes.FailedPrecondition, "")
	if err := r.acknowledge(lease.AckId); err != nil {
		t.Errorf("acknowledging what is gone: %v", err)
	}
	updated, err := r.subs.UpdateSubscription(r.ctx(), &pubsubpb.UpdateSubscriptionRequest{
		Subscription: &pubsubpb.Subscription{Name: audit, Labels: map[string]string{"a": "b"}}, UpdateMask: mask("labels"),
	})
	if err != nil || !maps.Equal(updated.Labels, map[string]string{"a": "b"}) {
		t.Errorf("updated: %v, %v", updated, err)
	}
	if err := r.subs.DeleteSubscription(r.ctx(), &pubsubpb.DeleteSubscriptionRequest{Subscription: audit}); err != nil {
		t.Errorf("deleted: %v", err)
	}
	wantStatus(t, detach(audit), codes.NotFound, "")
	wantStatus(t, detach("audit"), codes.InvalidArgument, "")
}
