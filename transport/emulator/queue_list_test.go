package emulator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestListQueues_PagesAndFilters(t *testing.T) {
	r := start(t)
	for _, q := range []*cloudtaskspb.Queue{
		{Name: queueB, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 5}},
		{Name: location + "/queues/c", RetryConfig: &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Second)}},
		{Name: location + "/queues/d"},
	} {
		if _, err := r.createQueue(q); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := &cloudtaskspb.Queue{Name: "projects/p/locations/l2/queues/a"}
	if _, err := r.CreateQueue(r.ctx(), &cloudtaskspb.CreateQueueRequest{Parent: "projects/p/locations/l2", Queue: elsewhere}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{queueA, location + "/queues/d"} {
		if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.PurgeQueue(r.ctx(), &cloudtaskspb.PurgeQueueRequest{Name: queueB}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ filter, want string }{
		{"", "a b c d"},
		{"state: PAUSED", "a d"},
		{"state=RUNNING", "b c"},
		{"state != PAUSED", "b c"},
		{"NOT state:PAUSED", "b c"},
		{"-state:PAUSED", "b c"},
		{`name : "queues/c"`, "c"},
		{"name = " + queueB, "b"},
		{"name >= " + queueB, "b c d"},
		{"rate_limits.max_dispatches_per_second < 500", "b"},
		{"rateLimits.maxDispatchesPerSecond >= 500", "a c d"},
		{"rate_limits.max_concurrent_dispatches > 1000", ""},
		{"rate_limits.max_concurrent_dispatches <= 1000 state:PAUSED", "a d"},
		{"retry_config.min_backoff = 1s", "c"},
		{`purge_time > "2020-01-01T00:00:00Z"`, "b"},
		{"state:PAUSED AND name:queues/a", "a"},
		{"state:PAUSED OR name:queues/b AND NOT name:queues/d", "a b"},
		{"(state:PAUSED AND name:queues/a) OR name:queues/c", "a c"},
	} {
		for _, size := range []int32{0, 1, 2} {
			var got []string
			it := r.ListQueues(r.ctx(), &cloudtaskspb.ListQueuesRequest{Parent: location, Filter: tc.filter, PageSize: size})
			for q, err := range it.All() {
				if err != nil {
					t.Fatalf("filter %q: %v", tc.filter, err)
				}
				got = append(got, strings.TrimPrefix(q.Name, location+"/queues/"))
			}
			if !slices.Equal(got, strings.Fields(tc.want)) {
				t.Errorf("filter %q, page size %d: %q, want %q", tc.filter, size, got, tc.want)
			}
		}
	}
}

func TestListQueues_Refusals(t *testing.T) {
	r := start(t, emulator.WithQueues(queueB))
	fetch := func(req *cloudtaskspb.ListQueuesRequest) (string, error) {
		_, token, err := r.ListQueues(r.ctx(), req).InternalFetch(int(req.PageSize), req.PageToken)
		return token, err
	}
	for _, filter := range []string{
		"state", "state:", "state:SLEEPING", "no_such_field:1", "state ~ PAUSED", "(state:PAUSED", "state:PAUSED)", "NOT", `name:"x`,
		"rate_limits:1", "rate_limits.max_concurrent_dispatches:x", "http_target.header_overrides:x", "state:PAUSED AND", "OR state:PAUSED",
		"retry_config.min_backoff:x", "purge_time:x", strings.Repeat("(", 1000),
	} {
		_, err := fetch(&cloudtaskspb.ListQueuesRequest{Parent: location, Filter: filter})
		wantStatus(t, err, codes.InvalidArgument, "")
	}
	_, err := fetch(&cloudtaskspb.ListQueuesRequest{Parent: "projects/p"})
	wantStatus(t, err, codes.PermissionDenied, "")
	token, err := fetch(&cloudtaskspb.ListQueuesRequest{Parent: location, PageSize: 1})
	if err != nil || token == "" {
		t.Fatalf("%q, %v", token, err)
	}
	_, err = fetch(&cloudtaskspb.ListQueuesRequest{Parent: location, PageSize: 1, PageToken: token, Filter: "state:PAUSED"})
	wantStatus(t, err, codes.InvalidArgument, "")
	_, err = fetch(&cloudtaskspb.ListQueuesRequest{Parent: location, PageSize: 1, PageToken: token[1:]})
	wantStatus(t, err, codes.InvalidArgument, "")
}
