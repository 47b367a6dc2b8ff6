// Package cloudpubsub carries messages over Google Cloud Pub/Sub, through Google's own client.
//
// # Smallest program
//
//	b, err := cloudpubsub.New(ctx)
//	defer b.Close()
//	id, err := b.Publish(ctx, &transport.Message{Topic: "orders", Data: data})
//
// Through package pubsub it is Config.Broker. On Cloud Run, Functions and Compute Engine New needs no option:
// project and service account come from the metadata server. Elsewhere set CLOUD_TASKS_PROJECT and
// CLOUD_TASKS_SERVICE_ACCOUNT, or the options of those names. With PUBSUB_EMULATOR_HOST set to host:port it talks to
// an emulator, without credentials.
//
// # Topics
//
// A topic that does not exist is created when a message is published. Topics and subscriptions of another project
// are named in full: projects/other/topics/orders.
//
// # Publishing
//
// Publish waits for the server's id, and yet many callers share a request: a message to a quiet topic is sent at
// once, and while its request is in flight others gather, within the thresholds of [WithPublishSettings]. Messages of
// one ordering key are sent one request after the other; concurrent callers of one key have no order among
// themselves, and a message that failed holds nothing up. PublishBatch sends requests of up to
// transport.MaxPublishBatch messages.
//
// # Delivery guarantees
//
// At least once; in order per ordering key where the subscription asks for it. A publish that failed may have been
// stored, unless its error's kind says otherwise (see transport.Transport).
//
// # Concurrency
//
// A Broker is safe for concurrent use. Its goroutines, and those of Google's client, end with [Broker.Shutdown], but
// for one of the client's that a Receive leaves behind for up to ten seconds, and those that still acknowledge when
// Pub/Sub cannot be reached, for up to a minute; it has none of its own while nothing is published or received.
//
// # Outages
//
// While Pub/Sub cannot be reached, Receive goes on trying, with one warning when an outage begins and a line when it
// is over. Errors of calls that ran out of time name the last cause.
//
// # Limits
//
// Those of Pub/Sub, checked before anything is sent where the client can. What the driver may do depends on the
// caller's roles: roles/pubsub.publisher to publish, roles/pubsub.subscriber to receive, roles/pubsub.editor to
// create topics and manage subscriptions, and roles/iam.serviceAccountUser on the service account whose tokens
// pushes carry.
//
// # Testing
//
// Tests of a program need no Pub/Sub: transport/memory and tasktest behave the same.
package cloudpubsub

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"cloud.google.com/go/pubsub/v2"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// Broker publishes to the topics of one project, and receives from its subscriptions. It is made by [New] and safe
// for concurrent use. Besides Publish it is a transport.BatchPublisher, BrokerAdmin, Receiver, FlowReceiver,
// DeadLetterGranter and PushAuthorizer.
type Broker struct {
	client *pubsub.Client
	logger *slog.Logger

	project  string // its id
	account  string // whose tokens pushes carry; empty: none
	audience string
	agent    agent
	emulator gcp.Value // host:port, and what said so; empty: none
	link     *link

	publish pubsub.PublishSettings // complete
	receive pubsub.ReceiveSettings

	topics  sync.Map // as named by callers -> *topic
	byName  sync.Map // full name -> *topic
	calling gate     // Publish and PublishBatch, and the requests of callers that left
	pulling gate     // Receive

	stopping context.Context // ends Receives
	stop     context.CancelFunc
	running  context.Context // of requests that no caller's context bounds
	abort    context.CancelFunc

	closing  sync.Once
	closeErr error
}

var (
	_ transport.Broker            = (*Broker)(nil)
	_ transport.BatchPublisher    = (*Broker)(nil)
	_ transport.BrokerAdmin       = (*Broker)(nil)
	_ transport.FlowReceiver      = (*Broker)(nil)
	_ transport.Receiver          = (*Broker)(nil)
	_ transport.DeadLetterGranter = (*Broker)(nil)
	_ transport.PushAuthorizer    = (*Broker)(nil)
)

// New connects to Pub/Sub. What no option sets comes from the environment (see [OptionsFromEnv]), then from the
// metadata server; the error names all that is missing or wrong, and how to set it. ctx bounds these questions; New
// does not wait for the connections, which are made in the background.
func New(ctx context.Context, opts ...Option) (*Broker, error) {
	s, err := resolve(ctx, opts)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		logger:   s.Logger,
		project:  s.Project.Text,
		account:  s.Account.Text,
		audience: s.audience,
		agent:    agent{project: s.Project.Text, number: s.number},
		emulator: s.Endpoint,
		link:     &link{logger: s.Logger, pulls: map[string]*pull{}},
		publish:  completed(s.publish),
		receive:  s.receive,
	}
	if b.client, err = pubsub.NewClient(ctx, b.project, s.dialOptions(b.link)...); err != nil {
		return nil, gcp.NotConnected(driver(), err)
	}
	b.stopping, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.running, b.abort = context.WithCancel(context.WithoutCancel(ctx))
	return b, nil
}

// PushServiceAccount is the account whose OIDC token a push carries where its subscription names none; empty where
// pushes carry none.
func (b *Broker) PushServiceAccount() string { return b.account }

// Shutdown ends every Receive as the end of its context does, waits for their handlers, which may still publish, and
// for what is being published, and closes the connections. When ctx ends first, it gives all that up, ends the
// contexts of handlers, and returns ctx's error. From then on everything answers ErrClosed. Calling it again does no harm.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.stop()
	err := b.pulling.close(ctx)
	if err2 := b.calling.close(ctx); err == nil {
		err = err2
	}
	b.abort()
	b.closing.Do(func() {
		if err == nil { // else what is hedged is given up like the rest
			b.byName.Range(func(_, t any) bool {
				t.(*topic).close()
				return true
			})
		}
		b.closeErr = b.client.Close()
	})
	if err == nil {
		err = b.closeErr
	}
	if err != nil {
		return fmt.Errorf("cloudpubsub: shutdown: %w", err)
	}
	return nil
}

// Close is Shutdown without a limit.
func (b *Broker) Close() error { return b.Shutdown(context.Background()) }
