package broker

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	settings "github.com/typedtasks/typedtasks/internal/subscription"
)

// work is the life of a goroutine that pushes: it pushes what may be pushed, and ends when nothing may.
func (s *subscription) work() {
	b := s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	var t ticket
	calling := false
	defer func() {
		if calling { // the handler ended the goroutine; conclude gets another one going
			b.mu.Lock()
			s.conclude(&t, errGoexit)
		}
	}()
	for s.starting--; s.beginPush(&t, b.now()); {
		b.mu.Unlock()
		calling = true
		err := b.push(b.base, &t)
		calling = false
		b.mu.Lock()
		s.conclude(&t, err)
	}
}

// beginPush leases the next entry to a push, if there is one.
func (s *subscription) beginPush(t *ticket, now int64) bool {
	if s.gone || !s.mayPush() {
		return false
	}
	s.expire(now)
	e := s.next(now)
	if e == nil {
		s.kick(now)
		return false
	}
	*t = s.leaseToPush(e, now)
	s.kick(now)
	return true
}

func (s *subscription) leaseToPush(e *entry, now int64) ticket {
	s.lease(e, now+int64(s.cfg.AckDeadline))
	e.pushed = true
	s.slots++
	s.b.busy++
	return e.lent(s)
}

// conclude settles what was pushed, or handled by a Receive. It reports whether that came late: the lease had run
// out, and err counts for nothing. What was not taken can go at once to another Receive: the one that gave it back
// rests. A push has nobody else to go to, and waits.
func (s *subscription) conclude(t *ticket, err error) (late bool) {
	now := s.b.now()
	if !s.gone {
		s.expire(now)
		late = t.e.ver != t.ver
		switch {
		case late:
		case err == nil:
			s.ack(t.e, now)
		case NotTaken(err) && t.e.pushed:
			s.giveBack(t.e, now+int64(settings.MinPushBackoff))
		case NotTaken(err):
			s.giveBack(t.e, now)
		default:
			s.fail(t.e, now)
		}
		s.kick(now)
	}
	s.b.leave(1)
	return late
}

// push calls the Pusher. It never panics; it does not return if the handler ends its goroutine. The mutex is not
// held.
func (b *Broker) push(base context.Context, t *ticket) error {
	ctx := lazyctx.WithDeadline(base, b.contextDeadline(t))
	defer ctx.Cancel()
	return guard(func() error { return b.cfg.Push(ctx, t.cfg, t.message()) })
}

// contextDeadline is the end of t's lease on the clock that contexts go by, which need not be the broker's.
func (b *Broker) contextDeadline(t *ticket) time.Time {
	return time.Now().Add(time.Duration(t.until - b.now()))
}

// guard makes an error with the stack of a panic in f.
func guard(f func() error) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("the handler panicked: %w\n%s", v, debug.Stack())
		default:
			err = fmt.Errorf("the handler panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}
