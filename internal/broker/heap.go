package broker

// timeHeap is a heap of entries by time, then by age, with four children to a node. An entry that leaves early, or
// gets another time, leaves a stale item behind, which is dropped when it reaches the top or when such items
// outnumber the others.
type timeHeap struct {
	items []item
	stale int
}

// item is an entry's place. It is stale once the entry has another version or another time.
type item struct {
	at  int64
	id  uint64 // the message's
	e   *entry
	ver uint32
}

func (it *item) before(other *item) bool {
	return it.at < other.at || it.at == other.at && it.id < other.id
}

func (it *item) valid() bool { return it.e.ver == it.ver && it.e.at == it.at }

func (h *timeHeap) push(e *entry) {
	h.items = append(h.items, item{})
	h.rise(len(h.items)-1, item{at: e.at, id: e.m.id, e: e, ver: e.ver})
}

// top returns the first entry, nil if there is none.
func (h *timeHeap) top() *entry {
	for len(h.items) > 0 {
		if h.items[0].valid() {
			return h.items[0].e
		}
		h.pop()
		h.stale = max(0, h.stale-1)
	}
	return nil
}

// forget counts one item as stale.
func (h *timeHeap) forget() {
	if h.stale++; h.stale <= 32+len(h.items)/2 {
		return
	}
	kept := h.items[:0]
	for _, it := range h.items {
		if it.valid() {
			kept = append(kept, it)
		}
	}
	clear(h.items[len(kept):])
	h.items, h.stale = kept, 0
	for i := (len(kept)+2)/4 - 1; i >= 0; i-- { // nodes that have children
		h.sink(i, h.items[i])
	}
	h.shrink()
}

// pop removes the first item.
func (h *timeHeap) pop() {
	last := len(h.items) - 1
	it := h.items[last]
	h.items[last] = item{}
	if h.items = h.items[:last]; last > 0 {
		h.sink(0, it)
	}
	h.shrink()
}

// shrink gives memory back, at most as often as the heap loses three quarters of its items.
func (h *timeHeap) shrink() {
	if cap(h.items) > 1024 && len(h.items) < cap(h.items)/4 {
		h.items = append(make([]item, 0, cap(h.items)/2), h.items...)
	}
}

func (h *timeHeap) rise(i int, it item) {
	for i > 0 {
		up := (i - 1) / 4
		if !it.before(&h.items[up]) {
			break
		}
		h.items[i] = h.items[up]
		i = up
	}
	h.items[i] = it
}

// sink puts it where it belongs in the tree under i, whose own item is no longer needed.
func (h *timeHeap) sink(i int, it item) {
	for {
		first := 4*i + 1
		if first >= len(h.items) {
			break
		}
		least := first
		for k := first + 1; k < min(first+4, len(h.items)); k++ {
			if h.items[k].before(&h.items[least]) {
				least = k
			}
		}
		if it.before(&h.items[least]) {
			break
		}
		h.items[i] = h.items[least]
		i = least
	}
	h.items[i] = it
}
