package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

var _ interface {
	transport.Transport
	transport.Batcher
	transport.Inspector
	transport.QueueAdmin
	transport.QueueDeclarer
	transport.Server
	transport.Sharer
	transport.Backlogger
	transport.Clock
} = (*engine.Engine)(nil)

const (
	queue = "mail"
	url   = "https://shop.example.com/_tasks/Welcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an engine whose deliveries are recorded.
type rig struct {
	*engine.Engine
	t     *testing.T
	start time.Time

	mu     sync.Mutex
	calls  []call
	answer func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error)
}

type call struct {
	at time.Duration // since the rig was made
	d  transport.Delivery
}

// inBubble runs f with a rig that serves everything and answers 200, in a synctest bubble.
func inBubble(t *testing.T, cfg engine.Config, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg)
		r.serve("")
		f(t, r)
		if err := r.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func newRig(t *testing.T, cfg engine.Config) *rig {
	if cfg.Queue.MaxDispatchesPerSecond == 0 {
		cfg.Queue.MaxDispatchesPerSecond = transport.NoRateLimit
	}
	return &rig{Engine: engine.New(cfg), t: t, start: time.Now()}
}

func (r *rig) serve(endpoint string) {
	r.t.Helper()
	if err := r.Serve(endpoint, r.handle); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) handle(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
	r.mu.Lock()
	got := *d
	got.Body = slices.Clone(d.Body)
	r.calls = append(r.calls, call{r.Now().Sub(r.start), got})
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		return 200, 0, nil
	}
	return answer(ctx, d)
}

// answering makes the handler answer with status.
func (r *rig) answering(status int) {
	r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) { return status, 0, nil })
}

func (r *rig) respond(f transport.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// seen returns the calls so far, once everything that can happen now has happened.
func (r *rig) seen() []call {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// times returns when the calls so far were made.
func (r *rig) times() []time.Duration { return times(r.seen()) }

func times(calls []call) []time.Duration {
	var at []time.Duration
	for _, c := range calls {
		at = append(at, c.at)
	}
	return at
}

// enqueue must succeed.
func (r *rig) enqueue(change ...func(*transport.Task)) transport.Receipt {
	r.t.Helper()
	receipt, err := r.try(change...)
	if err != nil {
		r.t.Fatal(err)
	}
	return receipt
}

func (r *rig) try(change ...func(*transport.Task)) (transport.Receipt, error) {
	task := &transport.Task{Queue: queue, URL: url, Body: []byte("body")}
	for _, f := range change {
		f(task)
	}
	return r.Enqueue(context.Background(), task)
}

func (r *rig) put(cfg transport.QueueConfig) {
	r.t.Helper()
	r.must(r.PutQueue(context.Background(), queue, cfg))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) wantBacklog(want int) {
	r.t.Helper()
	synctest.Wait()
	if got := r.Backlog(); got != want {
		r.t.Errorf("Backlog = %d, want %d", got, want)
	}
}

func id(id string) func(*transport.Task) { return func(t *transport.Task) { t.ID = id } }

func in(d time.Duration) func(*transport.Task) {
	return func(t *transport.Task) { t.ETA = time.Now().Add(d) }
}

func timeout(d time.Duration) func(*transport.Task) {
	return func(t *transport.Task) { t.Timeout = d }
}

func retry(rc transport.RetryConfig) func(*transport.Task) {
	return func(t *transport.Task) { t.Retry = &rc }
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
