package soak_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// meanKinds are what HTTP clients do not do: they are written to the socket. None takes long.
func meanKinds() []kind {
	return []kind{
		{name: "too large by Content-Length", weight: 40, want: []int{413}, do: (*client).tooLong},
		{name: "too large by chunks", weight: 10, want: []int{413}, do: (*client).tooManyChunks},
		{name: "half a body, then closed", weight: 60, want: []int{0}, do: (*client).halfBody},
		{name: "half a header, then closed", weight: 40, want: []int{0}, do: (*client).halfHeader},
		{name: "reset before the answer", weight: 60, want: []int{0}, do: (*client).reset},
		{name: "reset in the middle of the answer", weight: 60, want: []int{0}, do: (*client).resetInAnswer},
		{name: "pipelined", weight: 60, do: (*client).pipelined},
		{name: "pipelined, never read, then reset", weight: 20, want: []int{0}, do: (*client).neverRead},
		{name: "100 KB of headers", weight: 20, do: (*client).manyHeaders},
		{name: "2 MB of headers", weight: 10, want: []int{431, 0}, do: (*client).hugeHeaders},
		{name: "header that HTTP does not allow", weight: 60, want: []int{400, 501}, do: (*client).brokenHeader},
		{name: "header made to inject, harmless", weight: 60, do: (*client).hostileHeader},
		{name: "path made to inject", weight: 60, want: []int{202, 301, 307, 308, 400, 404}, do: (*client).hostilePath},
	}
}

// dial opens a connection that ends with ctx, or after the time given. nil: nobody answers.
func (c *client) dial(ctx context.Context, limit time.Duration) *line {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.service.Addr)
	if err != nil {
		if !c.ending.Load() && ctx.Err() == nil {
			c.faults.Addf("no connection: %v", err)
		}
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(limit)) // of a connection just made
	l := &line{TCPConn: conn.(*net.TCPConn), in: bufio.NewReader(conn)}
	l.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return l
}

// line is a connection by hand.
type line struct {
	*net.TCPConn
	in   *bufio.Reader
	stop func() bool
}

// end closes the connection.
func (l *line) end() {
	l.stop()
	_ = l.Close() // or it is closed already
}

// cut closes it by a reset.
func (l *line) cut() {
	_ = l.SetLinger(0) // or it is closed already
	l.end()
}

// answer reads an answer; 0 where there is none.
func (l *line) answer() (int, []byte) {
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return 0, nil
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it is read
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, text
}

// wire is a push as it goes over the wire, without the empty line and the body; extra are header lines.
func (c *client) wire(p push, extra ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s%s HTTP/1.1\r\nHost: %s\r\n", p.side.Mount, p.path, c.service.Addr)
	_ = p.header.Write(&b) // into memory
	for _, line := range extra {
		b.WriteString(line + "\r\n")
	}
	return b.Bytes()
}

// whole is a push as it goes over the wire.
func (c *client) whole(p push, extra ...string) []byte {
	head := c.wire(p, append(extra, fmt.Sprint("Content-Length: ", len(p.body)))...)
	return append(append(head, "\r\n"...), p.body...)
}

// talk writes and reads one answer.
func (c *client) talk(ctx context.Context, parts ...[]byte) (int, []byte) {
	l := c.dial(ctx, 30*time.Second)
	if l == nil {
		return 0, nil
	}
	defer l.end()
	for _, part := range parts {
		if _, err := l.Write(part); err != nil {
			break // there may be an answer all the same
		}
	}
	return l.answer()
}

func (c *client) tooLong(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	status, _ := c.talk(ctx, c.wire(p, "Content-Length: 2000000", ""), []byte(fill(10_000)))
	return status
}

func (c *client) tooManyChunks(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	parts := [][]byte{c.wire(p, "Transfer-Encoding: chunked", "")}
	text := fill(32 << 10)
	for range 33 { // 1 MiB and a chunk more
		parts = append(parts, fmt.Appendf(nil, "%x\r\n%s\r\n", len(text), text))
	}
	status, _ := c.talk(ctx, parts...)
	return status
}

func (c *client) halfBody(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	return c.leave(ctx, append(c.wire(p, fmt.Sprint("Content-Length: ", len(p.body)), ""), p.body[:len(p.body)/2]...), (*line).end)
}

func (c *client) halfHeader(ctx context.Context) int {
	head := c.wire(c.bad("/tasks/Work", nil))
	return c.leave(ctx, head[:c.random.IntN(len(head))], (*line).end)
}

// reset sends good work and does not wait for the answer: it may be done.
func (c *client) reset(ctx context.Context) int {
	w, p := c.work(Work{More: "one"})
	defer c.service.Books[pushes].Settle(w.ID, Void)
	return c.leave(ctx, c.whole(p), (*line).cut)
}

func (c *client) resetInAnswer(ctx context.Context) int {
	w, p := c.work(Work{More: "one"})
	defer c.service.Books[pushes].Settle(w.ID, Void)
	return c.leave(ctx, c.whole(p), func(l *line) {
		_, _ = l.in.ReadByte() // it has begun
		l.cut()
	})
}

// leave writes, and goes.
func (c *client) leave(ctx context.Context, text []byte, end func(*line)) int {
	if l := c.dial(ctx, 30*time.Second); l != nil {
		_, _ = l.Write(text) // whether it arrives is not the point
		end(l)
	}
	return 0
}

// pipelined sends good and bad work in one go, and reads the answers in turn.
func (c *client) pipelined(ctx context.Context) int {
	type sent struct {
		work Work
		push push
		want []int
	}
	var all []sent
	var text []byte
	refused := false
	for range 2 + c.random.IntN(4) {
		if c.random.IntN(3) == 0 {
			p := c.bad("/tasks/Work", nil)
			p.header.Set("Authorization", foreignToken)
			text = append(text, c.whole(p)...)
			all = append(all, sent{want: []int{http.StatusForbidden}})
			if refused {
				all[len(all)-1].want = []int{http.StatusForbidden, 0}
			}
			refused = true
			continue
		}
		w, p := c.work(Work{More: "one"})
		text = append(text, c.whole(p)...)
		all = append(all, sent{w, p, []int{http.StatusOK}})
		if refused { // which may end the connection
			all[len(all)-1].want = []int{http.StatusOK, 0}
		}
	}
	l := c.dial(ctx, 30*time.Second)
	if l != nil {
		defer l.end()
		_, _ = l.Write(text) // the answers tell
	}
	for _, s := range all {
		status, verdict := 0, Void
		if l != nil {
			var body []byte
			if status, body = l.answer(); status == http.StatusOK {
				verdict = Promised
				c.checkResult(s.work, s.push, c.parse(status, body))
			}
		}
		c.count(ctx, "pipelined", status, s.want...)
		if s.work.ID != 0 {
			c.service.Books[pushes].Settle(s.work.ID, verdict)
		}
	}
	return alreadyCounted
}

func (c *client) neverRead(ctx context.Context) int {
	var text []byte
	for range 50 {
		w, p := c.work(Work{})
		defer c.service.Books[pushes].Settle(w.ID, Void)
		text = append(text, c.whole(p)...)
	}
	return c.leave(ctx, text, (*line).cut)
}

func (c *client) manyHeaders(ctx context.Context) int {
	var extra []string
	for i := range 100 {
		extra = append(extra, fmt.Sprintf("X-Filler-%d: %s", i, fill(1000)))
	}
	return c.deliverByHand(ctx, "100 KB of headers", Work{More: "one"}, extra...)
}

// hugeHeaders sends many lines, not a long one: net/http keeps the buffer of such a line in a pool, from where the next slow
// client takes it, and the heap looks a megabyte larger for as long as that one is there.
func (c *client) hugeHeaders(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	status, _ := c.talk(ctx, c.wire(p), []byte(strings.Repeat("X-Filler: "+fill(1000)+"\r\n", 2000)), []byte("\r\n"))
	return status
}

// deliverByHand delivers good work with header lines of whatever kind.
func (c *client) deliverByHand(ctx context.Context, kind string, w Work, extra ...string) int {
	w, p := c.work(w)
	verdict := Void
	status, text := c.talk(ctx, c.whole(p, extra...))
	if status == http.StatusOK {
		verdict = Promised
		c.checkResult(w, p, c.parse(status, text))
	}
	c.service.Books[pushes].Settle(w.ID, verdict)
	c.count(ctx, kind, status, http.StatusOK)
	return alreadyCounted
}

func (c *client) brokenHeader(ctx context.Context) int {
	lines := []string{
		"X-A: a\x00b", "X-A: a\x01b", "X A: b", "X-A : b", ": b", "X-A\r: b", "X\xffA: b", "X-A: a\rb",
		"Content-Length: 5", "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: identity", "X-A: b\r\n no: fold\x00",
	}
	p := c.bad("/tasks/Work", nil)
	status, _ := c.talk(ctx, c.whole(p, lines[c.random.IntN(len(lines))]))
	return status
}

// hostileHeader sends what HTTP lets through, and what looks like more than it is.
func (c *client) hostileHeader(ctx context.Context) int {
	lines := []string{
		"X-CloudTasks-TaskExecutionCount: -1", "X-CloudTasks-TaskETA: 99999999999999999999.9", "X-CloudTasks-QueueName: a/b%0d%0aX: y",
		"Typedtasks-Id: ../../etc", "Typedtasks-Attempts: -5", "Typedtasks-Retry: attempts=;;", "Typedtasks-Timeout: -1s",
		"Baggage: \xff\xfe\xfd", "Baggage: " + fill(20_000), "X-A: %0d%0aX-B: c", "X-A: b\tlevel=ERROR msg=\"forged\"",
		"X-CloudScheduler-JobName: x\ttime=0", "Baggage: a\r\nBaggage: b",
	}
	return c.deliverByHand(ctx, "header made to inject, harmless", Work{More: "one"}, lines[c.random.IntN(len(lines))])
}

func (c *client) hostilePath(ctx context.Context) int {
	paths := []string{
		"/tasks/Work%0d%0aX-Evil:%20yes", "/tasks/Work%00", "/tasks//Work", "/tasks/%2e%2e/tasks/Work/", "/tasks/Work/../../x",
		"/tasks/%ff%fe", "/tasks/" + strings.Repeat("a", 5000), "/tasks/level=ERROR%20msg=forged%0a", "/tasks/Work%1b[31m", "/subscriptions/%E2%80%AE", "/tasks/",
	}
	status, _ := c.talk(ctx, c.whole(c.bad(paths[c.random.IntN(len(paths))], nil)))
	return status
}
