// Package converge is what pubsub.Sync, schedule.Sync and tasks.SyncQueues have in common: resources looked at and
// changed a few at a time, one that fails hindering no other, and the plan that tells of each.
package converge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// atOnce is how many resources are looked up and changed at a time: more would only meet the project's quota.
const atOnce = 8

// attempts is how often a resource is looked at while other deploys change it at the same time.
const attempts = 3

// Run is one run of a Sync: the plan as far as it got, and all that failed.
type Run struct {
	Plan plan.Plan
	errs []error
}

// Outcome is what became of one resource.
type Outcome struct {
	Changes []plan.Change
	Err     error

	Raced    bool          // another deploy was faster: look again
	Replaced []plan.Change // in place of Changes, once that ends well: what had been there was deleted
}

// Each runs f for n resources of a kind, a few at a time, and notes their outcomes in order. Once ctx has ended it
// begins with no further one.
func (r *Run) Each(ctx context.Context, kind string, n int, f func(i int) Outcome) {
	outcomes := make([]Outcome, n)
	begun, done := 0, 0
	progress := plan.ProgressFrom(ctx)
	var mu sync.Mutex // progress
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		begun++
		group.Go(func() {
			defer func() { <-slots }()
			outcomes[i] = f(i)
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done, n, kind)
		})
	}
	group.Wait()
	for _, o := range outcomes[:begun] {
		r.Plan.Changes = append(r.Plan.Changes, o.Changes...)
		r.Fail(o.Err)
	}
	if left := n - begun; left > 0 {
		r.Fail(fmt.Errorf("%d of %d %ss were not begun: %w", left, n, kind, ctx.Err()))
	}
}

// Fail notes an error; nil is none.
func (r *Run) Fail(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// Err joins all that failed.
func (r *Run) Err() error { return errors.Join(r.errs...) }

// One is the outcome of a resource that is done with.
func One(verb, kind, name, why string, fields ...plan.Field) Outcome {
	return Outcome{Changes: []plan.Change{{Verb: verb, Kind: kind, Name: name, Why: why, Fields: fields}}}
}

// Failed is an outcome whose error names the resource, whatever err says.
func Failed(kind, name string, err error) Outcome {
	o := One(plan.Failed, kind, name, err.Error())
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || e.Queue != name && !strings.Contains(e.Resource, strconv.Quote(name)) {
		err = fmt.Errorf("%s %q: %w", kind, name, err)
	}
	o.Err = err
	return o
}

// Settle repeats f while it meets another deploy's changes. What it deleted meanwhile counts as replaced.
func Settle(f func() Outcome) Outcome {
	var replaced []plan.Change
	for n := 1; ; n++ {
		o := f()
		if o.Replaced != nil {
			replaced = o.Replaced
		}
		if o.Raced && n < attempts {
			continue
		}
		if replaced != nil && o.Err == nil {
			o.Changes = replaced
		}
		return o
	}
}

// Words are fields in one line: "schedule: 0 3 * * * -> 0 4 * * *; retries: 0 -> 3".
func Words(fields []plan.Field) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, f.Name+": "+f.From+" -> "+f.To)
	}
	return strings.Join(parts, "; ")
}
