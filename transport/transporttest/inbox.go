package transporttest

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// inbox records the deliveries that a handler gets, notices of exhausted tasks apart.
type inbox struct {
	t       *trial
	mu      sync.Mutex
	arrived []arrival
	notices []arrival
	more    chan struct{}
}

// arrival is a delivery as it came, copied.
type arrival struct {
	transport.Delivery
	at       time.Time
	deadline time.Time // of its context; zero if there is none
	ended    error     // its context's error when it arrived
}

func (t *trial) inbox() *inbox { return &inbox{t: t, more: make(chan struct{}, 1)} }

// receive serves the endpoint under test with h.
func (t *trial) receive(h transport.Handler) *inbox {
	b := t.inbox()
	serve := t.Serve
	if serve == nil {
		serve = ability[transport.Server](t).Serve
	}
	if err := serve(t.Endpoint, b.recording(h)); err != nil {
		t.fatalf("Serve(%q): %v", t.Endpoint, err)
	}
	return b
}

// recording puts each delivery into the inbox before h runs it.
func (b *inbox) recording(h transport.Handler) transport.Handler {
	return func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		a := arrival{Delivery: copied(d), at: time.Now(), ended: ctx.Err()}
		a.deadline, _ = ctx.Deadline()
		b.mu.Lock()
		if d.Exhausted {
			b.notices = append(b.notices, a)
		} else {
			b.arrived = append(b.arrived, a)
		}
		b.mu.Unlock()
		select {
		case b.more <- struct{}{}:
		default:
		}
		return h(ctx, d)
	}
}

// next returns the oldest delivery that was not looked at yet. It gives up if none comes.
func (b *inbox) next() arrival {
	return b.wait(&b.arrived, "delivery")
}

// notice is next for notices.
func (b *inbox) notice() arrival {
	return b.wait(&b.notices, "notice of an exhausted task")
}

func (b *inbox) wait(list *[]arrival, what string) arrival {
	timeout := time.NewTimer(b.t.Patience)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		if as := *list; len(as) > 0 {
			*list = as[1:]
			b.mu.Unlock()
			return as[0]
		}
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-timeout.C:
			b.t.fatalf("no %s came within %s", what, b.t.Patience)
		}
	}
}

// none records a delivery or notice that was not looked at, or that comes while nothing should.
func (b *inbox) none(because string) {
	b.t.pass(b.t.Grace)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range slices.Concat(b.arrived, b.notices) {
		b.t.errorf("unexpected delivery of task %q (attempt %d, exhausted: %t): %s", a.ID, a.Attempt, a.Exhausted, because)
	}
	b.arrived, b.notices = nil, nil
}

// gate holds handlers until it is opened, which happens at the end of the case at the latest.
type gate struct {
	once sync.Once
	ch   chan struct{}
}

func (t *base) gate() *gate {
	g := &gate{ch: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gates = append(t.gates, g)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.ch) }) }

// before makes h wait for the gate.
func (g *gate) before(h transport.Handler) transport.Handler {
	return func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		select {
		case <-g.ch:
			return h(ctx, d)
		case <-ctx.Done():
			return http.StatusInternalServerError, 0, ctx.Err()
		}
	}
}

// done answers that the task is done.
func done(context.Context, *transport.Delivery) (int, time.Duration, error) {
	return http.StatusOK, 0, nil
}

// answers gives one status after the other, then the last for ever.
func answers(statuses ...int) transport.Handler {
	var mu sync.Mutex
	return func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		status := statuses[0]
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		return status, 0, nil
	}
}

// offer sends v unless somebody was quicker: a handler must not block because its driver calls it too often.
func offer[T any](ch chan<- T, v T) {
	select {
	case ch <- v:
	default:
	}
}

// copied keeps a delivery beyond the handler's return, when the driver may reuse what it refers to.
func copied(d *transport.Delivery) transport.Delivery {
	c := *d
	c.Header = d.Header.Clone()
	c.Body = bytes.Clone(d.Body)
	if d.Retry != nil {
		r := *d.Retry
		c.Retry = &r
	}
	return c
}
