package emulator

import "sync"

// crew is goroutines that outlive the calls that start them.
type crew struct {
	mu       sync.Mutex
	stopped  bool
	stopping chan struct{} // closed when they must end
	running  sync.WaitGroup
}

func newCrew() *crew { return &crew{stopping: make(chan struct{})} }

// start runs f beside its caller, unless the crew is stopped.
func (c *crew) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.running.Go(f)
	}
	return !c.stopped
}

// stop lets nothing start any more and waits for what runs.
func (c *crew) stop() {
	c.mu.Lock()
	if !c.stopped {
		c.stopped = true
		close(c.stopping)
	}
	c.mu.Unlock()
	c.running.Wait()
}
