package engine

import "math"

// never is later than every time that occurs.
const never = math.MaxInt64

// ref is a task's place at one scheduling of it; rescheduling or removing the task makes it stale.
type ref struct{ idx, ver uint32 }

// dueItem is a delayed task. Four of them fill a cache line.
type dueItem struct {
	eta int64
	ref
}

// dueHeap is a heap of delayed tasks by ETA, with four children to a node: shallow, and the children of a node
// share a cache line. It lives in blocks, so it grows and shrinks without copying. Tasks that leave early stay
// in it as stale refs, until they reach the top or outnumber the others.
type dueHeap struct {
	blocks []*[dueBlock]dueItem
	n      int
	stale  int
}

const (
	dueBits  = 9
	dueBlock = 1 << dueBits
	dueShift = 3 // the root's place: puts each node's children at a multiple of four
)

func (h *dueHeap) at(i int) *dueItem {
	i += dueShift
	return &h.blocks[i>>dueBits][i&(dueBlock-1)]
}

func (h *dueHeap) push(it dueItem) {
	i := h.n
	if (i+dueShift)>>dueBits == len(h.blocks) {
		h.blocks = append(h.blocks, new([dueBlock]dueItem))
	}
	h.n++
	for i > 0 {
		up := (i - 1) / 4
		p := h.at(up)
		if p.eta <= it.eta {
			break
		}
		*h.at(i) = *p
		i = up
	}
	*h.at(i) = it
}

// top returns the earliest item; there must be one.
func (h *dueHeap) top() *dueItem { return h.at(0) }

func (h *dueHeap) pop() {
	h.n--
	last := *h.at(h.n)
	if h.n > 0 {
		h.sink(0, last)
	}
	if spare := (h.n+dueShift)>>dueBits + 2; spare < len(h.blocks) {
		h.blocks[len(h.blocks)-1] = nil
		h.blocks = h.blocks[:len(h.blocks)-1]
	}
}

// sink puts it where it belongs in the tree under i, whose own item is no longer needed.
func (h *dueHeap) sink(i int, it dueItem) {
	for {
		first := 4*i + 1
		if first >= h.n {
			break
		}
		p := first + dueShift
		off := p & (dueBlock - 1)
		kids := h.blocks[p>>dueBits][off : off+min(4, h.n-first)]
		least := 0
		for k := 1; k < len(kids); k++ {
			if kids[k].eta < kids[least].eta {
				least = k
			}
		}
		if it.eta <= kids[least].eta {
			break
		}
		*h.at(i) = kids[least]
		i = first + least
	}
	*h.at(i) = it
}

// keep drops the items that do not satisfy ok.
func (h *dueHeap) keep(ok func(ref) bool) {
	n := 0
	for i := range h.n {
		if it := *h.at(i); ok(it.ref) {
			*h.at(n) = it
			n++
		}
	}
	h.n, h.stale = n, 0
	if blocks := (n+dueShift)>>dueBits + 1; blocks < len(h.blocks) {
		clear(h.blocks[blocks:])
		h.blocks = h.blocks[:blocks]
	}
	for i := (n+2)/4 - 1; i >= 0; i-- { // nodes that have children: 4i+1 < n
		h.sink(i, *h.at(i))
	}
}
