package transporttest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func (a *almanac) Job(ctx context.Context, name string) (j *transport.Job, err error) {
	if err := ctx.Err(); err != nil && !a.has("ignores ended contexts") {
		return nil, a.fail(transport.OpGet, name, transport.KindOther, err)
	}
	err = a.on(transport.OpGet, name, func(d *date) { j = a.shown(d) })
	if j == nil && err == nil {
		j = &transport.Job{Name: name}
	}
	return j, err
}

func (a *almanac) PauseJob(ctx context.Context, name string) error {
	return a.admit(ctx, transport.OpPause, name, func(d *date) error {
		if d.job.State == transport.JobPaused && a.has("pauses once") {
			return a.fail(transport.OpPause, name, transport.KindOther, nil)
		}
		d.job.State = transport.JobPaused
		if !a.has("fires what is paused") {
			d.next = time.Time{}
		}
		return nil
	})
}

func (a *almanac) ResumeJob(ctx context.Context, name string) error {
	return a.admit(ctx, transport.OpResume, name, func(d *date) error {
		if a.has("does not resume") {
			return nil
		}
		if d.job.State == transport.JobPaused {
			d.job.State = transport.JobEnabled
			d.next = d.schedule.Next(time.Now().In(d.zone))
			d.asked = d.asked || a.has("makes up for what was missed")
		}
		return nil
	})
}

func (a *almanac) RunJob(ctx context.Context, name string) error {
	runs := 0
	err := a.admit(ctx, transport.OpRun, name, func(d *date) error {
		runs = d.runs
		if d.job.State == transport.JobPaused && a.has("does not run what is paused") {
			return nil
		}
		d.asked = true
		if a.has("resumes what is run") && d.job.State == transport.JobPaused {
			d.job.State = transport.JobEnabled
		}
		if a.has("runs instead of the schedule") && !d.next.IsZero() {
			d.next = d.schedule.Next(d.next)
		}
		return nil
	})
	for wait := err == nil && a.has("waits for the answer"); wait && ctx.Err() == nil; {
		<-time.After(time.Second)
		_ = a.on(transport.OpRun, name, func(d *date) { wait = d.runs == runs })
	}
	return err
}

func (a *almanac) admit(ctx context.Context, op, name string, f func(*date) error) (err error) {
	if err := ctx.Err(); err != nil {
		if a.has("acts under an ended context") {
			_ = a.on(op, name, func(d *date) { _ = f(d) })
		}
		if !a.has("ignores ended contexts") {
			return a.fail(op, name, transport.KindOther, err)
		}
	}
	missing := a.on(op, name, func(d *date) { err = f(d) })
	if missing != nil {
		return missing
	}
	return err
}

// keep is the life of a job.
func (a *almanac) keep(d *date) {
	for {
		a.mu.Lock()
		if d.gone || a.ctx.Err() != nil || a.closed && !a.has("fires after the end") {
			a.mu.Unlock()
			return
		}
		now, asked, next := time.Now(), d.asked, d.next
		due := asked || !next.IsZero() && !next.After(now)
		d.asked = false
		if due && !asked {
			if d.next = d.schedule.Next(next); !d.next.After(now) && !a.has("makes up for each time") {
				d.next = d.schedule.Next(now.In(d.zone))
			}
		}
		planned := next
		if asked {
			planned = now.In(d.zone)
		}
		a.mu.Unlock()
		if due {
			if a.has("overlaps") {
				a.work.Go(func() { a.run(d, planned) })
			} else {
				a.run(d, planned)
			}
			if asked && a.has("runs twice by hand") {
				a.run(d, planned)
			}
			continue
		}
		if !a.rest(d, next) {
			return
		}
	}
}

// rest waits until a time, or a change. ok is false at the end of it all.
func (a *almanac) rest(d *date, until time.Time) (ok bool) {
	var timer <-chan time.Time
	if !until.IsZero() {
		wait := time.Until(until)
		if a.has("is late") {
			wait += time.Second
		}
		timer = time.After(wait)
	}
	select {
	case <-timer:
	case <-d.change:
	case <-a.ctx.Done():
		return false
	}
	return true
}

// run makes the attempts of one run.
func (a *almanac) run(d *date, planned time.Time) {
	if a.has("forgets seconds of hours") && planned.Minute() == 40 {
		return
	}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		status, err := a.attempt(d, planned, attempt)
		a.mu.Lock()
		now := time.Now()
		d.job.LastRun = began
		d.job.LastErr = nil
		if status < 200 || status > 299 {
			d.job.LastErr = fmt.Errorf("answered %d: %w", status, err)
		}
		failed := d.job.LastErr != nil
		d.runs++
		a.report(d)
		at, ok := a.retryAt(d, attempt, began, now)
		over := d.gone || a.closed || d.asked
		a.mu.Unlock()
		switch a.fault {
		case "takes any answer for success":
			failed = false
		case "takes 202 for a failure":
			failed = failed || status == 202
		case "retries after success":
			failed = failed || attempt == 1
		}
		if !failed || !ok || a.ctx.Err() != nil || over && !a.has("fires after the end") {
			return
		}
		select {
		case <-time.After(time.Until(at)):
		case <-a.ctx.Done():
			return
		}
	}
}

// report makes the mistakes about what is told of a run. mu is held.
func (a *almanac) report(d *date) {
	switch a.fault {
	case "tells of no failure":
		d.job.LastErr = nil
	case "tells of failures for ever":
		d.job.LastErr = context.DeadlineExceeded
	case "does not tell when it ran":
		d.job.LastRun = time.Time{}
	}
}

// retryAt is when a run that failed is attempted again. mu is held.
func (a *almanac) retryAt(d *date, attempt int, began, now time.Time) (at time.Time, ok bool) {
	var retry transport.RetryConfig
	if d.job.Retry != nil {
		retry = *d.job.Retry
	}
	if a.has("retries unasked") && retry.MaxAttempts == 0 {
		retry.MaxAttempts = 3
	}
	unset := retry.MinBackoff == 0
	retry = retry.ForJob()
	pause := retry.Delay(attempt)
	switch {
	case a.has("does not wait before retries"):
		pause = 0
	case a.has("has defaults of its own") && unset:
		pause = time.Second
	case a.has("doubles without end"):
		pause = retry.MinBackoff << (attempt - 1)
	case a.has("ignores the retry duration"):
		retry.MaxRetryDuration = 0
	case a.has("makes one attempt too many"):
		retry.MaxAttempts++
	case a.has("never retries"):
		return at, false
	}
	if retry.MaxAttempts <= 1 || retry.Exhausted(attempt, now.Sub(began)) {
		return at, false
	}
	at = now.Add(pause)
	return at, d.next.IsZero() || at.Before(d.next) || a.has("retries past the schedule")
}

// attempt calls whoever serves the job.
func (a *almanac) attempt(d *date, planned time.Time, attempt int) (status int, err error) {
	a.mu.Lock()
	j := a.shown(d)
	if a.has("lends out its own body") {
		j.Body = d.job.Body
	}
	url := j.URL
	for _, declared := range d.urls {
		if a.handler(declared) != nil {
			url = declared
			break
		}
	}
	h := a.handler(url)
	cron := d.schedule.UnixCron()
	urls := slices.Clone(d.urls)
	twice := a.has("fires at each who declared") && len(urls) > 1
	a.mu.Unlock()
	if h == nil {
		return http.StatusNotFound, nil
	}
	delivery := &transport.Delivery{Task: transport.Task{URL: url, Body: j.Body, Header: a.header(j, planned, cron, attempt)}, Attempt: 1}
	timeout := j.Deadline
	if timeout == 0 {
		timeout = transport.DefaultJobDeadline
		if a.has("has a task's deadline") {
			timeout = transport.DefaultTimeout
		}
	}
	ctx, cancel := context.WithTimeout(a.ctx, timeout)
	defer cancel()
	defer func() {
		if recover() != nil {
			status = http.StatusInternalServerError
			if a.has("takes a panic for success") {
				status = http.StatusOK
			}
		}
	}()
	if a.has("ends runs of what is deleted") {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					a.mu.Lock()
					if d.gone {
						cancel()
					}
					a.mu.Unlock()
				}
			}
		}()
	}
	if twice {
		for _, declared := range urls {
			_, _, _ = a.handler(declared)(ctx, delivery)
		}
	}
	began := time.Now()
	status, _, err = h(ctx, delivery)
	if time.Since(began) >= timeout && !a.has("lets attempts overstay") {
		status = http.StatusGatewayTimeout
	}
	return status, err
}

// header is what an attempt brings along.
func (a *almanac) header(j *transport.Job, planned time.Time, cron bool, attempt int) http.Header {
	h := http.Header{}
	for name, values := range j.Header {
		forged := name == "User-Agent" || strings.HasPrefix(name, "X-Cloudscheduler") || strings.HasPrefix(name, "X-Google") || strings.HasPrefix(name, "X-Appengine")
		if !forged || a.has("sends forged headers") {
			h[name] = slices.Clone(values)
		}
	}
	if len(j.Body) > 0 && h.Get("Content-Type") == "" && !a.has("sends no content type") {
		h.Set("Content-Type", "application/octet-stream")
	}
	if a.has("drops the job's headers") {
		h = http.Header{}
	}
	if a.has("sends forged headers") {
		return h
	}
	h.Set("User-Agent", "Google-Cloud-Scheduler")
	h.Set("X-CloudScheduler", "true")
	if !a.has("does not name the job") {
		h.Set("X-CloudScheduler-JobName", "projects/p/locations/l/jobs/"+j.Name)
	}
	switch {
	case a.has("tells the time in UTC"):
		planned = planned.UTC()
	case a.has("tells the time of the attempt") && attempt > 1:
		planned = time.Now().In(planned.Location())
	case a.has("tells the time before"):
		planned = planned.Add(-time.Minute)
	}
	if cron || a.has("tells the time of any schedule") {
		h.Set("X-CloudScheduler-ScheduleTime", planned.Format(time.RFC3339))
	}
	return h
}

// handler finds who serves url. mu is held, or the caller is alone.
func (a *almanac) handler(url string) transport.Handler {
	for _, endpoint := range a.endings {
		if rest, ok := strings.CutPrefix(url, endpoint); ok && (rest == "" || rest[0] == '?' || rest[0] == '/') {
			return a.served[endpoint]
		}
	}
	return nil
}

// Serve makes the almanac a transport.Server.
func (a *almanac) Serve(endpoint string, h transport.Handler) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.served[endpoint] = h
	a.endings = append(a.endings, endpoint)
	return nil
}

func (a *almanac) Withdraw(endpoint string) (left int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.served, endpoint)
	a.endings = slices.DeleteFunc(a.endings, func(e string) bool { return e == endpoint })
	for name, d := range a.jobs {
		served := slices.ContainsFunc(d.urls, func(url string) bool { return a.handler(url) != nil })
		if (!d.put || a.has("drops what was put")) && !served && !a.has("keeps what nobody serves") {
			d.gone = true
			delete(a.jobs, name)
			d.wake()
		}
	}
	return len(a.served)
}

func (a *almanac) Shutdown(context.Context) error {
	a.mu.Lock()
	again := a.closed
	a.closed = true
	a.mu.Unlock()
	if again && a.has("cannot be closed twice") {
		return transport.ErrClosed
	}
	if !a.has("fires after the end") {
		a.stop()
	}
	return nil
}

func (a *almanac) stop() {
	a.cancel()
	a.work.Wait()
}
