package cloudpubsub

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

// How many requests one PublishBatch has in flight. Measured with 100,000 messages of 200 bytes against the client's
// batching, over a server on the same machine, two cores (BenchmarkPublishBatch): where answers come at once, even one
// takes less than half of the client's time, and more take no less. Where they take 20 ms, 4 full requests take 1.05
// times the client's time, 8 half of it, 16 two fifths, 32 a third; but 32 may be 320 MB. Small requests, which many
// ordering keys make, do nothing but wait for their answers: as many as stay under the 100 streams that a server
// usually allows on a connection.
const fullInFlight, mostInFlight = 16, 64

// PublishBatch sends the messages in requests of up to transport.MaxPublishBatch messages and 10 MB, several in
// flight, and those of one ordering key strictly one request after the other. A topic that does not exist is
// created. Google's client retries what may pass, as with Publish. When ctx ends, what was not sent yet is not sent.
func (b *Broker) PublishBatch(ctx context.Context, ms []*transport.Message) []transport.Result {
	p := &batch{b: b, ms: ms, results: make([]transport.Result, len(ms)), chains: map[lineage]*chain{}}
	if !b.calling.enter() {
		for i, m := range ms {
			p.results[i].Err = closedError(transport.OpPublish, topicResource(m.Topic))
		}
		return p.results
	}
	defer b.calling.leave()
	requests := 0
	for _, c := range p.split(ctx) {
		requests += len(c.chunks)
	}
	var work []func()
	for _, c := range p.order {
		if c.key != "" {
			work = append(work, func() { p.oneByOne(ctx, c) })
			continue
		}
		for _, chunk := range c.chunks {
			work = append(work, func() { _ = p.publish(ctx, c.topic, chunk) })
		}
	}
	perRequest := max(len(ms)/max(requests, 1), 1)
	inFlight := min(max(fullInFlight*transport.MaxPublishBatch/perRequest, fullInFlight), mostInFlight)
	atOnce(len(work), inFlight, func(i int) { work[i]() })
	return p.results
}

// batch is one PublishBatch. Its goroutines work on messages of their own, known by their indices.
type batch struct {
	b       *Broker
	ms      []*transport.Message
	results []transport.Result
	chains  map[lineage]*chain
	order   []*chain // as their first messages come
}

type lineage struct{ topic, key string }

// chain is the messages of one topic and ordering key, cut into requests.
type chain struct {
	topic  *topic
	key    string
	chunks []chunk
	broken error // why one of its messages was not even sent; those after it must not be
}

// chunk is one request.
type chunk struct {
	indices []int
	bytes   int
}

func (c *chunk) takes(t *topic, size int) bool {
	return len(c.indices) < transport.MaxPublishBatch && t.fits(len(c.indices)+1, c.bytes+size)
}

// split puts the messages into chains, and the others' errors into results.
func (p *batch) split(ctx context.Context) []*chain {
	var c *chain
	var last lineage
	for i, m := range p.ms {
		t, err := p.b.accept(ctx, m)
		if of := p.lineage(m); c == nil || of != last {
			if last, c = of, p.chains[of]; c == nil {
				c = &chain{topic: t, key: m.OrderingKey}
				p.chains[of] = c
				p.order = append(p.order, c)
			}
		}
		switch {
		case c.key != "" && c.broken != nil:
			p.results[i].Err = p.follows(i, c.broken)
		case err != nil:
			p.results[i].Err = err
			c.broken = err
		default:
			c.topic = t // the chain may begin with messages that are not sound
			c.add(i, proto.Size(messageProto(m)))
		}
	}
	return p.order
}

// lineage tells messages apart whose order does not matter. A topic may go by two names.
func (p *batch) lineage(m *transport.Message) lineage {
	if strings.HasPrefix(m.Topic, "projects/") {
		return lineage{p.b.shortName(topics, m.Topic), m.OrderingKey}
	}
	return lineage{m.Topic, m.OrderingKey}
}

func (c *chain) add(i, size int) {
	if n := len(c.chunks); n == 0 || !c.chunks[n-1].takes(c.topic, size) {
		c.chunks = append(c.chunks, chunk{})
	}
	last := &c.chunks[len(c.chunks)-1]
	last.indices = append(last.indices, i)
	last.bytes += size
}

// oneByOne sends the requests of an ordering key, until one fails.
func (p *batch) oneByOne(ctx context.Context, c *chain) {
	for at, one := range c.chunks {
		if err := p.publish(ctx, c.topic, one); err != nil {
			for _, later := range c.chunks[at+1:] {
				for _, i := range later.indices {
					p.results[i].Err = p.follows(i, err)
				}
			}
			return
		}
	}
}

// publish sends one request and settles its messages.
func (p *batch) publish(ctx context.Context, t *topic, c chunk) error {
	var ids []string
	err := ctx.Err()
	if err == nil {
		slab := make([]pubsubpb.PubsubMessage, len(c.indices))
		messages := make([]*pubsubpb.PubsubMessage, len(c.indices))
		for at, i := range c.indices {
			m := &slab[at]
			m.Data, m.Attributes, m.OrderingKey = p.ms[i].Data, p.ms[i].Attributes, p.ms[i].OrderingKey
			messages[at] = m
		}
		ids, err = t.send(ctx, messages, c.bytes)
	}
	if err != nil {
		err = p.b.publishError(ctx, p.ms[c.indices[0]], err)
	}
	for at, i := range c.indices {
		if p.results[i].Err = err; err == nil {
			p.results[i].Receipt = transport.Receipt{ID: ids[at]}
		}
	}
	return err
}

func (p *batch) follows(i int, err error) error {
	m := p.ms[i]
	return &transport.Error{Op: transport.OpPublish, Resource: topicResource(m.Topic), Err: &followError{m.OrderingKey, err}}
}

// atOnce calls f for 0 to n-1, up to most at a time, and returns when all are done.
func atOnce(n, most int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, most) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}
