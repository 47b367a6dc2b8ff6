// Command tasks-emulator is an emulator of Google Cloud Tasks, Pub/Sub and Cloud Scheduler. Run it with -help.
//
//	tasks-emulator -port 8123 -http-port 8124 -queue mail -topic orders -data tasks.db
//
// With -http-port 8124, http://localhost:8124/oauth2/v3/certs serves the key of the OIDC tokens on tasks, pushes and jobs:
// it is for oidc.KeysURL of a service that verifies them, which else answers 401 for ever. The flags:
//
//	-host -port -http-port         where it listens. Default: 127.0.0.1, 8123 for gRPC, nowhere for HTTP
//	-queue -topic                  what it creates; may be repeated
//	-on-demand -topics-on-demand   create a queue or a topic when it is first named
//	-project -location             of queues and topics named without. Default: emulator, local
//	-data                          a file that keeps what is not messages. Default: memory alone
//	-grace                         how long what is in flight may take at the end. Default: 10s
//	-log -verbose                  a format, text or json; every attempt and change
//	-queue-tombstone               how long the name of a deleted queue is taken. Default: 72h
//	-operation-time -stream-time   how long batch operations look running, and streaming pulls last
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	_ "time/tzdata" // jobs have time zones, on machines without the database too

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns its exit code once ctx has ended.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := serve(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "tasks-emulator:", err)
		return 1
	}
	return 0
}

// serve serves until ctx ends, and then ends gracefully.
func serve(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	grpcListener, err := net.Listen("tcp", cfg.grpcAddress())
	if err != nil {
		return err
	}
	defer grpcListener.Close()
	ready := readiness{Ready: true, GRPC: grpcListener.Addr().String()}
	var httpListener net.Listener
	if cfg.httpPort >= 0 {
		if httpListener, err = net.Listen("tcp", cfg.httpAddress()); err != nil {
			return err
		}
		defer httpListener.Close()
		ready.HTTP = "http://" + httpListener.Addr().String()
		ready.KeysURL = "http://" + reachable(httpListener.Addr()) + emulator.CertsPath
	}
	log := cfg.logger(stderr)
	e, err := emulator.New(cfg.options(log)...)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { failed <- e.Serve(grpcListener) })
	keys := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	if httpListener != nil {
		keys.Handler = e.Handler()
		serving.Go(func() { failed <- keys.Serve(httpListener) })
	}
	cfg.advise(stderr, log, grpcListener.Addr(), ready.KeysURL)
	if err = json.NewEncoder(stdout).Encode(ready); err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	return errors.Join(err, end(e, keys, cfg.grace, stderr))
}

// readiness is the line that tells that calls are answered, and where.
type readiness struct {
	Ready   bool   `json:"ready"`
	GRPC    string `json:"grpc"`
	HTTP    string `json:"http,omitempty"`
	KeysURL string `json:"keys_url,omitempty"`
}

// end lets what runs finish, for a while. That it does not is no failure of the program.
func end(e *emulator.Emulator, keys *http.Server, grace time.Duration, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = keys.Close()
	if err := e.Shutdown(ctx); err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		fmt.Fprintln(stderr, "tasks-emulator:", err)
	}
	return e.Close()
}
