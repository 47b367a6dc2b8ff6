package jobs

import (
	"slices"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Delete forgets a job; an attempt in flight goes on. [transport.ErrNotFound].
func (s *Jobs) Delete(name string) error {
	return s.act(transport.OpDelete, name, func(j *job, _ time.Time) { s.drop(j) })
}

// Get returns a job as it is: its settings as they were put, and its state. [transport.ErrNotFound].
func (s *Jobs) Get(name string) (*transport.Job, error) {
	s.mu.Lock()
	defer s.unlock()
	if s.stage == closed {
		return nil, jobError(transport.OpGet, name, transport.KindClosed, nil)
	}
	j := s.find(name)
	if j == nil {
		return nil, missing(transport.OpGet, name)
	}
	return j.view(s.Now()), nil
}

// All returns every job, by name.
func (s *Jobs) All() (all []*transport.Job) {
	s.mu.Lock()
	defer s.unlock()
	now := s.Now()
	for name := range s.jobs {
		if j := s.find(name); j != nil {
			all = append(all, j.view(now))
		}
	}
	slices.SortFunc(all, func(a, b *transport.Job) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Closed reports whether Shutdown has ended.
func (s *Jobs) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stage == closed
}

// Pause stops firing a job by its schedule; one that is paused stays so. A run that waits for its retry is over.
// [transport.ErrNotFound].
func (s *Jobs) Pause(name string) error {
	return s.act(transport.OpPause, name, func(j *job, _ time.Time) {
		if j.paused {
			return
		}
		j.paused, j.next = true, time.Time{}
		if !j.running() {
			j.cur = nil
		}
		s.tell(j)
	})
}

// Resume starts firing a job again, from the next time of its schedule on; one that is not paused goes on.
// [transport.ErrNotFound].
func (s *Jobs) Resume(name string) error {
	return s.act(transport.OpResume, name, func(j *job, now time.Time) {
		if !j.paused {
			return
		}
		j.paused, j.next = false, j.after(now)
		s.tell(j)
	})
}

// RunNow fires a job now, paused or not, beside its schedule; if it is being attempted, then after that.
// [transport.ErrNotFound].
func (s *Jobs) RunNow(name string) error {
	return s.act(transport.OpRun, name, func(j *job, now time.Time) {
		if j.asked.IsZero() {
			j.asked = now.In(j.zone)
		}
		s.tell(j)
	})
}

// Prune drops the declared jobs that nobody serves.
func (s *Jobs) Prune() {
	s.mu.Lock()
	defer s.unlock()
	for name := range s.jobs {
		s.find(name)
	}
}

// act does something to a job.
func (s *Jobs) act(op, name string, f func(j *job, now time.Time)) error {
	s.mu.Lock()
	defer s.unlock()
	if s.stage == closed {
		return jobError(op, name, transport.KindClosed, nil)
	}
	j := s.find(name)
	if j == nil {
		return missing(op, name)
	}
	now := s.Now()
	f(j, now)
	s.kick(j, now)
	return nil
}

// find returns the job of that name, nil if there is none. One that nobody serves is dropped.
func (s *Jobs) find(name string) *job {
	j := s.jobs[name]
	if j == nil || j.lasting || j.served(s.cfg.Served) != "" {
		return j
	}
	s.drop(j)
	return nil
}

// target is where the next attempt goes, empty where nobody would take it: the URL that it was put with, if that was
// not declared; else the first that was declared and is served.
func (j *job) target(served func(string) bool) string {
	if j.putURL != "" && (!slices.Contains(j.urls, j.putURL) || served(j.putURL)) {
		return j.putURL
	}
	if url := j.served(served); url != "" || !j.lasting {
		return url
	}
	return j.spec.URL
}

// served is the first URL that was declared and is served, empty if none is.
func (j *job) served(is func(string) bool) string {
	if i := slices.IndexFunc(j.urls, is); i >= 0 {
		return j.urls[i]
	}
	return ""
}

func (s *Jobs) drop(j *job) {
	j.gone = true
	delete(s.jobs, j.spec.Name)
	s.tell(j)
}
