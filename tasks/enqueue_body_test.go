package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// bdyPublisher is a publisher as package pubsub makes them.
func bdyPublisher(set ...func(*tasks.Spec)) *enqHandmade {
	d := &enqHandmade{spec: tasks.Spec{Kind: tasks.KindPublisher, Name: "orders", Path: "orders.publish", Handle: func(_ context.Context, d *transport.Delivery) (any, error) {
		return string(d.Body), nil
	}}}
	for _, f := range set {
		f(&d.spec)
	}
	return d
}

func TestEnqueueBody_MakesATaskOfTheDefinitions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name string
			set  func(*tasks.Spec)
			opts []tasks.EnqueueOption
			want func(*transport.Task)
			head string
		}{
			{"plain", func(*tasks.Spec) {}, nil, func(*transport.Task) {}, "Content-Type=application/json Traceparent=00-1"},
			{"with settings of its own", func(s *tasks.Spec) {
				s.Queue, s.Timeout, s.Header = "own", time.Minute, http.Header{"Content-Type": {"text/x"}, "X-A": {"1"}}
			}, nil, func(t *transport.Task) { t.Queue, t.Timeout = "own", time.Minute }, "Content-Type=text/x Traceparent=00-1 X-A=1"},
			{"with options", func(s *tasks.Spec) { s.Queue, s.Timeout = "own", time.Minute },
				[]tasks.EnqueueOption{tasks.OnQueue("slow"), tasks.In(time.Hour), tasks.WithID("me"), tasks.WithTimeout(20 * time.Second), tasks.WithHeader("X-B", "2")},
				func(t *transport.Task) {
					t.Queue, t.ID, t.Timeout, t.ETA = "slow", "me", 20*time.Second, time.Now().Add(time.Hour)
				}, "Content-Type=application/json Traceparent=00-1 Typedtasks-Timeout=20s X-B=2"},
		} {
			remote := &dlvRemote{}
			d := bdyPublisher(c.set)
			dlvApp(t, tasks.Config{Transport: remote}, d)
			ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"Traceparent": {"00-1"}})
			r, err := tasks.EnqueueBody(ctx, d, []byte("body"), c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			want := transport.Task{Queue: "shop", URL: "https://shop.example.com/tasks/orders.publish", Audience: "https://shop.example.com"}
			c.want(&want)
			got := remote.one(t)
			if got.Queue != want.Queue || got.URL != want.URL || got.Audience != want.Audience || got.ID != want.ID || got.Timeout != want.Timeout || !got.ETA.Equal(want.ETA) ||
				string(got.Body) != "body" || msgFlat(got.Header) != c.head {
				t.Errorf("%s: enqueued %+v", c.name, got)
			}
			if r.Queue != want.Queue || r.ID != want.ID || !r.ETA.Equal(want.ETA) || r.Duplicate {
				t.Errorf("%s: receipt %+v", c.name, r)
			}
		}
	})
}

func TestEnqueueBody_Errors(t *testing.T) {
	t.Parallel()
	remote := &dlvRemote{fail: func(t *transport.Task) error {
		if string(t.Body) == "bad" {
			return errDlv
		}
		return nil
	}}
	d, other, unserved := bdyPublisher(), bdyPublisher(), bdyPublisher(func(s *tasks.Spec) { s.Name, s.Path = "unserved", "" })
	app := dlvApp(t, tasks.Config{Transport: remote}, d, unserved)
	elsewhere := dlvApp(t, tasks.Config{}, other)
	for _, c := range []struct {
		name string
		ctx  context.Context
		def  tasks.Definition
		body string
		opt  tasks.EnqueueOption
		is   error
		says string
	}{
		{"never registered", t.Context(), bdyPublisher(), "x", nil, tasks.ErrNotRegistered, ""},
		{"registered elsewhere", elsewhere.Context(t.Context()), d, "x", nil, tasks.ErrNotRegistered, `the App "shop"`},
		{"served nowhere", t.Context(), unserved, "x", nil, tasks.ErrInvalid, `publisher "unserved" is served under no path`},
		{"too large", t.Context(), d, strings.Repeat("x", 2<<20), nil, tasks.ErrTooLarge, ""},
		{"too far", t.Context(), d, "x", tasks.In(1000 * time.Hour), tasks.ErrTooFar, ""},
		{"a bad option", t.Context(), d, "x", tasks.OnQueue("no_queue"), tasks.ErrInvalid, "OnQueue"},
		{"the transport's", t.Context(), d, "bad", nil, errDlv, `queue "shop"`},
	} {
		opts := []tasks.EnqueueOption{c.opt}
		if c.opt == nil {
			opts = nil
		}
		_, err := tasks.EnqueueBody(c.ctx, c.def, []byte(c.body), opts...)
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
		}
		enqSays(t, err, c.says)
	}
	if sent := remote.sent(); len(sent) > 0 {
		t.Errorf("enqueued %+v", sent)
	}
	if err := app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tasks.EnqueueBody(t.Context(), d, nil); !errors.Is(err, tasks.ErrShutdown) {
		t.Errorf("after the end: %v", err)
	}
}

func TestEnqueueBody_GoesThroughMiddlewareAndRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := 0
		remote := &dlvRemote{fail: func(*transport.Task) error {
			if failures--; failures >= 0 {
				return errDlv
			}
			return nil
		}}
		d := bdyPublisher()
		app := dlvApp(t, tasks.Config{Transport: remote, EnqueueRetry: backoff.Policy{On: func(error) bool { return true }}}, d)
		app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
			return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
				ts[0].Body[0] = 'X'
				return next(ctx, ts)
			}
		})
		body := []byte("body")
		failures = 2
		r, err := tasks.EnqueueBody(t.Context(), d, body)
		if got := remote.one(t); err != nil || string(got.Body) != "Xody" || string(body) != "body" || got.ID == "" || r.ID != got.ID || r.Duplicate || failures != -1 {
			t.Errorf("%+v, %v: enqueued %+v, and the caller's body is %q", r, err, got, body)
		}
		failures = 1
		if _, err := tasks.EnqueueBody(t.Context(), d, body, tasks.WithEnqueueRetry(backoff.Policy{On: backoff.Never})); !errors.Is(err, errDlv) {
			t.Errorf("with a policy of the call's own: %v", err)
		}
	})
}

func TestEnqueueBody_ReachesTheDefinition(t *testing.T) {
	t.Parallel()
	var got string
	d := bdyPublisher(func(s *tasks.Spec) {
		s.Handle = func(_ context.Context, d *transport.Delivery) (any, error) { got = string(d.Body); return nil, nil }
	})
	dlvApp(t, tasks.Config{Eager: true}, d)
	if _, err := tasks.EnqueueBody(t.Context(), d, []byte("body")); err != nil || got != "body" {
		t.Errorf("%v: it got %q", err, got)
	}
}
