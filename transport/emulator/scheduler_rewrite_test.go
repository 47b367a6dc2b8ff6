package emulator

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/protobuf/proto"
)

// TestRewrite_WhileJobsChange rewrites the data file over and over while jobs are created, run, paused, updated and
// deleted. What is there at the end is what the file says.
func TestRewrite_WhileJobsChange(t *testing.T) {
	const workers, each = 4, 100
	const parent = "projects/p/locations/l"
	file := filepath.Join(t.TempDir(), "data")
	open := func() *Emulator {
		client := &http.Client{Transport: answer(func(*http.Request) int { return 404 })}
		e, err := New(WithData(file), WithHTTPClient(client), WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	s, ctx := e.scheduler, context.Background()
	must := func(_ any, err error) {
		if err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprint(parent, jobsPart, "w", w, "-", i%10) // each comes back after it was deleted
				must(s.CreateJob(ctx, &schedulerpb.CreateJobRequest{Parent: parent, Job: newTestJob(t, name)}))
				must(s.RunJob(ctx, &schedulerpb.RunJobRequest{Name: name}))
				must(s.PauseJob(ctx, &schedulerpb.PauseJobRequest{Name: name}))
				must(s.UpdateJob(ctx, &schedulerpb.UpdateJobRequest{Job: newTestJob(t, name)}))
				if i%3 == 0 {
					must(s.ResumeJob(ctx, &schedulerpb.ResumeJobRequest{Name: name}))
				}
				if i < each-10 {
					must(s.DeleteJob(ctx, &schedulerpb.DeleteJobRequest{Name: name}))
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
				must(nil, e.server.store.log.Rewrite(e.save))
				rewrites++
			}
		}
	})
	wg.Wait()
	close(stop)
	rewriting.Wait()
	<-s.drain()
	list := func(s *scheduler) map[string]*schedulerpb.Job {
		page, err := s.ListJobs(ctx, &schedulerpb.ListJobsRequest{Parent: parent})
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]*schedulerpb.Job)
		for _, j := range page.Jobs {
			all[j.Name] = j
		}
		return all
	}
	before := list(s)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open()
	defer e.Close()
	after := list(e.scheduler)
	if len(before) != workers*10 || !maps.EqualFunc(before, after, func(a, b *schedulerpb.Job) bool { return proto.Equal(a, b) }) {
		t.Errorf("%d jobs, after the restart %d:\n%v\n%v", len(before), len(after), before, after)
	}
	if rewrites < 3 {
		t.Errorf("the file was rewritten %d times only", rewrites)
	}
}
