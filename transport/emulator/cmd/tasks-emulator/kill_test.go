package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// taskFor is a task for a worker, due at a time.
func taskFor(parent, id, url string, at time.Time) *cloudtaskspb.Task {
	task := &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
		Url: url, Body: []byte("a payload of some length, as most have one: a hundred bytes or a few more of them"),
	}}}
	if id != "" {
		task.Name = parent + "/tasks/" + id
	}
	if !at.IsZero() {
		task.ScheduleTime = timestamppb.New(at)
	}
	return task
}

// tally is what was acknowledged and what arrived.
type tally struct {
	mu      sync.Mutex
	created map[string]bool
	deleted map[string]string // and the task's name
	runs    map[string]int
}

func (a *tally) noteCreated(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.created[id] = true
}

func (a *tally) missing() (ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.created {
		if a.runs[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// load creates tasks, due now or soon, until ctx ends: alone and in batches. Some it deletes.
func (a *tally) load(ctx context.Context, c *cloudtasks.Client, parent, who, url string) {
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprintf("%s-%d", who, i)
		at := time.Now().Add(time.Duration(rand.IntN(300)) * time.Millisecond)
		switch i % 10 {
		case 3:
			a.loadBatch(ctx, c, parent, id, url, at)
		case 7:
			a.loadDeleted(ctx, c, parent, id, url)
		default:
			if _, err := create(ctx, c, parent, id, url, at); err == nil {
				a.noteCreated(id)
			}
		}
	}
}

func (a *tally) loadBatch(ctx context.Context, c *cloudtasks.Client, parent, id, url string, at time.Time) {
	const size = 10
	req := &cloudtaskspb.BatchCreateTasksRequest{Parent: parent, RequestId: id}
	for n := range size {
		req.Requests = append(req.Requests, &cloudtaskspb.CreateTaskRequest{Parent: parent, Task: taskFor(parent, fmt.Sprintf("%s-%d", id, n), url, at)})
	}
	if op, err := c.BatchCreateTasks(ctx, req); err == nil && op.Done() {
		for n := range size {
			a.noteCreated(fmt.Sprintf("%s-%d", id, n))
		}
	}
}

func (a *tally) loadDeleted(ctx context.Context, c *cloudtasks.Client, parent, id, url string) {
	task, err := create(ctx, c, parent, id, url, time.Now().Add(time.Hour))
	if err != nil || c.DeleteTask(ctx, &cloudtaskspb.DeleteTaskRequest{Name: task.Name}) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deleted[id] = task.Name
}

// TestKill kills the program at random moments while tasks are created and run, and starts it again with the same
// data. Every task that was acknowledged must run, every one whose deletion was acknowledged must be gone.
func TestKill_UnderLoad_LosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills 20 processes: takes half a minute")
	}
	a := &tally{created: map[string]bool{}, deleted: map[string]string{}, runs: map[string]int{}}
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.runs[r.Header.Get("X-CloudTasks-TaskName")]++
	}))
	defer worker.Close()
	args := []string{"-data", filepath.Join(t.TempDir(), "data")}
	queues := make([]string, 32) // one runs 500 tasks a second at most
	for i := range queues {
		queues[i] = fmt.Sprintf("%s-%d", queue, i)
		args = append(args, "-queue", queues[i])
	}
	for round := range 20 {
		p := launch(t, args...)
		c := connect(t, p.ready.GRPC)
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for n := range 8 {
			clients.Go(func() { a.load(ctx, c, queues[(round*8+n)%len(queues)], fmt.Sprintf("r%d-c%d", round, n), worker.URL) })
		}
		<-time.After(100*time.Millisecond + rand.N(700*time.Millisecond))
		p.signal(syscall.SIGKILL)
		_ = p.Wait()
		cancel()
		clients.Wait()
		_ = c.Close()
	}

	p := launch(t, args...)
	for deadline := time.Now().Add(30 * time.Second); len(a.missing()) > 0 && time.Now().Before(deadline); {
		<-time.After(50 * time.Millisecond)
	}
	if ids := a.missing(); len(ids) > 0 {
		t.Errorf("%d of %d acknowledged tasks never ran: %q, ...", len(ids), len(a.created), ids[:min(len(ids), 10)])
	}
	c := connect(t, p.ready.GRPC)
	for _, name := range a.deleted {
		_, err := c.GetTask(t.Context(), &cloudtaskspb.GetTaskRequest{Name: name})
		if status.Code(err) != codes.NotFound {
			t.Fatalf("task %s, whose deletion was acknowledged, is there: %v", name, err)
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, standard error: %s", code, p.stderr)
	}
	again := 0
	for _, n := range a.runs {
		again += n - 1
	}
	t.Logf("%d tasks acknowledged, %d deletions; %d tasks ran, %d attempts of them once more", len(a.created), len(a.deleted), len(a.runs), again)
	if len(a.created) == 0 || len(a.deleted) == 0 {
		t.Error("nothing was acknowledged: the test has tested nothing")
	}
}

// TestFullDisk lets the program run out of disk. What it acknowledged until then must be there again.
func TestFullDisk_AnswersUnavailable_AndLosesNothing(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skipf("needs a shell that limits the size of files: %v", err)
	}
	args := []string{"-queue", "mail", "-data", filepath.Join(t.TempDir(), "data")}
	p := launchLimited(t, args...)
	c := connect(t, p.ready.GRPC)
	url := "http://127.0.0.1:1/" + strings.Repeat("x", 2000)
	var acknowledged []string
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		var task *cloudtaskspb.Task
		if task, err = create(t.Context(), c, queue, fmt.Sprint(i), url, time.Now().Add(time.Hour)); err == nil {
			acknowledged = append(acknowledged, task.Name)
		}
	}
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the data file cannot be written") || len(acknowledged) == 0 {
		t.Fatalf("after %d tasks: %v", len(acknowledged), err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 1 {
		t.Errorf("exit code %d, want 1: the data file has failed", code)
	}
	c = connect(t, launch(t, args...).ready.GRPC)
	for _, name := range acknowledged {
		if _, err := c.GetTask(t.Context(), &cloudtaskspb.GetTaskRequest{Name: name}); err != nil {
			t.Fatalf("task %s was acknowledged: %v", name, err)
		}
	}
}
