package memory

import (
	"context"
	"iter"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// PutJob implements [transport.Scheduler]. The next time of a schedule that stays the same stays too. Beside Cloud
// Scheduler's schedules it takes "every N seconds", for development. [transport.ErrInvalid], [transport.ErrTooLarge];
// [transport.ErrClosed] from the end of Shutdown on, as for all that follows.
func (t *Transport) PutJob(ctx context.Context, j *transport.Job) error {
	return t.scheduler().PutJob(ctx, j)
}

// CreateJob implements [transport.JobCreator]. [transport.ErrExists] where there is such a job, put or declared; else as
// PutJob.
func (t *Transport) CreateJob(ctx context.Context, j *transport.Job) error {
	return t.scheduler().CreateJob(ctx, j)
}

// DeclareJob implements [transport.JobDeclarer]. Where several Apps of one name declare a job, it is one: it has the
// settings of the last declaration, and is fired once, at the first of them that still serves. What PutJob has put
// lasts, though nobody serves it; where its URL was declared too, it is fired at the others once nobody serves that.
// Errors are those of PutJob.
func (t *Transport) DeclareJob(j *transport.Job) error { return t.scheduler().DeclareJob(j) }

// DeleteJob implements [transport.Scheduler]. [transport.ErrNotFound].
func (t *Transport) DeleteJob(ctx context.Context, name string) error {
	return t.scheduler().DeleteJob(ctx, name)
}

// Jobs implements [transport.Scheduler], by name.
func (t *Transport) Jobs(ctx context.Context) iter.Seq2[*transport.Job, error] {
	return t.scheduler().Jobs(ctx)
}

// Job implements [transport.JobAdmin]: the settings as they were put, and the state. [transport.ErrNotFound].
func (t *Transport) Job(ctx context.Context, name string) (*transport.Job, error) {
	return t.scheduler().Job(ctx, name)
}

// PauseJob implements [transport.JobAdmin]. A run that waits for its retry is over. [transport.ErrNotFound].
func (t *Transport) PauseJob(ctx context.Context, name string) error {
	return t.scheduler().PauseJob(ctx, name)
}

// ResumeJob implements [transport.JobAdmin]. [transport.ErrNotFound].
func (t *Transport) ResumeJob(ctx context.Context, name string) error {
	return t.scheduler().ResumeJob(ctx, name)
}

// RunJob implements [transport.JobAdmin]. A job that is being attempted is fired once more after that; a run that waits
// for its retry gives way. [transport.ErrNotFound].
func (t *Transport) RunJob(ctx context.Context, name string) error {
	return t.scheduler().RunJob(ctx, name)
}

func (t *Transport) scheduler() jobs.Scheduler { return t.jobs.Scheduler() }

// fire calls whoever serves the job's URL.
func (t *Transport) fire(ctx context.Context, j *transport.Job, r jobs.Run) error {
	return jobs.Deliver(ctx, t.engine.Handler(j.URL), j, r)
}
