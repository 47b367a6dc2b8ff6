// Package broker is topics and subscriptions with the semantics of Pub/Sub, in this process. It knows no wire:
// transport/memory, the emulator and tasktest are its faces.
//
// # How it works
//
// One mutex guards everything. A message is stored once and has an entry in each subscription that it goes to. A
// subscription has a heap of the entries that wait, by time and then by age, and one of those that are leased, by
// deadline; of an ordering key only the first entry is in either, the others stand behind it. It has one timer.
// Pushing is done by goroutines that are started when there is something to push, go on while there is more, and
// end at once when there is none: an idle broker has a pending timer at most.
//
// # Where it differs from Pub/Sub
//
// Pauses have no jitter, and the push backoff is each message's own instead of the subscription's. Where there is a
// retry policy, its pause alone counts; the platform takes the larger of it and its push backoff. Of an ordering key
// one message at a time is out, for pulls too, of which the platform hands several out at once. Attempts are counted
// exactly, and what was not taken is none. Subscriptions do not expire, and there are no snapshots. A topic retains
// nothing.
//
// # Manual mode
//
// With [Config].Manual nothing is pushed by itself: [Broker.Next] tells when a push is due, [Broker.RunNext] makes
// one in the caller's goroutine. Leases do run out by the clock's timers.
package broker

import (
	"context"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// Defaults of Config.
const (
	DefaultCapacity             = 1_000_000
	DefaultCapacityBytes        = 1 << 30
	DefaultMaxOutstandingPushes = 100
)

// Config sets a Broker up. The zero value works; a number that is not positive means its default.
type Config struct {
	Clock  engine.Clock // nil: engine.WallClock
	Manual bool         // nothing is pushed by itself, see the package documentation

	// Push delivers the messages of push subscriptions; nil: they are not pushed. They can be pulled in any case.
	Push Pusher
	// MaxOutstandingPushes bounds the pushes of one subscription that wait for their answer.
	MaxOutstandingPushes int

	// AutoCreate lets a topic come into being with its first message; else Publish answers ErrNotFound. A topic for
	// dead letters must be there in any case.
	AutoCreate bool

	// Capacity is how many messages all subscriptions together may have to acknowledge, a message counting in each;
	// CapacityBytes bounds their size, a message counting once. Publish answers ErrCapacity beyond. Dead letters
	// always find room.
	Capacity      int
	CapacityBytes int64

	// Describe tells what a subscription is called in the attributes of dead letters; nil: by its name, and without
	// a project. It must not call the Broker.
	Describe func(subscription string) (id, project string)
}

// Pusher delivers one message to a push subscription; nil acknowledges, an error is a nack, and so is a panic; one
// that is [NotTaken] gives the message back for 100 ms. ctx ends at the ack deadline. m is the Pusher's own; s must
// not be changed.
type Pusher func(ctx context.Context, s *transport.Subscription, m *transport.Message) error

// Broker holds topics and subscriptions. Their names are whatever strings its face gives them. It is safe for
// concurrent use. What it returns is the caller's own.
type Broker struct {
	cfg    Config
	clock  engine.Clock
	base   context.Context // of all that handles messages
	cancel context.CancelFunc
	opened context.Context // ends with the stage open
	stop   context.CancelFunc

	mu     sync.Mutex
	stage  stage
	topics map[string]*topic
	subs   map[string]*subscription
	serial uint64 // of the latest subscription
	lastID uint64 // of the latest message

	backlog  int   // entries that are not acknowledged
	retained int   // entries that are, and kept
	bytes    int64 // of the messages of both

	busy    int           // messages that are being handled by Pusher or a Receive
	drained chan struct{} // closed when nothing is any more
}

// stage is how far the broker is on its way to its end.
type stage uint8

const (
	open     stage = iota
	draining       // delivers nothing, takes messages
	closed
)

// New returns a broker without topics.
func New(cfg Config) *Broker {
	if cfg.Clock == nil {
		cfg.Clock = engine.WallClock{}
	}
	if cfg.Capacity <= 0 {
		cfg.Capacity = DefaultCapacity
	}
	if cfg.CapacityBytes <= 0 {
		cfg.CapacityBytes = DefaultCapacityBytes
	}
	if cfg.MaxOutstandingPushes <= 0 {
		cfg.MaxOutstandingPushes = DefaultMaxOutstandingPushes
	}
	if cfg.Describe == nil {
		cfg.Describe = func(name string) (id, project string) { return name, "" }
	}
	b := &Broker{
		cfg:     cfg,
		clock:   cfg.Clock,
		topics:  map[string]*topic{},
		subs:    map[string]*subscription{},
		drained: make(chan struct{}),
	}
	b.base, b.cancel = context.WithCancel(context.Background())
	b.opened, b.stop = context.WithCancel(b.base)
	return b
}

// Now is the time of the broker's clock.
func (b *Broker) Now() time.Time { return b.clock.Now() }

// now is the clock in the broker's own unit, Unix nanoseconds.
func (b *Broker) now() int64 { return b.clock.Now().UnixNano() }

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }
