package transporttest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func rateLaws() []law {
	return []law{
		{"rates/per-second", "A queue starts no more tasks than its burst and its rate allow, and makes use of them.", ratesPerSecond},
		{"rates/concurrent", "MaxConcurrentDispatches bounds the attempts of a queue that are unanswered, and is made use of.", ratesConcurrent},
		{"rates/declared", "Settings that QueueDeclarer took hold for the queue when it comes into being.", ratesDeclared},
	}
}

func ratesPerSecond(t *trial) {
	t.needsQueueing()
	t.needsBubble()
	ability[transport.QueueAdmin](t)
	box := t.receive(done)
	for _, rate := range []float64{0.5, 2, 20} {
		cfg := transport.QueueConfig{MaxDispatchesPerSecond: rate}
		t.admin(cfg)
		t.pass(time.Minute) // the bucket fills
		const n = 20
		for i := range n {
			t.enqueue(t.task(fmt.Sprintf("rate-%v-%d", int(10*rate), i)))
		}
		var at []time.Time
		for range n {
			at = append(at, box.next().at)
		}
		seconds := func(dispatches int) time.Duration {
			return time.Duration(float64(dispatches) / rate * float64(time.Second))
		}
		for i := range at {
			for j := i + cfg.Burst(); j < n; j++ {
				if took := at[j].Sub(at[i]); took < seconds(j-i+1-cfg.Burst())-time.Millisecond {
					t.fatalf("at %v/s with a burst of %d, %d tasks began within %s", rate, cfg.Burst(), j-i+1, took)
				}
			}
		}
		if took := at[n-1].Sub(at[0]); took > 2*seconds(n) {
			t.errorf("at %v/s, %d tasks took %s", rate, n, took)
		}
	}
}

func ratesConcurrent(t *trial) {
	t.needsQueueing()
	const limit = 3
	t.admin(transport.QueueConfig{MaxConcurrentDispatches: limit})
	t.atMost(limit, t.Queue)
}

func ratesDeclared(t *trial) {
	t.needsQueueing()
	const limit = 2
	declarer := ability[transport.QueueDeclarer](t)
	cfgs := map[string]transport.QueueConfig{"conformance-declared": {MaxConcurrentDispatches: limit}}
	t.wantError(declarer.DeclareQueues(cfgs), nil, "DeclareQueues")
	cfgs["conformance-declared"] = transport.QueueConfig{MaxConcurrentDispatches: 1}
	t.atMost(limit, "conformance-declared")
}

// atMost records unless the queue runs exactly limit tasks at a time, of more that wait.
func (t *trial) atMost(limit int, queue string) {
	const n = 10
	g := t.gate()
	var running, peak atomic.Int32
	box := t.receive(func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		now := running.Add(1)
		for was := peak.Load(); now > was && !peak.CompareAndSwap(was, now); was = peak.Load() {
		}
		status, after, err := g.before(done)(ctx, d)
		running.Add(-1)
		return status, after, err
	})
	for i := range n {
		task := t.task(fmt.Sprintf("at-once-%d", i))
		task.Queue = queue
		t.enqueue(task)
	}
	for range limit {
		box.next()
	}
	box.none(fmt.Sprintf("%d attempts are unanswered", limit))
	g.open()
	for range n - limit {
		box.next()
	}
	if p := int(peak.Load()); p > limit {
		t.errorf("%d attempts were unanswered at the same time, %d are allowed", p, limit)
	}
	box.none("every task has run")
}
