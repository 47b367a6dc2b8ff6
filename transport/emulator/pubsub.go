package emulator

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // publishers may compress
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/broker"
)

// pubsub answers the calls of Pub/Sub. Its methods are in files by subject.
type pubsub struct {
	pubsubpb.UnimplementedPublisherServer
	pubsubpb.UnimplementedSubscriberServer

	log        *slog.Logger
	broker     *broker.Broker
	catalog    *catalog
	flows      *flows
	store      *store // nil: everything is in memory
	onDemand   bool
	streamTime time.Duration // 0: for ever

	streams *crew // what streams run
}

func newPubsub(cfg settings, s *store, push broker.Pusher) *pubsub {
	return &pubsub{
		log:        cfg.log,
		broker:     broker.New(broker.Config{Push: push, Describe: describeSubscription}),
		catalog:    newCatalog(),
		flows:      newFlows(),
		store:      s,
		onDemand:   cfg.topicsOnDemand,
		streamTime: cfg.streamTime,
		streams:    newCrew(),
	}
}

func (p *pubsub) register(r *grpc.Server) {
	pubsubpb.RegisterPublisherServer(r, p)
	pubsubpb.RegisterSubscriberServer(r, p)
	iampb.RegisterIAMPolicyServer(r, &pubsubPolicies{pubsub: p})
}

// now is the broker's clock.
func (p *pubsub) now() time.Time { return p.broker.Now() }

// drain begins the end: nothing is pushed any more, and streams end. The channel is closed once no push runs.
func (p *pubsub) drain() <-chan struct{} {
	p.flows.endAll(status.Error(codes.Unavailable, textStopping))
	return p.broker.Drain()
}

// shutdown ends what drain began, and breaks it off when ctx ends.
func (p *pubsub) shutdown(ctx context.Context) error { return p.broker.Shutdown(ctx) }

// describeSubscription names the source of a dead letter as its attributes do.
func describeSubscription(name string) (id, project string) {
	project, _, _ = strings.Cut(strings.TrimPrefix(name, "projects/"), "/")
	return shortID(name), project
}
