package transporttest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// distant is further ahead than any case looks.
const distant = 100 * time.Hour

func timeLaws() []law {
	return []law{
		{"times/now", "A task without an ETA, or with one in the past, is due at once.", timesNow},
		{"times/eta", "No task is delivered before its ETA, and the delivery says what it was.", timesETA},
		{"times/too-far", "A task due within MaxDelay is accepted; a later one answers ErrTooFar and is not enqueued.", timesTooFar},
		{"times/clock", "A driver's clock never runs backwards.", timesClock},
	}
}

func timesNow(t *trial) {
	box := t.receive(done)
	for i, eta := range []time.Time{{}, t.now().Add(-time.Second), t.now().Add(-48 * time.Hour), time.Unix(1, 0)} {
		task := t.task(fmt.Sprintf("now-%d", i))
		task.ETA = eta
		began := time.Now()
		if r := t.enqueue(task); r.ETA.After(t.now()) {
			t.errorf("a task with ETA %s: its receipt says %s, which is in the future", eta, r.ETA)
		}
		if waited := box.next().at.Sub(began); t.Bubble && waited > time.Minute {
			t.errorf("a task with ETA %s waited %s", eta, waited)
		}
	}
}

func timesETA(t *trial) {
	t.needsDelay()
	box := t.receive(done)
	due := make(map[string]time.Time)
	for i, units := range []time.Duration{3, 1, 2} {
		task := t.due(fmt.Sprintf("later-%d", i), units*t.unit)
		due[task.ID] = task.ETA
		t.enqueue(task)
	}
	for range due {
		d := box.next()
		eta := due[d.ID]
		if d.at.Before(eta) {
			t.errorf("task %q was delivered %s before its ETA", d.ID, eta.Sub(d.at))
		}
		if late := d.at.Sub(eta); t.Bubble && late > time.Minute {
			t.errorf("task %q was delivered %s after its ETA", d.ID, late)
		}
		if !sameTime(d.ETA, eta) {
			t.errorf("task %q: the delivery says it was due %s, want %s", d.ID, d.ETA, eta)
		}
	}
}

func timesTooFar(t *trial) {
	box := t.receive(done)
	t.refuses(t.due("too-far", transport.MaxDelay+time.Hour), transport.ErrTooFar)
	box.none("the task was refused")
	if t.NoDelay {
		return
	}
	t.enqueue(t.due("too-far", transport.MaxDelay-time.Minute)) // the refused one holds no id
	box.none("the task is due in a month")
}

func timesClock(t *trial) {
	clock := ability[transport.Clock](t)
	t.receive(done)
	var backwards atomic.Int32
	t.atOnce(4, func(int) {
		last := clock.Now()
		for range 1000 {
			now := clock.Now()
			if now.Before(last) {
				backwards.Add(1)
			}
			last = now
		}
	})
	before := clock.Now()
	t.enqueue(t.task("tick"))
	t.pass(t.unit)
	if after := clock.Now(); after.Before(before) {
		t.errorf("the clock said %s, and %s later", before, after)
	}
	if n := backwards.Load(); n > 0 {
		t.errorf("the clock ran backwards %d times", n)
	}
}

// sameTime allows for what a wire format rounds.
func sameTime(a, b time.Time) bool {
	return a.Sub(b).Abs() <= time.Millisecond
}
