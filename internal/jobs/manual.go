package jobs

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Ran is what RunNext did.
type Ran struct {
	Job, URL string
	Run
	Err    error // nil: it is done
	GaveUp bool  // it failed, and no attempt follows
}

// Next returns when an attempt is due next in manual mode, in the past if one is due already. It reports false when
// none will be as things stand.
func (s *Jobs) Next() (time.Time, bool) { return s.earliest((*job).due) }

// NextBegun is Next without the schedules: what counts are retries, and what was asked for by hand.
func (s *Jobs) NextBegun() (time.Time, bool) {
	return s.earliest(func(j *job) (time.Time, bool) {
		at := j.begun()
		return at, !at.IsZero()
	})
}

// SkipDue passes over the times of schedules that have come, in manual mode: nothing fires for them.
func (s *Jobs) SkipDue() {
	s.mu.Lock()
	defer s.unlock()
	now := s.Now()
	for _, j := range s.jobs {
		if j.ticked(now) {
			j.next = j.advanced(now)
			s.tell(j)
		}
	}
}

// RunNext makes one attempt that is due, in the caller's goroutine. It reports false where none is. pick chooses among
// n that are due, ordered by time and then by name; nil takes the first. Fire's context derives from ctx.
func (s *Jobs) RunNext(ctx context.Context, pick func(n int) int) (ran Ran, ok bool) {
	s.mu.Lock()
	a, ok := s.choose(s.Now(), pick)
	s.unlock()
	if !ok {
		return Ran{}, false
	}
	return s.try(ctx, a), true
}

func (s *Jobs) earliest(of func(*job) (time.Time, bool)) (earliest time.Time, ok bool) {
	s.mu.Lock()
	defer s.unlock()
	if s.stage != open {
		return time.Time{}, false
	}
	for name := range s.jobs {
		if j := s.find(name); j != nil && !j.running() {
			at, _ := of(j)
			earliest, ok = first(earliest, at)
		}
	}
	return earliest, ok
}

// choose begins one of the attempts that are due.
func (s *Jobs) choose(now time.Time, pick func(n int) int) (*attempt, bool) {
	if s.stage != open {
		return nil, false
	}
	type due struct {
		job *job
		at  time.Time
	}
	var all []due
	for name := range s.jobs {
		j := s.find(name)
		if j == nil || j.running() {
			continue
		}
		if at, ok := j.due(); ok && !at.After(now) {
			all = append(all, due{j, at})
		}
	}
	if len(all) == 0 {
		return nil, false
	}
	slices.SortFunc(all, func(a, b due) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.job.spec.Name, b.job.spec.Name))
	})
	i := 0
	if pick != nil {
		i = pick(len(all))
	}
	return s.begin(all[i].job, now)
}
