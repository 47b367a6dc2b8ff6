package cloudpubsub

import (
	"context"

	"cloud.google.com/go/pubsub/v2"
	"golang.org/x/sync/semaphore"
)

// flow bounds what Publish has outstanding on one topic, as the flow control of Google's client does. A nil *flow
// bounds nothing.
type flow struct {
	refuse   bool // instead of waiting
	messages *semaphore.Weighted
	bytes    *semaphore.Weighted // nil: no bound
	maxBytes int64
}

func newFlow(s pubsub.FlowControlSettings) *flow {
	if s.LimitExceededBehavior == pubsub.FlowControlIgnore {
		return nil
	}
	f := &flow{refuse: s.LimitExceededBehavior == pubsub.FlowControlSignalError, messages: semaphore.NewWeighted(int64(s.MaxOutstandingMessages))}
	if s.MaxOutstandingBytes > 0 {
		f.maxBytes = int64(s.MaxOutstandingBytes)
		f.bytes = semaphore.NewWeighted(f.maxBytes)
	}
	return f
}

// acquire takes room for one message. Where it waits, a message larger than all the room takes all of it.
func (f *flow) acquire(ctx context.Context, size int) error {
	switch {
	case f == nil:
		return nil
	case f.refuse:
		if !f.messages.TryAcquire(1) {
			return pubsub.ErrFlowControllerMaxOutstandingMessages
		}
		if f.bytes != nil && !f.bytes.TryAcquire(int64(size)) {
			f.messages.Release(1)
			return pubsub.ErrFlowControllerMaxOutstandingBytes
		}
		return nil
	}
	if err := f.messages.Acquire(ctx, 1); err != nil {
		return err
	}
	if f.bytes == nil {
		return nil
	}
	if err := f.bytes.Acquire(ctx, f.counted(size)); err != nil {
		f.messages.Release(1)
		return err
	}
	return nil
}

// counted is what a message of that size takes.
func (f *flow) counted(size int) int64 {
	if f == nil || f.bytes == nil {
		return 0
	}
	return min(int64(size), f.maxBytes)
}

func (f *flow) release(messages int, bytes int64) {
	if f == nil {
		return
	}
	f.messages.Release(int64(messages))
	if f.bytes != nil {
		f.bytes.Release(bytes)
	}
}
