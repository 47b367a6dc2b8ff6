// Cloudrun is the shop of the quickstart as one deploys it on Cloud Run: its tasks wait in Cloud Tasks, which
// pushes them back over HTTP with a token that says who is calling. README.md tells how to deploy it.
//
//	make run-cloud              runs it on this machine, against an emulator of Cloud Tasks
//	cloudrun                    serves
//	cloudrun tasks sync         makes queues and schedules what the code says, as a step of each deploy; -h tells the rest
//
// Begin with service/service.go, which puts it together; service/config.go reads the environment, and from it who may
// deliver. The tasks are those of internal/shop, and know nothing of all this.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones, in an image that has none

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
	"github.com/typedtasks/typedtasks/tasks/manage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	logger := service.NewLogger(os.Stdout)
	if len(os.Args) > 1 { // a command, whose results go there
		logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	slog.SetDefault(logger)
	err := run(ctx, logger, os.Args[1:])
	switch {
	case err == nil:
		return
	case len(os.Args) > 1:
		fmt.Fprintln(os.Stderr, "cloudrun:", err)
	default:
		logger.Error("the service failed", "error", err)
	}
	os.Exit(manage.ExitCode(err))
}

// run serves, or does what a command says.
func run(ctx context.Context, logger *slog.Logger, args []string) error {
	cfg, err := service.ConfigFromEnv()
	if err != nil {
		return err
	}
	cfg.Logger, cfg.Manage = logger, len(args) > 0
	s, err := service.New(ctx, cfg)
	if err != nil {
		return err
	}
	root := &cobra.Command{
		Use: "cloudrun", Short: "The shop: without a command, it serves on PORT", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), s) },
	}
	root.AddCommand(manage.Command(s.App))
	root.SetArgs(args)
	return errors.Join(root.ExecuteContext(ctx), s.Close())
}

// serve serves until ctx ends, on the port that Cloud Run chooses.
func serve(ctx context.Context, s *service.Service) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	return s.Run(ctx, listener)
}
