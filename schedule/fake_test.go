package schedule_test

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// schScheduler keeps jobs, records what is written, and fails where it is told to. It is far away, as Cloud Scheduler is.
type schScheduler struct {
	account   string // whose tokens it sends; empty: push@shop.example.com's
	anonymous bool   // it knows no account

	mu      sync.Mutex
	jobs    map[string]*transport.Job
	writes  []string         // "put shop--a", "delete shop--b"
	lists   int              // begun
	faults  map[string]error // by write
	listErr error            // after page jobs
	page    int
	before  func(ctx context.Context, write string) // without the lock
	running int
	most    int
}

func (s *schScheduler) PushServiceAccount() string {
	if s.anonymous {
		return ""
	}
	return cmp.Or(s.account, "push@shop.example.com")
}

func (s *schScheduler) begin(ctx context.Context, write string) (end func(), err error) {
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	if s.before != nil {
		s.before(ctx, write)
	}
	s.mu.Lock()
	s.running--
	s.writes = append(s.writes, write)
	if err = s.faults[write]; err == nil {
		err = ctx.Err()
	}
	return s.mu.Unlock, err
}

func (s *schScheduler) PutJob(ctx context.Context, j *transport.Job) error {
	return s.write(ctx, "put "+j.Name, j)
}

// write puts a job, by whatever method.
func (s *schScheduler) write(ctx context.Context, write string, j *transport.Job) error {
	end, err := s.begin(ctx, write)
	defer end()
	if err != nil {
		return err
	}
	if err := j.Check(); err != nil {
		return err
	}
	kept := *j
	kept.Header = j.Header.Clone()
	kept.Body = slices.Clone(j.Body)
	kept.State = transport.JobEnabled
	if old := s.jobs[j.Name]; old != nil && old.State == transport.JobPaused {
		kept.State = old.State
	}
	if s.jobs == nil {
		s.jobs = map[string]*transport.Job{}
	}
	s.jobs[j.Name] = &kept
	return nil
}

func (s *schScheduler) DeleteJob(ctx context.Context, name string) error {
	end, err := s.begin(ctx, "delete "+name)
	defer end()
	if err != nil {
		return err
	}
	if s.jobs[name] == nil {
		return &transport.Error{Op: transport.OpDelete, Resource: transport.JobResource(name), Kind: transport.KindNotFound}
	}
	delete(s.jobs, name)
	return nil
}

func (s *schScheduler) Jobs(ctx context.Context) iter.Seq2[*transport.Job, error] {
	return func(yield func(*transport.Job, error) bool) {
		s.mu.Lock()
		s.lists++
		all := slices.SortedFunc(maps.Values(s.jobs), func(a, b *transport.Job) int { return strings.Compare(b.Name, a.Name) })
		s.mu.Unlock()
		for i, j := range all {
			if s.listErr != nil && i == s.page {
				yield(nil, s.listErr)
				return
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			c := *j
			if !yield(&c, nil) {
				return
			}
		}
	}
}

// put keeps jobs as if they had always been there.
func (s *schScheduler) put(jobs ...*transport.Job) {
	if s.jobs == nil {
		s.jobs = map[string]*transport.Job{}
	}
	for _, j := range jobs {
		if j.State == "" {
			j.State = transport.JobEnabled
		}
		s.jobs[j.Name] = j
	}
}

// names are those of the jobs.
func (s *schScheduler) names() string { return strings.Join(slices.Sorted(maps.Keys(s.jobs)), " ") }

// schJob is a job of that name, posted to a URL.
func schJob(name, url string) *transport.Job {
	return &transport.Job{Name: name, URL: url, Schedule: "* * * * *"}
}

// schSync is Sync without an error.
func schSync(t testing.TB, app *tasks.App, opts ...schedule.SyncOption) schedule.Plan {
	t.Helper()
	plan, err := schedule.Sync(t.Context(), app, opts...)
	if err != nil {
		t.Fatalf("Sync: %v\n%s", err, plan)
	}
	return plan
}

// schPlan compares a plan's text.
func schPlan(t testing.TB, plan schedule.Plan, want ...string) {
	t.Helper()
	if got, want := plan.String(), strings.Join(want, "\n"); got != want {
		t.Errorf("the plan is\n%s\n\nand not\n%s", got, want)
	}
}
