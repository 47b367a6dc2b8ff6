package transporttest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func overlapLaws() []schedulerLaw {
	return []schedulerLaw{
		{"overlap/none", "Runs of a job never overlap: what is due during one is skipped or comes after it.", overlapNone},
		{"overlap/pile", "After a run that took long, one that is late at the most follows at once; then the schedule goes on.", overlapPile},
		{"overlap/others", "A slow job keeps no other waiting.", overlapOthers},
		{"overlap/deadline", "An attempt's context ends at the job's deadline, after 3 minutes where it has none; what takes longer has failed.", overlapDeadline},
		{"concurrent/jobs", "All methods can be called at the same time.", concurrentJobs},
	}
}

func overlapNone(t *schedulerTrial) {
	t.needsTime()
	var running atomic.Int32
	box := t.serve(jobName, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		if n := running.Add(1); n > 1 {
			t.errorf("%d runs at once", n)
		}
		t.work(150 * time.Second)
		running.Add(-1)
		return http.StatusInternalServerError, 0, nil
	})
	j := t.scheduled("* * * * *")
	j.Retry = &transport.RetryConfig{MaxAttempts: 3, MinBackoff: 10 * time.Second, MaxBackoff: 10 * time.Second}
	t.put(j)
	<-time.After(31*time.Minute + 30*time.Second)
	if n := len(box.all()); n < 8 {
		t.errorf("%d attempts of 2.5 minutes in half an hour: it stands still", n)
	}
}

func overlapPile(t *schedulerTrial) {
	t.needsTime()
	var calls atomic.Int32
	box := t.serve(jobName, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
		if calls.Add(1) == 1 {
			t.work(10*time.Minute + 20*time.Second)
		}
		return http.StatusOK, 0, nil
	})
	j := t.scheduled("* * * * *")
	j.Deadline = 20 * time.Minute
	t.put(j)
	m := time.Minute
	box.wantUntil(11*m, m) // it takes until 11:20
	<-time.After(30 * time.Second)
	if n := len(box.all()); n > 1 {
		t.errorf("%d runs at once made up for what was missed, want one at the most", n)
	}
	box.wantUntil(15*m+30*time.Second, 12*m, 13*m, 14*m, 15*m)
}

func overlapOthers(t *schedulerTrial) {
	t.needsTime()
	slow := t.serve("slow", func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
		<-ctx.Done()
		return http.StatusInternalServerError, 0, ctx.Err()
	})
	quick := t.serve("quick", done)
	for _, name := range []string{"slow", "quick"} {
		j := t.job(name)
		j.Schedule, j.Deadline = "* * * * *", 30*time.Minute
		t.put(j)
	}
	m := time.Minute
	quick.wantUntil(5*m+30*time.Second, m, 2*m, 3*m, 4*m, 5*m)
	slow.wantUntil(5*m+30*time.Second, m)
}

func overlapDeadline(t *schedulerTrial) {
	t.needsTime()
	for i, c := range []struct{ deadline, want time.Duration }{{20 * time.Second, 20 * time.Second}, {0, 3 * time.Minute}} {
		name := fmt.Sprintf("job-%d", i)
		var calls atomic.Int32
		took := make(chan time.Duration, 1)
		box := t.serve(name, func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
			if calls.Add(1) > 1 {
				return http.StatusOK, 0, nil
			}
			began := time.Now()
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Minute):
			case <-t.over.ch:
			}
			offer(took, time.Since(began))
			t.work(time.Second) // and what it says comes too late
			return http.StatusOK, 0, nil
		})
		j := t.job(name)
		j.Schedule, j.Deadline, j.Retry = "*/30 * * * *", c.deadline, &transport.RetryConfig{MaxAttempts: 2}
		t.put(j)
		first := box.next()
		if d := <-took; d != c.want {
			t.errorf("deadline %s: the context ended after %s, want %s", c.deadline, d, c.want)
		}
		if again := box.next().at.Sub(first.at); again > 10*time.Minute {
			t.errorf("the next attempt came %s after the one that overstayed: it is no retry", again)
		}
		t.deleteJob(name)
	}
}

func concurrentJobs(t *schedulerTrial) {
	ctx, cancel := t.context()
	defer cancel()
	var box *firings
	if t.Serve != nil {
		box = t.serve(jobName, done)
	}
	const each = 25
	t.atOnce(8, func(worker int) {
		own := fmt.Sprintf("own-%d", worker)
		for i := range each {
			j := t.fullJob(own)
			j.Description = fmt.Sprint(i)
			if err := t.Scheduler.PutJob(ctx, j); err != nil {
				t.errorf("PutJob: %v", err)
			}
			shared := t.job(jobName) // which others delete meanwhile
			_ = t.Scheduler.PutJob(ctx, shared)
			if t.Admin != nil {
				_ = t.Admin.PauseJob(ctx, jobName)
				_ = t.Admin.RunJob(ctx, jobName)
				_, _ = t.Admin.Job(ctx, jobName)
				_ = t.Admin.ResumeJob(ctx, jobName)
			}
			if i%5 == worker%5 {
				_ = t.Scheduler.DeleteJob(ctx, jobName)
				for range t.Scheduler.Jobs(ctx) {
				}
			}
		}
	})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			want := t.fullJob(fmt.Sprintf("own-%d", worker))
			want.Description = fmt.Sprint(each - 1)
			t.wantJob(want)
		})
	}
	wg.Wait()
	if box != nil {
		t.pass(t.Grace)
		box.all()
	}
}
