package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// enqMail is the payload of most tests of enqueueing.
type enqMail struct {
	To   string `json:"to" validate:"required"`
	Text string `json:"text,omitempty" validate:"max=40"`
}

func enqDone[T any](context.Context, T) error { return nil }

// enqFake is a remote transport that keeps what it is given, and fails where fault says so.
type enqFake struct {
	fault func(call int, t *transport.Task) enqFault

	mu    sync.Mutex
	calls int
	sent  []*transport.Task
	taken map[string]*transport.Task // by queue/id, of those that wait or run
	gone  map[string]bool
}

// enqFault fails one call: before the task is taken in, or after it, which loses the answer.
type enqFault struct{ before, after error }

var _ transport.Transport = (*enqFake)(nil)

func (f *enqFake) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return transport.Receipt{}, fmt.Errorf("fake: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	var fault enqFault
	if f.fault != nil {
		fault = f.fault(f.calls, t)
	}
	if fault.before != nil {
		return transport.Receipt{}, fault.before
	}
	r, err := f.accept(t)
	if fault.after != nil {
		return transport.Receipt{}, fault.after
	}
	return r, err
}

func (f *enqFake) accept(t *transport.Task) (transport.Receipt, error) {
	c := enqCopy(t)
	if c.ID == "" {
		c.ID = strconv.Itoa(1000 + len(f.sent))
	}
	key := c.Queue + "/" + c.ID
	r := transport.Receipt{ID: c.ID, Queue: c.Queue, ETA: c.ETA}
	kind := transport.KindOther
	switch {
	case f.taken[key] != nil:
		kind = transport.KindExists
	case f.gone[key]:
		kind, r.Finished = transport.KindGone, true
	}
	if kind != transport.KindOther {
		r.Duplicate = true
		return r, &transport.Error{Op: transport.OpEnqueue, Queue: c.Queue, ID: c.ID, Kind: kind}
	}
	if f.taken == nil {
		f.taken, f.gone = map[string]*transport.Task{}, map[string]bool{}
	}
	f.taken[key] = c
	f.sent = append(f.sent, c)
	return r, nil
}

// finish makes the holders of all ids history.
func (f *enqFake) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.taken {
		f.gone[key] = true
	}
	clear(f.taken)
}

// all returns what was taken in.
func (f *enqFake) all() []*transport.Task {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// only returns the one task that was taken in.
func (f *enqFake) only(t testing.TB) *transport.Task {
	t.Helper()
	sent := f.all()
	if len(sent) != 1 {
		t.Fatalf("%d tasks were taken in, want 1", len(sent))
	}
	return sent[0]
}

func enqCopy(t *transport.Task) *transport.Task {
	c := *t
	c.Header, c.Body = t.Header.Clone(), bytes.Clone(t.Body)
	if t.Retry != nil {
		r := *t.Retry
		c.Retry = &r
	}
	return &c
}

// enqInspected is an enqFake that can show what waits.
type enqInspected struct{ *enqFake }

var _ transport.Inspector = enqInspected{}

func (f enqInspected) Get(_ context.Context, queue, id string) (*transport.Waiting, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.taken[queue+"/"+id]; t != nil {
		return &transport.Waiting{Task: *enqCopy(t)}, nil
	}
	return nil, &transport.Error{Op: transport.OpGet, Queue: queue, ID: id, Kind: transport.KindNotFound}
}

func (f enqInspected) All(_ context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	return func(yield func(*transport.Waiting, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(f.taken)) {
			if strings.HasPrefix(key, queue+"/") && !yield(&transport.Waiting{Task: *enqCopy(f.taken[key])}, nil) {
				return
			}
		}
	}
}

func (f enqInspected) Delete(context.Context, string, ...string) error {
	return errors.New("fake: nothing is deleted")
}

// enqBatching is an enqFake that takes many tasks in one call.
type enqBatching struct {
	*enqFake
	sizes []int
}

var _ transport.Batcher = (*enqBatching)(nil)

func (b *enqBatching) EnqueueBatch(ctx context.Context, ts []*transport.Task) []transport.Result {
	b.sizes = append(b.sizes, len(ts))
	results := make([]transport.Result, len(ts))
	for i, t := range ts {
		results[i].Receipt, results[i].Err = b.Enqueue(ctx, t)
	}
	return results
}

// enqApp makes an App with an endpoint and a silent log, where cfg has none, and registers defs.
func enqApp(t testing.TB, cfg tasks.Config, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	if cfg.Endpoint == "" {
		cfg.Endpoint = "https://shop.example.com/_tasks"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.Authenticator == nil {
		cfg.Authenticator = tasks.TrustNetwork()
	}
	app, err := tasks.NewApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
	return app
}

// enqMust fails the test on an error that it did not expect.
func enqMust[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// enqSays fails the test unless err holds every text.
func enqSays(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q:\n%v", text, err)
		}
	}
}
