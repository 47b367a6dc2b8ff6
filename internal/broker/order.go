package broker

import (
	"cmp"
	"slices"
)

// key is the line of one ordering key in an ordered subscription, oldest first. One entry of it at most is out or
// may go out.
type key struct {
	name        string
	first, last *entry
	out         *entry // that is leased
}

// join puts e at the end of its key's line.
func (s *subscription) join(e *entry) {
	k := s.keys[e.m.key]
	if k == nil {
		k = &key{name: e.m.key}
		if s.keys == nil {
			s.keys = map[string]*key{}
		}
		s.keys[k.name] = k
	}
	e.key, e.prev = k, k.last
	if k.last == nil {
		k.first = e
	} else {
		k.last.next = e
	}
	k.last = e
}

// quit takes e out of its key's line and lets the next one go.
func (s *subscription) quit(e *entry) {
	k := e.key
	if e.prev == nil {
		k.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		k.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.key, e.prev, e.next = nil, nil, nil
	if k.first == nil {
		delete(s.keys, k.name)
		return
	}
	s.offer(k)
}

// offer lets the first of a key's line go, if none is out.
func (s *subscription) offer(k *key) {
	if e := k.first; k.out == nil && e.state == parked {
		e.state = waiting
		s.waiting.push(e)
	}
}

// reline makes the lines anew from all entries that have a key, es included, which have none yet.
func (s *subscription) reline(es []*entry) {
	var out []*entry
	for _, k := range s.keys {
		if k.out != nil {
			out = append(out, k.out)
		}
		for e := k.first; e != nil; e = e.next {
			es = append(es, e)
		}
	}
	clear(s.keys)
	for _, e := range sorted(es) {
		e.prev, e.next = nil, nil
		if e.state == waiting {
			e.state = parked
			e.ver++
			s.waiting.forget()
		}
		s.join(e)
	}
	for _, e := range out {
		e.key.out = e
	}
	for _, k := range s.keys {
		s.offer(k)
	}
}

// sorted puts es in the order in which they were published.
func sorted(es []*entry) []*entry {
	slices.SortFunc(es, func(a, b *entry) int { return cmp.Compare(a.m.id, b.m.id) })
	return es
}
