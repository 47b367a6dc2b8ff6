package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// firings records what is fired at one endpoint.
type firings struct {
	t       *schedulerTrial
	mu      sync.Mutex
	arrived []firing
	total   int
	more    chan struct{}
}

// firing is a delivery as it came, copied.
type firing struct {
	url      string
	header   http.Header
	body     []byte
	at       time.Time
	deadline time.Time // of its context; zero if there is none
}

// planned is the time that the job says it is for.
func (f firing) planned() (time.Time, error) {
	return time.Parse(time.RFC3339, f.header.Get("X-CloudScheduler-ScheduleTime"))
}

// serve gives what is fired for a job to h.
func (t *schedulerTrial) serve(name string, h transport.Handler) *firings {
	t.needsFiring()
	b := &firings{t: t, more: make(chan struct{}, 1)}
	if err := t.Serve(t.Endpoint+"/"+name, b.recording(h)); err != nil {
		t.fatalf("Serve(%q): %v", t.Endpoint+"/"+name, err)
	}
	return b
}

// work takes d, in a handler, or until the case is over: none may outlive it.
func (t *schedulerTrial) work(d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.over.ch:
	}
}

// recording notes each delivery before h gets it.
func (b *firings) recording(h transport.Handler) transport.Handler {
	return func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		f := firing{url: d.URL, header: http.Header{}, body: bytes.Clone(d.Body), at: time.Now()}
		for name, values := range d.Header {
			f.header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
		f.deadline, _ = ctx.Deadline()
		b.mu.Lock()
		b.arrived = append(b.arrived, f)
		b.total++
		brake := b.total > hectic
		b.mu.Unlock()
		offer(b.more, struct{}{})
		if brake {
			b.t.work(b.t.Patience / 4)
		}
		return h(ctx, d)
	}
}

// next returns the oldest firing that was not looked at yet. It gives up if none comes.
func (b *firings) next() firing {
	timeout := time.NewTimer(b.t.Patience)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		if len(b.arrived) > 0 {
			f := b.arrived[0]
			b.arrived = b.arrived[1:]
			b.mu.Unlock()
			return f
		}
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-timeout.C:
			b.t.fatalf("nothing was fired within %s", b.t.Patience)
		}
	}
}

// none records what was not looked at, or is fired while nothing should be.
func (b *firings) none(because string) {
	b.t.pass(b.t.Grace)
	for _, f := range b.all() {
		b.t.errorf("fired after %s: %s", f.at.Sub(b.t.began), because)
	}
}

// all returns what was not looked at yet.
func (b *firings) all() []firing {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.arrived
	b.arrived = nil
	return all
}

// wantUntil lets time pass until d after the case began, in a bubble, and records unless the job was fired at these
// times since then, and at no other that was not looked at before.
func (b *firings) wantUntil(d time.Duration, want ...time.Duration) []firing {
	<-time.After(time.Until(b.t.began.Add(d)))
	all := b.all()
	var got []time.Duration
	for _, f := range all {
		got = append(got, f.at.Sub(b.t.began).Truncate(time.Millisecond))
	}
	if !slices.Equal(got, want) {
		b.t.errorf("fired after %s, want %s", brieflyTimes(got), brieflyTimes(want))
	}
	return all
}

// brieflyTimes shows times as far as one may want to read.
func brieflyTimes(ds []time.Duration) string {
	const most = 12
	if len(ds) == 0 {
		return "nothing"
	}
	if len(ds) > most {
		return fmt.Sprintf("%s and %d more", ds[:most], len(ds)-most)
	}
	return fmt.Sprint(ds)
}
