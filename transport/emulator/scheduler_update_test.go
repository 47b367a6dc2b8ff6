package emulator_test

import (
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// otherJob differs from fullJob in every field.
func otherJob() *schedulerpb.Job {
	return &schedulerpb.Job{
		Name: nightly, Description: "every hour", Schedule: "every 1 hours", TimeZone: "Europe/Lisbon",
		Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{
			Uri: "http://other.example/", HttpMethod: schedulerpb.HttpMethod_GET, Headers: map[string]string{"User-Agent": "Google-Cloud-Scheduler"},
		}},
		RetryConfig: &schedulerpb.RetryConfig{
			RetryCount: 1, MaxDoublings: 1, MaxRetryDuration: durationpb.New(time.Second),
			MinBackoffDuration: durationpb.New(time.Second), MaxBackoffDuration: durationpb.New(2 * time.Second),
		},
		AttemptDeadline: durationpb.New(time.Minute),
	}
}

func TestUpdateJob_MaskPaths_ChangeTheirFieldsAlone(t *testing.T) {
	r := startScheduler(t)
	r.createJob()
	for path, set := range map[string]func(into, from *schedulerpb.Job){
		"description":      func(into, from *schedulerpb.Job) { into.Description = from.Description },
		"schedule":         func(into, from *schedulerpb.Job) { into.Schedule = from.Schedule },
		"time_zone":        func(into, from *schedulerpb.Job) { into.TimeZone = from.TimeZone },
		"http_target":      func(into, from *schedulerpb.Job) { into.Target = from.Target },
		"retry_config":     func(into, from *schedulerpb.Job) { into.RetryConfig = from.RetryConfig },
		"attempt_deadline": func(into, from *schedulerpb.Job) { into.AttemptDeadline = from.AttemptDeadline },
		"name":             func(_, _ *schedulerpb.Job) {},
		// What is output only may be named, and is ignored.
		"state":             func(_, _ *schedulerpb.Job) {},
		"schedule_time":     func(_, _ *schedulerpb.Job) {},
		"last_attempt_time": func(_, _ *schedulerpb.Job) {},
		"status":            func(_, _ *schedulerpb.Job) {},
		"user_update_time":  func(_, _ *schedulerpb.Job) {},
	} {
		t.Run(path, func(t *testing.T) {
			before := r.updateJob(fullJob(nightly))
			from, want := otherJob(), fullJob(nightly)
			from.State, from.ScheduleTime = schedulerpb.Job_PAUSED, timestamppb.Now()
			set(want, from)
			updated := r.updateJob(from, path)
			wantProto(t, "updated", configOf(updated), want)
			wantProto(t, "read back", r.getJob(nightly), updated)
			if updated.State != schedulerpb.Job_ENABLED || path != "schedule" && path != "time_zone" && !proto.Equal(updated.ScheduleTime, before.ScheduleTime) {
				t.Errorf("state %s, next %s, before it was %s", updated.State, updated.ScheduleTime.AsTime(), before.ScheduleTime.AsTime())
			}
		})
	}
}

func TestUpdateJob_UnsetFields_GoBackToTheirDefaults(t *testing.T) {
	r := startScheduler(t)
	fresh := configOf(r.createJob())
	for name, mask := range map[string][]string{
		"without a mask":    nil,
		"an empty mask":     {},
		"with each by name": {"description", "schedule", "time_zone", "http_target", "retry_config", "attempt_deadline"},
	} {
		r.updateJob(fullJob(nightly))
		wantProto(t, name, configOf(r.updateJob(r.job(), mask...)), fresh)
	}
}

func TestUpdateJob_AnotherKindOfTarget_ReplacesIt(t *testing.T) {
	r := startScheduler(t)
	r.createJob()
	published := r.updateJob(r.job(publishing), "pubsub_target")
	if published.GetHttpTarget() != nil || published.GetPubsubTarget().GetTopicName() != orders {
		t.Errorf("updated to %v", published)
	}
	_, err := r.tryUpdate(r.job(), "pubsub_target") // which the job given has none of
	wantStatus(t, err, codes.InvalidArgument, "")
	back := r.updateJob(r.job(), "http_target")
	if back.GetPubsubTarget() != nil || string(back.GetHttpTarget().GetBody()) != "body" {
		t.Errorf("updated to %v", back)
	}
}

func TestUpdateJob_UnknownPaths_AreRefused(t *testing.T) {
	r := startScheduler(t)
	before := r.createJob()
	for _, path := range []string{"httpTarget", "timeZone", "http_target.uri", "no_such", "", "*"} {
		_, err := r.tryUpdate(otherJob(), "description", path)
		wantStatus(t, err, codes.InvalidArgument,
			"Invalid mask for Job: "+path+". It may name the fields of Job itself, such as http_target, in snake_case.")
	}
	wantProto(t, "the job after all these updates", r.getJob(nightly), before)
}

func TestUpdateJob_PausedJob_StaysPaused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob()
		r.must(r.pause(nightly))
		updated := r.updateJob(r.job(every("* * * * *")))
		if updated.State != schedulerpb.Job_PAUSED || updated.ScheduleTime != nil {
			t.Errorf("state %s, next %v", updated.State, updated.ScheduleTime)
		}
		pass(time.Hour)
		if n := len(r.worker.seen()); n != 0 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestUpdateJob_TakesEffectAtTheNextAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		made := r.createJob(every("0 * * * *"), retried(1))
		r.worker.statuses(500, 200)
		pass(time.Hour)
		updated := r.updateJob(r.job(every("0 * * * *"), retried(1), func(j *schedulerpb.Job) { j.GetHttpTarget().Uri = r.worker.url + "/other" }))
		if updated.UserUpdateTime.AsTime().Sub(made.UserUpdateTime.AsTime()) != time.Hour {
			t.Errorf("updated at %s, made at %s", updated.UserUpdateTime.AsTime(), made.UserUpdateTime.AsTime())
		}
		pass(time.Minute)
		calls := r.worker.seen()
		if len(calls) != 2 || calls[0].URL.Path != "/run" || calls[1].URL.Path != "/other" {
			t.Errorf("attempts %v", calls)
		}
	})
}
