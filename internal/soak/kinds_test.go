package soak_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
)

// What the App may answer to what does not decode or validate: it is quarantined, or refused where that fails.
var unusable = []int{http.StatusAccepted, http.StatusBadRequest}

// briskKinds are what most clients do. The weights are shares of 10,000.
func briskKinds() []kind {
	kinds := []kind{
		{name: "push", weight: 5200, do: (*client).plain},
		{name: "push that enqueues or publishes", weight: 1800, do: (*client).enqueuing},
		{name: "push that takes its time", weight: 300, do: (*client).lengthy},
		{name: "push that fails at first", weight: 150, do: acting("push that fails at first", "fail", 500)},
		{name: "push that panics at first", weight: 100, do: acting("push that panics at first", "panic", 500)},
		{name: "push that asks for a retry", weight: 100, do: acting("push that asks for a retry", "retry", 503)},
		{name: "push that snoozes", weight: 300, do: acting("push that snoozes", "snooze", 200)},
		{name: "push that is discarded", weight: 100, do: acting("push that is discarded", "discard", 202)},
		{name: "push, middleware panics", weight: 100, do: (*client).panicking},
		{name: "push of a last attempt that fails", weight: 100, want: []int{202}, do: (*client).hopeless},
		{name: "push of a message", weight: 400, do: (*client).message},
		{name: "push of 10 or 300 KB", weight: 40, do: (*client).large},
		{name: "bad JSON", weight: 150, want: unusable, do: (*client).badJSON},
		{name: "payload not valid", weight: 100, want: unusable, do: posting("/tasks/Work", []byte(`{"id":0,"book":"nobody's","takes":-1,"bad":true}`))},
		{name: "message not an envelope", weight: 60, want: unusable, do: posting("/subscriptions/Paid", []byte(`{"message":{"data":"%%%"}}`))},
		{name: "unknown task", weight: 100, want: []int{202, 404}, do: posting("/tasks/Nobody", nil)},
		{name: "token missing or bad", weight: 150, want: []int{401}, do: (*client).badToken},
		{name: "token of somebody else", weight: 80, want: []int{403}, do: (*client).foreignToken},
		{name: "two tokens", weight: 80, want: []int{401}, do: (*client).twoTokens},
		{name: "GET, PUT", weight: 80, want: []int{405}, do: (*client).wrongMethod},
		{name: "content coding gzip", weight: 60, want: []int{202, 400, 415}, do: (*client).coded},
	}
	return append(kinds, meanKinds()...)
}

func (c *client) plain(ctx context.Context) int {
	w, p := c.work(Work{Fill: fill(c.random.IntN(300))})
	c.deliver(ctx, "push", w, p, http.StatusOK)
	return alreadyCounted
}

func (c *client) enqueuing(ctx context.Context) int {
	more := []string{"one", "many", "later", "twice", "publish", "chain"}
	w, p := c.work(Work{More: more[c.random.IntN(len(more))]})
	c.deliver(ctx, "push that enqueues or publishes", w, p, http.StatusOK)
	return alreadyCounted
}

func (c *client) lengthy(ctx context.Context) int {
	w, p := c.work(Work{Takes: 1 + c.random.IntN(200), More: "one"})
	c.deliver(ctx, "push that takes its time", w, p, http.StatusOK)
	return alreadyCounted
}

func (c *client) large(ctx context.Context) int {
	n := 10_000
	if c.random.IntN(2) == 0 {
		n = 300_000 // more than the App keeps a buffer for
	}
	w, p := c.work(Work{Fill: fill(n)})
	c.deliver(ctx, "push of 10 or 300 KB", w, p, http.StatusOK)
	return alreadyCounted
}

// acting makes a kind of push whose function does something else than its work on the first attempt.
func acting(name, act string, first int) func(*client, context.Context) int {
	return func(c *client, ctx context.Context) int {
		w, p := c.work(Work{Act: act})
		c.deliver(ctx, name, w, p, first)
		return alreadyCounted
	}
}

func (c *client) panicking(ctx context.Context) int {
	w, p := c.work(Work{})
	p.header.Set(headerPanic, "yes")
	want := http.StatusOK
	if p.side == c.service.Sides[0] { // the one with middleware
		want = http.StatusInternalServerError
	}
	c.deliver(ctx, "push, middleware panics", w, p, want)
	return alreadyCounted
}

func (c *client) hopeless(ctx context.Context) int {
	w, p := c.work(Work{Act: "hopeless"})
	defer c.service.Books[pushes].Settle(w.ID, Refused)
	p.header.Set("X-CloudTasks-QueueName", briefQueue)
	p.header.Set("X-CloudTasks-TaskRetryCount", "2")
	status, _ := c.send(ctx, http.MethodPost, p)
	if status == http.StatusInternalServerError && c.ending.Load() { // not quarantined any more
		c.count(ctx, "push of a last attempt that fails", status, status)
		return alreadyCounted
	}
	return status
}

// message pushes as Pub/Sub does.
func (c *client) message(ctx context.Context) int {
	w, p := c.work(Work{})
	w.Trace = "" // which travels in the data
	p.path = "/subscriptions/Paid"
	p.body = fmt.Appendf(nil, `{"message":{"data":"%s","messageId":"%d","publishTime":"2026-11-24T10:00:00Z","attributes":{"a":"b"}},"subscription":"projects/p/subscriptions/%s"}`,
		base64.StdEncoding.EncodeToString(encode(w)), w.ID, p.side.Subscription)
	p.header.Del("X-CloudTasks-QueueName")
	p.header.Del("X-CloudTasks-TaskName")
	c.deliver(ctx, "push of a message", w, p, http.StatusOK)
	return alreadyCounted
}

// posting makes a kind that pushes the same every time. It must not be done.
func posting(path string, body []byte) func(*client, context.Context) int {
	return func(c *client, ctx context.Context) int {
		status, _ := c.send(ctx, http.MethodPost, c.bad(path, body))
		return status
	}
}

func (c *client) badJSON(ctx context.Context) int {
	whole := encode(Work{ID: 1, Book: pushes, Bad: true, Fill: fill(50)})
	body := whole[:1+c.random.IntN(len(whole)-1)]
	if c.random.IntN(2) == 0 {
		body = bytes.Replace(whole, []byte(`"book"`), []byte("\"bo\xffok\x00\n"), 1)
	}
	status, _ := c.send(ctx, http.MethodPost, c.bad("/tasks/Work", body))
	return status
}

func (c *client) badToken(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	tokens := []string{"", "Bearer", "Bearer ", "Bearer goo", goodToken + " ", "bearer " + fill(4000), "Basic Z29vZA=="}
	p.header.Set("Authorization", tokens[1+c.random.IntN(len(tokens)-1)])
	if c.random.IntN(4) == 0 {
		p.header.Del("Authorization")
	}
	if p.header.Get("Authorization") == goodToken+" " { // HTTP trims it: this one is good
		p.header.Set("Authorization", goodToken+"x")
	}
	status, _ := c.send(ctx, http.MethodPost, p)
	return status
}

func (c *client) foreignToken(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	p.header.Set("Authorization", foreignToken)
	status, _ := c.send(ctx, http.MethodPost, p)
	return status
}

func (c *client) twoTokens(ctx context.Context) int {
	p := c.bad("/tasks/Work", nil)
	p.header["Authorization"] = []string{goodToken, "Bearer bad"}
	if c.random.IntN(2) == 0 {
		p.header["Authorization"] = []string{foreignToken, goodToken}
	}
	status, _ := c.send(ctx, http.MethodPost, p)
	return status
}

func (c *client) wrongMethod(ctx context.Context) int {
	methods := []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions}
	status, _ := c.send(ctx, methods[c.random.IntN(len(methods))], c.bad("/tasks/Work", nil))
	return status
}

func (c *client) coded(ctx context.Context) int {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(encode(Work{ID: 1, Book: pushes, Bad: true})) // into memory
	_ = z.Close()
	p := c.bad("/tasks/Work", packed.Bytes())
	p.header.Set("Content-Encoding", "gzip")
	status, _ := c.send(ctx, http.MethodPost, p)
	return status
}
