package soak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Crowd is the clients of one service.
type Crowd struct {
	service  *Service
	tally    *Tally
	faults   *Faults
	patience time.Duration // of the slow ones
	ending   atomic.Bool   // from here on the service may refuse, and cut
	pause    sync.RWMutex  // write-locked to let the brisk ones stop for a moment
	brisk    int
	rate     float64 // requests a second of all the brisk ones
	running  sync.WaitGroup
}

// Start starts clients, slow of them slow ones, until ctx ends.
func (c *Crowd) Start(ctx context.Context, seed uint64, clients, slow int) {
	c.brisk = clients - slow
	for i := range clients {
		one := &client{Crowd: c, random: rand.New(rand.NewPCG(seed, uint64(i)))}
		if i < slow {
			c.running.Go(func() { one.dawdle(ctx) })
			continue
		}
		one.lines = &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
		c.running.Go(func() {
			defer one.lines.CloseIdleConnections()
			one.hurry(ctx)
		})
	}
}

// Wait waits for them to be gone.
func (c *Crowd) Wait() { c.running.Wait() }

// client is one of them.
type client struct {
	*Crowd
	random *rand.Rand
	lines  *http.Transport // keep-alive
}

// kind is something that clients do.
type kind struct {
	name   string
	weight int
	// want are the answers that are right, beside what do counts by itself. While the service ends, 503 and none are
	// right too. 0: no answer.
	want []int
	do   func(c *client, ctx context.Context) int
}

// alreadyCounted is what do returns where it has counted.
const alreadyCounted = -1

// hurry does one thing after the other, at the pace that is this client's share, whatever the answers take.
func (c *client) hurry(ctx context.Context) {
	kinds := briskKinds()
	next := time.Now()
	for {
		next = next.Add(time.Duration(c.random.ExpFloat64() * float64(c.brisk) / c.rate * float64(time.Second)))
		if late := time.Since(next); late > time.Second { // no point in making up for it
			next = next.Add(late)
		}
		if !wait(ctx, time.Until(next)) {
			return
		}
		c.pause.RLock()
		c.one(ctx, kinds)
		c.pause.RUnlock()
	}
}

// dawdle does slow things, one after the other.
func (c *client) dawdle(ctx context.Context) {
	kinds := slowKinds()
	for wait(ctx, time.Duration(c.random.IntN(50))*time.Millisecond) {
		c.one(ctx, kinds)
	}
}

// one does something by chance.
func (c *client) one(ctx context.Context, kinds []kind) {
	all := 0
	for _, k := range kinds {
		all += k.weight
	}
	n := c.random.IntN(all)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			if status := k.do(c, ctx); status != alreadyCounted {
				c.count(ctx, k.name, status, k.want...)
			}
			return
		}
	}
}

// count notes an answer, which must be one of those wanted. A service that is ending, or has ended, need not answer:
// that is not counted.
func (c *client) count(ctx context.Context, kind string, status int, want ...int) {
	ending := c.ending.Load()
	if status != 0 || !ending && ctx.Err() == nil {
		c.tally.Count(kind, status)
	}
	if slices.Contains(want, status) {
		return
	}
	if ending && (status == http.StatusServiceUnavailable || status == 0) || ctx.Err() != nil && status == 0 {
		return
	}
	c.faults.Addf("%s: answered with %d, want %v", kind, status, want)
}

// answer is what the App answers.
type answer struct {
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
	Error  *string         `json:"error"`
}

// push is one delivery that may be made.
type push struct {
	side   *Side
	path   string // below the mount
	body   []byte
	header http.Header
}

// work issues an id for something to be done, and makes the push of it.
func (c *client) work(w Work) (Work, push) {
	side := c.service.Sides[c.random.IntN(len(c.service.Sides))]
	w.ID, w.Book = c.service.Books[pushes].Issue(), pushes
	p := c.bad("/tasks/Work", nil)
	p.side = side
	if c.random.IntN(2) == 0 {
		w.Trace = fmt.Sprintf("00-%032x-%016x-01", w.ID, w.ID)
		p.header.Set("Traceparent", w.Trace)
	}
	p.header.Set("X-CloudTasks-TaskName", "push-"+strconv.FormatInt(w.ID, 10))
	p.body = encode(w)
	return w, p
}

// bad makes a push that must not be done. Its body says so.
func (c *client) bad(path string, body []byte) push {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("Authorization", goodToken)
	h.Set("User-Agent", "Google-Cloud-Tasks")
	h.Set("X-CloudTasks-QueueName", queue)
	h.Set("X-CloudTasks-TaskRetryCount", "0")
	h.Set("X-CloudTasks-TaskETA", "1767225600.5")
	if body == nil {
		body = encode(Work{ID: 1, Book: pushes, Bad: true})
	}
	return push{side: c.service.Sides[c.random.IntN(len(c.service.Sides))], path: path, body: body, header: h}
}

func encode(w Work) []byte {
	b, _ := json.Marshal(w) // strings and numbers always encode
	return b
}

// send makes a delivery over the client's own connection. 0: there was no answer.
func (c *client) send(ctx context.Context, method string, p push) (int, answer) {
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, method, "http://"+c.service.Addr+p.side.Mount+p.path, bytes.NewReader(p.body))
	if err != nil {
		c.faults.Addf("the test is wrong: %v", err)
		return 0, answer{}
	}
	req.Header = p.header
	resp, err := c.lines.RoundTrip(req)
	if err != nil {
		if !c.ending.Load() && ctx.Err() == nil {
			c.faults.Addf("%s %s: no answer: %v", method, p.path, err)
		}
		return 0, answer{}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, answer{}
	}
	return resp.StatusCode, c.parse(resp.StatusCode, text)
}

// parse reads an answer of the App, which must keep to its form.
func (c *client) parse(status int, text []byte) answer {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || a.Status == "" {
		c.faults.Addf("answered with %d and %.100q, which is not the App's form: %v", status, text, err)
	}
	if a.Error != nil && status != http.StatusBadRequest {
		c.faults.Addf("an error leaves with %d: %q", status, *a.Error)
	}
	return a
}

// deliver delivers work until it is done, as Cloud Tasks does it. first are the right answers to the first attempt; 200
// is to all.
func (c *client) deliver(ctx context.Context, kind string, w Work, p push, first ...int) {
	verdict := Void
	defer func() { c.service.Books[pushes].Settle(w.ID, verdict) }()
	for attempt := 1; ; attempt++ {
		began := time.Now()
		status, a := c.send(ctx, http.MethodPost, p)
		if attempt == 1 && w.Act == "" && w.Takes == 0 {
			c.tally.Took(time.Since(began))
		}
		want := first
		if attempt > 1 {
			want = []int{http.StatusOK}
		}
		c.count(ctx, kind, status, want...)
		if status == http.StatusOK {
			verdict = Promised
			c.checkResult(w, p, a)
			return
		}
		if status < 500 || attempt == 5 || c.ending.Load() || !wait(ctx, 10*time.Millisecond) {
			return
		}
		p.header.Set("X-CloudTasks-TaskRetryCount", strconv.Itoa(attempt))
		p.header.Set("X-CloudTasks-TaskPreviousResponse", strconv.Itoa(status))
	}
}

// checkResult checks that an answer is that of this work, and not of some other.
func (c *client) checkResult(w Work, p push, a answer) {
	status, result := "executed", strconv.FormatInt(w.ID, 10)
	if w.Act == "snooze" {
		status = "snoozed"
	}
	if w.Act == "snooze" || p.path != "/tasks/Work" {
		result = "null"
	}
	if a.Status != status || string(a.Result) != result {
		c.faults.Addf("the answer to work %d is %s with result %.100s, want %s with %s", w.ID, a.Status, a.Result, status, result)
	}
}

// fill is n bytes of text.
func fill(n int) string { return strings.Repeat("soak ", n/5+1)[:n] }
