package tasks

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// Metadata tells a function how it came to run.
type Metadata struct {
	Name    string // the definition's, whatever alias it was asked for by
	ID      string // the task's id, after Snooze the first one; a message's
	Queue   string // empty where the platform does not say
	Project string // as Python services put it on their tasks; Cloud Tasks itself does not

	// Attempt counts from 1: every attempt before this one, plus one, those before a Snooze included. Of a message it is
	// the delivery attempt where the subscription has dead letters, else always 1.
	Attempt int
	// ExecutionCount counts earlier attempts that were answered with anything but 5xx. It is not an attempt number.
	ExecutionCount int
	// PreviousResponse is the HTTP status of the attempt before, 504 after a timeout; 0 on the first.
	PreviousResponse int
	// RetryReason is the platform's word for the retry; Cloud Tasks leaves it empty for HTTP.
	RetryReason string

	ETA time.Time // when it was due, UTC

	SchedulerJob string    // the Cloud Scheduler job that fired, short id
	ScheduleTime time.Time // when that job was planned, UTC: the key for idempotency

	Eager  bool        // ran in the caller
	Header http.Header // the raw request's; not to be changed

	queued          bool // Debug: it stays in its queue
	platformAttempt int  // of this task in its queue, whatever came before a Snooze
	firstAttempt    time.Time
	retry           *transport.RetryConfig
}

// MetadataFrom returns the metadata of the run that ctx was given to, false outside of one.
func MetadataFrom(ctx context.Context) (Metadata, bool) {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return Metadata{}, false
	}
	return r.metadata(), true
}

// FirstAttempt reports whether this is the task's first attempt.
func (m Metadata) FirstAttempt() bool { return m.Attempt <= 1 }

// LastAttempt reports whether no retry will follow if this attempt fails. Limits set by [WithRetryConfig] are
// known; the queue's are asked of the transport, once, and cached. A scheduler's run of a periodic task without
// retries is always its last. ctx must be the run's. The error matches [ErrUnknown] where the limit includes a
// duration that cannot be measured from here, or for any other scheduler's run, and transport.ErrUnsupported where the
// transport knows no limits.
//
// A task that times out or dies with its instance in its last attempt is never heard of again.
func (m Metadata) LastAttempt(ctx context.Context) (bool, error) {
	app := appFrom(ctx)
	if app == nil {
		return false, fmt.Errorf("tasks: last attempt: %w: the context is not a run's", ErrUnknown)
	}
	if m.Eager && !m.queued {
		return true, nil // nobody runs it again
	}
	limits, err := app.limits(ctx, m)
	if err != nil {
		return false, fmt.Errorf("tasks: last attempt: %w", err)
	}
	if limits.MaxRetryDuration == 0 || !m.firstAttempt.IsZero() {
		elapsed := time.Duration(0)
		if !m.firstAttempt.IsZero() {
			elapsed = app.now().Sub(m.firstAttempt)
		}
		return limits.Exhausted(m.platformAttempt, elapsed), nil
	}
	if limits.MaxAttempts > 0 && m.platformAttempt < limits.MaxAttempts {
		return false, nil // both limits must be used up
	}
	return false, fmt.Errorf("tasks: last attempt: %w: the retry limit includes a duration of %s since a first attempt that this delivery does not tell",
		ErrUnknown, limits.MaxRetryDuration)
}

// limits returns the retry settings that hold for the task of m.
func (a *App) limits(ctx context.Context, m Metadata) (transport.RetryConfig, error) {
	if m.retry != nil {
		return m.retry.WithDefaults(), nil
	}
	if m.SchedulerJob != "" && m.Queue == "" {
		return transport.RetryConfig{}, fmt.Errorf("%w: the retry limit of scheduler job %q", ErrUnknown, m.SchedulerJob)
	}
	if m.Queue == "" {
		return transport.RetryConfig{}, fmt.Errorf("%w: the delivery names no queue", ErrUnknown)
	}
	if c, ok := a.queueLimits.Load(m.Queue); ok {
		return c.(transport.RetryConfig), nil
	}
	admin, err := transport.As[transport.QueueAdmin](a.cfg.Transport)
	if err != nil {
		if declared, ok := a.cfg.Queues[m.Queue]; ok {
			return declared.Retry.WithDefaults(), nil
		}
		return transport.RetryConfig{}, err
	}
	cfg, err := admin.Queue(ctx, m.Queue)
	if err != nil {
		return transport.RetryConfig{}, err
	}
	limits := cfg.Retry.WithDefaults()
	a.queueLimits.Store(m.Queue, limits)
	return limits, nil
}

// Headers of the platform, in the canonical form in which net/http delivers them.
const (
	headerQueue        = "X-Cloudtasks-Queuename"
	headerTask         = "X-Cloudtasks-Taskname"
	headerRetryCount   = "X-Cloudtasks-Taskretrycount"
	headerExecutions   = "X-Cloudtasks-Taskexecutioncount"
	headerETA          = "X-Cloudtasks-Tasketa"
	headerPrevious     = "X-Cloudtasks-Taskpreviousresponse"
	headerReason       = "X-Cloudtasks-Taskretryreason"
	headerProject      = "X-Cloudtasks-Projectname"
	headerJob          = "X-Cloudscheduler-Jobname"
	headerScheduleTime = "X-Cloudscheduler-Scheduletime"
)

// readDelivery fills d from the headers of a push. Anyone can send them: what makes no sense counts as absent.
func readDelivery(d *transport.Delivery, h http.Header) {
	d.Header = h
	if id := first(h[headerTask]); transport.CheckID(id) == nil {
		d.ID = id
	}
	if queue := first(h[headerQueue]); transport.CheckQueue(queue) == nil {
		d.Queue = queue
	}
	d.Attempt = count(first(h[headerRetryCount])) + 1
	d.Executions = count(first(h[headerExecutions]))
	d.PreviousResponse = count(first(h[headerPrevious]))
	d.ETA = epoch(first(h[headerETA]))
	if s := first(h[headerRetry]); s != "" {
		d.Retry = parseRetry(s)
	}
	if s := first(h[headerTimeout]); s != "" {
		if t, err := time.ParseDuration(s); err == nil && t >= transport.MinTimeout && t <= transport.MaxTimeout {
			d.Timeout = t
		}
	}
}

// metadata assembles what the function sees.
func (r *run) metadata() Metadata {
	d := r.delivery
	h := d.Header
	m := Metadata{
		Name: r.route.spec.Name,
		ID:   d.ID, Queue: d.Queue, Attempt: max(d.Attempt, 1), ExecutionCount: d.Executions,
		PreviousResponse: d.PreviousResponse, ETA: d.ETA, Eager: r.source.inCaller(), Header: h,
		queued:  r.source == onDemand,
		Project: first(h[headerProject]), RetryReason: first(h[headerReason]),
		platformAttempt: max(d.Attempt, 1), firstAttempt: d.FirstAttempt, retry: d.Retry,
	}
	if id := first(h[headerID]); id == "" || transport.CheckID(id) == nil {
		m.ID = or(id, m.ID)
		m.Attempt += count(first(h[headerAttempts]))
	}
	if job := first(h[headerJob]); job != "" {
		m.SchedulerJob = job[strings.LastIndexByte(job, '/')+1:]
		if t, err := time.Parse(time.RFC3339, first(h[headerScheduleTime])); err == nil {
			m.ScheduleTime = t.UTC()
		}
		if spec := r.route.spec; spec.Kind == KindPeriodic && fromScheduler(d) && !spec.JobRetries {
			m.retry = &transport.RetryConfig{MaxAttempts: 1}
		}
	}
	return m
}

// fromScheduler reports whether a delivery is a scheduler's own, and not a task's.
func fromScheduler(d *transport.Delivery) bool {
	return d.Queue == "" && first(d.Header[headerJob]) != ""
}

func first(vs []string) string {
	if len(vs) == 0 {
		return ""
	}
	return vs[0]
}

// count parses a small decimal number, 0 where there is none.
func count(s string) int {
	n := 0
	if len(s) == 0 || len(s) > 9 {
		return 0
	}
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0
		}
		n = n*10 + int(c)
	}
	return n
}

// epoch parses seconds since 1970 with or without a fraction, as digits so that none is lost in a float.
func epoch(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseUint(whole, 10, 34) // to the year 2514
	if err != nil || len(fraction) > 18 {
		return time.Time{}
	}
	var nano int64
	for i := range max(9, len(fraction)) {
		var c byte
		if i < len(fraction) {
			c = fraction[i] - '0'
		}
		if c > 9 {
			return time.Time{}
		}
		if i < 9 {
			nano = nano*10 + int64(c)
		}
	}
	return time.Unix(int64(sec), nano).UTC()
}

// formatRetry writes retry settings for the header in which they travel.
func formatRetry(c transport.RetryConfig) string {
	return fmt.Sprintf("attempts=%d doublings=%d duration=%s min=%s max=%s",
		c.MaxAttempts, c.MaxDoublings, c.MaxRetryDuration, c.MinBackoff, c.MaxBackoff)
}

// parseRetry reads what formatRetry wrote; nil for anything else.
func parseRetry(s string) *transport.RetryConfig {
	var c transport.RetryConfig
	known := false
	for field := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key {
		case "attempts":
			c.MaxAttempts, err = strconv.Atoi(value)
		case "doublings":
			c.MaxDoublings, err = strconv.Atoi(value)
		case "duration":
			c.MaxRetryDuration, err = time.ParseDuration(value)
		case "min":
			c.MinBackoff, err = time.ParseDuration(value)
		case "max":
			c.MaxBackoff, err = time.ParseDuration(value)
		default: // of a newer version
			continue
		}
		known = true
		if err != nil {
			return nil
		}
	}
	if !known || c.Validate() != nil {
		return nil
	}
	return &c
}
