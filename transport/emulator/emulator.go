package emulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	locationpb "google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/typedtasks/typedtasks/internal/engine"
)

// Emulator is a server for Cloud Tasks v2, Pub/Sub and Cloud Scheduler v1. Use [New].
type Emulator struct {
	server    *server
	pubsub    *pubsub
	scheduler *scheduler
	grpc      *grpc.Server
	owned     *http.Client // that everything is sent with; nil where it is the caller's
	cancel    context.CancelFunc

	serving sync.WaitGroup // of Start

	stop   sync.Once
	broken error // what was broken off at the end, and why
	stored error // what the data file ended with
}

const (
	// maxMessage is the most bytes of one request: a batch of large tasks passes gRPC's default of 4 MiB.
	maxMessage = 16 << 20
	// pingEvery is how often a client may ping. Proxies and clients of several languages do so every few seconds.
	pingEvery = 5 * time.Second
)

// New returns an emulator that dispatches at once what a data file holds, and answers calls after [Emulator.Serve]
// or [Emulator.Start]. It must be ended with [Emulator.Shutdown] or [Emulator.Close]. Its error names a queue
// or topic name that is not one, or what is wrong with the data file.
func New(opts ...Option) (*Emulator, error) {
	cfg := settings{tombstone: DefaultQueueTombstone}
	for _, o := range opts {
		if o != nil {
			o.emulator(&cfg)
		}
	}
	for _, name := range cfg.queues {
		if err := checkQueueName(name); err != nil {
			return nil, fmt.Errorf("emulator: WithQueues: %q is no queue: %s", name, textQueueName)
		}
	}
	for _, name := range cfg.topics {
		if checkTopicName(name) != nil {
			return nil, fmt.Errorf("emulator: WithTopics: %q is no topic: write projects/PROJECT/topics/TOPIC, see transport.CheckTopic", name)
		}
	}
	if cfg.log == nil {
		cfg.log = slog.Default()
	}
	e := &Emulator{}
	e.grpc = grpc.NewServer(append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(refuseDeadline),
	}, cfg.server...)...)
	if err := e.open(cfg); err != nil {
		e.grpc.Stop()
		return nil, fmt.Errorf("emulator: %w", err)
	}
	return e, nil
}

// open makes the server, with the state that the data file holds, and lets it dispatch.
func (e *Emulator) open(cfg settings) (err error) {
	if cfg.client == nil {
		cfg.client = newClient()
		e.owned = cfg.client
	}
	s := &server{log: cfg.log, queues: newRegistry(), onDemand: cfg.onDemand, tombstone: cfg.tombstone}
	s.base, e.cancel = context.WithCancel(context.Background())
	e.server = s
	from := newSaved()
	engineCfg := engine.Config{DeclaredOnly: true, History: true, Brake: true, ExhaustedLimit: 1}
	if cfg.data != "" {
		if s.store, err = openStore(cfg.data, cfg.log, from, e.save); err != nil {
			return err
		}
		engineCfg.Journal = s.store
		cfg.log.Info("messages of Pub/Sub are in memory alone: a restart loses them, the data file keeps the rest", "file", cfg.data)
	}
	s.engine = engine.New(engineCfg)
	s.operations = newOperations(s.now, cfg.operationTime)
	s.tokens = newTokens(s.now, s.store, cfg.log)
	e.pubsub = newPubsub(cfg, s.store, newPusher(cfg.client, s.tokens, cfg.log).push)
	e.scheduler = newScheduler(cfg.log, s.store, &jobRunner{client: cfg.client, publish: e.pubsub.Publish, tokens: s.tokens, log: cfg.log})
	defer func() {
		if err != nil {
			err = errors.Join(err, e.abandon())
		}
	}()
	if err := errors.Join(s.restore(from), e.pubsub.restore(from), e.scheduler.restore(from)); err != nil {
		return err
	}
	s.register(e.grpc)
	e.pubsub.register(e.grpc)
	e.scheduler.register(e.grpc)
	locationpb.RegisterLocationsServer(e.grpc, &locations{queues: s.queues, jobs: e.scheduler.book})
	s.declareQueues(cfg.queues)
	if err := e.pubsub.declareTopics(cfg.topics); err != nil {
		return err
	}
	d := &dispatcher{client: cfg.client, queues: s.queues, tokens: s.tokens, log: cfg.log}
	return s.engine.Serve("", d.dispatch)
}

// abandon ends what open has begun: jobs may run.
func (e *Emulator) abandon() error {
	e.cancel()
	_ = e.scheduler.shutdown(e.server.base)
	_ = e.scheduler.shutdown(context.Background())
	return e.server.store.close()
}

// save puts the state for the data file.
func (e *Emulator) save(put func([]byte) error) error {
	if err := e.server.save(put); err != nil {
		return err
	}
	if err := e.pubsub.save(put); err != nil {
		return err
	}
	return e.scheduler.save(put)
}

// Serve answers the calls that arrive at l, until the emulator is ended; then it returns nil. l may be a socket
// or an in-memory listener such as bufconn's, and Serve may be called for several. It closes l.
func (e *Emulator) Serve(l net.Listener) error {
	err := e.grpc.Serve(l)
	if errors.Is(err, grpc.ErrServerStopped) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("emulator: serve %s: %w", l.Addr(), err)
	}
	return nil
}

// Start serves on a free port of this machine and returns its address, "127.0.0.1:41234", for a client to dial
// without TLS.
func (e *Emulator) Start() (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	e.serving.Go(func() {
		if err := e.Serve(l); err != nil {
			e.server.log.Error("the emulator stopped serving", "error", err)
		}
	})
	return l.Addr().String(), nil
}

// RegisterService implements [grpc.ServiceRegistrar], so that the same server and port can serve other APIs too.
// It must be called before Serve.
func (e *Emulator) RegisterService(desc *grpc.ServiceDesc, impl any) {
	e.grpc.RegisterService(desc, impl)
}

// Backlog returns how many tasks wait or run, in all queues.
func (e *Emulator) Backlog() int { return e.server.engine.Backlog() }

// SubscriptionBacklog returns how many messages of a subscription, by its full name, are not acknowledged, those that
// are out included. For one that does not exist, or is detached, its error matches [transport.ErrNotFound].
func (e *Emulator) SubscriptionBacklog(name string) (int, error) {
	return e.pubsub.broker.Backlog(name)
}

// Shutdown dispatches, pushes and fires nothing any more, ends streams, waits for the attempts and pushes in flight,
// whose workers may still create tasks and publish, and for the calls, and ends the emulator. When ctx ends first, it
// breaks them off and returns ctx's error; an attempt at a task broken off is repeated after a restart with the same
// data file, one at a job is not. Calling it again returns the same.
func (e *Emulator) Shutdown(ctx context.Context) error {
	e.stop.Do(func() { e.end(ctx) })
	if err := errors.Join(e.broken, e.stored); err != nil {
		return fmt.Errorf("emulator: shut down: %w", err)
	}
	return nil
}

// Close is Shutdown without patience: attempts, pushes and calls in flight are broken off. Its error is what the data file
// ended with.
func (e *Emulator) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e.stop.Do(func() { e.end(ctx) })
	if e.stored != nil {
		return fmt.Errorf("emulator: close: %w", e.stored)
	}
	return nil
}

func (e *Emulator) end(ctx context.Context) {
	s, p, c := e.server, e.pubsub, e.scheduler
	for _, idle := range []<-chan struct{}{s.engine.Drain(), p.drain(), c.drain()} { // all, before any takes nothing any more
		select {
		case <-idle:
		case <-ctx.Done():
		}
	}
	if e.broken = errors.Join(c.shutdown(ctx), s.engine.Shutdown(ctx), p.shutdown(ctx)); e.broken != nil {
		_ = c.shutdown(context.Background()) // they end soon now
		_ = s.engine.Shutdown(context.Background())
		_ = p.shutdown(context.Background())
	}
	e.cancel()
	e.endCalls(ctx)
	e.serving.Wait()
	p.streams.stop()
	if e.owned != nil {
		e.owned.CloseIdleConnections()
	}
	e.stored = s.store.close()
}

func (e *Emulator) endCalls(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.grpc.GracefulStop()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		e.broken = errors.Join(e.broken, ctx.Err())
		e.grpc.Stop()
		<-ended
	}
}
