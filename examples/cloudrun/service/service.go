// Package service is the shop as a service on Cloud Run.
package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// Service is one instance: an HTTP server, the App behind it, and its connections to Google.
type Service struct {
	App *tasks.App

	transport *cloudtasks.Transport
	scheduler *cloudscheduler.Scheduler // nil: it only serves
	server    *http.Server
	logger    *slog.Logger
	drain     time.Duration

	closing sync.Once
	closed  error
}

// headerTimeout is how long a client may take to send a request's header. The rest has no limit but the dispatch
// deadline of a task and the request timeout of Cloud Run.
const headerTimeout = 10 * time.Second

// New makes a service. ctx bounds the questions to the metadata server, asked where the environment says less than
// all.
func New(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{logger: cfg.Logger, drain: cfg.Drain}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.drain == 0 {
		s.drain = DefaultDrain
	}
	if cfg.Auth == nil {
		return nil, errors.New("Config.Auth is nil, and anyone could run tasks: set who may deliver them, by oidc.New")
	}
	var err error
	if s.transport, err = cloudtasks.New(ctx, append(slices.Clip(cfg.Transport), cloudtasks.WithLogger(s.logger))...); err != nil {
		return nil, err
	}
	if cfg.Manage {
		s.scheduler, err = cloudscheduler.New(ctx, append(slices.Clip(cfg.Scheduler), cloudscheduler.WithLogger(s.logger))...)
		if err != nil {
			return nil, errors.Join(err, s.transport.Close())
		}
		cfg.Tasks.Scheduler = s.scheduler
	}
	if cfg.Tasks.Queues == nil {
		cfg.Tasks.Queues = queues(cfg.Tasks)
	}
	cfg.Tasks.Transport = s.transport
	cfg.Tasks.Authenticator = cfg.Auth
	cfg.Tasks.Logger = s.logger
	if cfg.Tasks.Quarantine == nil {
		cfg.Tasks.Quarantine = s.quarantine
	}
	if s.App, err = tasks.NewApp(cfg.Tasks); err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	if err := s.App.Register(append(shop.Tasks(), Stocktaking)...); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	refused := cfg.Refused
	if refused == nil {
		refused = s.logRefused
	}
	s.server = &http.Server{Handler: s.routes(refused), ReadHeaderTimeout: headerTimeout}
	return s, nil
}

// routes serves the shop's own pages, the App where pushes arrive, and a page that tells that the instance is up.
// Under Propagate a request's traceparent rides along on what is enqueued.
func (s *Service) routes(refused shop.Refused) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.Handle(s.App.Config().MountPath+"/", s.App)
	mux.Handle("/", s.App.Propagate(shop.Routes(refused)))
	return mux
}

// Run serves at l until ctx ends, then it stops the service and returns nil if nothing had to be broken off.
func (s *Service) Run(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { served <- s.server.Serve(l) })
	c := s.App.Config()
	s.logger.Info("serving", "address", l.Addr().String(), "endpoint", c.Endpoint, "queue", c.Queue, "audience", c.Audience)

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	began := time.Now()
	err = errors.Join(err, s.stop())
	serving.Wait()
	s.logger.Info("stopped", "took", time.Since(began).String())
	return err
}

// stop takes no more requests and waits for those that run, pushes among them; then for the App, whose tasks may
// still enqueue; and closes the connection to Cloud Tasks last. What takes too long is broken off, and Cloud Tasks
// delivers it again to another instance.
func (s *Service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	return errors.Join(err, s.Close())
}

// Close ends a service that does not run. Calling it again returns the same.
func (s *Service) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Service) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), brokenOff)
	defer cancel()
	return errors.Join(s.App.Shutdown(ctx), s.disconnect())
}

func (s *Service) disconnect() error {
	err := s.transport.Close()
	if s.scheduler != nil {
		err = errors.Join(err, s.scheduler.Close())
	}
	return err
}
