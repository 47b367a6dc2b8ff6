package broker

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/transport"
)

// Defaults of Receive.
const (
	DefaultMaxOutstandingMessages = 1000
	DefaultMaxOutstandingBytes    = 1e9
	DefaultMaxExtension           = time.Hour
)

// restTime is how long a Receive takes nothing after its handler has not taken a message.
const restTime = 100 * time.Millisecond

// Receive delivers a subscription's messages to h, each in a goroutine of its own, until ctx ends; see
// transport.Receiver. h's error, a panic, or taking longer than s.MaxExtension, when the context of h ends, is a
// nack. An error that is [NotTaken] gives the message back, and the Receive takes none for 100 ms. A negative number
// in s means no limit, a negative MaxExtension the subscription's ack deadline.
//
// It returns nil after ctx, ErrNotFound where there is no such subscription or it is deleted meanwhile, ErrClosed
// from Shutdown on, which waits for the calls of h. In each case h is not running any more.
func (b *Broker) Receive(ctx context.Context, sub string, s transport.ReceiveSettings, h func(context.Context, *transport.Message) error) error {
	p := pull{max: 1, handled: true}
	src, err := b.source(sub, &p)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(b.base, cancel)()
	taking, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(b.opened, stop)()

	r := &receiver{s: src, h: h, run: run, flow: flow{freed: make(chan struct{}, 1)}}
	r.configure(s)
	err = r.loop(taking, p)
	r.running.Wait()
	if err == nil && ctx.Err() == nil {
		return subError(transport.OpReceive, sub, transport.KindClosed, nil)
	}
	return err
}

// receiver is one call of Receive.
type receiver struct {
	s       *subscription
	h       func(context.Context, *transport.Message) error
	hold    time.Duration   // how long a lease lasts; 0: the ack deadline
	run     context.Context // of the calls of h
	running sync.WaitGroup
	flow
}

func (r *receiver) configure(s transport.ReceiveSettings) {
	r.maxMessages = limit(s.MaxOutstandingMessages, DefaultMaxOutstandingMessages)
	r.maxBytes = limit(s.MaxOutstandingBytes, DefaultMaxOutstandingBytes)
	r.hold = max(0, s.MaxExtension)
	if s.MaxExtension == 0 {
		r.hold = DefaultMaxExtension
	}
}

func limit(n, fallback int) int {
	switch {
	case n == 0:
		return fallback
	case n < 0:
		return math.MaxInt
	default:
		return n
	}
}

func (r *receiver) loop(ctx context.Context, p pull) error {
	p.hold = r.hold
	for r.rest(ctx) {
		var ok bool
		if p.max, p.maxBytes, ok = r.room(ctx); !ok {
			continue
		}
		tickets, err := r.s.await(ctx, p)
		if err != nil {
			return err
		}
		for i := range tickets {
			t := &tickets[i]
			if !r.admit(ctx, len(t.m.data)) {
				r.s.returnAll(tickets[i:])
				break
			}
			r.running.Add(1)
			go r.handle(*t)
		}
	}
	return nil
}

// rest waits for a while where a message was not taken. It reports false when ctx has ended.
func (r *receiver) rest(ctx context.Context) bool {
	if r.wasRefused() {
		over := make(chan struct{})
		timer := r.s.b.clock.AfterFunc(restTime, func() { close(over) })
		defer timer.Stop()
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// handle calls h with one message.
func (r *receiver) handle(t ticket) {
	err := errGoexit // where h does not return
	defer r.running.Done()
	defer r.free(len(t.m.data))
	defer func() {
		r.s.b.mu.Lock()
		defer r.s.b.mu.Unlock()
		r.s.conclude(&t, err)
	}()
	ctx := lazyctx.WithDeadline(r.run, r.s.b.contextDeadline(&t))
	defer ctx.Cancel()
	if ctx.Err() == nil { // else it has waited for too long to be admitted
		err = guard(func() error { return r.h(ctx, t.message()) })
	}
	if NotTaken(err) {
		r.refuse() // before the message can be had again
	}
}

// returnAll gives back what no handler has seen.
func (s *subscription) returnAll(tickets []ticket) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	now := s.b.now()
	if !s.gone {
		s.expire(now)
		for _, t := range tickets {
			if t.e.ver == t.ver {
				s.giveBack(t.e, now)
			}
		}
		s.kick(now)
	}
	s.b.leave(len(tickets))
}

// flow bounds what a receiver holds. One goroutine takes, others give back.
type flow struct {
	maxMessages, maxBytes int
	freed                 chan struct{} // has room for one

	mu              sync.Mutex
	messages, bytes int
	refused         bool // a message was not taken, and there was no rest since
}

// room waits until a message may be taken, and tells how much may. It reports false when ctx ends first, or a rest
// is due.
func (f *flow) room(ctx context.Context) (messages, bytes int, ok bool) {
	ok = f.await(ctx, func() bool {
		messages, bytes = f.maxMessages-f.messages, f.maxBytes-f.bytes
		return messages > 0 && bytes > 0
	})
	return messages, bytes, ok
}

// admit waits until size bytes fit, and counts them. What is larger than the limit fits when nothing else is there.
// It reports false as room does.
func (f *flow) admit(ctx context.Context, size int) bool {
	return f.await(ctx, func() bool {
		if f.bytes > 0 && size > f.maxBytes-f.bytes {
			return false
		}
		f.messages++
		f.bytes += size
		return true
	})
}

func (f *flow) free(size int) {
	f.mu.Lock()
	f.messages--
	f.bytes -= size
	f.mu.Unlock()
	select {
	case f.freed <- struct{}{}:
	default:
	}
}

// refuse makes a rest due.
func (f *flow) refuse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = true
}

// wasRefused reports whether a rest is due, which it is no longer then.
func (f *flow) wasRefused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.refused
	f.refused = false
	return was
}

func (f *flow) await(ctx context.Context, cond func() bool) bool {
	for ctx.Err() == nil {
		f.mu.Lock()
		refused := f.refused
		ok := !refused && cond()
		f.mu.Unlock()
		if ok || refused {
			return ok
		}
		select {
		case <-f.freed:
		case <-ctx.Done():
		}
	}
	return false
}
