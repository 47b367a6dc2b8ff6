package emulator_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

const (
	textQueueName   = `Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".`
	textQueueExists = "Queue already exists"
	textQueueGone   = "The queue cannot be created because a queue with this name existed too recently."
)

// defaults is a queue that was created with no settings.
func defaults(name string) *cloudtaskspb.Queue {
	return &cloudtaskspb.Queue{
		Name:       name,
		RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 500, MaxBurstSize: 100, MaxConcurrentDispatches: 1000},
		RetryConfig: &cloudtaskspb.RetryConfig{
			MaxAttempts: 100, MinBackoff: durationpb.New(100 * time.Millisecond), MaxBackoff: durationpb.New(time.Hour), MaxDoublings: 16,
		},
		State: cloudtaskspb.Queue_RUNNING,
	}
}

func (r *rig) queue(name string) *cloudtaskspb.Queue {
	r.t.Helper()
	q, err := r.GetQueue(r.ctx(), &cloudtaskspb.GetQueueRequest{Name: name})
	if err != nil {
		r.t.Fatalf("GetQueue: %v", err)
	}
	return q
}

func (r *rig) createQueue(q *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	return r.CreateQueue(r.ctx(), &cloudtaskspb.CreateQueueRequest{Parent: location, Queue: q})
}

func TestCreateQueue_Settings(t *testing.T) {
	r := start(t)
	for i, tc := range []struct {
		name      string
		set, want func(*cloudtaskspb.Queue)
	}{
		{"none", func(*cloudtaskspb.Queue) {}, func(*cloudtaskspb.Queue) {}},
		{"rates", func(q *cloudtaskspb.Queue) {
			q.RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 0.5, MaxConcurrentDispatches: 5000, MaxBurstSize: -3}
		}, func(q *cloudtaskspb.Queue) {
			q.RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 0.5, MaxConcurrentDispatches: 5000, MaxBurstSize: 1}
		}},
		{"retries without limits", func(q *cloudtaskspb.Queue) {
			q.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: -1, MaxRetryDuration: durationpb.New(time.Minute), MinBackoff: durationpb.New(0), MaxBackoff: durationpb.New(0)}
		}, func(q *cloudtaskspb.Queue) {
			q.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: -1, MaxRetryDuration: durationpb.New(time.Minute), MinBackoff: durationpb.New(0), MaxBackoff: durationpb.New(0)}
		}},
		{"attempts only", func(q *cloudtaskspb.Queue) { q.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: 7} },
			func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxAttempts = 7 }},
		{"output only", func(q *cloudtaskspb.Queue) {
			q.State, q.PurgeTime = cloudtaskspb.Queue_DISABLED, stamp(time.Now())
		}, func(*cloudtaskspb.Queue) {}},
		{"logging and routing", func(q *cloudtaskspb.Queue) {
			q.StackdriverLoggingConfig = &cloudtaskspb.StackdriverLoggingConfig{SamplingRatio: 1}
			q.HttpTarget = &cloudtaskspb.HttpTarget{HttpMethod: cloudtaskspb.HttpMethod_PUT}
		}, func(q *cloudtaskspb.Queue) {
			q.StackdriverLoggingConfig = &cloudtaskspb.StackdriverLoggingConfig{SamplingRatio: 1}
			q.HttpTarget = &cloudtaskspb.HttpTarget{HttpMethod: cloudtaskspb.HttpMethod_PUT}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := fmt.Sprintf("%s/queues/settings-%d", location, i)
			q := &cloudtaskspb.Queue{Name: name}
			tc.set(q)
			got, err := r.createQueue(q)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults(name)
			tc.want(want)
			wantProto(t, "answer", got, want)
			wantProto(t, "stored", r.queue(name), want)
		})
	}
}

func TestCreateQueue_Refusals(t *testing.T) {
	r := start(t)
	rates := func(l *cloudtaskspb.RateLimits) *cloudtaskspb.Queue {
		return &cloudtaskspb.Queue{Name: queueB, RateLimits: l}
	}
	retry := func(c *cloudtaskspb.RetryConfig) *cloudtaskspb.Queue {
		return &cloudtaskspb.Queue{Name: queueB, RetryConfig: c}
	}
	routed := func(h *cloudtaskspb.HttpTarget) *cloudtaskspb.Queue {
		return &cloudtaskspb.Queue{Name: queueB, HttpTarget: h}
	}
	override := func(o *cloudtaskspb.UriOverride) *cloudtaskspb.Queue {
		return routed(&cloudtaskspb.HttpTarget{UriOverride: o})
	}
	for _, tc := range []struct {
		name   string
		parent string
		queue  *cloudtaskspb.Queue
		code   codes.Code
		text   string
	}{
		{"one that exists", "", &cloudtaskspb.Queue{Name: queueA}, codes.AlreadyExists, textQueueExists},
		{"no queue", "", nil, codes.InvalidArgument, textQueueName},
		{"no name", "", &cloudtaskspb.Queue{}, codes.InvalidArgument, textQueueName},
		{"an underscore", "", &cloudtaskspb.Queue{Name: location + "/queues/a_b"}, codes.InvalidArgument, textQueueName},
		{"a dot", "", &cloudtaskspb.Queue{Name: location + "/queues/a.b"}, codes.InvalidArgument, textQueueName},
		{"101 characters", "", &cloudtaskspb.Queue{Name: location + "/queues/" + strings.Repeat("q", 101)}, codes.InvalidArgument, textQueueName},
		{"a project with a slash", "", &cloudtaskspb.Queue{Name: "projects/a/b/locations/l/queues/q"}, codes.InvalidArgument, textQueueName},
		{"a parent that is none", "projects/p", &cloudtaskspb.Queue{Name: queueB}, codes.PermissionDenied, ""},
		{"another location", "projects/p/locations/other", &cloudtaskspb.Queue{Name: queueB}, codes.InvalidArgument, ""},
		{"a negative rate", "", rates(&cloudtaskspb.RateLimits{MaxDispatchesPerSecond: -1}), codes.InvalidArgument, "RateLimits.maxDispatchesPerSecond cannot be negative."},
		{"no rate", "", rates(&cloudtaskspb.RateLimits{MaxDispatchesPerSecond: math.NaN()}), codes.InvalidArgument, ""},
		{"a rate over 500", "", rates(&cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 500.1}), codes.InvalidArgument, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."},
		{"negative concurrency", "", rates(&cloudtaskspb.RateLimits{MaxConcurrentDispatches: -1}), codes.InvalidArgument, "RateLimits.maxConcurrentDispatches cannot be negative."},
		{"concurrency over 5000", "", rates(&cloudtaskspb.RateLimits{MaxConcurrentDispatches: 5001}), codes.InvalidArgument, "RateLimits.maxConcurrentDispatches must be less than or equal to 5000."},
		{"attempts under -1", "", retry(&cloudtaskspb.RetryConfig{MaxAttempts: -2}), codes.InvalidArgument, "RetryConfig.maxAttempts must be greater or equal to -1."},
		{"sampling over 1", "", &cloudtaskspb.Queue{Name: queueB, StackdriverLoggingConfig: &cloudtaskspb.StackdriverLoggingConfig{SamplingRatio: 1.1}}, codes.InvalidArgument, ""},
		{"an empty host", "", override(&cloudtaskspb.UriOverride{Host: proto.String("")}), codes.InvalidArgument, ""},
		{"a negative port", "", override(&cloudtaskspb.UriOverride{Port: proto.Int64(-1)}), codes.InvalidArgument, ""},
		{"a port over 65535", "", override(&cloudtaskspb.UriOverride{Port: proto.Int64(65536)}), codes.InvalidArgument, ""},
		{"a method that does not exist", "", routed(&cloudtaskspb.HttpTarget{HttpMethod: 9}), codes.InvalidArgument, ""},
		{"a header that is split", "", routed(&cloudtaskspb.HttpTarget{HeaderOverrides: []*cloudtaskspb.HttpTarget_HeaderOverride{
			{Header: &cloudtaskspb.HttpTarget_Header{Key: "X-A", Value: "a\nb"}},
		}}), codes.InvalidArgument, ""},
		{"half an OIDC token", "", routed(&cloudtaskspb.HttpTarget{AuthorizationHeader: &cloudtaskspb.HttpTarget_OidcToken{
			OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: "a@b"},
		}}), codes.InvalidArgument, ""},
		{"half an OAuth token", "", routed(&cloudtaskspb.HttpTarget{AuthorizationHeader: &cloudtaskspb.HttpTarget_OauthToken{
			OauthToken: &cloudtaskspb.OAuthToken{Scope: "s"},
		}}), codes.InvalidArgument, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			parent := tc.parent
			if parent == "" {
				parent = location
			}
			_, err := r.CreateQueue(r.ctx(), &cloudtaskspb.CreateQueueRequest{Parent: parent, Queue: tc.queue})
			wantStatus(t, err, tc.code, tc.text)
		})
	}
}

func TestQueues_NamesThatLeadNowhere(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		queue string
		code  codes.Code
		text  string
	}{
		{missing, codes.NotFound, textNoQueue},
		{"queues/a", codes.InvalidArgument, textQueueName},
		{"", codes.InvalidArgument, textQueueName},
	} {
		_, err := r.GetQueue(r.ctx(), &cloudtaskspb.GetQueueRequest{Name: tc.queue})
		wantStatus(t, err, tc.code, tc.text)
		_, err = r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: tc.queue})
		wantStatus(t, err, tc.code, tc.text)
		_, err = r.ResumeQueue(r.ctx(), &cloudtaskspb.ResumeQueueRequest{Name: tc.queue})
		wantStatus(t, err, tc.code, tc.text)
		_, err = r.PurgeQueue(r.ctx(), &cloudtaskspb.PurgeQueueRequest{Name: tc.queue})
		wantStatus(t, err, tc.code, tc.text)
	}
	err := r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: missing})
	wantStatus(t, err, codes.NotFound, textNoEntity)
	err = r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: "a"})
	wantStatus(t, err, codes.InvalidArgument, textQueueName)
	_, err = r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{Name: "a"}})
	wantStatus(t, err, codes.InvalidArgument, textQueueName)
}

func TestUpdateQueue_Masks(t *testing.T) {
	r := start(t)
	full := func() *cloudtaskspb.Queue {
		return &cloudtaskspb.Queue{
			RateLimits:  &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 10, MaxConcurrentDispatches: 20},
			RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: 3, MaxRetryDuration: durationpb.New(time.Hour), MinBackoff: durationpb.New(time.Second), MaxBackoff: durationpb.New(time.Minute), MaxDoublings: 2},
			HttpTarget:  &cloudtaskspb.HttpTarget{HttpMethod: cloudtaskspb.HttpMethod_PUT},
		}
	}
	type edit = func(*cloudtaskspb.Queue)
	for i, tc := range []struct {
		name  string
		paths []string
		set   edit // on an empty queue
		want  edit // on the queue before
	}{
		{"a nested field", []string{"rate_limits.max_dispatches_per_second"},
			func(q *cloudtaskspb.Queue) {
				q.RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 50, MaxConcurrentDispatches: 1}
			},
			func(q *cloudtaskspb.Queue) {
				q.RateLimits.MaxDispatchesPerSecond, q.RateLimits.MaxBurstSize = 50, 10
			}},
		{"a nested field in camelCase", []string{"rateLimits.maxConcurrentDispatches"},
			func(q *cloudtaskspb.Queue) {
				q.RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 50, MaxConcurrentDispatches: 1}
			},
			func(q *cloudtaskspb.Queue) { q.RateLimits.MaxConcurrentDispatches = 1 }},
		{"a nested field that is unset goes back to its default", []string{"rate_limits.max_concurrent_dispatches"},
			func(*cloudtaskspb.Queue) {}, func(q *cloudtaskspb.Queue) { q.RateLimits.MaxConcurrentDispatches = 1000 }},
		{"a whole message", []string{"retry_config"},
			func(q *cloudtaskspb.Queue) { q.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: 9} },
			func(q *cloudtaskspb.Queue) {
				q.RetryConfig = defaults("").RetryConfig
				q.RetryConfig.MaxAttempts = 9
			}},
		{"no doublings", []string{"retry_config.max_doublings"},
			func(*cloudtaskspb.Queue) {}, func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxDoublings = 0 }},
		{"several", []string{"retryConfig.maxAttempts", "http_target"},
			func(q *cloudtaskspb.Queue) { q.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: 8} },
			func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxAttempts, q.HttpTarget = 8, nil }},
		{"all by no mask", nil, func(q *cloudtaskspb.Queue) { q.RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 5} },
			func(q *cloudtaskspb.Queue) {
				proto.Reset(q)
				proto.Merge(q, defaults(""))
				q.RateLimits.MaxDispatchesPerSecond, q.RateLimits.MaxBurstSize = 5, 1
			}},
		{"all by a star", []string{"*"}, func(*cloudtaskspb.Queue) {}, func(q *cloudtaskspb.Queue) {
			proto.Reset(q)
			proto.Merge(q, defaults(""))
		}},
		{"output only", []string{"state", "purge_time", "rate_limits.max_burst_size"},
			func(q *cloudtaskspb.Queue) {
				q.State, q.PurgeTime = cloudtaskspb.Queue_DISABLED, stamp(time.Now())
				q.RateLimits = &cloudtaskspb.RateLimits{MaxBurstSize: 77}
			}, func(*cloudtaskspb.Queue) {}},
		{"a field in a message that neither has", []string{"app_engine_routing_override.service"}, func(*cloudtaskspb.Queue) {}, func(*cloudtaskspb.Queue) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := full()
			before.Name = fmt.Sprintf("%s/queues/masks-%d", location, i)
			want, err := r.createQueue(before)
			if err != nil {
				t.Fatal(err)
			}
			set := &cloudtaskspb.Queue{}
			tc.set(set)
			set.Name = want.Name
			got, err := r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{Queue: set, UpdateMask: &fieldmaskpb.FieldMask{Paths: tc.paths}})
			if err != nil {
				t.Fatal(err)
			}
			tc.want(want)
			want.Name = set.Name
			wantProto(t, "answer", got, want)
			wantProto(t, "stored", r.queue(set.Name), want)
		})
	}
}

func TestUpdateQueue_Refusals_ChangeNothing(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		name  string
		queue *cloudtaskspb.Queue
		paths []string
	}{
		{"an unknown field", &cloudtaskspb.Queue{}, []string{"rate_limits.max"}},
		{"a field of a scalar", &cloudtaskspb.Queue{}, []string{"name.x"}},
		{"an empty path", &cloudtaskspb.Queue{}, []string{""}},
		{"a rate out of range", &cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 501}}, []string{"rate_limits"}},
		{"a backoff under the other", &cloudtaskspb.Queue{RetryConfig: &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(2 * time.Hour)}}, []string{"retry_config.min_backoff"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, name := range []string{queueA, missing} {
				tc.queue.Name = name
				_, err := r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{Queue: tc.queue, UpdateMask: &fieldmaskpb.FieldMask{Paths: tc.paths}})
				if name == missing && tc.name == "a backoff under the other" {
					continue // there is no other
				}
				wantStatus(t, err, codes.InvalidArgument, "")
			}
			wantProto(t, "queue", r.queue(queueA), defaults(queueA))
		})
	}
}

func TestUpdateQueue_Missing_CreatesIt(t *testing.T) {
	r := start(t)
	got, err := r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{
		Queue:      &cloudtaskspb.Queue{Name: queueB, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 5, MaxConcurrentDispatches: 6}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rate_limits.max_dispatches_per_second"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults(queueB)
	want.RateLimits.MaxDispatchesPerSecond, want.RateLimits.MaxBurstSize = 5, 1
	wantProto(t, "created", got, want)
	_, err = r.createQueue(&cloudtaskspb.Queue{Name: queueB})
	wantStatus(t, err, codes.AlreadyExists, textQueueExists)
}

func TestUpdateQueue_Paused_StaysPaused(t *testing.T) {
	r := start(t)
	if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueA}); err != nil {
		t.Fatal(err)
	}
	got, err := r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{Name: queueA, State: cloudtaskspb.Queue_RUNNING}})
	if err != nil || got.State != cloudtaskspb.Queue_PAUSED {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUpdateQueue_NewRate_HoldsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		if _, err := r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{
			Queue: &cloudtaskspb.Queue{Name: queueA, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 1}},
		}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			r.create(r.task(""))
		}
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		if n := len(r.worker.seen()); n != 6 {
			t.Errorf("%d dispatches in 5.5 s at one a second", n)
		}
	})
}

func TestDeleteQueue_NameIsBlocked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, ttl := range []time.Duration{emulator.DefaultQueueTombstone, time.Minute} {
			r := startHere(t, emulator.WithQueueTombstone(ttl))
			r.create(r.later("x"))
			if err := r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: queueA}); err != nil {
				t.Fatal(err)
			}
			if n := r.e.Backlog(); n != 0 {
				t.Errorf("%d tasks in a queue that was deleted", n)
			}
			_, err := r.GetQueue(r.ctx(), &cloudtaskspb.GetQueueRequest{Name: queueA})
			wantStatus(t, err, codes.NotFound, textNoQueue)
			_, err = r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("")})
			wantStatus(t, err, codes.NotFound, textNoQueue)
			time.Sleep(ttl - time.Second)
			_, err = r.createQueue(&cloudtaskspb.Queue{Name: queueA})
			wantStatus(t, err, codes.FailedPrecondition, textQueueGone)
			_, err = r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{Name: queueA}})
			wantStatus(t, err, codes.FailedPrecondition, textQueueGone)
			time.Sleep(time.Second)
			if _, err = r.createQueue(&cloudtaskspb.Queue{Name: queueA}); err != nil {
				t.Fatal(err)
			}
			r.create(r.task("x")) // the tombstones of its tasks went with the queue
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := len(r.worker.seen()); n != 1 {
				t.Errorf("%d attempts, want one at the task of the new queue", n)
			}
		}
	})
}

func TestDeleteQueue_WithoutTombstone_CanBeCreatedAtOnce(t *testing.T) {
	r := start(t, emulator.WithQueueTombstone(0))
	if err := r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: queueA}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.createQueue(&cloudtaskspb.Queue{Name: queueA}); err != nil {
		t.Error(err)
	}
}

func TestPauseQueue_StopsAndResumeStarts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		for range 2 {
			q, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueA})
			if err != nil || q.State != cloudtaskspb.Queue_PAUSED || r.queue(queueA).State != cloudtaskspb.Queue_PAUSED {
				t.Fatalf("paused: %v, %v", q, err)
			}
		}
		r.create(r.task(""))
		time.Sleep(time.Hour)
		if n := len(r.worker.seen()); n != 0 {
			t.Fatalf("%d attempts while paused", n)
		}
		for range 2 {
			q, err := r.ResumeQueue(r.ctx(), &cloudtaskspb.ResumeQueueRequest{Name: queueA})
			if err != nil || q.State != cloudtaskspb.Queue_RUNNING {
				t.Fatalf("resumed: %v, %v", q, err)
			}
		}
		synctest.Wait()
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts after it was resumed", n)
		}
	})
}

func TestPurgeQueue_RemovesWhatIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.create(r.later("old"))
		time.Sleep(1234567 * time.Nanosecond)
		q, err := r.PurgeQueue(r.ctx(), &cloudtaskspb.PurgeQueueRequest{Name: queueA})
		if err != nil || !q.PurgeTime.AsTime().Equal(time.Now().Truncate(time.Microsecond)) {
			t.Errorf("purged: %v, %v", q, err)
		}
		wantProto(t, "stored", r.queue(queueA), q)
		r.create(r.task("new"))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if calls := r.worker.seen(); len(calls) != 1 || calls[0].Header.Get("X-CloudTasks-TaskName") != "new" {
			t.Errorf("attempts %v", calls)
		}
		_, err = r.GetTask(r.ctx(), &cloudtaskspb.GetTaskRequest{Name: queueA + "/tasks/old"})
		wantStatus(t, err, codes.NotFound, textGone)
	})
}
