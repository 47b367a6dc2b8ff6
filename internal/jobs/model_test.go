package jobs_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// model is the scheduler as one would write it without a thought to timers: it lives from second to second.
type model struct {
	now  time.Time
	jobs map[string]*modelJob
	log  []string
}

// modelJob is a job. How long its attempts take, and how many of each run fail, is in its description.
type modelJob struct {
	spec    *transport.Job
	paused  bool
	asked   time.Time // when a run by hand was
	owed    time.Time // a time of the schedule that nothing has run for
	retry   time.Time // when the run is attempted again
	run     jobs.Run
	began   time.Time // the run
	last    time.Time // when the last attempt began
	running bool
	end     time.Time // of the attempt
	ticked  bool      // a time of the schedule came during the attempt
}

// everies are the schedules, and how many minutes they say.
var everies = map[string]int{"*/2 * * * *": 2, "*/3 * * * *": 3, "*/20 * * * *": 20}

func (j *modelJob) fits(t time.Time) bool {
	return t.Second() == 0 && t.Minute()%everies[j.spec.Schedule] == 0
}

// after is the first time of the schedule after t, zero where the job is paused.
func (j *modelJob) after(t time.Time) time.Time {
	if j.paused {
		return time.Time{}
	}
	for t = t.Truncate(time.Minute).Add(time.Minute); !j.fits(t); {
		t = t.Add(time.Minute)
	}
	return t
}

func behavior(j *transport.Job) (takes time.Duration, failures int) {
	fmt.Sscanf(j.Description, "takes %d, fails %d", &takes, &failures)
	return takes * time.Second, failures
}

func line(j *transport.Job, run jobs.Run, at time.Time) string {
	return fmt.Sprintf("%s %s (%s) for %s, attempt %d, by hand: %t", at.Format(time.TimeOnly), j.Name, j.Description, run.Planned.Format(time.TimeOnly), run.Attempt, run.ByHand)
}

func (m *model) advance(d time.Duration) {
	for range d / time.Second {
		m.now = m.now.Add(time.Second)
		for _, j := range m.jobs {
			if tick := !j.paused && j.fits(m.now); tick && j.running && !j.run.ByHand {
				j.ticked = true
			} else if tick && j.owed.IsZero() {
				j.owed = m.now
			}
		}
		m.settle()
	}
}

// settle does what happens by itself at this second.
func (m *model) settle() {
	for _, j := range m.jobs {
		for m.step(j) {
		}
	}
}

// step reports whether something has happened.
func (m *model) step(j *modelJob) bool {
	switch {
	case j.running && j.end.After(m.now):
		return false
	case j.running:
		m.conclude(j)
		return true
	case !j.asked.IsZero():
		j.began, j.run, j.asked = m.now, jobs.Run{Planned: j.asked, ByHand: true}, time.Time{}
	case !j.owed.IsZero():
		j.began, j.run, j.owed = m.now, jobs.Run{Planned: j.owed}, time.Time{}
	case j.retry.IsZero() || j.retry.After(m.now):
		return false
	}
	takes, _ := behavior(j.spec)
	j.run.Attempt++
	j.running, j.ticked, j.retry, j.last, j.end = true, false, time.Time{}, m.now, m.now.Add(takes)
	m.log = append(m.log, line(j.spec, j.run, m.now))
	return true
}

func (m *model) conclude(j *modelJob) {
	j.running = false
	_, failures := behavior(j.spec)
	if j.run.Attempt > failures || j.paused || j.ticked || !j.owed.IsZero() {
		return
	}
	limits := j.spec.Retry.ForJob()
	if limits.MaxAttempts == 1 || limits.Exhausted(j.run.Attempt, m.now.Sub(j.began)) {
		return
	}
	if at := m.now.Add(limits.Delay(j.run.Attempt)); at.Before(j.after(m.now)) {
		j.retry = at
	}
}

func (m *model) put(spec *transport.Job) {
	j := m.jobs[spec.Name]
	if j == nil {
		m.jobs[spec.Name] = &modelJob{spec: spec}
		return
	}
	other := j.spec.Schedule != spec.Schedule
	j.spec = spec
	if !other || j.paused {
		return
	}
	j.owed, j.ticked = time.Time{}, false
	if !j.retry.Before(j.after(m.now)) {
		j.retry = time.Time{}
	}
}

// next is when the job says that it is due.
func (m *model) next(j *modelJob) time.Time {
	switch {
	case j.running && !j.owed.IsZero():
		return j.owed
	case !j.running && !j.retry.IsZero():
		return j.retry // it is before the next time of the schedule
	}
	return j.after(m.now)
}

func TestModel_RandomOperations_AgreeWithTheNaiveScheduler(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) { runModel(t, r, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func runModel(t *testing.T, r *rig, random *rand.Rand) {
	m := &model{now: time.Now().UTC(), jobs: map[string]*modelJob{}}
	var log []string
	r.respond(func(_ context.Context, j *transport.Job, run jobs.Run) error {
		r.mu.Lock()
		log = append(log, line(j, run, time.Now().UTC()))
		r.mu.Unlock()
		takes, _ := behavior(j)
		time.Sleep(takes)
		if now, err := r.Get(j.Name); err == nil { // it may be another by now
			j = now
		}
		if _, failures := behavior(j); run.Attempt <= failures {
			return errSick
		}
		return nil
	})
	retries, byHand := 0, 0
	for range 400 {
		name := []string{"a", "b", "c"}[random.IntN(3)]
		j := m.jobs[name]
		switch n := random.IntN(100); {
		case n < 12:
			spec := job(slices.Sorted(maps.Keys(everies))[random.IntN(3)], named(name), retrying(transport.RetryConfig{
				MaxAttempts: random.IntN(7), MaxRetryDuration: time.Duration(random.IntN(4)) * time.Minute,
				MinBackoff: time.Duration(1+random.IntN(30)) * time.Second, MaxDoublings: random.IntN(4),
			}))
			spec.Description = fmt.Sprintf("takes %d, fails %d", max(0, random.IntN(200)-60), random.IntN(8))
			if j != nil && j.running { // what is being attempted keeps what it was told
				spec.Description = j.spec.Description
			}
			r.must(r.Put(spec))
			m.put(spec)
		case n < 20:
			m.wantSame(t, r.RunNow(name), j)
			if j != nil && j.asked.IsZero() {
				j.asked = m.now
			}
		case n < 25:
			m.wantSame(t, r.Pause(name), j)
			if j != nil {
				j.paused, j.owed, j.ticked, j.retry = true, time.Time{}, false, time.Time{}
			}
		case n < 33:
			m.wantSame(t, r.Resume(name), j)
			if j != nil {
				j.paused = false
			}
		case n < 34 && (j == nil || !j.running):
			m.wantSame(t, r.Delete(name), j)
			delete(m.jobs, name)
		default:
			d := time.Duration(random.IntN(150)) * time.Second
			r.pass(d)
			m.advance(d)
		}
		r.seen()
		m.settle()
		for name, j := range m.jobs {
			got := r.get(name)
			if want := m.next(j); !got.Next.Equal(want) || !got.LastRun.Equal(j.last) || (got.State == transport.JobPaused) != j.paused {
				t.Fatalf("at %s: %s is %s, due %s, ran last %s; the model has due %s, and %+v", m.now, name, got.State, got.Next, got.LastRun, want, j)
			}
		}
		if n := len(r.All()); n != len(m.jobs) {
			t.Fatalf("%d jobs, the model has %d", n, len(m.jobs))
		}
	}
	slices.Sort(log)
	slices.Sort(m.log)
	for i := range max(len(log), len(m.log)) {
		got, want := at(log, i), at(m.log, i)
		if got != want {
			t.Fatalf("attempt %d: %s; the model has %s", i, got, want)
		}
	}
	for _, c := range r.seen() {
		if c.Attempt > 1 {
			retries++
		}
		if c.ByHand {
			byHand++
		}
	}
	if retries == 0 || byHand == 0 || len(slices.Collect(maps.Keys(m.jobs))) == 0 {
		t.Errorf("%d retries and %d runs by hand: the test proves less than it should", retries, byHand)
	}
}

func at(log []string, i int) string {
	if i < len(log) {
		return log[i]
	}
	return "none"
}

func (m *model) wantSame(t *testing.T, err error, j *modelJob) {
	t.Helper()
	if (err == nil) != (j != nil) {
		t.Fatalf("%v, the model has %+v", err, j)
	}
}
