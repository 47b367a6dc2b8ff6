package emulator

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
)

// jobBook holds jobs as they were set up. A change holds mu from the check to the end, with the core and the journal
// under it, so that all three see changes in one order.
type jobBook struct {
	mu   sync.RWMutex
	jobs map[string]*job
}

// job is a job from its creation to its deletion. What it is changes under the book's mu.
type job struct {
	*schedulerpb.Job                  // complete but for what the core knows; replaced, never changed
	status           *statuspb.Status // how the last attempt ended; nil before it did
}

func newJobBook() *jobBook { return &jobBook{jobs: make(map[string]*job)} }

// lookUp returns a job and what it is now; nil if it does not exist.
func (b *jobBook) lookUp(name string) (*job, *schedulerpb.Job) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	j := b.jobs[name]
	if j == nil {
		return nil, nil
	}
	return j, j.Job
}

// within returns the jobs of a location whose names come after a name, in order of names. b.mu is held.
func (b *jobBook) within(location, after string) []*job {
	return inOrder(b.jobs, after, func(j *job) bool { return strings.HasPrefix(j.Name, location+jobsPart) })
}

// locations returns the locations of a project that have jobs, in order.
func (b *jobBook) locations(project string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	found := make(map[string]bool)
	for name := range b.jobs {
		if location, _ := locationOfJob(name); strings.HasPrefix(location, project+"/locations/") {
			found[location] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
