package emulator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// restart ends the emulator and starts another with the same data file. Its worker forgets what it saw.
func (r *rig) restart(file string, opts ...emulator.Option) *rig {
	r.t.Helper()
	if err := r.e.Close(); err != nil {
		r.t.Fatal(err)
	}
	return startHere(r.t, append([]emulator.Option{emulator.WithQueues(), emulator.WithData(file)}, opts...)...)
}

func dataFile(t *testing.T) string { return filepath.Join(t.TempDir(), "tasks.db") }

func TestRestart_StateIsThere(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithData(file))
		full := r.later("full")
		full.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: 5}
		full.GetHttpRequest().Headers = map[string]string{"x-a": "1", "Content-Type": "text/plain"}
		names := []string{r.create(withOIDC(full, "aud")).Name, r.create(r.later("")).Name}
		r.create(r.task("done"))
		r.create(r.later("deleted"))
		if err := r.DeleteTask(r.ctx(), &cloudtaskspb.DeleteTaskRequest{Name: queueA + "/tasks/deleted"}); err != nil {
			t.Fatal(err)
		}
		r.worker.statuses(404)
		failing := r.task("failing")
		failing.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Hour)}
		synctest.Wait()
		names = append(names, r.create(failing).Name)
		synctest.Wait()
		var before []proto.Message
		for _, name := range names {
			before = append(before, r.get(name))
		}

		if _, err := r.createQueue(&cloudtaskspb.Queue{Name: queueB, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 3}}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: queueB, Policy: &iampb.Policy{Version: 3}}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueB}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.createQueue(&cloudtaskspb.Queue{Name: location + "/queues/gone"}); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: location + "/queues/gone"}); err != nil {
			t.Fatal(err)
		}
		req := batchOf(r.later("in-batch"))
		req.RequestId = "id"
		op := r.batch(req).Name()
		queues := []proto.Message{r.queue(queueA), r.queue(queueB)}

		r = r.restart(file)
		for i, name := range names {
			wantProto(t, name, r.get(name), before[i])
		}
		wantProto(t, "queue", r.queue(queueA), queues[0])
		wantProto(t, "queue", r.queue(queueB), queues[1])
		if p, err := r.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: queueB}); err != nil || p.Version != 3 {
			t.Errorf("policy %v, %v", p, err)
		}
		for _, id := range []string{"done", "deleted"} {
			_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task(id)})
			wantStatus(t, err, codes.AlreadyExists, "The task cannot be created because a task with this name existed too recently.")
		}
		_, err := r.createQueue(&cloudtaskspb.Queue{Name: location + "/queues/gone"})
		wantStatus(t, err, codes.FailedPrecondition, textQueueGone)
		if again := r.batch(req); again.Name() != op || !again.Done() {
			t.Errorf("the same request is another operation: %s, not %s", again.Name(), op)
		}
		if n := r.e.Backlog(); n != 4 {
			t.Errorf("%d tasks wait, want 4", n)
		}

		time.Sleep(2 * time.Hour)
		synctest.Wait()
		attempts := map[string]string{}
		for _, c := range r.worker.seen() {
			attempts[c.Header.Get("X-CloudTasks-TaskName")] += c.Header.Get("X-CloudTasks-TaskRetryCount") + c.Header.Get("X-CloudTasks-TaskPreviousResponse")
		}
		if len(attempts) != 4 || attempts["failing"] != "1404" || attempts["full"] != "0" {
			t.Errorf("after the restart: %v", attempts)
		}
	})
}

func TestRestart_PausedQueue_StaysPaused(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithData(file))
		if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueA}); err != nil {
			t.Fatal(err)
		}
		r.create(r.task("x"))
		r = r.restart(file)
		time.Sleep(time.Hour)
		if n := len(r.worker.seen()); n != 0 || r.e.Backlog() != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestRestart_PurgedAndDeleted_StayAway(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithData(file), emulator.WithQueues(queueB), emulator.WithQueueTombstone(0))
		r.create(r.later("purged"))
		if _, err := r.PurgeQueue(r.ctx(), &cloudtaskspb.PurgeQueueRequest{Name: queueA}); err != nil {
			t.Fatal(err)
		}
		r.create(r.later("after"))
		lost := r.later("")
		if _, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueB, Task: lost}); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteQueue(r.ctx(), &cloudtaskspb.DeleteQueueRequest{Name: queueB}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.createQueue(&cloudtaskspb.Queue{Name: queueB}); err != nil {
			t.Fatal(err)
		}
		r = r.restart(file)
		if n := r.e.Backlog(); n != 1 {
			t.Errorf("%d tasks wait, want the one from after the purge", n)
		}
		_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("purged")})
		wantStatus(t, err, codes.AlreadyExists, "")
	})
}

func TestRestart_AttemptInFlight_IsRepeatedAndHasNotCounted(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithData(file))
		r.worker.hold()
		task := r.task("x")
		task.RetryConfig = &cloudtaskspb.RetryConfig{MaxAttempts: 1}
		r.create(task)
		synctest.Wait()
		if n := len(r.worker.seen()); n != 1 {
			t.Fatalf("%d attempts", n)
		}
		r = r.restart(file)
		synctest.Wait()
		calls := r.worker.seen()
		if len(calls) != 1 || calls[0].Header.Get("X-CloudTasks-TaskRetryCount") != "0" {
			t.Errorf("attempts after the restart: %v", calls)
		}
	})
}

func TestRestart_TokensKey_IsTheSame(t *testing.T) {
	file := dataFile(t)
	inBubble(t, func(t *testing.T) {
		r := startHere(t, emulator.WithData(file))
		r.create(withOIDC(r.task(""), "a"))
		synctest.Wait()
		token := bearer(t, r.worker.seen()[0])
		r = r.restart(file)
		if p := verify(t, r.e, token, "a"); p.Claims["email"] != account {
			t.Errorf("claims %v", p.Claims)
		}
	})
}

func TestData_Rewritten_HoldsTheSame(t *testing.T) {
	file := dataFile(t)
	r := start(t, emulator.WithData(file))
	r.create(r.task("done")) // a tombstone
	r.create(withOIDC(r.task("token"), "a"))
	r.await(2)
	kept := r.create(r.later("kept"))
	failing := r.task("failing")
	r.worker.statuses(500)
	failing.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Hour)}
	r.create(failing)
	r.await(3)
	r.eventually("it has failed", func() bool { return r.get(queueA+"/tasks/failing").ResponseCount == 1 })
	req := batchOf(r.later(""))
	req.RequestId = "id"
	op := r.batch(req).Name()

	// Tasks that come and go make the file grow until it is rewritten.
	big := strings.Repeat("x", 200<<10)
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := range 100 {
				task := r.later(fmt.Sprintf("c%d-%d", c, i))
				task.GetHttpRequest().Body = []byte(big)
				name := r.create(task).Name
				if i == 99 {
					continue
				}
				if err := r.DeleteTask(r.ctx(), &cloudtaskspb.DeleteTaskRequest{Name: name}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.eventually("the file is rewritten", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() < 40<<20
	})
	want := []proto.Message{r.get(kept.Name), r.get(queueA + "/tasks/failing")}
	token := bearer(t, r.worker.seen()[1])
	r = r.restart(file)
	if n := r.e.Backlog(); n != 3+4 {
		t.Errorf("%d tasks wait, want 7", n)
	}
	wantProto(t, "kept", r.get(kept.Name), want[0])
	wantProto(t, "failing", r.get(queueA+"/tasks/failing"), want[1])
	for _, id := range []string{"done", "c0-0", "c3-98"} {
		_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.later(id)})
		wantStatus(t, err, codes.AlreadyExists, "The task cannot be created because a task with this name existed too recently.")
	}
	if again := r.batch(req); again.Name() != op {
		t.Errorf("the same request is another operation: %s, not %s", again.Name(), op)
	}
	verify(t, r.e, token, "a")
}

func TestData_Refusals(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("this is something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(dir, "used")
	start(t, emulator.WithData(used))
	for name, file := range map[string]string{
		"no journal": text, "a directory": dir, "in a directory that is missing": filepath.Join(dir, "no", "file"), "used by another": used,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := emulator.New(emulator.WithData(file))
			if err == nil {
				e.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), file) {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

func TestNew_BadQueueName_IsAnError(t *testing.T) {
	if _, err := emulator.New(emulator.WithQueues("mail")); err == nil || !strings.Contains(err.Error(), `"mail"`) {
		t.Errorf("error %v", err)
	}
}
