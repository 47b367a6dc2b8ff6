package jobs_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

const first, second = "https://one.example.com/nightly", "https://two.example.com/nightly"

// serving is who serves what.
type serving struct {
	mu   sync.Mutex
	urls map[string]bool
}

func newServing(urls ...string) *serving {
	s := &serving{urls: map[string]bool{}}
	for _, url := range urls {
		s.set(url, true)
	}
	return s
}

func (s *serving) set(url string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[url] = on
}

func (s *serving) is(url string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urls[url]
}

func (r *rig) declare(schedule string, changes ...change) {
	r.t.Helper()
	r.must(r.Declare(job(schedule, changes...)))
}

// wantURLs checks where attempts went.
func (r *rig) wantURLs(want ...string) {
	r.t.Helper()
	var got []string
	for _, c := range r.seen() {
		got = append(got, c.job.URL)
	}
	equal(r.t, "URLs", got, want)
}

func TestDeclare_TwoParties_OneJobThatGoesToTheFirstServed(t *testing.T) {
	served := newServing(first, second)
	bubbleWith(t, jobs.Config{Served: served.is}, func(t *testing.T, r *rig) {
		r.declare("0 * * * *", to(first))
		r.declare("0 * * * *", to(second))
		r.declare("0 * * * *", to(first))
		r.pass(2 * time.Hour)
		r.wantURLs(first, first)
		served.set(first, false)
		r.pass(time.Hour)
		r.wantURLs(first, first, second)
		served.set(first, true)
		r.pass(time.Hour)
		r.wantURLs(first, first, second, first)
		if n := len(r.All()); n != 1 {
			t.Errorf("%d jobs, want one", n)
		}
	})
}

func TestDeclare_Again_GetsTheNewSettings(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.declare("0 * * * *", to(first))
		r.must(r.Pause(nightly))
		r.declare("30 * * * *", to(first), in("Europe/Berlin"))
		if j := r.get(nightly); j.Schedule != "30 * * * *" || j.TimeZone != "Europe/Berlin" || j.State != transport.JobPaused {
			t.Errorf("job %+v", j)
		}
	})
}

func TestDeclare_NobodyServesItAnyMore_IsDroppedSilently(t *testing.T) {
	for name, look := range map[string]func(*rig){
		"by its schedule": func(r *rig) { r.pass(time.Hour) },
		"by a look": func(r *rig) {
			_, err := r.Get(nightly)
			wantError(r.t, err, transport.KindNotFound, "")
		},
		"by a list":     func(r *rig) { r.All() },
		"by a deletion": func(r *rig) { wantError(r.t, r.Delete(nightly), transport.KindNotFound, "") },
		"by Prune":      func(r *rig) { r.Prune() },
		"by a creation": func(r *rig) {
			r.must(r.Create(job("0 * * * *")))
			r.must(r.Delete(nightly))
		},
	} {
		t.Run(name, func(t *testing.T) {
			served := newServing(first)
			var gone atomic.Int32
			bubbleWith(t, jobs.Config{Served: served.is, Changed: func(string) { gone.Add(1) }}, func(t *testing.T, r *rig) {
				r.declare("0 * * * *", to(first))
				served.set(first, false)
				gone.Store(0)
				look(r)
				if gone.Load() == 0 {
					t.Error("nobody was told")
				}
				if n := len(r.All()); n != 0 {
					t.Errorf("%d jobs, want none", n)
				}
				r.pass(2 * time.Hour)
				r.wantTimes()
			})
		})
	}
}

func TestDeclare_JobThatWasPut_Stays(t *testing.T) {
	served := newServing(first)
	bubbleWith(t, jobs.Config{Served: served.is}, func(t *testing.T, r *rig) {
		r.declare("0 * * * *", to(first))
		r.put("0 * * * *", to(second))
		r.pass(time.Hour)
		served.set(first, false)
		r.Prune()
		r.pass(time.Hour)
		r.wantURLs(second, second) // whoever that is
		r.declare("0 * * * *", to(first))
		r.pass(time.Hour)
		r.wantURLs(second, second, first) // it has its settings, and nobody else to go to
	})
}

func TestDeclare_PartyThatRefuses_TheOtherOneGetsIt(t *testing.T) {
	served := newServing(first, second)
	bubbleWith(t, jobs.Config{Served: served.is}, func(t *testing.T, r *rig) {
		r.declare("0 * * * *", to(first))
		r.declare("0 * * * *", to(second))
		r.respond(func(_ context.Context, j *transport.Job, _ jobs.Run) error {
			if j.URL == first { // it is shutting down
				served.set(first, false)
				return jobs.ErrNotTaken
			}
			return nil
		})
		r.pass(61 * time.Minute)
		r.wantURLs(first, second)
	})
}

func TestDeclare_PutAtOneOfTheParties_TheOtherGoesOn(t *testing.T) {
	served := newServing(first, second)
	bubbleWith(t, jobs.Config{Served: served.is}, func(t *testing.T, r *rig) {
		r.declare("0 * * * *", to(first))
		r.declare("0 * * * *", to(second))
		r.put("0 * * * *", to(second))
		r.pass(time.Hour)
		r.wantURLs(second)
		served.set(second, false)
		r.pass(time.Hour)
		r.wantURLs(second, first)
		served.set(first, false) // nobody is left, and it stays all the same
		r.pass(time.Hour)
		r.wantURLs(second, first, second)
		served.set(first, true)
		served.set(second, true)
		r.declare("0 * * * *", to(second))
		r.pass(time.Hour)
		r.wantURLs(second, first, second, first)
	})
}

func TestDeclare_PutElsewhere_GoesThereAlone(t *testing.T) {
	served := newServing(first)
	bubbleWith(t, jobs.Config{Served: served.is}, func(t *testing.T, r *rig) {
		r.declare("0 * * * *", to(first))
		r.put("0 * * * *", to(second))
		r.put("0 * * * *", to(first)) // and back: it was not forgotten
		served.set(first, false)
		served.set(second, true)
		r.declare("0 * * * *", to(second))
		r.pass(time.Hour)
		r.wantURLs(second)
	})
}
