package transporttest_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

type receiver = func(context.Context, *transport.Message) error

func (b *broker) Receive(ctx context.Context, name string, h receiver) error {
	return b.pull(ctx, name, transport.ReceiveSettings{}, h)
}

func (b *broker) ReceiveWith(ctx context.Context, name string, s transport.ReceiveSettings, h receiver) error {
	if s == (transport.ReceiveSettings{}) && b.has("takes zero settings for ten messages") {
		s.MaxOutstandingMessages = 10
	}
	return b.pull(ctx, name, s, h)
}

func (b *broker) pull(ctx context.Context, name string, s transport.ReceiveSettings, h receiver) error {
	b.mu.Lock()
	st, closed := b.subs[name], b.closed
	b.mu.Unlock()
	switch {
	case closed && !b.has("receives after the end"):
		return &transport.Error{Op: transport.OpReceive, Kind: transport.KindClosed}
	case st == nil && b.has("receives from nowhere"):
		<-ctx.Done()
		return nil
	case st == nil:
		return &transport.Error{Op: transport.OpReceive, Kind: transport.KindNotFound}
	}
	w := &worker{b: b, st: st, settings: s, h: h, base: context.WithoutCancel(ctx)}
	if b.has("ends the handlers' contexts") {
		w.base = ctx
	}
	w.run(ctx, func() bool { return true })
	if b.has("reports the end of its context") {
		return ctx.Err()
	}
	return nil
}

// worker takes from one stream until it is told to end.
type worker struct {
	b        *broker
	st       *stream
	settings transport.ReceiveSettings
	h        receiver
	base     context.Context // of handlers
	push     bool
	ctx      context.Context // of run

	running    sync.WaitGroup
	out, bytes int // under b.mu
}

// run ends with ctx, or when goOn says so, or with the broker or the subscription.
func (w *worker) run(ctx context.Context, goOn func() bool) {
	b := w.b
	w.ctx = ctx
	b.locked(func() { w.st.workers++ })
	defer b.locked(func() { w.st.workers-- })
	late := 0 // messages handed out after ctx
	for {
		b.mu.Lock()
		// Not for ever: a handler that refuses them all would keep a bubble's clock from moving.
		goesOn := b.has("goes on after its context") && late < 100
		if ctx.Err() != nil && !goesOn || b.closed || w.st.deleted || !goOn() {
			b.mu.Unlock()
			break
		}
		c, wait := w.next(time.Now())
		if c != nil {
			if ctx.Err() != nil {
				late++
			}
			m := w.lease(c)
			lease := c.lease
			b.mu.Unlock()
			w.running.Go(func() { w.handle(c, lease, m) })
			continue
		}
		changed := b.changed
		b.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			if b.has("goes on after its context") {
				<-changed
			}
		}
		timer.Stop()
	}
	if !b.has("does not wait for handlers") {
		w.running.Wait()
	}
}

// next is the first message that may be handed out, or how long until one may. b.mu is held.
func (w *worker) next(now time.Time) (*copied, time.Duration) {
	b, wait := w.b, time.Hour
	if most := w.settings.MaxOutstandingMessages; most > 0 && w.out >= most && !b.has("ignores the bound on messages") {
		return nil, wait
	}
	if w.out > 0 && (b.has("hands out one at a time") || w.push && b.has("pushes one at a time")) {
		return nil, wait
	}
	b.expire(w.st, now)
	waiting := make(map[string]bool) // keys
	for _, c := range w.st.backlog {
		blocked := waiting[c.OrderingKey]
		if w.st.Ordered && c.OrderingKey != "" && !b.has("ignores ordering") || c.OrderingKey != "" && b.has("orders everything") {
			waiting[c.OrderingKey] = true
		}
		if b.has("lets others of a key pass a pause") && c.leased.IsZero() && c.failed > 0 {
			waiting[c.OrderingKey] = false
		}
		if b.has("blocks all keys") && w.st.Ordered && len(waiting) > 0 && c != w.st.backlog[0] {
			blocked = true
		}
		if b.has("pauses everything") && now.Before(c.due) {
			return nil, c.due.Sub(now)
		}
		until := c.due
		if !c.leased.IsZero() {
			until = c.leased
		}
		if d := until.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		over := w.settings.MaxOutstandingBytes > 0 && w.out > 0 && w.bytes+len(c.Data) > w.settings.MaxOutstandingBytes
		if !blocked && (!over || b.has("ignores the bound on bytes")) {
			return c, 0
		}
	}
	return nil, wait
}

// expire gives back what was out for too long. mu is held.
func (b *broker) expire(st *stream, now time.Time) {
	var expired []*copied
	for _, c := range st.backlog {
		if !c.leased.IsZero() && !now.Before(c.leased) {
			expired = append(expired, c)
		}
	}
	for _, c := range expired {
		b.fail(st, c)
	}
}

// lease takes c out. b.mu is held.
func (w *worker) lease(c *copied) *transport.Message {
	b := w.b
	c.lease++
	deadline := cmp.Or(w.st.AckDeadline, 10*time.Second)
	extended := max(cmp.Or(w.settings.MaxExtension, time.Hour), deadline)
	if w.push || b.has("does not extend leases") {
		extended = deadline
	}
	if b.has("extends leases for ever") {
		extended = 1000 * time.Hour
	}
	c.leased = time.Now().Add(extended)
	w.out++
	w.bytes += len(c.Data)
	m := c.Message
	m.Attributes = maps.Clone(c.Attributes)
	switch {
	case w.st.DeadLetter != nil && !b.has("counts no attempts"):
		m.DeliveryAttempt = c.failed + 1
	case b.has("counts attempts always"):
		m.DeliveryAttempt = c.failed + 1
	}
	if b.has("loses the data when it comes again") && c.failed > 0 {
		m.Data = nil
	}
	return &m
}

func (w *worker) handle(c *copied, lease int, m *transport.Message) {
	err := w.call(m)
	b := w.b
	b.mu.Lock()
	defer b.mu.Unlock()
	w.out--
	w.bytes -= len(c.Data)
	b.change()
	if c.lease != lease || c.leased.IsZero() {
		return // it is somebody else's by now
	}
	switch {
	case w.ctx.Err() != nil && err != nil && b.has("keeps what it held at its end"):
	case w.st.workers > 1 && c.failed == 0 && b.has("forgets what is acknowledged where receivers share"):
		b.fail(w.st, c)
	case b.has("acknowledges nothing"):
		b.fail(w.st, c)
	case w.ctx.Err() != nil && b.has("forgets what is decided after the end"):
		b.fail(w.st, c)
	case err == nil || b.has("acknowledges everything"):
		w.st.remove(c)
	default:
		b.fail(w.st, c)
		if b.has("keeps what is refused until its lease ends") {
			c.due = time.Now().Add(10 * time.Second)
		}
	}
}

func (w *worker) call(m *transport.Message) (err error) {
	defer func() {
		if r := recover(); r != nil && !w.b.has("takes a panic for success") {
			err = errors.New("panic")
		}
	}()
	ctx := w.base
	if w.b.has("ends a message with its publisher's context") {
		w.b.locked(func() { ctx = w.b.publisher })
	}
	return w.h(ctx, m)
}

func (b *broker) locked(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (st *stream) remove(c *copied) {
	st.backlog = slices.DeleteFunc(st.backlog, func(o *copied) bool { return o == c })
}

// fail gives c back after a failure. mu is held.
func (b *broker) fail(st *stream, c *copied) {
	c.failed++
	c.leased, c.due = time.Time{}, time.Time{}
	now := time.Now()
	if r := st.Retry; r != nil && !b.has("ignores the retry policy") {
		n := c.failed - 1
		if b.has("does not double pauses") {
			n = 0
		}
		pause := r.Min << min(n, 20)
		if !b.has("exceeds the largest pause") {
			pause = min(pause, r.Max)
		}
		c.due = now.Add(pause)
	}
	if b.has("always pauses") {
		c.due = now.Add(10 * time.Second)
	}
	if st.Push != nil {
		c.due = cmp.Or(c.due, now.Add(100*time.Millisecond))
	}
	if b.has("sends what is refused to the end") {
		st.remove(c)
		st.backlog = append(st.backlog, c)
	}
	attempts := c.failed
	if b.has("makes one attempt too few") {
		attempts++
	}
	if b.has("makes one attempt too many") {
		attempts--
	}
	d := st.DeadLetter
	if d == nil || attempts < cmp.Or(d.MaxAttempts, 5) || b.has("never gives up") {
		return
	}
	if !b.has("keeps dead letters") {
		st.remove(c)
	}
	b.bury(st, c)
}

func (b *broker) bury(st *stream, c *copied) {
	const prefix = "CloudPubSubDeadLetterSource"
	m := c.Message
	m.Topic, m.Attributes = st.DeadLetter.Topic, map[string]string{}
	if !b.has("buries without attributes") {
		maps.Copy(m.Attributes, c.Attributes)
	}
	if !b.has("does not say where a dead letter is from") {
		maps.Copy(m.Attributes, map[string]string{
			prefix + "DeliveryCount": strconv.Itoa(c.failed), prefix + "Subscription": st.Name, prefix + "SubscriptionProject": "",
			prefix + "TopicPublishTime": c.PublishTime.Format(time.RFC3339Nano),
		})
	}
	b.store(&m)
	if b.has("buries twice") {
		b.store(&m)
	}
}

// push sees to it that a push subscription is pushed. mu is held.
func (b *broker) push(st *stream) {
	b.change()
	if st.Push == nil || st.pushing || b.closed {
		return
	}
	st.pushing = true
	w := &worker{b: b, st: st, base: b.ctx, push: true}
	w.h = func(ctx context.Context, m *transport.Message) error { return b.post(ctx, st, m) }
	b.pushes.Go(func() {
		w.run(b.ctx, func() bool {
			if st.pushing = st.Push != nil; !st.pushing {
				return false
			}
			return true
		})
	})
}

// post pushes one message.
func (b *broker) post(ctx context.Context, st *stream, m *transport.Message) error {
	b.mu.Lock()
	s := b.owned(&st.Subscription)
	var h transport.Handler
	if s.Push != nil { // meanwhile it may be pulled
		h = b.handler(s.Push.Endpoint)
	}
	b.mu.Unlock()
	if h == nil {
		return errors.New("nobody serves it")
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.AckDeadline, 10*time.Second))
	defer cancel()
	if b.has("lets pushes overstay") {
		ctx = context.WithoutCancel(ctx)
	}
	d := &transport.Delivery{Task: transport.Task{URL: s.Push.Endpoint}, Message: m, Attempt: 1}
	if b.has("pushes without the message") {
		d.Message = nil
	}
	answered := make(chan int, 1)
	go func() {
		status := http.StatusInternalServerError
		defer func() {
			if recover() != nil && b.has("takes a panic for success") {
				status = http.StatusOK
			}
			answered <- status
		}()
		var err error
		if status, _, err = h(ctx, d); err != nil && b.has("takes any error for a refusal") {
			status = http.StatusInternalServerError
		}
	}()
	select {
	case status := <-answered:
		if b.acknowledges(status) {
			return nil
		}
		return errors.New(http.StatusText(status))
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *broker) acknowledges(status int) bool {
	if b.has("takes 203 for success") && status >= 200 && status < 300 {
		return true
	}
	return slices.Contains([]int{102, 200, 201, 202, 204}, status)
}

func (b *broker) handler(url string) transport.Handler {
	for endpoint, h := range b.served {
		if rest, ok := strings.CutPrefix(url, endpoint); ok && (rest == "" || rest[0] == '/') {
			return h
		}
	}
	return nil
}
