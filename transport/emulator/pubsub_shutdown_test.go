package emulator_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
)

func TestShutdown_WaitsForPushes_WhichMayStillPublishAndCreate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(r.pushed)
		r.subscribe(func(s *pubsubpb.Subscription) { s.Name, s.Topic = burial, dead })
		stream := r.stream(func(first *pubsubpb.StreamingPullRequest) { first.Subscription = burial })
		ended := make(chan error, 1)
		go func() {
			_, err := r.stub.Pull(t.Context(), &pubsubpb.PullRequest{Subscription: burial, MaxMessages: 1})
			ended <- err
		}()
		failed := make(chan error, 4)
		r.worker.answers(func(_ http.ResponseWriter, req *http.Request) {
			time.Sleep(5 * time.Second)
			if req.URL.Path == "/run" {
				return
			}
			_, err := r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: dead, Messages: texts("child", 1)})
			failed <- err
			_, err = r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.later("")})
			failed <- err
		})
		r.create(r.task("parent"))
		synctest.Wait()
		r.publish(text("m"), text("m"))
		synctest.Wait()
		began := time.Now()
		if err := r.e.Shutdown(t.Context()); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
		for range 4 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		wantStatus(t, <-ended, codes.Unavailable, "the emulator is shutting down")
		wantStatus(t, <-stream.ended, codes.Unavailable, "the emulator is shutting down")
		if n := r.backlog(audit); n != 0 {
			t.Errorf("%d messages are left of two whose pushes have succeeded", n)
		}
	})
}

func TestShutdown_OutOfPatience_BreaksPushesOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(r.pushed)
		r.worker.hold()
		r.publish(text("m"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := r.e.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 messages were still being handled") || time.Since(began) != time.Second {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
		_, err = r.topics.Publish(t.Context(), &pubsubpb.PublishRequest{Topic: orders, Messages: texts("late", 1)})
		if err == nil {
			t.Error("published after the end")
		}
	})
}
