// Cloudrun is the shop of the quickstart as one deploys it on Cloud Run: its tasks wait in Cloud Tasks, which
// pushes them back over HTTP with a token that says who is calling. README.md tells how to deploy it.
//
//	make run-cloud              runs it on this machine, against an emulator of Cloud Tasks
//
// Begin with service/service.go, which puts it together; service/config.go reads the environment, and from it who may
// deliver. The tasks are those of internal/shop, and know nothing of all this.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
)

func main() {
	logger := service.NewLogger(os.Stdout)
	slog.SetDefault(logger)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, logger); err != nil {
		logger.Error("the service failed", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, on the port that Cloud Run chooses.
func run(ctx context.Context, logger *slog.Logger) error {
	cfg, err := service.ConfigFromEnv()
	if err != nil {
		return err
	}
	cfg.Logger = logger
	s, err := service.New(ctx, cfg)
	if err != nil {
		return err
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Run(ctx, listener)
}
