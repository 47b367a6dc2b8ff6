package emulator

import (
	"context"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	limits "github.com/typedtasks/typedtasks/internal/subscription"
)

// flow is what one stream has handed out and not seen the end of.
type flow struct {
	now                   func() time.Time
	maxMessages, maxBytes int64 // 0: no bound
	end                   context.CancelCauseFunc
	freed                 chan struct{} // holds one where there is more room than before

	mu    sync.Mutex
	held  map[string]*lease
	bytes int64
	next  time.Time // when to look for leases that have ended
}

type lease struct {
	bytes    int64
	until    time.Time
	received bool // the client has extended it, as it does at once with what it gets
}

func newFlow(now func() time.Time, maxMessages, maxBytes int64, end context.CancelCauseFunc) *flow {
	return &flow{
		now: now, maxMessages: max(maxMessages, 0), maxBytes: max(maxBytes, 0), end: end,
		freed: make(chan struct{}, 1), held: make(map[string]*lease),
	}
}

// wait returns how many messages and bytes there is room for, once there is. It ends with ctx.
func (f *flow) wait(ctx context.Context, most, mostBytes int64) (messages, bytes int64, err error) {
	for {
		messages, bytes, next := f.room(most, mostBytes)
		if messages > 0 {
			return messages, bytes, nil
		}
		ended := time.NewTimer(next.Sub(f.now()))
		select {
		case <-f.freed:
		case <-ended.C:
		case <-ctx.Done():
		}
		ended.Stop()
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
	}
}

// room returns what fits, or when to look again at the latest.
func (f *flow) room(most, mostBytes int64) (messages, bytes int64, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); !now.Before(f.next) {
		f.purge(now)
	}
	messages, bytes = most, mostBytes
	if f.maxMessages > 0 {
		messages = min(messages, f.maxMessages-int64(len(f.held)))
	}
	if f.maxBytes > 0 {
		bytes = min(bytes, f.maxBytes-f.bytes)
	}
	if bytes <= 0 {
		messages = 0
	}
	return messages, bytes, f.next
}

// purge forgets leases that have ended. f.mu is held.
func (f *flow) purge(now time.Time) {
	f.next = now.Add(limits.MaxAckDeadline)
	for id, l := range f.held {
		if !l.until.After(now) {
			f.drop(id)
		} else if l.until.Before(f.next) {
			f.next = l.until
		}
	}
	if f.maxMessages == 0 && f.maxBytes == 0 { // nobody waits for it, and there may be many
		f.next = now.Add(time.Second)
	}
}

func (f *flow) drop(id string) {
	if l := f.held[id]; l != nil {
		delete(f.held, id)
		f.bytes -= l.bytes
	}
}

// take counts leases that are about to be handed out.
func (f *flow) take(leases []broker.Leased, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range leases {
		held := &lease{bytes: int64(l.Message.Size()), until: until}
		f.held[l.AckID] = held
		f.bytes += held.bytes
	}
	f.look(until)
}

// look lets leases be looked at no later than at a time. f.mu is held.
func (f *flow) look(at time.Time) {
	if at.Before(f.next) {
		f.next = at
	}
}

func (f *flow) release(ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.drop(id)
	}
	select {
	case f.freed <- struct{}{}:
	default:
	}
}

func (f *flow) extend(ids []string, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if l := f.held[id]; l != nil {
			l.until, l.received = until, true
		}
	}
	f.look(until)
}

// unreceived returns the leases of which the client has not been heard.
func (f *flow) unreceived() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, l := range f.held {
		if !l.received {
			ids = append(ids, id)
		}
	}
	return ids
}
