// Quickstart is a small shop: an HTTP server, typed tasks, and a transport that runs them in this process. It
// needs no account, and no network but the loopback.
//
//	go run ./quickstart            shows what can become of a task
//	go run ./quickstart -serve     the same shop, to play with by curl
//
// Begin with internal/shop/shop.go, which has the tasks, and app.go, which sets them up. Then internal/shop/routes.go
// enqueues over HTTP, internal/tour/tour.go from code, and internal/tour/observe.go is middleware that sees all of
// it. The example cloudrun takes the same shop to Cloud Tasks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/examples/internal/tour"
)

// patience is for the whole tour, which takes a second, and again for what still runs when the shop closes.
const patience = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run is the program. The story goes to out; with -v, what the App logs goes to logs.
func run(ctx context.Context, args []string, out, logs io.Writer) error {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(logs)
	addr := flags.String("addr", "127.0.0.1:0", "where the shop listens; port 0 is any free one")
	stay := flags.Bool("serve", false, "stay up, to play with by curl")
	verbose := flags.Bool("v", false, "show what the App logs")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	if *verbose {
		logger = slog.New(slog.NewTextHandler(logs, nil))
	}

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	story := tour.NewNarrator(out)
	journal := tour.NewJournal(story.Tell)
	app, err := newApp(url+shop.Mount, journal, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: routes(app, journal), ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	story.Say("A shop at %s, its tasks in memory.", url)
	if *stay {
		err = serve(ctx, url, story, served)
	} else {
		err = (&tour.Tour{URL: url, Journal: journal, Story: story, Patience: patience}).Walk(ctx)
	}
	left, unclean := shut(server, app)
	if *stay {
		story.Say("\nClosed. Tasks left waiting: %d.", left)
	}
	story.Say("\n%s", journal.Summary())
	return errors.Join(err, unclean)
}
