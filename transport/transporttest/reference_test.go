package transporttest_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// reference is a small correct driver with every ability, and on request a bad one: where fault names one of
// the mistakes below, it makes it.
type reference struct {
	fault  string
	strict bool // unknown queues are refused

	ctx    context.Context // of all attempts
	cancel context.CancelFunc

	mu       sync.Mutex
	queues   map[string]*queue
	declared map[string]transport.QueueConfig
	deleted  map[string]bool // queues, those made anew too
	served   map[string]transport.Handler
	made     int
	running  int
	closing  bool
	closed   bool
	idle     chan struct{} // closed when closing and nothing runs
	ticks    int
}

type queue struct {
	cfg    transport.QueueConfig
	paused bool
	items  []*item // in the order of their creation
	byID   map[string]*item
	gone   map[string]bool
	active int
	tokens float64
	filled time.Time
	timer  *time.Timer
	next   time.Time // when it fires; zero: not at all
}

type item struct {
	transport.Waiting
	caller     *transport.Task
	due        time.Time
	first      time.Time
	executions int
	previous   int
	running    bool
	forced     bool
	deleted    bool
}

func newReference(fault string) *reference {
	r := &reference{
		fault:    fault,
		queues:   make(map[string]*queue),
		declared: make(map[string]transport.QueueConfig),
		deleted:  make(map[string]bool),
		served:   make(map[string]transport.Handler),
		idle:     make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// has reports whether the driver is to make a mistake.
func (r *reference) has(fault string) bool { return r.fault == fault }

func (r *reference) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	if r.has("changes the caller's header") && t.Header != nil {
		t.Header.Set("X-Added", "by the driver")
	}
	if r.has("writes behind the body") {
		_ = append(t.Body, '\n')
	}
	if err := ctx.Err(); err != nil && !r.has("ignores an ended context") {
		if !r.has("enqueues under an ended context") {
			return transport.Receipt{}, &transport.Error{Op: transport.OpEnqueue, Queue: t.Queue, ID: t.ID, Err: err}
		}
		defer r.enqueue(t)
		return transport.Receipt{}, err
	}
	return r.enqueue(t)
}

func (r *reference) enqueue(t *transport.Task) (transport.Receipt, error) {
	if err := r.refuses(t); err != nil {
		return transport.Receipt{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fail := func(k transport.Kind, rcpt transport.Receipt) (transport.Receipt, error) {
		return rcpt, &transport.Error{Op: transport.OpEnqueue, Queue: t.Queue, ID: t.ID, Kind: k}
	}
	if r.closed && !r.has("accepts tasks after Shutdown") || r.closing && r.has("refuses tasks of running attempts") {
		return fail(transport.KindClosed, transport.Receipt{})
	}
	q := r.queues[t.Queue]
	if q == nil {
		if _, declared := r.declared[t.Queue]; r.strict && !declared && !r.has("creates a missing queue") {
			return fail(transport.KindQueueMissing, transport.Receipt{})
		}
		if !r.strict && r.has("refuses what it does not know") {
			return fail(transport.KindQueueMissing, transport.Receipt{})
		}
		q = r.create(t.Queue, r.declared[t.Queue])
	}
	taken := transport.Receipt{ID: t.ID, Queue: t.Queue, Duplicate: !r.has("hides duplicates in the receipt")}
	if q.find(t.ID) != nil {
		if r.has("takes a duplicate for a new task") {
			return transport.Receipt{ID: t.ID, Queue: t.Queue}, nil
		}
		return fail(transport.KindExists, taken)
	}
	if q.gone[t.ID] && !r.has("forgets ids of finished tasks") {
		taken.Finished = true
		if r.has("says that the holder of a finished task's id exists") {
			return fail(transport.KindExists, taken)
		}
		return fail(transport.KindGone, taken)
	}
	return r.accept(q, t), nil
}

func (r *reference) refuses(t *transport.Task) error {
	err := t.Check(time.Now())
	kind := transport.KindOf(err)
	switch {
	case kind == transport.KindTooLarge && r.has("accepts tasks over the limit"),
		kind == transport.KindTooFar && r.has("accepts any time"),
		kind == transport.KindInvalid && r.has("accepts anything"):
		return nil
	case err != nil && r.has("returns bare sentinels"):
		return kind.Sentinel()
	case t.Size() == transport.MaxTaskSize && r.has("refuses a task of the largest size"):
		return transport.ErrTooLarge
	}
	return err
}

func (r *reference) accept(q *queue, t *transport.Task) transport.Receipt {
	r.made++
	it := &item{caller: t, due: t.ETA}
	it.Task = clone(t)
	it.Created = time.Now()
	if it.ID == "" {
		it.ID = fmt.Sprintf("made-%d", r.made)
		if r.has("makes illegal ids") {
			it.ID = fmt.Sprintf("made/%d", r.made)
		}
	}
	if r.deleted[t.Queue] && r.has("swallows tasks of a deleted queue") {
		return transport.Receipt{ID: it.ID, Queue: t.Queue}
	}
	if !r.has("drops a task now and then") || r.made%13 != 0 {
		q.add(it)
	}
	if r.has("is always on time") {
		it.due = time.Time{}
	}
	if r.has("runs early") {
		it.due = it.due.Add(-time.Second / 2)
	}
	rcpt := transport.Receipt{ID: it.ID, Queue: t.Queue, ETA: t.ETA}
	switch r.fault {
	case "misreports the id":
		rcpt.ID = "task-" + it.ID
	case "misreports the queue":
		rcpt.Queue = "default"
	case "misreports the ETA":
		rcpt.ETA = it.Created
	}
	if it.due.After(it.Created) {
		r.wake(q, it.due)
	} else {
		r.dispatch(q)
	}
	return rcpt
}

func (r *reference) create(name string, cfg transport.QueueConfig) *queue {
	q := &queue{byID: make(map[string]*item), gone: make(map[string]bool)}
	r.queues[name] = q
	q.set(cfg)
	return q
}

func (q *queue) set(cfg transport.QueueConfig) {
	q.cfg = cfg.Or(transport.QueueConfig{
		MaxDispatchesPerSecond:  transport.NoRateLimit,
		MaxConcurrentDispatches: transport.DefaultConcurrentDispatches,
	})
	q.tokens, q.filled = float64(q.cfg.Burst()), time.Now()
}

func (q *queue) find(id string) *item { return q.byID[id] }

func (q *queue) add(it *item) {
	q.items = append(q.items, it)
	q.byID[it.ID] = it
}

func (q *queue) remove(it *item) {
	it.deleted = true
	q.gone[it.ID] = true
	delete(q.byID, it.ID)
	q.items = slices.DeleteFunc(q.items, func(o *item) bool { return o == it })
}

// handler finds who serves url; ok tells whether anybody serves at all.
func (r *reference) handler(url string) (h transport.Handler, ok bool) {
	endpoints := make([]string, 0, len(r.served))
	for e := range r.served {
		endpoints = append(endpoints, e)
	}
	slices.SortFunc(endpoints, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	if r.has("prefers the shortest endpoint") {
		slices.Reverse(endpoints)
	}
	for _, e := range endpoints {
		rest, found := strings.CutPrefix(url, e)
		if found && (e == "" || rest == "" || rest[0] == '/' || rest[0] == '?' || r.has("matches endpoints by prefix alone")) {
			return r.served[e], true
		}
	}
	missing := func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		return http.StatusNotFound, 0, nil
	}
	return missing, len(r.served) > 0 || r.has("fails tasks while nobody serves")
}

func clone(t *transport.Task) transport.Task {
	c := *t
	c.Body = bytes.Clone(t.Body)
	c.Header = nil
	for k, vs := range t.Header {
		if c.Header == nil {
			c.Header = make(http.Header)
		}
		c.Header[http.CanonicalHeaderKey(k)] = []string{strings.Join(vs, ", ")}
	}
	if t.Retry != nil {
		retry := *t.Retry
		c.Retry = &retry
	}
	return c
}
