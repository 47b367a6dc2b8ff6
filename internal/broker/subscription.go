package broker

import (
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/internal/filter"
	settings "github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// subscription is guarded by the broker's mutex.
type subscription struct {
	b      *Broker
	cfg    *transport.Subscription // replaced, never changed
	filter *filter.Filter
	serial uint64 // part of ack ids
	gone   bool   // deleted
	keeper bool   // of dead letters, made beside a subscription that was put

	waiting, leases timeHeap
	keys            map[string]*key
	pulled          map[uint64]*entry // leased by a pull, by message
	kept            []*entry          // retained, in the order of their acknowledgement
	backlog         int

	waiters  []chan struct{} // pulls that wait, each to be closed
	slots    int             // pushes that wait for their answer, those past their deadline excluded
	starting int             // goroutines that will look for something to push
	timer    engine.Timer
	armed    int64 // when timer fires; 0: it does not
}

// CreateSubscription makes a subscription to an existing topic, for what is published from then on. ErrInvalid
// where a setting is out of range, with a *filter.Error for the filter; ErrNotFound where there is no such topic;
// ErrExists. A dead-letter topic need not exist: until it does, nothing is dead-lettered.
func (b *Broker) CreateSubscription(s *transport.Subscription) error {
	cfg, f, err := settings.Resolve(s)
	if err != nil {
		return subError(transport.OpCreate, s.Name, transport.KindInvalid, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[s.Topic] == nil {
		return topicError(transport.OpLookUp, s.Topic, transport.KindNotFound, nil)
	}
	if b.subs[s.Name] != nil {
		return subError(transport.OpCreate, s.Name, transport.KindExists, nil)
	}
	b.subscribe(cfg, f)
	return nil
}

// Subscription returns a subscription with its defaults filled in, or ErrNotFound.
func (b *Broker) Subscription(name string) (*transport.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.find(transport.OpGet, name)
	if err != nil {
		return nil, err
	}
	return settings.Clone(s.cfg), nil
}

// Subscriptions returns all subscriptions by name.
func (b *Broker) Subscriptions() []*transport.Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*transport.Subscription, 0, len(b.subs))
	for _, s := range b.subs {
		list = append(list, settings.Clone(s.cfg))
	}
	slices.SortFunc(list, func(a, b *transport.Subscription) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// DeleteSubscription removes a subscription with its backlog, or answers ErrNotFound. Its leases end, and what
// becomes of pushes on their way is ignored.
func (b *Broker) DeleteSubscription(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.find(transport.OpDelete, name)
	if err != nil {
		return err
	}
	s.remove()
	return nil
}

// Backlog returns how many messages of a subscription are not acknowledged, leased ones included.
func (b *Broker) Backlog(name string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.find(transport.OpGet, name)
	if err != nil {
		return 0, err
	}
	now := b.now()
	s.expire(now)
	s.prune(now)
	s.kick(now)
	return s.backlog, nil
}

func (b *Broker) find(op, name string) (*subscription, error) {
	if s := b.subs[name]; s != nil {
		return s, nil
	}
	return nil, subError(op, name, transport.KindNotFound, nil)
}

// subscribe makes a subscription to a topic that exists.
func (b *Broker) subscribe(cfg *transport.Subscription, f *filter.Filter) *subscription {
	b.serial++
	s := &subscription{b: b, cfg: cfg, filter: f, serial: b.serial}
	b.subs[cfg.Name] = s
	t := b.topics[cfg.Topic]
	t.subs = append(t.subs, s)
	return s
}

// remove takes s out of the broker with all that it holds.
func (s *subscription) remove() {
	b := s.b
	delete(b.subs, s.cfg.Name)
	if t := b.topics[s.cfg.Topic]; t != nil {
		t.subs = slices.DeleteFunc(t.subs, func(other *subscription) bool { return other == s })
	}
	s.gone = true
	for _, e := range s.unacknowledged() {
		e.ver++ // ends leases
		e.state = left
		b.release(e.m)
	}
	b.backlog -= s.backlog
	s.dropRetained(len(s.kept))
	s.waiting, s.leases, s.keys, s.pulled, s.backlog = timeHeap{}, timeHeap{}, nil, nil, 0
	s.wakeAll()
	s.disarm()
}

// unacknowledged returns every entry that is not, as they were published.
func (s *subscription) unacknowledged() []*entry {
	list := make([]*entry, 0, s.backlog)
	for _, k := range s.keys {
		for e := k.first; e != nil; e = e.next {
			list = append(list, e)
		}
	}
	for _, h := range []*timeHeap{&s.waiting, &s.leases} {
		for i := range h.items {
			if it := &h.items[i]; it.valid() && it.e.key == nil {
				list = append(list, it.e)
			}
		}
	}
	return slices.Compact(sorted(list)) // an extended lease may have two items of one deadline
}
