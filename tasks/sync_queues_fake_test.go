package tasks_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

var errSqDown = errors.New("the service is down")

// sqFake is a remote transport that only has queues. It keeps settings as Cloud Tasks does.
type sqFake struct {
	fault func(call, queue string) error // call is read, put or delete; it fails before anything is done

	mu     sync.Mutex
	queues map[string]transport.QueueConfig
	writes []string
	reads  int
}

func newSqFake(queues map[string]transport.QueueConfig) *sqFake {
	f := &sqFake{queues: map[string]transport.QueueConfig{}}
	for name, cfg := range queues {
		f.queues[name] = sqKept(cfg)
	}
	return f
}

func sqKept(cfg transport.QueueConfig) transport.QueueConfig {
	cfg = cfg.Or(transport.CloudTasksQueue())
	cfg.MaxDispatchesPerSecond = min(cfg.MaxDispatchesPerSecond, 500)
	cfg.MaxBurst = 0
	cfg.MaxBurst = cfg.Burst()
	return cfg
}

func (f *sqFake) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{}, errors.New("nothing is enqueued here")
}

func (f *sqFake) call(call, queue string) error {
	if call == "read" {
		f.reads++
	} else {
		f.writes = append(f.writes, call+" "+queue)
	}
	if f.fault == nil {
		return nil
	}
	return f.fault(call, queue)
}

func (f *sqFake) Queue(_ context.Context, queue string) (transport.QueueConfig, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("read", queue); err != nil {
		return transport.QueueConfig{}, err
	}
	cfg, ok := f.queues[queue]
	if !ok {
		return cfg, &transport.Error{Op: transport.OpQueue, Queue: queue, Kind: transport.KindQueueMissing}
	}
	return cfg, nil
}

func (f *sqFake) PutQueue(_ context.Context, queue string, cfg transport.QueueConfig) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("put", queue); err != nil {
		return err
	}
	f.queues[queue] = sqKept(cfg)
	return nil
}

func (f *sqFake) other(call, queue string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call(call, queue)
}

func (f *sqFake) Pause(_ context.Context, queue string) error  { return f.other("pause", queue) }
func (f *sqFake) Resume(_ context.Context, queue string) error { return f.other("resume", queue) }
func (f *sqFake) Purge(_ context.Context, queue string) error  { return f.other("purge", queue) }
func (f *sqFake) RunNow(_ context.Context, queue, _ string) error {
	return f.other("run", queue)
}

// wrote returns what was written since the last call, sorted: queues are put a few at a time.
func (f *sqFake) wrote() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	writes := slices.Sorted(slices.Values(f.writes))
	f.writes = nil
	return writes
}

func (f *sqFake) wantWrites(t testing.TB, want ...string) {
	t.Helper()
	if got := f.wrote(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// sqDeleting is a sqFake whose queues can be deleted.
type sqDeleting struct{ *sqFake }

func (f sqDeleting) DeleteQueue(_ context.Context, queue string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("delete", queue); err != nil {
		return err
	}
	if _, ok := f.queues[queue]; !ok {
		return &transport.Error{Op: transport.OpDeleteQueue, Queue: queue, Kind: transport.KindQueueMissing}
	}
	delete(f.queues, queue)
	return nil
}

// sqInspected tells how many tasks wait in each queue: of a negative number one less, then an error.
type sqInspected struct {
	sqDeleting
	waiting map[string]int
	listed  *int
}

func (f sqInspected) Get(context.Context, string, string) (*transport.Waiting, error) {
	return nil, errSqDown
}
func (f sqInspected) Delete(context.Context, string, ...string) error { return errSqDown }
func (f sqInspected) All(_ context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	return func(yield func(*transport.Waiting, error) bool) {
		n := f.waiting[queue]
		for range max(n, -n-1) {
			*f.listed++
			if !yield(&transport.Waiting{}, nil) {
				return
			}
		}
		if n < 0 {
			yield(nil, errSqDown)
		}
	}
}

// sqBacklog tells how many tasks wait in all queues.
type sqBacklog struct {
	sqDeleting
	n int
}

func (f sqBacklog) Backlog() int { return f.n }

func sqApp(t testing.TB, tr transport.Transport, queues map[string]transport.QueueConfig, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	app := enqApp(t, tasks.Config{Name: "shop", Transport: tr, Queues: queues}, defs...)
	t.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	return app
}

// sqMust is SyncQueues without an error.
func sqMust(t testing.TB, app *tasks.App, opts ...tasks.QueueSyncOption) plan.Plan {
	t.Helper()
	p, err := tasks.SyncQueues(t.Context(), app, opts...)
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	return p
}

// sqPlan compares the lines of a plan with those that are wanted, in order.
func sqPlan(t testing.TB, p plan.Plan, want ...string) {
	t.Helper()
	var got []string
	for _, c := range p.Changes {
		got = append(got, c.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the plan is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// sqSame fails unless a second run finds nothing to do.
func sqSame(t testing.TB, app *tasks.App, opts ...tasks.QueueSyncOption) {
	t.Helper()
	if p := sqMust(t, app, opts...); p.Changed() {
		t.Errorf("a second run changes\n%s", p)
	}
}
