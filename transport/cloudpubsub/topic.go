package cloudpubsub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// A topic that was just created may not be known everywhere yet: for so long NotFound is asked again.
const settling, settlingFirst, settlingMost = 10 * time.Second, 20 * time.Millisecond, time.Second

// topic publishes to one topic.
type topic struct {
	b    *Broker
	name string        // projects/P/topics/T
	flow *flow         // of Publish
	slot chan struct{} // holds a token for each request of Publish that is in flight

	mu    sync.Mutex
	plain lane             // messages without an ordering key
	keyed map[string]*lane // the others, by their key; there is no empty lane

	creating chan struct{} // holds a token while somebody creates it
	warning  sync.Once
	created  atomic.Pointer[time.Time] // when it was last created here, or seen to exist by who tried

	hedging sync.Once
	hedged  *pubsub.Publisher // nil where it was not needed
}

// topic returns what publishes to the topic of that id or full name.
func (b *Broker) topic(name string) (*topic, error) {
	if t, ok := b.topics.Load(name); ok {
		return t.(*topic), nil
	}
	full, err := b.fullName(topics, name)
	if err != nil {
		return nil, err
	}
	t, _ := b.byName.LoadOrStore(strings.Clone(full), &topic{
		b: b, name: full, flow: newFlow(b.publish.FlowControlSettings), slot: make(chan struct{}, b.publish.NumGoroutines),
		keyed: map[string]*lane{}, creating: make(chan struct{}, 1),
	})
	b.topics.Store(strings.Clone(name), t) // names may be parts of something large
	return t.(*topic), nil
}

// send makes one request, and further ones where the topic is missing. It returns as many ids as there are messages.
// bytes is about what the messages take.
func (t *topic) send(ctx context.Context, messages []*pubsubpb.PubsubMessage, bytes int) ([]string, error) {
	var opts []gax.CallOption
	if s := &t.b.publish; s.EnableCompression && bytes > s.CompressionBytesThreshold {
		opts = append(opts, gax.WithGRPCOptions(grpc.UseCompressor(gzip.Name)))
	}
	ctx, cancel := context.WithTimeout(ctx, t.b.publish.Timeout)
	defer cancel()
	defer context.AfterFunc(t.b.running, cancel)()
	var ids []string
	err := t.existing(ctx, func() error {
		r, err := t.b.client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{Topic: t.name, Messages: messages}, opts...)
		ids = r.GetMessageIds()
		return err
	})
	if err == nil && len(ids) != len(messages) {
		err = fmt.Errorf("the server answered %d ids for %d messages", len(ids), len(messages))
	}
	return ids, err
}

// existing calls send. Where it answers that the topic does not exist, it creates the topic and calls send again.
func (t *topic) existing(ctx context.Context, send func() error) error {
	for delay := settlingFirst; ; delay = min(2*delay, settlingMost) {
		known := t.created.Load()
		err := send()
		if status.Code(err) != codes.NotFound {
			return err
		}
		if known == nil || time.Since(*known) > settling {
			if createErr := t.create(ctx, known); createErr != nil {
				return &uncreatedError{create: createErr, after: err}
			}
			continue
		}
		if gcp.Pause(ctx, delay) != nil {
			return err
		}
	}
}

// create creates the topic unless somebody else has done so since known was seen. Those who come meanwhile wait for
// it.
func (t *topic) create(ctx context.Context, known *time.Time) error {
	select {
	case t.creating <- struct{}{}:
		defer func() { <-t.creating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.created.Load() != known {
		return nil
	}
	_, err := t.b.client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: t.name})
	switch status.Code(err) {
	case codes.OK:
		t.warning.Do(func() {
			t.b.logger.WarnContext(ctx, "cloudpubsub: topic created by a publish: messages reach only subscriptions that exist; pubsub.Sync makes those that the code declares",
				"topic", t.name)
		})
	case codes.AlreadyExists:
	default:
		return err
	}
	now := time.Now()
	t.created.Store(&now)
	return nil
}

// close ends what the client has for it. Nothing is being published any more.
func (t *topic) close() {
	t.hedging.Do(func() {})
	if t.hedged != nil {
		t.hedged.Stop()
	}
}
