package emulator

import (
	"sync"
	"time"
)

// flows are the streams that are open. Whoever settles leases tells them, by whatever call.
type flows struct {
	mu    sync.Mutex
	open  map[string][]*flow // by subscription
	ended error              // why there are none any more
}

func newFlows() *flows { return &flows{open: make(map[string][]*flow)} }

// enter adds a stream, until it leaves.
func (s *flows) enter(subscription string, f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		f.end(s.ended)
	}
	s.open[subscription] = append(s.open[subscription], f)
}

func (s *flows) leave(subscription string, f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rest []*flow // a copy: of may have handed out the old one
	for _, other := range s.open[subscription] {
		if other != f {
			rest = append(rest, other)
		}
	}
	if s.open[subscription] = rest; rest == nil {
		delete(s.open, subscription)
	}
}

func (s *flows) of(subscription string) []*flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[subscription]
}

// end ends the streams of a subscription.
func (s *flows) end(subscription string, err error) {
	for _, f := range s.of(subscription) {
		f.end(err)
	}
}

// endAll ends every stream, those that begin later too.
func (s *flows) endAll(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = err
	for _, open := range s.open {
		for _, f := range open {
			f.end(err)
		}
	}
}

// release tells of leases that have ended.
func (s *flows) release(subscription string, ids []string) {
	for _, f := range s.of(subscription) {
		f.release(ids)
	}
}

// extend tells of leases that end at another time.
func (s *flows) extend(subscription string, ids []string, until time.Time) {
	for _, f := range s.of(subscription) {
		f.extend(ids, until)
	}
}
