package jobs

import (
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Create makes a job. [transport.ErrExists] where there is one of its name, [transport.ErrInvalid] for a schedule or a
// time zone that is none, [transport.ErrClosed] after Shutdown. Nothing else is checked, here as in all that follows.
func (s *Jobs) Create(j *transport.Job) error {
	return s.set(transport.OpCreate, j, func(known bool) error {
		if known {
			return jobError(transport.OpCreate, j.Name, transport.KindExists, nil)
		}
		return nil
	})
}

// Put makes a job or replaces its settings. One that is paused stays so, and the next time of a schedule that is the
// same as before stays as well. One that was declared stays declared: where its URL is one of those, it goes to the
// others once nobody serves it. Errors are those of Create, but ErrExists.
func (s *Jobs) Put(j *transport.Job) error {
	return s.set(transport.OpPutJob, j, func(bool) error { return nil })
}

// Update replaces the settings of a job as Put does; [transport.ErrNotFound] where there is none.
func (s *Jobs) Update(j *transport.Job) error {
	return s.set(transport.OpUpdate, j, func(known bool) error {
		if !known {
			return missing(transport.OpUpdate, j.Name)
		}
		return nil
	})
}

// Declare is Put for a job that lasts for as long as somebody serves its URL, unless it was put. Where several declare
// one name, it gets the settings of the last, and goes to the first that is served.
func (s *Jobs) Declare(j *transport.Job) error {
	c, err := compile(transport.OpPutJob, j)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock()
	if s.stage == closed {
		return jobError(transport.OpPutJob, j.Name, transport.KindClosed, nil)
	}
	known := s.find(j.Name) // drops what nobody serves any more
	if known == nil {
		known = s.add(c)
	} else {
		known.replace(c, s.Now())
	}
	if !slices.Contains(known.urls, j.URL) {
		known.urls = append(known.urls, j.URL)
	}
	known.putURL = ""
	s.tell(known)
	s.kick(known, s.Now())
	return nil
}

// Restore puts a job back as Get returned it, in an earlier process. What was due in between is not made up for, and a
// run that waited for its retry is over. Errors are those of Create.
func (s *Jobs) Restore(j *transport.Job) error {
	c, err := compile(OpRestore, j)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock()
	switch {
	case s.stage == closed:
		return jobError(OpRestore, j.Name, transport.KindClosed, nil)
	case s.jobs[j.Name] != nil:
		return jobError(OpRestore, j.Name, transport.KindExists, nil)
	}
	job := s.add(c)
	job.lasting, job.lastRun, job.lastErr = true, j.LastRun, j.LastErr
	job.paused = j.State == transport.JobPaused
	switch _, phase := c.schedule.Interval(); {
	case job.paused:
		job.next = time.Time{}
	case phase && j.Next.After(s.Now()) && j.Next.Before(job.next): // it goes on counting from where it was
		job.next = j.Next.In(c.zone)
	}
	s.kick(job, s.Now())
	return nil
}

// set is Create, Put and Update, which tell whether they like it that there is such a job, or none.
func (s *Jobs) set(op string, j *transport.Job, check func(known bool) error) error {
	c, err := compile(op, j)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock()
	if s.stage == closed {
		return jobError(op, j.Name, transport.KindClosed, nil)
	}
	known := s.find(j.Name)
	if err := check(known != nil); err != nil {
		return err
	}
	if known == nil {
		known = s.add(c)
	} else {
		known.replace(c, s.Now())
	}
	known.lasting, known.putURL = true, j.URL
	s.tell(known)
	s.kick(known, s.Now())
	return nil
}

// add makes a job that is not due before its schedule says so.
func (s *Jobs) add(c settings) *job {
	j := &job{settings: c, next: c.after(s.Now())}
	s.jobs[c.spec.Name] = j
	return j
}

// replace gives j other settings.
func (j *job) replace(c settings, now time.Time) {
	same := j.sameTimes(&c)
	j.settings = c
	if !same && !j.paused {
		j.next = c.after(now)
	}
}
