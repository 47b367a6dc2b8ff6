// Local runs the service of examples/cloudrun on this machine and tours it: the same tour as the quickstart's, but
// every task goes through Google's Cloud Tasks client, over gRPC, to an emulator of Cloud Tasks, and comes back over
// HTTP with a token that the service verifies. It needs no account, and no network but the loopback.
//
//	make run-cloud, or: go run ./cloudrun/local [-v]
//
// It ends with exit code 0 only if everything happened that had to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/typedtasks/typedtasks/examples/internal/tour"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

// patience is for the whole tour, which takes a few seconds: the queue dispatches 500 tasks a second, as Cloud
// Tasks does at most.
const patience = 12 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cloudrun/local:", err)
		os.Exit(1)
	}
}

// run is the program. The story goes to out; with -v, what service and emulator log goes to logs.
func run(ctx context.Context, args []string, out, logs io.Writer) error {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(logs)
	verbose := flags.Bool("v", false, "show what the service and the emulator log")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	if *verbose {
		logger = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return visit(ctx, out, logger)
}

// visit opens a world, tours it and closes it.
func visit(ctx context.Context, out io.Writer, logger *slog.Logger, opts ...emulator.Option) error {
	story := tour.NewNarrator(out)
	journal := tour.NewJournal(story.Tell)
	w, err := open(ctx, journal, logger, opts...)
	if err != nil {
		return err
	}
	story.Say("A shop at %s, its tasks in an emulator of Cloud Tasks at %s.", w.url, w.tasks)
	err = (&tour.Tour{URL: w.url, Journal: journal, Story: story, Patience: patience, Push: w.push}).Walk(ctx)
	err = errors.Join(err, w.close())
	story.Say("\n%s", journal.Summary())
	return err
}
