package emulator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
)

func TestPauseAndResume_OnlyFromTheOtherState(t *testing.T) {
	r := startScheduler(t)
	made := r.createJob()
	_, err := r.resume(nightly)
	wantStatus(t, err, codes.FailedPrecondition, "Job must be in state PAUSED, it is ENABLED.")
	paused, err := r.pause(nightly)
	if err != nil || paused.State != schedulerpb.Job_PAUSED || paused.ScheduleTime != nil {
		t.Errorf("paused: %v, %v", paused, err)
	}
	wantProto(t, "read while paused", r.getJob(nightly), paused)
	_, err = r.pause(nightly)
	wantStatus(t, err, codes.FailedPrecondition, "Job must be in state ENABLED, it is PAUSED.")
	resumed, err := r.resume(nightly)
	if err != nil {
		t.Fatal(err)
	}
	wantProto(t, "resumed", resumed, made)
}

func TestPauseJob_FiresNoMore_AndMissesNothingAfterResume(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("*/10 * * * *"))
		pass(10 * time.Minute)
		r.must(r.pause(nightly))
		pass(24 * time.Hour)
		if n := len(r.worker.seen()); n != 1 {
			t.Fatalf("%d attempts, one of them before the pause", n)
		}
		r.must(r.resume(nightly))
		pass(10*time.Minute - 1)
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("what was missed in the pause is made up for: %d attempts", n)
		}
		pass(1)
		if n := len(r.worker.seen()); n != 2 {
			t.Errorf("%d attempts after the resume", n)
		}
	})
}

func TestPauseJob_DuringAnAttempt_EndsItsRetries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("0 * * * *"), retried(5))
		r.worker.hold()
		pass(time.Hour)
		r.must(r.pause(nightly))
		r.worker.statuses(500)
		r.worker.release()
		pass(30 * time.Minute)
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestRunJob_FiresNow_AlsoWhenPaused(t *testing.T) {
	for _, paused := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			r := startSchedulerHere(t)
			made := r.createJob()
			if paused {
				r.must(r.pause(nightly))
			}
			pass(90 * time.Second)
			r.must(r.run(nightly))
			synctest.Wait()
			calls := r.worker.seen()
			if len(calls) != 1 || calls[0].Header.Get("X-CloudScheduler-ScheduleTime") != "2000-01-01T00:01:30Z" {
				t.Fatalf("paused %t: attempts %v", paused, calls)
			}
			got := r.getJob(nightly)
			if got.LastAttemptTime.AsTime() != made.UserUpdateTime.AsTime().Add(90*time.Second) || got.Status == nil || got.Status.Code != 0 {
				t.Errorf("paused %t: after the run %v", paused, got)
			}
			if (got.State == schedulerpb.Job_PAUSED) != paused || !paused && got.ScheduleTime.AsTime() != made.ScheduleTime.AsTime() {
				t.Errorf("paused %t: the run has moved the schedule: %v", paused, got)
			}
		})
	}
}

func TestRunJob_DuringAnAttempt_FollowsIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob()
		r.worker.hold()
		r.must(r.run(nightly))
		synctest.Wait()
		r.must(r.run(nightly))
		synctest.Wait()
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts at a time", n)
		}
		r.worker.release()
		synctest.Wait()
		if n := len(r.worker.seen()); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}
