package jobs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// No job is attempted twice at once, unless it was deleted and made anew, whatever else goes on.
func TestRace_EverythingAtOnce(t *testing.T) {
	served := newServing(first, second)
	var told atomic.Int64
	bubbleWith(t, jobs.Config{Served: served.is, Changed: func(string) { told.Add(1) }}, func(t *testing.T, r *rig) {
		var inFlight sync.Map // name -> *atomic.Int32
		r.respond(func(ctx context.Context, j *transport.Job, _ jobs.Run) error {
			v, _ := inFlight.LoadOrStore(j.Name, new(atomic.Int32))
			n := v.(*atomic.Int32)
			defer n.Add(-1)
			if n.Add(1) > 1 {
				t.Errorf("%s is attempted twice at once", j.Name)
			}
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
			switch rand.IntN(4) {
			case 0:
				return errSick
			case 1:
				return jobs.ErrNotTaken
			case 2:
				panic("boom")
			}
			return nil
		})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 300 {
					meddle(r, served)
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if len(r.seen()) < 200 || told.Load() < 1000 {
			t.Errorf("%d attempts, told %d times: the test proves less than it should", len(r.seen()), told.Load())
		}
	})
}

// meddle does something to some job. Only those whose runs are an hour apart are deleted: the run of one that is gone
// must be over before the next of its name has one.
func meddle(r *rig, served *serving) {
	lasting := fmt.Sprint("lasting-", rand.IntN(5))
	fleeting := fmt.Sprint("fleeting-", rand.IntN(5))
	schedule := []string{"every 1 seconds", "every 3 seconds", "* * * * *"}[rand.IntN(3)]
	retry := retrying(transport.RetryConfig{MaxAttempts: 1 + rand.IntN(5), MinBackoff: time.Millisecond})
	url := []string{first, second}[rand.IntN(2)]
	switch rand.IntN(12) {
	case 0, 1:
		r.check(r.Put(job(schedule, named(lasting), retry)))
	case 2:
		_ = r.Update(job(schedule, named(lasting), retry))
	case 3:
		_ = r.Pause(lasting)
	case 4, 5:
		_ = r.Resume(lasting)
	case 6:
		_ = r.RunNow(lasting)
	case 7:
		r.check(r.Declare(job("every 1 hours", named(fleeting), to(url))))
	case 8:
		_ = r.Delete(fleeting)
	case 9:
		_, _ = r.Get(lasting)
		r.All()
	case 10:
		served.set(url, rand.IntN(2) == 0)
		r.Prune()
	case 11:
		r.check(r.Declare(job("every 1 hours", named(lasting), to(url))))
	}
}
