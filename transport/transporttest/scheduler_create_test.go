package transporttest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// creator is an almanac that creates jobs too, correctly unless wrong names one of the mistakes below.
type creator struct {
	*almanac
	wrong string

	one  sync.Mutex // of those that create
	used map[string]bool
}

func (c *creator) CreateJob(ctx context.Context, j *transport.Job) error {
	c.one.Lock()
	defer c.one.Unlock()
	if err := ctx.Err(); err != nil && c.wrong != "creates under an ended context" {
		return c.fail(transport.OpCreate, j.Name, transport.KindOther, err)
	}
	if _, _, err := c.check(j); err != nil {
		if c.wrong == "creates nothing of what is invalid" {
			return nil
		}
		return err
	}
	c.mu.Lock()
	there := c.jobs[j.Name]
	c.mu.Unlock()
	exists := there != nil
	switch c.wrong {
	case "creates over what is there":
		exists = false
	case "creates over what was declared":
		exists = exists && there.put
	case "keeps names":
		exists = exists || c.used[j.Name]
	case "answers nothing where there is one":
		if exists {
			return nil
		}
	}
	if exists && c.wrong == "answers a bare sentinel" {
		return transport.ErrExists
	}
	if exists {
		return c.fail(transport.OpCreate, j.Name, transport.KindExists, nil)
	}
	c.used[j.Name] = true
	return c.done(j, c.put(j, true))
}

// done makes the mistakes about what was created.
func (c *creator) done(j *transport.Job, err error) error {
	if c.wrong == "creates after the end" && errors.Is(err, transport.ErrClosed) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.jobs[j.Name]; d != nil {
		switch c.wrong {
		case "keeps the caller's":
			kept := *j
			kept.State = transport.JobEnabled
			d.job = &kept
		case "creates it paused":
			d.job.State = transport.JobPaused
		}
	}
	return err
}

func (c *creator) DeleteJob(ctx context.Context, name string) error {
	c.one.Lock()
	defer c.one.Unlock()
	if c.wrong == "keeps names" {
		c.used[name] = true
	}
	return c.almanac.DeleteJob(ctx, name)
}

func creating(wrong string) func(testing.TB) transporttest.SchedulerDriver {
	return func(t testing.TB) transporttest.SchedulerDriver {
		c := &creator{almanac: newAlmanac(""), wrong: wrong, used: map[string]bool{}}
		t.Cleanup(c.stop)
		return transporttest.SchedulerDriver{Scheduler: c, Bubble: true}
	}
}

func TestRunScheduler_CreatesJobs_Passes(t *testing.T) {
	t.Parallel()
	t.Run("in bubbles", func(t *testing.T) {
		t.Parallel()
		transporttest.RunScheduler(t, creating(""))
	})
	t.Run("on the real clock", func(t *testing.T) {
		t.Parallel()
		transporttest.RunScheduler(t, func(t testing.TB) transporttest.SchedulerDriver {
			d := creating("")(t)
			d.Bubble, d.Grace = false, 10*time.Millisecond
			return d
		})
	})
}

func TestCheckScheduler_CreatesBadly_FailsTheCasesAboutItsMistake(t *testing.T) {
	for _, c := range []struct{ wrong, cases string }{
		{"answers a bare sentinel", "create/job-exists"},
		{"answers nothing where there is one", "create/job-exists create/job-declared create/job-race"},
		{"creates after the end", "create/job-closed"},
		{"creates it paused", "create/job-made"},
		{"creates nothing of what is invalid", "create/job-schedule create/job-invalid"},
		{"creates over what is there", "create/job-exists create/job-declared create/job-race"},
		{"creates over what was declared", "create/job-declared"},
		{"creates under an ended context", "create/job-context"},
		{"keeps names", "create/job-exists"},
		{"keeps the caller's", "create/job-made"},
	} {
		t.Run(c.wrong, func(t *testing.T) {
			t.Parallel()
			wantSchedulerFailures(t, c.cases, creating(c.wrong))
		})
	}
}
