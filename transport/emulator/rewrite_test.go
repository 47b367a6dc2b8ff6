package emulator

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator/internal/journal"
)

type answer func(*http.Request) int

func (f answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: f(r), Body: http.NoBody}, nil
}

// TestRewrite_WhileEverythingChanges rewrites the data file over and over while tasks are created, fail, finish
// and are deleted, and queues come and go. Nothing that was answered may be missing from it.
func TestRewrite_WhileEverythingChanges(t *testing.T) {
	const workers, each = 8, 300
	const name = "projects/p/locations/l/queues/"
	file := filepath.Join(t.TempDir(), "data")
	flaky := answer(func(r *http.Request) int {
		h := map[string][]string(r.Header) // with the names as they go onto the wire
		if h[headerRetryCount][0] == "0" && len(h[headerTaskName][0])%2 == 0 {
			return 500
		}
		return 200
	})
	e, err := New(WithData(file), WithHTTPClient(&http.Client{Transport: flaky}), WithQueueTombstone(0), WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	s := e.server
	ctx := context.Background()
	task := func(queue, id, url string) *cloudtaskspb.Task {
		return &cloudtaskspb.Task{
			Name: queue + "/tasks/" + id, RetryConfig: &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(1e6)},
			MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{Url: url}},
		}
	}
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			queue := fmt.Sprint(name, "w", w)
			_, err := s.createQueue(ctx, newQueue(queue))
			must(err)
			for i := range each {
				id := fmt.Sprint("t", i)
				_, err := s.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{Parent: queue, Task: task(queue, id, "http://a.test/")})
				must(err)
				if i%50 == 0 {
					passing := fmt.Sprint(name, "passing", w)
					_, err := s.createQueue(ctx, newQueue(passing))
					must(err)
					_, err = s.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{Parent: passing, Task: task(passing, id, "http://a.test/")})
					must(err)
					_, err = s.DeleteQueue(ctx, &cloudtaskspb.DeleteQueueRequest{Name: passing})
					must(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var rewriting sync.WaitGroup
	rewrites := 0
	rewriting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				must(s.store.log.Rewrite(s.save))
				rewrites++
			}
		}
	})
	wg.Wait()
	close(stop)
	rewriting.Wait()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	read := newSaved()
	l, err := journal.Open(file, read.read)
	if err != nil {
		t.Fatal(err)
	}
	must(l.Close())
	if len(read.queues) != workers {
		t.Errorf("%d queues in the file, want %d", len(read.queues), workers)
	}
	lost, there := 0, 0
	for w := range workers {
		q := read.queues[fmt.Sprint(name, "w", w)]
		for i := range each {
			id := fmt.Sprint("t", i)
			_, left := q.graves[id]
			_, waits := q.tasks[id]
			if !left && !waits {
				lost++
			}
			if waits {
				there++
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d tasks are neither in the file nor remembered as gone", lost, workers*each)
	}
	if rewrites < 3 {
		t.Errorf("the file was rewritten %d times only", rewrites)
	}
	t.Logf("%d rewrites, %d tasks still wait", rewrites, there)
}
