package engine

import "github.com/typedtasks/typedtasks/transport"

// names remembers the explicit ids of a queue: those of tasks that are there, and the tombstones of those that
// have left.
type names struct {
	held   map[string]holder
	graves fifo[grave] // in order of until
	limit  int         // most tombstones
}

type holder struct {
	idx   uint32
	until int64 // when the tombstone goes; 0: the task is there
}

type grave struct {
	name  string
	until int64
}

// find returns the live holder of name, or tells that it is gone and still remembered.
func (n *names) find(name string, now int64) (idx uint32, live, gone bool) {
	h, ok := n.held[name]
	switch {
	case !ok:
		return 0, false, false
	case h.until == 0:
		return h.idx, true, false
	default:
		return 0, false, now < h.until
	}
}

func (n *names) hold(name string, idx uint32, now int64) {
	if n.held == nil {
		n.held = make(map[string]holder)
	}
	n.held[name] = holder{idx: idx}
	for range 2 { // one would keep pace; two catch up
		n.sweep(now)
	}
}

// bury makes name a tombstone.
func (n *names) bury(name string, now int64) {
	n.buryUntil(name, now+int64(transport.TombstoneTTL), now)
}

func (n *names) buryUntil(name string, until, now int64) {
	if n.held == nil {
		n.held = make(map[string]holder)
	}
	n.held[name] = holder{until: until}
	n.graves.push(grave{name, until})
	n.sweep(now)
}

// sweep removes the oldest tombstone if its time is over or there are too many.
func (n *names) sweep(now int64) {
	if n.graves.len() == 0 {
		return
	}
	if g := n.graves.front(); now >= g.until || n.graves.len() > n.limit {
		if n.held[g.name].until == g.until { // else the name is in use again
			delete(n.held, g.name)
		}
		n.graves.pop()
	}
}
