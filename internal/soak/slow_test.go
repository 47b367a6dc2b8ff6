package soak_test

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// slowKinds are what the slow clients do, each for as long as its patience lasts.
func slowKinds() []kind {
	return []kind{
		{name: "slow body, to the end", weight: 30, do: (*client).slowBody},
		{name: "slow body, without end", weight: 20, want: []int{0, 408, 400}, do: (*client).endlessBody},
		{name: "slow chunks, without end", weight: 15, want: []int{0, 408, 400, 413}, do: (*client).endlessChunks},
		{name: "slow header", weight: 15, want: []int{0, 408}, do: (*client).slowHeader},
		{name: "connection without a word", weight: 10, want: []int{0}, do: (*client).silent},
		{name: "answer read slowly", weight: 10, do: (*client).slowReader},
	}
}

// trickle writes text in small pieces, as long as somebody takes them.
func (c *client) trickle(ctx context.Context, l *line, text []byte, pieces int, took time.Duration) {
	size := max(1, len(text)/pieces)
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := l.Write(text[:n]); err != nil {
			return
		}
		text = text[n:]
		if len(text) > 0 && !wait(ctx, took/time.Duration(pieces)) {
			return
		}
	}
}

// while is how long a client has patience this time: mostly less than it could have.
func (c *client) while() time.Duration {
	d := c.patience
	if c.random.IntN(4) > 0 {
		d /= 10
	}
	return time.Duration((0.2 + 0.8*c.random.Float64()) * float64(d))
}

// slowBody delivers good work, a few bytes at a time.
func (c *client) slowBody(ctx context.Context) int {
	w, p := c.work(Work{More: "one", Fill: fill(c.random.IntN(4000))})
	verdict, status := Void, 0
	defer func() {
		c.service.Books[pushes].Settle(w.ID, verdict)
		c.count(ctx, "slow body, to the end", status, http.StatusOK)
	}()
	l := c.dial(ctx, 60*time.Second)
	if l == nil {
		return alreadyCounted
	}
	defer l.end()
	head := c.wire(p, fmt.Sprint("Content-Length: ", len(p.body)), "")
	_, _ = l.Write(head) // the answer tells
	c.trickle(ctx, l, p.body, 20, min(c.while(), 5*time.Second))
	var text []byte
	if status, text = l.answer(); status == http.StatusOK {
		verdict = Promised
		c.checkResult(w, p, c.parse(status, text))
	}
	return alreadyCounted
}

// endlessBody trickles a body that it never completes; then it goes, unless the App does not wait so long.
func (c *client) endlessBody(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	return c.dribble(ctx, c.wire(p, "Content-Length: 1000", ""), []byte(" "))
}

func (c *client) endlessChunks(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	return c.dribble(ctx, c.wire(p, "Transfer-Encoding: chunked", ""), []byte("1\r\n \r\n"))
}

func (c *client) slowHeader(ctx context.Context) int {
	return c.dribble(ctx, c.wire(c.bad("/tasks/Work", nil)), []byte("X-A: b\r\n"))
}

func (c *client) silent(ctx context.Context) int { return c.dribble(ctx, nil, nil) }

// dribble writes text and then a piece now and then, until the answer comes, the server closes, or patience is over.
func (c *client) dribble(ctx context.Context, text, piece []byte) int {
	limit := c.while()
	l := c.dial(ctx, limit+time.Second)
	if l == nil {
		return 0
	}
	defer l.end()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, _ = l.Write(text) // the answer tells
	answered := make(chan int, 1)
	go func() {
		status, _ := l.answer()
		answered <- status
	}()
	for range 900 { // fewer than the bytes that a body promises
		if !wait(ctx, limit/100) {
			break
		}
		if _, err := l.Write(piece); err != nil {
			break
		}
		select {
		case status := <-answered:
			return status
		default:
		}
	}
	_ = l.SetReadDeadline(time.Now()) // or it is closed
	return <-answered
}

// slowReader delivers good work and takes its time to read the answer.
func (c *client) slowReader(ctx context.Context) int {
	w, p := c.work(Work{More: "many"})
	verdict, status := Void, 0
	defer func() {
		c.service.Books[pushes].Settle(w.ID, verdict)
		c.count(ctx, "answer read slowly", status, http.StatusOK)
	}()
	l := c.dial(ctx, 60*time.Second)
	if l == nil {
		return alreadyCounted
	}
	defer l.end()
	if _, err := l.Write(c.whole(p)); err != nil || !wait(ctx, min(c.while(), 5*time.Second)) {
		return alreadyCounted
	}
	var text []byte
	if status, text = l.answer(); status == http.StatusOK {
		verdict = Promised
		c.checkResult(w, p, c.parse(status, text))
	}
	return alreadyCounted
}
