// Periodic is a shop with recurring work: a report on working nights, bills once a month, a heartbeat each second. It
// tells when they are due, runs them in memory, and then does what a deploy does: it makes the jobs of Cloud Scheduler
// what the code says, against an emulator in this process that fires them by HTTP.
//
//	make run-periodic, or: go run ./periodic [-v]
//
// Begin with jobs.go, which has the periodic tasks.
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
	_ "time/tzdata" // time zones, wherever this runs

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// patience is for the whole story, which takes some seconds.
const patience = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "periodic:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, logs io.Writer) error {
	flags := flag.NewFlagSet("periodic", flag.ContinueOnError)
	flags.SetOutput(logs)
	verbose := flags.Bool("v", false, "show what App and emulator log")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	if *verbose {
		logger = slog.New(slog.NewTextHandler(logs, nil))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("that took too long"))
	defer cancel()
	j := newJournal(out)
	if err := calendar(j); err != nil {
		return err
	}
	if err := inMemory(ctx, j, logger); err != nil {
		return err
	}
	return deploy(ctx, j, logger)
}

// calendar needs no App: a schedule is known by its definition.
func calendar(j *journal) error {
	j.say("When they are due next:")
	for _, p := range []struct {
		name string
		next func(int) ([]time.Time, error)
	}{{"Nightly", nightly(j, atThree()).NextRuns}, {"Monthly", monthly(j).NextRuns}} {
		runs, err := p.next(3)
		if err != nil {
			return err
		}
		for _, at := range runs {
			j.say("  %-10s %s", p.name, at.Format("Mon 2 Jan 2006 15:04 MST"))
		}
	}
	return nil
}

// inMemory lets them fire in this process, for as long as the App lives.
func inMemory(ctx context.Context, j *journal, logger *slog.Logger) (err error) {
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bounded(app.Shutdown)) }()
	report := nightly(j, atThree())
	if err := app.Register(report, monthly(j), heartbeat(j)); err != nil {
		return err
	}
	j.say("\nIn memory they fire by themselves:")
	if err := j.wait(ctx, "Heartbeat", 3); err != nil {
		return err
	}
	j.say("A periodic task is a task, to be run and enqueued like any other, with another payload if need be:")
	if err := report.Run(ctx, Report{Kind: "stock"}); err != nil {
		return err
	}
	return j.wait(ctx, "Nightly", 1)
}

// refused shows that seconds stay on the laptop.
func refused(ctx context.Context, app *tasks.App, j *journal) error {
	beat := heartbeat(j)
	if err := app.Register(beat); err != nil {
		return err
	}
	_, err := schedule.Sync(ctx, app)
	if err == nil {
		return errors.New("a schedule of seconds was not refused")
	}
	j.say("\nA schedule of seconds stays on the laptop:\n  %v", err)
	return nil
}

// bounded shuts something down, in a time of its own.
func bounded(shutdown func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return shutdown(ctx)
}
