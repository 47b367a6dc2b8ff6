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
	Description string
	Schedule    string // five-field unix-cron, or Scheduler's English form
	TimeZone    string // tz database name; empty: UTC
	URL         string
	Audience    string
	Header      http.Header
	Body        []byte
	Deadline    time.Duration // of one attempt; 0: three minutes
	Retry       *RetryConfig
}

// Scheduler keeps jobs.
type Scheduler interface {
	// PutJob creates the job or replaces it.
	PutJob(ctx context.Context, j *Job) error
	// DeleteJob removes the job; ErrNotFound if there is none.
	DeleteJob(ctx context.Context, name string) error
	// Jobs yields all jobs. An error ends it.
	Jobs(ctx context.Context) iter.Seq2[*Job, error]
}
