// Events is an order service that publishes, and two parties that subscribe: one ships what was paid, and fails
// now and then; the other keeps the books of one region. What nobody could ship ends in a dead-letter topic, where
// support looks after it.
//
//	go run ./events                            in memory: no account, no network but the loopback
//	go run ./events -pstest                    over gRPC to Google's fake of Pub/Sub, in this process
//	go run ./events -emulator localhost:8085   over gRPC to an emulator, ours (tasks-emulator) or Google's
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
	"net/http"
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
	pstest            bool
	emulator, project string
	verbose           bool
}

func run(ctx context.Context, args []string, out, logs io.Writer) error {
	var o options
	flags := flag.NewFlagSet("events", flag.ContinueOnError)
	flags.SetOutput(logs)
	flags.BoolVar(&o.pstest, "pstest", false, "publish and pull over gRPC, with Google's fake of Pub/Sub in this process")
	flags.StringVar(&o.emulator, "emulator", "", "publish and pull over gRPC, with the emulator at this `host:port`")
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
		o.emulator = fake.Addr
	}
	return o.story(ctx, newLedger(out), logs)
}

// story runs the App from its start to its end.
func (o options) story(ctx context.Context, l *ledger, logs io.Writer) (err error) {
	logger := slog.New(slog.DiscardHandler)
	if o.verbose {
		logger = slog.New(slog.NewTextHandler(logs, nil))
	}
	cfg := tasks.Config{Name: "shop", Transport: memory.New(), Logger: logger}
	defs := subscribers(l)
	if o.emulator != "" {
		broker, err := connect(ctx, o.emulator, o.project)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, bounded(broker.Shutdown)) }()
		cfg.Broker = broker
		defs = subscribers(l, pubsub.Pull())
	}
	app, err := tasks.NewApp(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bounded(app.Shutdown)) }()
	if err := app.Register(append(defs, OrderPaid)...); err != nil {
		return err
	}
	if o.emulator == "" {
		l.say("Events in memory, which needs no set-up.\n")
		return sell(ctx, app, l)
	}

	// What memory does by itself, a deploy does by one call: topics, subscriptions and dead letters as in the code.
	plan, err := pubsub.Sync(ctx, app)
	if err != nil {
		return err
	}
	l.say("Events over %s. pubsub.Sync:\n%s\n", o.emulator, plan)
	return receiving(ctx, app, func() error { return sell(ctx, app, l) })
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

// routes is the order service: it publishes what it has been told, under the request's trace.
func routes(app *tasks.App) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", app.Propagate(http.HandlerFunc(takeOrder)))
	return mux
}
