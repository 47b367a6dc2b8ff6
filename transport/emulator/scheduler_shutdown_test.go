package emulator_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestShutdown_WaitsForJobs_WhichMayStillCreateAndPublish(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t, emulator.WithTopics(orders))
		r.createJob(every("* * * * *"))
		r.createJob(named("waits-for-its-retry"), publishing, retried(5))
		errs := make(chan error, 2)
		r.worker.answers(func(http.ResponseWriter, *http.Request) {
			time.Sleep(50 * time.Second)
			_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.later("child")})
			errs <- err
			_, err = r.tryUpdate(r.job(every("0 0 * * *")))
			errs <- err
		})
		pass(time.Minute)
		began := time.Now()
		if err := r.e.Shutdown(t.Context()); err != nil || time.Since(began) != 50*time.Second {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("the attempt: %v", err)
			}
		}
		pass(time.Hour)
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestShutdown_OutOfPatience_BreaksJobsOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("* * * * *"))
		r.worker.hold()
		pass(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.e.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
	})
}

func TestShutdown_BeforeCallsEnd_JobsAreUnavailable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob()
		r.worker.answers(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		r.must(r.run(nightly))
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- r.e.Shutdown(context.Background()) }()
		synctest.Wait()
		if _, err := r.run(nightly); err != nil { // taken, and never begun
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_, err := r.pause(nightly)
		wantStatus(t, err, codes.Unavailable, "")
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}
