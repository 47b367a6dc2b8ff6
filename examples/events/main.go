// Events is an order service that publishes, and two parties that subscribe: one ships what was paid, and fails
// now and then; the other keeps the books of one region. What nobody could ship ends in a dead-letter topic, where
// support looks after it.
//
//	go run ./events                            in memory: no account, no network but the loopback
//	go run ./events -emulator localhost:8085   published over gRPC to an emulator, ours (tasks-emulator) or Google's, and
//	                                           pushed over HTTP, as in production; with -pull, pulled
//	go run ./events -pstest                    published to and pulled from Google's fake of Pub/Sub, in this process
//
// Begin with orders.go, which has the publisher and the subscribers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// patience is for the whole story, which takes a second or two, and again for what still runs at its end.
const patience = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

// options are the program's flags.
type options struct {
	pstest, pull, verbose bool
	emulator, project     string
}

func run(ctx context.Context, args []string, out, logs io.Writer) error {
	var o options
	flags := flag.NewFlagSet("events", flag.ContinueOnError)
	flags.SetOutput(logs)
	flags.BoolVar(&o.pstest, "pstest", false, "publish and pull over gRPC, with Google's fake of Pub/Sub in this process")
	flags.StringVar(&o.emulator, "emulator", "", "publish over gRPC to the emulator at this `host:port`, which pushes over HTTP")
	flags.BoolVar(&o.pull, "pull", false, "with -emulator: pull instead of being pushed to")
	flags.StringVar(&o.project, "project", "demo", "the project at the emulator")
	flags.BoolVar(&o.verbose, "v", false, "show what the App logs")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("that took too long"))
	defer cancel()
	if o.pstest {
		fake := startFake()
		defer fake.Close()
		o.emulator, o.pull = fake.Addr, true // it does not push
	}
	return o.story(ctx, newLedger(out), logs)
}

// story runs the App from its start to its end.
func (o options) story(ctx context.Context, l *ledger, logs io.Writer) (err error) {
	logger := slog.New(slog.DiscardHandler)
	if o.verbose {
		logger = slog.New(slog.NewTextHandler(logs, nil))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	cfg := tasks.Config{Name: "shop", Endpoint: url + "/_tasks", Transport: memory.New(), Logger: logger}
	if o.emulator != "" {
		broker, refused := connect(ctx, o.emulator, o.project)
		if refused != nil {
			return errors.Join(refused, listener.Close())
		}
		defer func() { err = errors.Join(err, bounded(broker.Shutdown)) }()
		cfg.Broker = broker
	}
	app, err := newApp(cfg, l, o.pull)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, bounded(app.Shutdown)) }()
	stop := serve(listener, routes(app))
	defer func() { err = errors.Join(err, stop()) }()

	if o.emulator == "" {
		l.say("Events in memory, which needs no set-up.\n")
		return sell(ctx, url, l)
	}
	// What memory does by itself, a deploy does by one call: topics, subscriptions and dead letters as in the code.
	plan, err := pubsub.Sync(ctx, app)
	if err != nil {
		return err
	}
	l.say("Events over %s. pubsub.Sync:\n%s\n", o.emulator, plan)
	if !o.pull {
		return sell(ctx, url, l)
	}
	return receiving(ctx, app, func() error { return sell(ctx, url, l) })
}

func newApp(cfg tasks.Config, l *ledger, pull bool) (*tasks.App, error) {
	app, err := tasks.NewApp(cfg)
	if err != nil {
		return nil, err
	}
	defs := subscribers(l)
	if pull {
		defs = subscribers(l, pubsub.Pull())
	}
	return app, app.Register(append(defs, OrderPaid)...)
}

// receiving pulls messages while f runs, and stops gracefully.
func receiving(ctx context.Context, app *tasks.App, f func() error) error {
	pull, stop := context.WithCancel(ctx)
	received := make(chan error, 1)
	go func() { received <- pubsub.Receive(pull, app) }()
	err := f()
	stop()
	return errors.Join(err, <-received)
}

// bounded shuts something down, in a time of its own.
func bounded(shutdown func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return shutdown(ctx)
}
