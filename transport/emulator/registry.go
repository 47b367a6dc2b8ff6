package emulator

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// registry knows which queues exist, and the names of those that were deleted lately. A change holds mu from the
// check to the end, with the engine and the journal under it, so that all three see changes in one order.
type registry struct {
	mu     sync.RWMutex
	live   map[string]*queue
	graves map[string]time.Time // until when the name is blocked
}

// queue is a queue as it stands. It is replaced, never changed.
type queue struct {
	*cloudtaskspb.Queue // every default resolved
	policy              *iampb.Policy
}

func newRegistry() *registry {
	return &registry{live: make(map[string]*queue), graves: make(map[string]time.Time)}
}

// get returns a queue, nil if it does not exist.
func (r *registry) get(name string) *queue {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.live[name]
}

// find is get with the service's error.
func (r *registry) find(name string) (*queue, error) {
	if q := r.get(name); q != nil {
		return q, nil
	}
	return nil, status.Error(codes.NotFound, textNoQueue)
}

// admit refuses names that cannot be created. r.mu is held.
func (r *registry) admit(name string, now time.Time) error {
	if r.live[name] != nil {
		return status.Error(codes.AlreadyExists, textQueueExists)
	}
	if until, ok := r.graves[name]; ok {
		if now.Before(until) {
			return status.Error(codes.FailedPrecondition, textQueueGone)
		}
		delete(r.graves, name)
	}
	return nil
}

// within returns the queues of a location whose names come after a name, in order of names.
func (r *registry) within(location, after string) []*queue {
	prefix := location + "/queues/"
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found []*queue
	for name, q := range r.live {
		if strings.HasPrefix(name, prefix) && name > after {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b *queue) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// locations returns the locations of a project that have queues, in order.
func (r *registry) locations(project string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	found := make(map[string]bool)
	for name := range r.live {
		if location := locationOf(name); strings.HasPrefix(location, project+"/locations/") {
			found[location] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
