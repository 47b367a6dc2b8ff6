package transport

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Job is a recurring request, in Cloud Scheduler's own terms.
type Job struct {
	Name        string // job id: letters, digits, "-" and "_", at most 500
	Description string // at most 500 characters
	Schedule    string // five-field unix-cron, or Scheduler's English form
	TimeZone    string // tz database name; empty: UTC
	URL         string // where each run is posted to; empty, in what Jobs yields: a target of another kind
	Audience    string // of the OIDC token that is sent along; empty: none is
	Header      http.Header
	Body        []byte
	Deadline    time.Duration // of one attempt, MinTimeout to MaxTimeout; 0: DefaultJobDeadline
	Retry       *RetryConfig  // see [RetryConfig.ForJob]; nil: a failed run is not retried

	Method         string // empty: POST
	ServiceAccount string // whose OIDC token that is; empty: the driver's

	// Set by Jobs and Job, ignored by PutJob.
	State   JobState
	Next    time.Time // when it is due next, a retry included; zero where that is not known
	LastRun time.Time // when the last attempt began; zero before the first
	LastErr error     // how that ended; nil: well, or not known
}

// JobState says whether a job fires.
type JobState string

// The states of a job, in Cloud Scheduler's words.
const (
	JobEnabled      JobState = "ENABLED"
	JobPaused       JobState = "PAUSED"
	JobDisabled     JobState = "DISABLED"      // by the platform
	JobUpdateFailed JobState = "UPDATE_FAILED" // put it again
)

// Scheduler keeps jobs, and fires them: at least once at each time of their schedules, one run of a job after the
// other. It neither keeps nor changes j after PutJob returns. Its methods are safe for concurrent use.
type Scheduler interface {
	// PutJob creates the job or replaces it. One that is paused stays paused. ErrInvalid for what [Job.Check]
	// refuses, and for a schedule or time zone that is none.
	PutJob(ctx context.Context, j *Job) error
	// DeleteJob removes the job; ErrNotFound if there is none. A run in flight goes on.
	DeleteJob(ctx context.Context, name string) error
	// Jobs yields all jobs, those of others too. An error ends it.
	Jobs(ctx context.Context) iter.Seq2[*Job, error]
}

// JobCreator creates jobs in one step, for callers who know that there is none: PutJob may have to look first.
//
// It puts work in, so [SchedulerAs] finds it on the outermost scheduler only: a decorator's PutJob is never bypassed.
type JobCreator interface {
	// CreateJob creates the job, as PutJob does; ErrExists where there is one, which stays as it is. An answer that was
	// lost may leave the job there and answer ErrExists, though nobody else made it.
	CreateJob(ctx context.Context, j *Job) error
}

// JobAdmin acts on one job at a time; ErrNotFound if there is none.
type JobAdmin interface {
	// Job returns the job as it is.
	Job(ctx context.Context, name string) (*Job, error)
	// PauseJob stops firing it. A job that is paused stays so, without an error.
	PauseJob(ctx context.Context, name string) error
	// ResumeJob starts firing it again. What was missed is not made up for.
	ResumeJob(ctx context.Context, name string) error
	// RunJob fires it now, paused or not, beside its schedule, and does not wait for the answer.
	RunJob(ctx context.Context, name string) error
}

// JobDeclarer takes the jobs of a program that runs beside the scheduler, and talks to nobody: the job comes into
// being, or gets these settings. It lasts for as long as somebody serves its URL.
type JobDeclarer interface {
	DeclareJob(j *Job) error
}

// SchedulerAs finds an ability of s, as [As] does for a Transport, walking Unwrap() Scheduler. [JobCreator], and
// interfaces that include it, are asked of s alone.
func SchedulerAs[A any](s Scheduler) (A, error) { return lookUp[A, Scheduler](s, "scheduler") }
