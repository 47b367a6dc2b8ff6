package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

const usage = `tasks-emulator answers the gRPC APIs of Google Cloud Tasks (v2), Pub/Sub and Cloud Scheduler (v1) on one
port. It dispatches tasks, pushes messages and fires jobs over HTTP; jobs may publish, too.

    tasks-emulator -port 8123 -queue mail -topic orders -data tasks.db

Point a client at it with an insecure channel and no credentials. Pub/Sub's clients read
PUBSUB_EMULATOR_HOST, some for Cloud Tasks CLOUD_TASKS_EMULATOR_HOST, some for Cloud Scheduler
CLOUD_SCHEDULER_EMULATOR_HOST; all take localhost:8123.
Once it answers, it prints one line of JSON on standard output,
{"ready":true,"grpc":"127.0.0.1:8123"}; its log, with those variables, goes to standard error.

The OIDC tokens on tasks, pushes and jobs are signed by a key of its own. A service that verifies
them needs that key: with -http-port 8124 it is at http://localhost:8124/oauth2/v3/certs, which is
for oidc.KeysURL; the line of JSON has it as "keys_url".

Queues, tasks, jobs, topics and subscriptions survive a restart with -data. The messages of
Pub/Sub do not: they are in memory alone. What jobs missed while it was down is not made up for.

SIGINT and SIGTERM let attempts, pushes and calls in flight finish, a second signal does not.

Flags:
`

// config is what the command line says.
type config struct {
	host          string
	port          int
	httpPort      int
	queues        []string
	project       string
	location      string
	data          string
	onDemand      bool
	tombstone     time.Duration
	operationTime time.Duration
	grace         time.Duration
	log           string
	verbose       bool

	topics         []string
	topicsOnDemand bool
	streamTime     time.Duration
}

// parse reads the command line. It has explained an error of package flag on stderr already.
func parse(args []string, stderr io.Writer) (*config, error) {
	cfg := &config{}
	f := flag.NewFlagSet("tasks-emulator", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.StringVar(&cfg.host, "host", "127.0.0.1", "`address` to listen on; 0.0.0.0 for all, as in a container")
	f.IntVar(&cfg.port, "port", 8123, "`port` for gRPC; 0 takes a free one")
	f.IntVar(&cfg.httpPort, "http-port", -1, "`port` for the key that verifies OIDC tokens, at "+emulator.CertsPath+": for oidc.KeysURL; 0 takes a free one, -1 serves none")
	f.Func("queue", "create a queue: a `name`, projects/P/locations/L/queues/Q or Q alone; may be repeated", func(s string) error {
		cfg.queues = append(cfg.queues, s)
		return nil
	})
	f.Func("topic", "create a topic: a `name`, projects/P/topics/T or T alone; may be repeated", func(s string) error {
		cfg.topics = append(cfg.topics, s)
		return nil
	})
	f.StringVar(&cfg.project, "project", "emulator", "`project` of queues and topics given without one")
	f.StringVar(&cfg.location, "location", "local", "`location` of queues given without one")
	f.BoolVar(&cfg.onDemand, "on-demand", false, "create a queue when its first task arrives, instead of answering NotFound")
	f.BoolVar(&cfg.topicsOnDemand, "topics-on-demand", false, "create a topic when its first message arrives or a subscription names it, instead of answering NotFound")
	f.DurationVar(&cfg.streamTime, "stream-time", 0, "how long a streaming pull may last until its client must open another; 0 is for ever")
	f.StringVar(&cfg.data, "data", "", "`file` that keeps queues, tasks, jobs, topics and subscriptions, but no messages, over restarts, SIGKILL included; without it all is in memory")
	f.DurationVar(&cfg.tombstone, "queue-tombstone", emulator.DefaultQueueTombstone, "how long the name of a deleted queue cannot be used again")
	f.DurationVar(&cfg.operationTime, "operation-time", 0, "how long batch operations look running")
	f.DurationVar(&cfg.grace, "grace", 10*time.Second, "how long attempts, pushes and calls in flight may take at the end")
	f.StringVar(&cfg.log, "log", "text", "`format` of the log: text or json")
	f.BoolVar(&cfg.verbose, "verbose", false, "log every attempt and push and every change of a queue, topic, subscription or job")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	return cfg, cfg.check(f.Args())
}

func (c *config) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("tasks-emulator: unexpected argument %q: see -help", rest[0])
	}
	if c.log != "text" && c.log != "json" {
		return fmt.Errorf("tasks-emulator: -log %q: it must be text or json", c.log)
	}
	for i, q := range c.queues {
		if !strings.Contains(q, "/") {
			c.queues[i] = "projects/" + c.project + "/locations/" + c.location + "/queues/" + q
		}
	}
	for i, t := range c.topics {
		if !strings.Contains(t, "/") {
			c.topics[i] = "projects/" + c.project + "/topics/" + t
		}
	}
	return nil
}

func (c *config) grpcAddress() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }
func (c *config) httpAddress() string { return net.JoinHostPort(c.host, strconv.Itoa(c.httpPort)) }

func (c *config) options(log *slog.Logger) []emulator.Option {
	opts := []emulator.Option{
		emulator.WithQueues(c.queues...),
		emulator.WithTopics(c.topics...),
		emulator.WithData(c.data),
		emulator.WithLogger(log),
		emulator.WithStreamTime(c.streamTime),
		emulator.WithQueueTombstone(c.tombstone),
		emulator.WithOperationTime(c.operationTime),
	}
	if c.onDemand {
		opts = append(opts, emulator.WithQueuesOnDemand())
	}
	if c.topicsOnDemand {
		opts = append(opts, emulator.WithTopicsOnDemand())
	}
	return opts
}

// advise tells how clients find the emulator, and verifiers its key if that is served: lines for a shell, or a record of a
// log that is JSON.
func (c *config) advise(stderr io.Writer, log *slog.Logger, grpc net.Addr, keysURL string) {
	address := reachable(grpc)
	if c.log == "json" {
		about := []any{"PUBSUB_EMULATOR_HOST", address, "CLOUD_TASKS_EMULATOR_HOST", address, "CLOUD_SCHEDULER_EMULATOR_HOST", address}
		if keysURL != "" {
			about = append(about, "keys_url", keysURL)
		}
		log.Info("serving", about...)
		return
	}
	fmt.Fprintf(stderr, "export PUBSUB_EMULATOR_HOST=%[1]s\nexport CLOUD_TASKS_EMULATOR_HOST=%[1]s\nexport CLOUD_SCHEDULER_EMULATOR_HOST=%[1]s\n", address)
	if keysURL != "" {
		fmt.Fprintf(stderr, "# the key of the OIDC tokens, for oidc.KeysURL: %s\n", keysURL)
	}
}

// reachable is an address as a client on this machine dials it.
func reachable(a net.Addr) string {
	if host, port, err := net.SplitHostPort(a.String()); err == nil && net.ParseIP(host).IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return a.String()
}

func (c *config) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.verbose {
		o.Level = slog.LevelDebug
	}
	if c.log == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
