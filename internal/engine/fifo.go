package engine

// fifo is a queue in blocks: it grows without copying, and what has been taken out is freed.
type fifo[T any] struct {
	blocks [][]T // all full but the last
	head   int   // taken out of blocks[0]
	n      int
}

const fifoBlock = 512

func (f *fifo[T]) len() int { return f.n }

func (f *fifo[T]) push(v T) {
	last := len(f.blocks) - 1
	if last < 0 || len(f.blocks[last]) == fifoBlock {
		size := fifoBlock
		if last < 0 {
			size = 16 // most queues are short
		}
		f.blocks = append(f.blocks, make([]T, 0, size))
		last++
	}
	f.blocks[last] = append(f.blocks[last], v)
	f.n++
}

// front points to the oldest element; there must be one.
func (f *fifo[T]) front() *T { return &f.blocks[0][f.head] }

func (f *fifo[T]) pop() T {
	first := f.blocks[0]
	v := first[f.head]
	clear(first[f.head : f.head+1])
	f.head++
	f.n--
	switch {
	case f.n == 0: // keep the block for the next push
		f.blocks[0], f.head = first[:0], 0
		clear(f.blocks[1:])
		f.blocks = f.blocks[:1]
	case f.head == len(first):
		f.blocks[0] = nil
		f.blocks, f.head = f.blocks[1:], 0
	}
	return v
}

// keep drops the elements that do not satisfy ok.
func (f *fifo[T]) keep(ok func(T) bool) {
	var kept fifo[T]
	for f.n > 0 {
		if v := f.pop(); ok(v) {
			kept.push(v)
		}
	}
	*f = kept
}
