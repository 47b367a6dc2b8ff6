package transporttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func jobListLaws() []schedulerLaw {
	return []schedulerLaw{
		{"jobs/none", "A fresh scheduler has no jobs.", jobsNone},
		{"jobs/list", "Jobs yields each job once, with all that Job tells of it, and ends where its caller breaks off.", jobsList},
		{"jobs/many", "Jobs yields several hundred jobs, each once: what comes in pages is no end.", jobsMany},
		{"jobs/delete", "A deleted job is gone, no other is, and its name is free.", jobsDelete},
		{"jobs/missing", "A job that does not exist answers ErrNotFound, and none comes of it.", jobsMissing},
	}
}

func jobsNone(t *schedulerTrial) {
	if all := t.list(10); len(all) != 0 {
		t.errorf("it lists %d jobs, the first %q", len(all), all[0].Name)
	}
}

func jobsList(t *schedulerTrial) {
	want := map[string]*transport.Job{}
	for i := range 12 {
		j := t.fullJob(fmt.Sprintf("job-%d", i))
		j.Deadline = time.Duration(20+i) * time.Second
		want[j.Name] = j
		t.put(j)
	}
	if t.Admin != nil {
		t.pause("job-3")
	}
	for _, j := range t.list(-1) {
		id := transport.ResourceID(j.Name)
		if want[id] == nil {
			t.errorf("Jobs yields %q, which was not put, or twice", j.Name)
			continue
		}
		t.wantSameJob(j, want[id])
		if paused := t.Admin != nil && id == "job-3"; (j.State == transport.JobPaused) != paused {
			t.errorf("Jobs says that %q is %s", j.Name, j.State)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.errorf("Jobs leaves out %q", slices.Sorted(maps.Keys(want)))
	}
	if all := t.list(3); len(all) != 3 {
		t.errorf("Jobs yields %d to who breaks off after 3", len(all))
	}
}

// manyJobs is more than Cloud Scheduler has on a page.
const manyJobs = 620

func jobsMany(t *schedulerTrial) {
	t.atOnce(10, func(worker int) {
		for i := worker; i < manyJobs; i += 10 {
			if err := t.attempt(t.job(fmt.Sprintf("job-%d", i))); err != nil {
				t.errorf("PutJob: %v", err)
				return
			}
		}
	})
	seen := map[string]int{}
	for _, j := range t.list(2 * manyJobs) {
		seen[transport.ResourceID(j.Name)]++
	}
	for i := range manyJobs {
		if n := seen[fmt.Sprintf("job-%d", i)]; n != 1 {
			t.errorf("Jobs yields job-%d %d times, want once", i, n)
		}
	}
	if all := t.list(510); len(all) != 510 {
		t.errorf("Jobs yields %d to who breaks off after 510", len(all))
	}
}

func jobsDelete(t *schedulerTrial) {
	t.put(t.fullJob(jobName))
	t.put(t.job(otherJob))
	t.deleteJob(jobName)
	t.wantNoJob(jobName, "it was deleted")
	t.wantJob(t.job(otherJob))
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(t.Scheduler.DeleteJob(ctx, jobName), transport.ErrNotFound, "DeleteJob of one that was deleted")
	if t.Admin != nil {
		t.pause(otherJob)
		t.deleteJob(otherJob)
		t.put(t.job(otherJob))
		if got := t.see(otherJob); got.State != transport.JobEnabled {
			t.errorf("a job of the name of one that was deleted, and paused, is %s", got.State)
		}
	}
	t.put(t.job(jobName))
	t.wantJob(t.job(jobName))
}

func jobsMissing(t *schedulerTrial) {
	ctx, cancel := t.context()
	defer cancel()
	calls := map[string]func(context.Context, string) error{"DeleteJob": t.Scheduler.DeleteJob}
	if t.Admin != nil {
		calls["PauseJob"], calls["ResumeJob"], calls["RunJob"] = t.Admin.PauseJob, t.Admin.ResumeJob, t.Admin.RunJob
		calls["Job"] = func(ctx context.Context, name string) error {
			j, err := t.Admin.Job(ctx, name)
			if j != nil {
				t.errorf("Job of one that does not exist returns %+v", j)
			}
			return err
		}
	}
	for what, call := range calls {
		t.wantError(call(ctx, "never-put"), transport.ErrNotFound, "%s of one that does not exist", what)
	}
	if n := len(t.list(-1)); n != 0 {
		t.errorf("%d jobs, want none", n)
	}
}
