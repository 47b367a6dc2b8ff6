package broker

import (
	settings "github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// PutSubscription makes a subscription, its topic, and its dead-letter topic, as far as they do not exist. One that
// exists gets the settings of s. Where its topic, filter or ordering differs, it is replaced, and its backlog lost.
// ErrInvalid.
//
// A dead-letter topic without a subscription that reads all of it gets a keeper: a subscription of the topic's name
// that never expires. It goes as soon as one that reads all is put, unless it holds messages or somebody waits for
// them; one put under its name takes its messages over.
func (b *Broker) PutSubscription(s *transport.Subscription) error {
	cfg, f, err := settings.Resolve(s)
	if err != nil {
		return subError(transport.OpCreate, s.Name, transport.KindInvalid, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known, before := b.subs[cfg.Name], ""
	var kept []*message
	if known != nil && (known.cfg.Topic != cfg.Topic || known.cfg.Filter != cfg.Filter || known.cfg.Ordered != cfg.Ordered) {
		before = known.cfg.Topic
		if known.keeper && before == cfg.Topic {
			kept = known.messages()
		}
		known.remove()
		known = nil
	}
	b.makeTopic(cfg.Topic)
	if known == nil {
		made := b.subscribe(cfg, f)
		for _, m := range kept {
			if f.Match(m.attrs) {
				made.insert(m)
			}
		}
		made.kick(b.now())
	}
	if cfg.DeadLetter != nil {
		b.keepDeadLetters(cfg.DeadLetter.Topic)
	}
	if before != "" && b.buries(before) {
		b.keepDeadLetters(before) // the one that read it has gone
	}
	if known != nil {
		known.keeper = false
		known.reconfigure(cfg) // after its dead-letter topic: something may go there at once
	}
	b.dropKeeper(cfg)
	return nil
}

// keepDeadLetters makes a topic for dead letters, and a subscription in which they stay where no other has them all.
func (b *Broker) keepDeadLetters(topic string) {
	for _, s := range b.makeTopic(topic).subs {
		if s.cfg.Filter == "" {
			return
		}
	}
	if b.subs[topic] != nil {
		return
	}
	cfg, f, _ := settings.Resolve(&transport.Subscription{Name: topic, Topic: topic, Expiration: transport.NeverExpires}) // none of it is out of range
	b.subscribe(cfg, f).keeper = true
}

// dropKeeper removes the keeper of the topic that cfg reads, where it is of no use any more.
func (b *Broker) dropKeeper(cfg *transport.Subscription) {
	k := b.subs[cfg.Topic]
	if k == nil || !k.keeper || k.cfg.Topic != cfg.Topic || k.cfg.Name == cfg.Name || cfg.Filter != "" {
		return
	}
	k.prune(b.now())
	if k.backlog == 0 && len(k.waiters) == 0 {
		k.remove()
	}
}

// buries reports whether a subscription has its dead letters go to a topic.
func (b *Broker) buries(topic string) bool {
	for _, s := range b.subs {
		if s.cfg.DeadLetter != nil && s.cfg.DeadLetter.Topic == topic {
			return true
		}
	}
	return false
}

// messages returns what is not acknowledged, as it was published.
func (s *subscription) messages() (list []*message) {
	for _, e := range s.unacknowledged() {
		list = append(list, e.m)
	}
	return list
}
