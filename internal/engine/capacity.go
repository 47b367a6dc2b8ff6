package engine

import (
	"fmt"
	"sync/atomic"
)

// capacity bounds what all queues together hold.
type capacity struct {
	maxTasks, maxBytes int64
	tasks, bytes       atomic.Int64
}

// take reserves room for one task of size bytes.
func (c *capacity) take(size int) error {
	if n := c.tasks.Add(1); n > c.maxTasks {
		c.tasks.Add(-1)
		return fmt.Errorf("%d tasks wait already; WithCapacity raises the limit of %d", n-1, c.maxTasks)
	}
	if n := c.bytes.Add(int64(size)); n > c.maxBytes {
		c.give(size)
		return fmt.Errorf("%d bytes are stored and %d more would pass the limit of %d; WithCapacityBytes raises it",
			n-int64(size), size, c.maxBytes)
	}
	return nil
}

func (c *capacity) give(size int) {
	c.tasks.Add(-1)
	c.bytes.Add(-int64(size))
}
