package emulator_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func named(id string) func(*schedulerpb.Job) {
	return func(j *schedulerpb.Job) { j.Name = location + "/jobs/" + id }
}

func TestRestart_Jobs_AreThere(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t, emulator.WithData(file))
		r.must(r.tryCreate(fullJob(nightly)))
		r.createJob(named("paused"))
		r.must(r.pause(location + "/jobs/paused"))
		r.createJob(named("resumed"))
		r.must(r.pause(location + "/jobs/resumed"))
		r.must(r.resume(location + "/jobs/resumed"))
		r.createJob(named("published"), publishing, every("*/10 * * * *"))
		r.createJob(named("updated"))
		r.updateJob(r.job(named("updated"), every("every 7 hours")), "schedule")
		r.createJob(named("failed"), every("0 * * * *"))
		r.createJob(named("deleted"))
		if err := r.jobs.DeleteJob(r.ctx(), &schedulerpb.DeleteJobRequest{Name: location + "/jobs/deleted"}); err != nil {
			t.Fatal(err)
		}
		r.createJob(named("again"), every("0 5 * * *"))
		if err := r.jobs.DeleteJob(r.ctx(), &schedulerpb.DeleteJobRequest{Name: location + "/jobs/again"}); err != nil {
			t.Fatal(err)
		}
		r.createJob(named("again"))
		r.worker.statuses(404)
		pass(61 * time.Minute)
		r.must(r.run(location + "/jobs/again"))
		synctest.Wait()
		before, _, err := r.listPage(location, 0, "")
		if err != nil || len(before) != 7 || before[1].Status.GetCode() != int32(codes.NotFound) {
			t.Fatalf("%d jobs, %v: %v", len(before), err, before)
		}

		for range 2 {
			r = r.reopen(file)
			after, _, err := r.listPage(location, 0, "")
			if err != nil || len(after) != len(before) {
				t.Fatalf("%d jobs after the restart, %d before it: %v", len(after), len(before), err)
			}
			for i := range after {
				wantProto(t, before[i].Name, after[i], before[i])
			}
		}
		_, err = r.tryCreate(r.job())
		wantStatus(t, err, codes.AlreadyExists, "")
		pass(time.Hour)
		if n := len(r.worker.seen()); n != 1 { // failed, at two o'clock
			t.Errorf("%d attempts after the restart", n)
		}
	})
}

func TestRestart_MissedTimes_AreNotMadeUpFor(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t, emulator.WithData(file))
		r.createJob(every("*/10 * * * *"), retried(5))
		r.createJob(named("interval"), every("every 10 minutes"))
		if err := r.e.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(65 * time.Minute)
		r = r.reopen(file)
		pass(5*time.Minute - 1)
		if n := len(r.worker.seen()); n != 0 {
			t.Errorf("%d attempts right after the restart", n)
		}
		pass(1)
		calls := r.worker.seen()
		if len(calls) != 1 || calls[0].Header.Get("X-CloudScheduler-ScheduleTime") != "2000-01-01T01:10:00Z" {
			t.Errorf("the first attempts after the restart: %v", calls)
		}
	})
}

func TestRestart_DuringAnAttempt_TheScheduleGoesOn(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t, emulator.WithData(file))
		r.createJob(every("0 * * * *"), retried(5))
		r.worker.hold()
		pass(time.Hour)
		if n := len(r.worker.seen()); n != 1 {
			t.Fatalf("%d attempts", n)
		}
		r = r.reopen(file)
		pass(30 * time.Minute)
		if got := r.getJob(nightly); len(r.worker.seen()) != 0 || got.Status != nil || got.LastAttemptTime == nil {
			t.Errorf("the attempt that was broken off: repeated %d times, the job is %v", len(r.worker.seen()), got)
		}
		pass(30 * time.Minute)
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts in the hour after", n)
		}
	})
}

func TestData_RewrittenWithJobs_HoldsTheSame(t *testing.T) {
	file := dataFile(t)
	r := startScheduler(t, emulator.WithData(file))
	r.createJob(named("paused"))
	r.must(r.pause(location + "/jobs/paused"))
	r.createJob(named("failed"))
	r.worker.statuses(500)
	r.must(r.run(location + "/jobs/failed"))
	r.eventually("it has failed", func() bool { return r.getJob(location+"/jobs/failed").Status != nil })
	large := r.job()
	large.GetHttpTarget().Body = make([]byte, 1000<<10)
	r.createJob()
	for range 40 { // makes the file grow until it is rewritten
		r.updateJob(proto.CloneOf(large))
	}
	r.eventually("the file is rewritten", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() < 35<<20
	})
	before, _, err := r.listPage(location, 0, "")
	if err != nil || len(before) != 3 {
		t.Fatal(before, err)
	}
	r = r.reopen(file)
	after, _, err := r.listPage(location, 0, "")
	if err != nil || len(after) != 3 {
		t.Fatal(after, err)
	}
	for i := range after {
		wantProto(t, before[i].Name, after[i], before[i])
	}
}
