package transporttest_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
	"github.com/typedtasks/typedtasks/transport"
)

// almanac is a small correct scheduler with every ability, and on request a bad one: where fault names one of the
// mistakes below, it makes it. Each job has a goroutine that lives from time to time.
type almanac struct {
	fault  string
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	jobs    map[string]*date
	served  map[string]transport.Handler // by endpoint
	endings []string                     // endpoints, in the order in which they came
	closed  bool
	deleted map[string]bool // names that were used, for mistakes
}

// date is a job.
type date struct {
	job      *transport.Job // with its state
	put      bool           // and not only declared
	urls     []string       // that were declared
	schedule *cron.Schedule
	zone     *time.Location
	next     time.Time     // of the schedule; zero: paused
	asked    bool          // for a run by hand
	runs     int           // that have ended
	change   chan struct{} // has room for one
	gone     bool
}

func newAlmanac(fault string) *almanac {
	a := &almanac{fault: fault, jobs: map[string]*date{}, served: map[string]transport.Handler{}, deleted: map[string]bool{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

func (a *almanac) has(fault string) bool { return a.fault == fault }

func (a *almanac) fail(op, name string, kind transport.Kind, err error) error {
	if a.has("returns bare sentinels") && kind != transport.KindOther {
		return kind.Sentinel()
	}
	return &transport.Error{Op: op, Resource: transport.JobResource(name), Kind: kind, Err: err}
}

func (a *almanac) PutJob(ctx context.Context, j *transport.Job) error {
	if err := ctx.Err(); err != nil && !a.has("ignores ended contexts") {
		if a.has("puts under an ended context") {
			_ = a.put(j, true)
		}
		return a.fail(transport.OpPutJob, j.Name, transport.KindOther, err)
	}
	return a.put(j, true)
}

func (a *almanac) DeclareJob(j *transport.Job) error {
	if a.has("declares over the pause") {
		a.mu.Lock()
		delete(a.jobs, j.Name)
		a.mu.Unlock()
	}
	return a.put(j, false)
}

// check is what Cloud Scheduler checks.
func (a *almanac) check(j *transport.Job) (*cron.Schedule, *time.Location, error) {
	err := j.Check()
	kind := transport.KindOf(err)
	switch {
	case a.has("takes any job") && (kind == transport.KindInvalid || kind == transport.KindTooLarge),
		a.has("takes jobs over the limit") && kind == transport.KindTooLarge:
		err = nil
	case a.has("refuses the longest name") && len(j.Name) == 500:
		err = a.fail(transport.OpPutJob, j.Name, transport.KindInvalid, nil)
	}
	if err != nil {
		return nil, nil, a.fail(transport.OpPutJob, j.Name, kind, err)
	}
	schedule, err := cron.Parse(j.Schedule)
	if err != nil && a.has("takes any schedule") {
		schedule, err = cron.Parse("0 0 29 2 *")
	}
	zone, wrong := cron.LoadZone(j.TimeZone)
	if wrong != nil && a.has("takes any zone") {
		zone, wrong = time.UTC, nil
	}
	if err = errors.Join(err, wrong); err != nil {
		return nil, nil, a.fail(transport.OpPutJob, j.Name, transport.KindInvalid, err)
	}
	if a.has("ignores time zones") {
		zone = time.UTC
	}
	return schedule, zone, nil
}

func (a *almanac) put(j *transport.Job, lasting bool) error {
	schedule, zone, err := a.check(j)
	if err != nil {
		if a.has("forgets a job where it refuses a change") {
			_ = a.remove(j.Name)
		}
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed && (!a.has("takes jobs after the end") || !lasting) && (!a.has("takes declarations after the end") || lasting) {
		return a.fail(transport.OpPutJob, j.Name, transport.KindClosed, nil)
	}
	d := a.jobs[j.Name]
	if d != nil && a.has("puts a job once") {
		return nil
	}
	if d == nil {
		d = &date{change: make(chan struct{}, 1), job: &transport.Job{State: transport.JobEnabled}}
		if a.has("keeps a name paused") && a.deleted[j.Name] {
			d.job.State = transport.JobPaused
		}
		a.jobs[j.Name] = d
		a.work.Go(func() { a.keep(d) })
	}
	old := *d
	state := d.job
	d.job = a.owned(j)
	a.spoil(d.job, state)
	d.job.State, d.job.LastRun, d.job.LastErr = state.State, state.LastRun, state.LastErr
	if a.has("resumes what is put") {
		d.job.State = transport.JobEnabled
	}
	if a.has("believes the caller's state") && j.State != "" {
		d.job.State, d.job.LastRun, d.job.LastErr = j.State, j.LastRun, j.LastErr
	}
	d.schedule, d.zone, d.put = schedule, zone, d.put || lasting
	if lasting {
		d.urls = nil
	} else if !slices.Contains(d.urls, j.URL) {
		d.urls = append(d.urls, j.URL)
	}
	a.reschedule(d, &old)
	return nil
}

// reschedule sets when d is due next, after it was changed. mu is held.
func (a *almanac) reschedule(d, old *date) {
	same := old.schedule != nil && old.schedule.String() == d.schedule.String() && old.zone.String() == d.zone.String()
	switch {
	case d.job.State == transport.JobPaused && !a.has("fires what is paused"):
		d.next = time.Time{}
	case same && !old.next.IsZero() && !a.has("begins anew at each put"), old.schedule != nil && a.has("keeps the old schedule"):
	case same && a.has("begins anew at each put"):
		d.next = time.Now().In(d.zone).Add(time.Minute).Truncate(time.Minute)
	default:
		d.next = d.schedule.Next(time.Now().In(d.zone))
	}
	if a.has("fires at once") && old.schedule == nil {
		d.asked = true
	}
	d.wake()
}

func (d *date) wake() {
	select {
	case d.change <- struct{}{}:
	default:
	}
}

// owned is a copy of j, or not.
func (a *almanac) owned(j *transport.Job) *transport.Job {
	c := *j
	if a.has("keeps the caller's job") {
		return &c
	}
	c.Header, c.Body = j.Header.Clone(), bytes.Clone(j.Body)
	if j.Retry != nil {
		r := *j.Retry
		c.Retry = &r
	}
	if a.has("fills in the caller's job") {
		j.TimeZone = "UTC"
	}
	if a.has("writes behind the body") {
		_ = append(j.Body, '\n')
	}
	return &c
}

// spoil makes the mistakes about what is kept of a job.
func (a *almanac) spoil(j, old *transport.Job) {
	switch a.fault {
	case "loses zero bytes":
		j.Body = bytes.ReplaceAll(j.Body, []byte{0}, nil)
	case "loses the description":
		j.Description = ""
	case "loses the retry settings":
		j.Retry = nil
	case "loses the method":
		j.Method = ""
	case "makes up an audience":
		if j.Audience == "" {
			j.Audience = j.URL
		}
	case "makes up a deadline":
		if j.Deadline == 0 {
			j.Deadline = time.Minute
		}
	case "does not clear what is not set":
		if old.Description != "" && j.Description == "" {
			j.Description = old.Description
		}
	case "adds to the headers":
		for name, values := range old.Header {
			if j.Header != nil && j.Header[name] == nil {
				j.Header[name] = values
			}
		}
	case "lowers the case of names":
		j.Name = strings.ToLower(j.Name)
	}
}

func (a *almanac) DeleteJob(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil && !a.has("ignores ended contexts") {
		return a.fail(transport.OpDelete, name, transport.KindOther, err)
	}
	return a.remove(name)
}

func (a *almanac) remove(name string) error {
	return a.on(transport.OpDelete, name, func(d *date) {
		d.gone = !a.has("fires what was deleted")
		a.deleted[name] = true
		delete(a.jobs, name)
		if a.has("deletes all jobs") {
			clear(a.jobs)
		}
	})
}

// on does something to a job.
func (a *almanac) on(op, name string, f func(*date)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed && !a.has("goes on after the end") {
		return a.fail(op, name, transport.KindClosed, nil)
	}
	d := a.jobs[name]
	if d == nil && a.has("finds every job") {
		return nil
	}
	if d == nil {
		return a.fail(op, name, transport.KindNotFound, nil)
	}
	f(d)
	d.wake()
	return nil
}

// shown is d for a caller.
func (a *almanac) shown(d *date) *transport.Job {
	c := *d.job
	j := &c
	if !a.has("lends out its own job") {
		j.Header, j.Body = j.Header.Clone(), bytes.Clone(j.Body)
		if j.Retry != nil {
			r := *j.Retry
			j.Retry = &r
		}
	}
	j.Next = d.next
	if a.has("tells no time for what is due") {
		j.Next = time.Now().Add(-time.Hour)
	}
	return j
}

func (a *almanac) Jobs(ctx context.Context) iter.Seq2[*transport.Job, error] {
	return func(yield func(*transport.Job, error) bool) {
		a.mu.Lock()
		var all []*transport.Job
		for _, d := range a.jobs {
			all = append(all, a.shown(d))
		}
		closed := a.closed
		a.mu.Unlock()
		if closed && !a.has("goes on after the end") {
			yield(nil, a.fail(transport.OpList, "", transport.KindClosed, nil))
			return
		}
		switch {
		case a.has("loses the second page") && len(all) > 500:
			all = all[:500]
		case a.has("lists twice"):
			all = append(all, all...)
		case a.has("has a job from the start") && len(all) == 0:
			all = append(all, &transport.Job{Name: "own"})
		case a.has("lists no state"):
			for _, j := range all {
				j.State = transport.JobEnabled
			}
		}
		for _, j := range all {
			if err := ctx.Err(); err != nil && !a.has("ignores ended contexts") {
				yield(nil, a.fail(transport.OpList, "", transport.KindOther, err))
				return
			}
			if !yield(j, nil) {
				return
			}
		}
	}
}
