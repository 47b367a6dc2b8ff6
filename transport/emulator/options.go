package emulator

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc"
)

// DefaultQueueTombstone is how long the name of a deleted queue cannot be used again. The API says up to three
// days, the quota page seven.
const DefaultQueueTombstone = 3 * 24 * time.Hour

// Option sets up an [Emulator].
type Option interface{ emulator(*settings) }

// WithQueues creates queues by their full names, with the settings that Cloud Tasks gives a new queue. Those that
// a data file brings already stay as they are.
func WithQueues(names ...string) Option {
	names = slices.Clone(names)
	return option(func(s *settings) { s.queues = append(s.queues, names...) })
}

// WithQueuesOnDemand creates a queue when the first task for it arrives. Without it CreateTask answers NotFound
// for a queue that does not exist, as Cloud Tasks does.
func WithQueuesOnDemand() Option {
	return option(func(s *settings) { s.onDemand = true })
}

// WithTopics creates Pub/Sub topics by their full names. Those that a data file brings already stay as they are.
func WithTopics(names ...string) Option {
	names = slices.Clone(names)
	return option(func(s *settings) { s.topics = append(s.topics, names...) })
}

// WithTopicsOnDemand creates a topic when the first message for it arrives, or a subscription names it as its own
// or for its dead letters. Without it those calls answer NotFound, as Pub/Sub does.
func WithTopicsOnDemand() Option {
	return option(func(s *settings) { s.topicsOnDemand = true })
}

// WithStreamTime ends every StreamingPull after that long with Unavailable, as the service does from time to time,
// to see clients open another. Without it, or if d is not positive, streams last.
func WithStreamTime(d time.Duration) Option {
	return option(func(s *settings) { s.streamTime = d })
}

// WithData keeps queues, tasks, tombstones, operations, topics, subscriptions and jobs in a file, so that they survive
// a restart, also after SIGKILL: what the emulator answers to has been synced to disk before. Messages are not kept.
// The file is created if it is missing, and locked. Without it, or with an empty name, everything is in memory.
func WithData(file string) Option {
	return option(func(s *settings) { s.data = file })
}

// WithLogger sets where the emulator logs to: tasks that are given up and failed attempts at level warn, attempts and
// changes of queues, topics, subscriptions and jobs at debug; at info, once, that it signs OIDC tokens and its
// [Emulator.Handler] was not asked for. nil, and without it: [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return option(func(s *settings) { s.log = l })
}

// WithHTTPClient sets what tasks are dispatched, messages pushed and jobs fired with; pushes follow no redirects all the
// same. It is not closed by the emulator. nil, and without it: a client that keeps as many connections to a host as a
// queue may use at a time.
func WithHTTPClient(c *http.Client) Option {
	return option(func(s *settings) { s.client = c })
}

// WithQueueTombstone sets how long the name of a deleted queue cannot be used again; [DefaultQueueTombstone]
// without it, no time if d is not positive.
func WithQueueTombstone(d time.Duration) Option {
	return option(func(s *settings) { s.tombstone = d })
}

// WithOperationTime lets batch operations take that long: they are answered as running first. Their tasks are
// created or deleted at once all the same. Without it they are done in the first answer.
func WithOperationTime(d time.Duration) Option {
	return option(func(s *settings) { s.operationTime = d })
}

// WithServerOptions passes options to the gRPC server: interceptors that inject faults, say.
func WithServerOptions(opts ...grpc.ServerOption) Option {
	opts = slices.Clone(opts)
	return option(func(s *settings) { s.server = append(s.server, opts...) })
}

type settings struct {
	queues        []string
	onDemand      bool
	data          string
	log           *slog.Logger
	client        *http.Client
	tombstone     time.Duration
	operationTime time.Duration
	server        []grpc.ServerOption

	topics         []string
	topicsOnDemand bool
	streamTime     time.Duration
}

type option func(*settings)

func (o option) emulator(s *settings) { o(s) }
