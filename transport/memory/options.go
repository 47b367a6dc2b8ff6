package memory

import (
	"maps"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// Defaults of the options.
const (
	// DefaultCapacity is how many tasks a Transport holds.
	DefaultCapacity = 4_000_000
	// DefaultCapacityBytes is how many bytes of payload a Transport holds: 1 GiB.
	DefaultCapacityBytes = 1 << 30
	// DefaultExhaustedLimit is how many tasks the list of those given up keeps.
	DefaultExhaustedLimit = 1000
	// DefaultMessageCapacity is how many messages a Transport holds, each counting once in every subscription that
	// has yet to acknowledge it.
	DefaultMessageCapacity = 1_000_000
	// DefaultMessageCapacityBytes is how many bytes of messages a Transport holds, each counting once: 1 GiB.
	DefaultMessageCapacityBytes = 1 << 30
)

// Option sets up a Transport. A value out of range counts as not given.
type Option interface{ memory(*settings) }

// WithCloudTasksDefaults gives new queues the rate limit of Cloud Tasks as well: 500 dispatches a second, 100 at
// once after a quiet time.
func WithCloudTasksDefaults() Option {
	return option(func(s *settings) { s.Queue = transport.CloudTasksQueue() })
}

// WithCapacity sets how many tasks may wait or run; [DefaultCapacity] without it, or if n is not positive. It
// also bounds how many used ids each queue remembers.
func WithCapacity(n int) Option {
	return option(func(s *settings) { s.Capacity = orDefault(n, DefaultCapacity) })
}

// WithCapacityBytes sets how many bytes of payload may wait or run; [DefaultCapacityBytes] without it, or if n
// is not positive.
func WithCapacityBytes(n int64) Option {
	return option(func(s *settings) { s.CapacityBytes = orDefault(n, DefaultCapacityBytes) })
}

// WithExhaustedLimit sets how many tasks that were given up are kept, the oldest being dropped for the newest;
// [DefaultExhaustedLimit] without it, or if n is not positive. Their payloads are bounded too, at 64 MiB.
func WithExhaustedLimit(n int) Option {
	return option(func(s *settings) { s.ExhaustedLimit = orDefault(n, DefaultExhaustedLimit) })
}

// WithMessageCapacity sets how many messages may wait to be acknowledged, over all subscriptions;
// [DefaultMessageCapacity] without it, or if n is not positive. Beyond, Publish answers [transport.ErrCapacity].
func WithMessageCapacity(n int) Option {
	return option(func(s *settings) { s.messages.Capacity = orDefault(n, DefaultMessageCapacity) })
}

// WithMessageCapacityBytes sets how many bytes of messages may wait to be acknowledged;
// [DefaultMessageCapacityBytes] without it, or if n is not positive.
func WithMessageCapacityBytes(n int64) Option {
	return option(func(s *settings) { s.messages.CapacityBytes = orDefault(n, DefaultMessageCapacityBytes) })
}

// WithQueues makes queues. What a configuration leaves unset is as for other queues; one that is not valid is
// left out: use [Transport.DeclareQueues] to hear about it.
func WithQueues(cfgs map[string]transport.QueueConfig) Option {
	cfgs = maps.Clone(cfgs)
	return option(func(s *settings) {
		if s.queues == nil {
			s.queues = make(map[string]transport.QueueConfig, len(cfgs))
		}
		maps.Copy(s.queues, cfgs)
	})
}

// DeclaredQueuesOnly answers [transport.ErrQueueMissing] for tasks to a queue that was not made by WithQueues,
// DeclareQueues or PutQueue, as Cloud Tasks does.
func DeclaredQueuesOnly() Option {
	return option(func(s *settings) { s.DeclaredOnly = true })
}

type settings struct {
	engine.Config
	queues   map[string]transport.QueueConfig
	messages broker.Config
}

type option func(*settings)

func (o option) memory(s *settings) { o(s) }

func orDefault[N int | int64](n, fallback N) N {
	if n <= 0 {
		return fallback
	}
	return n
}
