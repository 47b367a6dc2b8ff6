package transporttest_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/transport"
)

// broker is a small correct broker with every ability, and on request a bad one: where fault names one of the
// mistakes below, it makes it.
type broker struct {
	fault  string
	ctx    context.Context // of pushes
	cancel context.CancelFunc
	pushes sync.WaitGroup

	mu      sync.Mutex
	topics  map[string]*transport.Topic
	subs    map[string]*stream
	served  map[string]transport.Handler
	changed chan struct{} // closed at each change
	made    int
	closed  bool

	history   []*transport.Message // for mistakes
	publisher context.Context
}

// stream is a subscription and its backlog, in the order of publication.
type stream struct {
	transport.Subscription
	filter  *filter.Filter
	backlog []*copied
	deleted bool
	pushing bool
	workers int
}

// copied is a message in one stream.
type copied struct {
	transport.Message
	given  *transport.Message // the publisher's
	due    time.Time
	leased time.Time // until when it is out; zero: it is not
	lease  int       // which lease it is
	failed int
}

func newBroker(fault string) *broker {
	b := &broker{
		fault: fault, topics: make(map[string]*transport.Topic), subs: make(map[string]*stream),
		served: make(map[string]transport.Handler), changed: make(chan struct{}),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

func (b *broker) has(fault string) bool { return b.fault == fault }

// change wakes whoever waits for something to do. mu is held.
func (b *broker) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *broker) Publish(ctx context.Context, m *transport.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		if b.has("publishes under an ended context") {
			_, _ = b.publish(m)
		}
		if !b.has("ignores an ended context") {
			return "", &transport.Error{Op: transport.OpPublish, Resource: m.Topic, Err: err}
		}
	}
	if b.has("changes the message") {
		m.Attributes = map[string]string{"added": "by the broker"}
	}
	if b.has("writes behind the data") {
		_ = append(m.Data, '\n')
	}
	if b.has("ends a message with its publisher's context") {
		b.mu.Lock()
		b.publisher = ctx
		b.mu.Unlock()
	}
	id, err := b.publish(m)
	if err != nil && b.has("returns bare sentinels") {
		return "", transport.KindOf(err).Sentinel()
	}
	return id, err
}

func (b *broker) publish(m *transport.Message) (string, error) {
	err := m.Check()
	switch kind := transport.KindOf(err); {
	case kind == transport.KindTooLarge && b.has("accepts messages over the limit"), kind == transport.KindInvalid && b.has("accepts any message"):
		err = nil
	case err == nil && m.Size() == transport.MaxMessageSize && b.has("refuses the largest message"):
		err = transport.ErrTooLarge
	}
	if err != nil || b.overscrupulous(m) {
		return "", cmp.Or(err, transport.ErrInvalid)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed && !b.has("publishes after the end") {
		return "", &transport.Error{Op: transport.OpPublish, Kind: transport.KindClosed}
	}
	if b.topics[m.Topic] == nil {
		if b.has("refuses unknown topics") {
			return "", &transport.Error{Op: transport.OpPublish, Kind: transport.KindNotFound}
		}
		b.topics[m.Topic] = &transport.Topic{Name: m.Topic}
	}
	return b.store(m), nil
}

// overscrupulous makes the mistakes about what is refused.
func (b *broker) overscrupulous(m *transport.Message) bool {
	for k := range m.Attributes {
		if len(k) == transport.MaxAttributeKey && b.has("refuses the longest key") {
			return true
		}
	}
	return len(m.Data) == 0 && b.has("refuses messages without data")
}

// store fans m out. mu is held.
func (b *broker) store(m *transport.Message) (id string) {
	b.made++
	b.history = append(b.history, m)
	id = fmt.Sprintf("m%d", b.made)
	if b.has("uses ids twice") {
		id = fmt.Sprintf("m%d", b.made/2)
	}
	if b.has("loses a message now and then") && b.made%17 == 0 {
		return id
	}
	for _, s := range b.subs {
		match := s.filter.Match(m.Attributes) || b.has("ignores filters")
		if s.Topic != m.Topic && !b.has("mixes topics up") || !match {
			continue
		}
		c := &copied{given: m}
		c.Message = transport.Message{
			ID: id, OrderingKey: m.OrderingKey, PublishTime: time.Now().UTC(), Subscription: s.Name,
			Data: bytes.Clone(m.Data), Attributes: maps.Clone(m.Attributes),
		}
		b.spoil(c)
		s.backlog = append(s.backlog, c)
		if b.has("delivers twice") {
			twin := *c
			s.backlog = append(s.backlog, &twin)
		}
		if b.has("gives a message to one subscription only") {
			break
		}
	}
	b.change()
	if b.has("answers another id") {
		return id + "0"
	}
	return id
}

// spoil makes the mistakes about what a message holds.
func (b *broker) spoil(c *copied) {
	switch b.fault {
	case "loses zero bytes":
		c.Data = bytes.TrimRight(c.Data, "\x00")
	case "loses empty attributes":
		maps.DeleteFunc(c.Attributes, func(_, v string) bool { return v == "" })
	case "folds keys":
		for k, v := range c.Attributes {
			delete(c.Attributes, k)
			c.Attributes[strings.ToLower(k)] = v
		}
	case "loses the ordering key":
		c.OrderingKey = ""
	case "tells the local time":
		c.PublishTime = c.PublishTime.In(time.FixedZone("elsewhere", 3600))
	case "tells the topic":
		c.Topic = c.given.Topic
	case "believes the publisher's fields":
		c.DeliveryAttempt = c.given.DeliveryAttempt
	case "aliases the data":
		c.Data = c.given.Data
	case "aliases the attributes":
		c.Attributes = c.given.Attributes
	}
}

func (b *broker) PublishBatch(ctx context.Context, ms []*transport.Message) []transport.Result {
	rs := make([]transport.Result, len(ms))
	failed := make(map[string]error)
	for i, m := range ms {
		if b.has("stops batches at the request limit") && i >= transport.MaxPublishBatch {
			break
		}
		if err := failed[m.OrderingKey]; err != nil && m.OrderingKey != "" && !b.has("goes on under a key that failed") {
			rs[i].Err = err
			continue
		}
		rs[i].Receipt.ID, rs[i].Err = b.Publish(ctx, m)
		failed[m.OrderingKey] = rs[i].Err
		if rs[i].Err != nil && b.has("ends a batch at its first error") {
			for j := range rs[i:] {
				rs[i+j].Err = rs[i].Err
			}
			break
		}
	}
	if b.has("answers batches out of order") && len(rs) > 1 {
		rs[0], rs[1] = rs[1], rs[0]
	}
	if len(ms) == 0 && b.has("answers a batch of none") {
		return []transport.Result{{}}
	}
	if b.has("answers batches in part") && len(rs) > 0 {
		rs = rs[1:]
	}
	return rs
}

// Serve serves an endpoint and what continues it with "/".
func (b *broker) Serve(endpoint string, h transport.Handler) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.served[endpoint] = h
	b.change()
	return nil
}

func (b *broker) Shutdown(context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		b.change()
	} else if b.has("cannot be closed twice") {
		defer b.mu.Unlock()
		return transport.ErrClosed
	}
	b.mu.Unlock()
	b.cancel()
	b.pushes.Wait()
	return nil
}

func (b *broker) SubscriptionBacklog(_ context.Context, name string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[name]
	if s == nil {
		return 0, &transport.Error{Op: transport.OpReceive, Kind: transport.KindNotFound}
	}
	n := 0
	for _, c := range s.backlog {
		if c.leased.IsZero() || !b.has("leaves what is out of the backlog") {
			n++
		}
	}
	return n, nil
}

func (b *broker) DeclareSubscription(s *transport.Subscription) error {
	if err := b.check(s); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	names := []string{s.Topic}
	if s.DeadLetter != nil && !b.has("declares no dead-letter topic") {
		names = append(names, s.DeadLetter.Topic)
	}
	for _, name := range names {
		b.topics[name] = cmp.Or(b.topics[name], &transport.Topic{Name: name})
	}
	if old := b.subs[s.Name]; old != nil && !b.has("drops the backlog of what is declared again") {
		if !b.has("ignores what is declared again") {
			old.Subscription = b.owned(s)
		}
		b.push(old)
		return nil
	}
	b.add(s)
	return nil
}
