package tasks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/transport"
)

// Option configures a task where it is defined.
type Option interface{ define(*settings) }

// EnqueueOption configures one call of Enqueue or EnqueueAll.
type EnqueueOption interface{ enqueue(*settings) }

// SharedOption serves at definition and at the call; the call wins.
type SharedOption interface {
	Option
	EnqueueOption
}

// DeleteOption narrows what DeleteAll deletes.
type DeleteOption interface{ del(*deletion) }

// OnQueue sends the task to the named queue: letters, digits and hyphens, at most 100. The name is used as it
// is. With DeleteAll it names the queue to search. Default: Config.Queue, else Config.Name, else "tasks".
func OnQueue(name string) interface {
	SharedOption
	DeleteOption
} {
	return queueOption(name)
}

// WithTimeout sets the dispatch deadline: how long one attempt may take, 15 s to 30 min. The context of the
// function ends then. Default: 10 minutes.
func WithTimeout(d time.Duration) SharedOption { return timeoutOption(d) }

// WithHeader sends a header with each delivery; the function finds it in [Metadata].Header. Given again, the
// last value counts. Refused: names and values that would split a header, and names that belong to HTTP, to the
// platform or to this package: Host, User-Agent, Authorization, Content-Length, Content-Encoding, Connection and others
// that end at the next hop, X-CloudTasks-* (but -ProjectName, which Python services set), X-CloudScheduler*, X-Google-*,
// X-Goog-*, X-AppEngine-*, Typedtasks-*. Middleware of UseEnqueue, and Config.PropagatedHeaders, are held to the same. What
// proxies add on the way (Via, Forwarded, X-Forwarded-*, Cookie) outlives a snooze only where the definition has it.
func WithHeader(key, value string) SharedOption { return headerOption{key, value} }

// WithEnqueueRetry retries the call that creates the task. Unset fields of p are taken from the task's policy,
// then from Config.EnqueueRetry, then from the defaults of [backoff.Policy].
func WithEnqueueRetry(p backoff.Policy) SharedOption { return enqueueRetryOption(p) }

// WithRetryConfig sets how the task is retried when it fails, in place of its queue's settings, as a whole.
// The limits travel in a header, so that [Metadata.LastAttempt] knows them.
func WithRetryConfig(c transport.RetryConfig) SharedOption { return retryConfigOption(c) }

// WithName sets the name under which the task is served and enqueued: letters, digits, ".", "-" and "_", at
// most 200. Default: the payload's TaskName method, else the name of its type. A task that is renamed strands
// what waits under its old name, unless [WithAliases] keeps that served.
func WithName(name string) Option { return nameOption(name) }

// WithAliases keeps old names of the task served.
func WithAliases(names ...string) Option { return aliasesOption(slices.Clone(names)) }

// Unique makes one task per UniqueKey() of the payload (or one in all, for a payload without that method) for
// as long as the platform remembers its id: while it waits or runs, and up to 24 h after it finished. That
// is longer than "while it waits": to run again soon, use [UniqueFor].
//
// A duplicate is no error: Receipt.Duplicate is true and Receipt.ID names the task that holds the id. Give payloads
// that differ a UniqueKey, or all but the first are duplicates.
func Unique() Option { return uniqueOption(0) }

// UniqueFor makes one task per UniqueKey() and window of d, at most 24 h. Windows are aligned to the Unix
// epoch: one task may follow another within less than d where a boundary lies between them.
func UniqueFor(d time.Duration) Option { return uniqueForOption(d) }

// OnQueueFunc chooses the queue at each call of Enqueue; f gets its context. [OnQueue] at the call wins; where f
// returns an empty name the definition's OnQueue holds, else the default.
func OnQueueFunc(f func(context.Context) string) Option { return queueFuncOption(f) }

// In makes the task due d from now, at most 720 h and Config.MaxETA. Zero or less means now.
func In(d time.Duration) EnqueueOption { return inOption(d) }

// At makes the task due at t, at most 720 h and Config.MaxETA from now. A past time means now.
func At(t time.Time) EnqueueOption { return atOption(t) }

// Within makes the task due at a random moment between now and d from now, evenly spread: for many tasks at
// once that should not start together.
func Within(d time.Duration) EnqueueOption { return withinOption(d) }

// Before makes the task due at a random moment between now and t, evenly spread.
func Before(t time.Time) EnqueueOption { return beforeOption(t) }

// WithID sets the task's id: letters, digits, "-" and "_", at most 500. An id that is taken makes the task a
// duplicate, as with [Unique]. Begin ids with a hash: counters and timestamps slow the whole queue down.
// EnqueueAll refuses it for more than one payload.
func WithID(id string) EnqueueOption { return idOption(id) }

// MinRetries keeps DeleteAll to tasks that have been retried at least n times.
func MinRetries(n int) DeleteOption { return minRetriesOption(n) }

// CountOnly has DeleteAll delete nothing: it returns how many there are.
func CountOnly() DeleteOption { return countOnlyOption{} }

// settings is what the options of a definition, or of a call over its definition's, add up to.
type settings struct {
	name      string
	aliases   []string
	queue     string
	queueFunc func(context.Context) string

	queueByCall bool // chosen at the call, over queueFunc
	timeout     time.Duration
	header      http.Header // owned by the level that made it: a call clones before it adds
	policy      backoff.Policy
	hasPolicy   bool
	retry       *transport.RetryConfig
	upgrades    payload.Upgrades
	unique      bool
	window      time.Duration

	id   string
	when when

	ownHeader bool
	errs      []error
}

// when is one of the four ways to say a time.
type when struct {
	option string // In, At, Within, Before; empty: now
	d      time.Duration
	t      time.Time
}

func (s *settings) problem(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *settings) setWhen(w when) {
	if s.when.option != "" && s.when.option != w.option {
		s.problem("%s and %s exclude each other", s.when.option, w.option)
	}
	s.when = w
}

func (s *settings) setQueue(name string) {
	if err := transport.CheckQueue(name); err != nil {
		s.problem("OnQueue: %w", err)
	}
	s.queue = name
}

func (s *settings) setTimeout(d time.Duration) {
	if d < transport.MinTimeout || d > transport.MaxTimeout {
		s.problem("WithTimeout: %s is outside %s to %s", d, transport.MinTimeout, transport.MaxTimeout)
	}
	s.timeout = d
}

func (s *settings) setHeader(key, value string) {
	if err := checkUserHeader(key, value); err != nil {
		s.problem("WithHeader: %w", err)
		return
	}
	if !s.ownHeader {
		s.header, s.ownHeader = cloneHeader(s.header, 1), true
	}
	s.header.Set(key, value)
}

func (s *settings) setPolicy(p backoff.Policy) {
	if err := p.Validate(); err != nil {
		s.problem("WithEnqueueRetry: %w", err)
	}
	s.policy, s.hasPolicy = p.Or(s.policy), true
}

func (s *settings) setRetry(c transport.RetryConfig) {
	if err := c.Validate(); err != nil {
		s.problem("WithRetryConfig: %w", err)
	}
	s.retry = &c
}

type (
	queueOption        string
	timeoutOption      time.Duration
	headerOption       struct{ key, value string }
	enqueueRetryOption backoff.Policy
	retryConfigOption  transport.RetryConfig
	nameOption         string
	aliasesOption      []string
	uniqueOption       int
	uniqueForOption    time.Duration
	queueFuncOption    func(context.Context) string
	inOption           time.Duration
	atOption           time.Time
	withinOption       time.Duration
	beforeOption       time.Time
	idOption           string
	minRetriesOption   int
	countOnlyOption    struct{}
)

func (o queueOption) define(s *settings)         { s.setQueue(string(o)) }
func (o queueOption) enqueue(s *settings)        { s.setQueue(string(o)); s.queueByCall = true }
func (o queueOption) del(d *deletion)            { d.queue = string(o) }
func (o timeoutOption) define(s *settings)       { s.setTimeout(time.Duration(o)) }
func (o timeoutOption) enqueue(s *settings)      { s.setTimeout(time.Duration(o)) }
func (o headerOption) define(s *settings)        { s.setHeader(o.key, o.value) }
func (o headerOption) enqueue(s *settings)       { s.setHeader(o.key, o.value) }
func (o enqueueRetryOption) define(s *settings)  { s.setPolicy(backoff.Policy(o)) }
func (o enqueueRetryOption) enqueue(s *settings) { s.setPolicy(backoff.Policy(o)) }
func (o retryConfigOption) define(s *settings)   { s.setRetry(transport.RetryConfig(o)) }
func (o retryConfigOption) enqueue(s *settings)  { s.setRetry(transport.RetryConfig(o)) }

func (o nameOption) define(s *settings) {
	if s.name = string(o); s.name == "" {
		s.problem("WithName: the name is empty")
	}
}
func (o aliasesOption) define(s *settings) { s.aliases = append(s.aliases, o...) }
func (o uniqueOption) define(s *settings)  { s.unique, s.window = true, 0 }
func (o uniqueForOption) define(s *settings) {
	d := time.Duration(o)
	if d <= 0 || d > transport.TombstoneTTL {
		s.problem("UniqueFor: %s is outside 0 to %s, for which the platform remembers ids", d, transport.TombstoneTTL)
	}
	s.unique, s.window = true, d
}
func (o queueFuncOption) define(s *settings) {
	if o == nil {
		s.problem("OnQueueFunc: the function is nil")
	}
	s.queueFunc = o
}

func (o inOption) enqueue(s *settings)     { s.setWhen(when{option: "In", d: time.Duration(o)}) }
func (o atOption) enqueue(s *settings)     { s.setWhen(when{option: "At", t: time.Time(o)}) }
func (o withinOption) enqueue(s *settings) { s.setWhen(when{option: "Within", d: time.Duration(o)}) }
func (o beforeOption) enqueue(s *settings) { s.setWhen(when{option: "Before", t: time.Time(o)}) }
func (o idOption) enqueue(s *settings) {
	if err := transport.CheckID(string(o)); err != nil {
		s.problem("WithID: %w", err)
	}
	s.id = string(o)
}
func (o minRetriesOption) del(d *deletion) { d.minRetries = int(o) }
func (o countOnlyOption) del(d *deletion)  { d.countOnly = true }

func (o queueOption) String() string   { return fmt.Sprintf("OnQueue(%q)", string(o)) }
func (o timeoutOption) String() string { return fmt.Sprintf("WithTimeout(%s)", time.Duration(o)) }
func (o headerOption) String() string  { return fmt.Sprintf("WithHeader(%q)", o.key) }
func (o nameOption) String() string    { return fmt.Sprintf("WithName(%q)", string(o)) }
func (o enqueueRetryOption) String() string {
	return fmt.Sprintf("WithEnqueueRetry(initial=%s maximum=%s multiplier=%v deadline=%s)", o.Initial, o.Maximum, o.Multiplier, o.Deadline)
}
func (o retryConfigOption) String() string {
	return fmt.Sprintf("WithRetryConfig(%s)", formatRetry(transport.RetryConfig(o)))
}
func (o aliasesOption) String() string   { return fmt.Sprintf("WithAliases(%q)", []string(o)) }
func (o queueFuncOption) String() string { return "OnQueueFunc(...)" }
func (o uniqueOption) String() string    { return "Unique()" }
func (o uniqueForOption) String() string { return fmt.Sprintf("UniqueFor(%s)", time.Duration(o)) }
func (o inOption) String() string        { return fmt.Sprintf("In(%s)", time.Duration(o)) }
func (o atOption) String() string        { return fmt.Sprintf("At(%s)", time.Time(o).Format(time.RFC3339)) }
func (o withinOption) String() string    { return fmt.Sprintf("Within(%s)", time.Duration(o)) }
func (o beforeOption) String() string {
	return fmt.Sprintf("Before(%s)", time.Time(o).Format(time.RFC3339))
}
func (o idOption) String() string         { return fmt.Sprintf("WithID(%q)", string(o)) }
func (o minRetriesOption) String() string { return fmt.Sprintf("MinRetries(%d)", int(o)) }
func (o countOnlyOption) String() string  { return "CountOnly()" }

// over returns a call's settings: the definition's with the options applied. Options come from one sealed
// set, but a nil among them is a plain mistake of the caller's.
func (s settings) over(opts []EnqueueOption) (settings, error) {
	s.ownHeader, s.errs = false, nil
	for _, o := range opts {
		if o == nil {
			s.problem("an option is nil")
			continue
		}
		o.enqueue(&s)
	}
	if err := errors.Join(s.errs...); err != nil {
		return s, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return s, nil
}

type deletion struct {
	queue      string
	minRetries int
	countOnly  bool
}
