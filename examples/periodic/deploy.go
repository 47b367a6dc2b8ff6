package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// deploy makes the jobs of an emulator of Cloud Scheduler what the code says, twice, and has one fired.
func deploy(ctx context.Context, j *journal, logger *slog.Logger) (err error) {
	em, err := emulator.New(emulator.WithLogger(logger))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bounded(em.Shutdown)) }()
	address, err := em.Start()
	if err != nil {
		return err
	}
	jobs, err := cloudscheduler.New(ctx, cloudscheduler.WithEndpoint(address),
		cloudscheduler.WithProject("demo"), cloudscheduler.WithLocation("local"),
		cloudscheduler.WithServiceAccount("jobs@demo.iam.gserviceaccount.com"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, jobs.Close()) }()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	app, err := tasks.NewApp(tasks.Config{
		Name:      "shop",
		Endpoint:  "http://" + listener.Addr().String() + "/_tasks",
		Transport: memory.New(), // for what is enqueued; cloudtasks.New in production
		Scheduler: jobs,
		Logger:    logger,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, bounded(app.Shutdown)) }()
	stop := serve(listener, app)
	defer func() { err = errors.Join(err, stop()) }()

	if err := app.Register(nightly(j, atThree()), monthly(j)); err != nil {
		return err
	}
	j.say("\nA deploy, to an emulator of Cloud Scheduler at %s. First it plans:", address)
	if err := converge(ctx, app, j, schedule.DryRun()); err != nil {
		return err
	}
	j.say("Then it does so:")
	if err := converge(ctx, app, j); err != nil {
		return err
	}
	j.say("And again, which changes nothing:")
	if err := converge(ctx, app, j); err != nil {
		return err
	}
	j.say("Fired now, without waiting for the night; the push comes over HTTP:")
	if err := fire(ctx, jobs, "shop--Nightly"); err != nil {
		return err
	}
	if err := j.wait(ctx, "Nightly", 1); err != nil {
		return err
	}
	if err := nextRelease(ctx, app.Config(), j); err != nil {
		return err
	}
	return refused(ctx, app, j)
}

// nextRelease reports at another time, and sends no bills any more. A deploy is a program of its own, so it has an App
// of its own.
func nextRelease(ctx context.Context, cfg tasks.Config, j *journal) (err error) {
	cfg.Transport, cfg.Broker = memory.New(), nil
	app, err := tasks.NewApp(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bounded(app.Shutdown)) }()
	if err := app.Register(nightly(j, schedule.Cron("30 4 * * MON-FRI"))); err != nil {
		return err
	}
	j.say("The next release reports later, and sends no bills any more. Jobs of others are never touched:")
	return converge(ctx, app, j)
}

func converge(ctx context.Context, app *tasks.App, j *journal, opts ...schedule.SyncOption) error {
	plan, err := schedule.Sync(ctx, app, opts...)
	if err != nil {
		return err
	}
	j.say("%s", plan)
	return nil
}

func fire(ctx context.Context, s transport.Scheduler, name string) error {
	admin, err := transport.SchedulerAs[transport.JobAdmin](s)
	if err != nil {
		return err
	}
	return admin.RunJob(ctx, name)
}

// serve runs an HTTP server until stop is called.
func serve(listener net.Listener, h http.Handler) (stop func() error) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		err := bounded(server.Shutdown)
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}
}
