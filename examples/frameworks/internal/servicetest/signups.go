package servicetest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

const ana = `{"email":"ana@example.com"}`

func (s Service) testSignups(t *testing.T) {
	sh := s.open(t, tasks.Config{})
	for _, c := range []struct {
		name, method, path, body string
		status                   []int
		answer                   string
	}{
		{name: "is enqueued", body: ana, status: []int{202}, answer: `"id":"`},
		{name: "no JSON", body: `{"email":`, status: []int{400}},
		{name: "no body", status: []int{400, 422}},
		{name: "a field breaks its rule", body: `{"email":"ana"}`, status: []int{422}, answer: `"email"`},
		{name: "a field is missing", body: `{}`, status: []int{422}, answer: `"required"`},
		{name: "too large", body: `{"email":"` + strings.Repeat("a", 64<<10) + `"}`, status: []int{400, 413}},
		{name: "not POST", method: "GET", status: []int{404, 405}},
		{name: "no such page", path: "/nothing", status: []int{404}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.method == "" {
				c.method = http.MethodPost
			}
			if c.path == "" {
				c.path = "/signup"
			}
			got := sh.send(t, request(t, c.method, sh.url+c.path, strings.NewReader(c.body)))
			for _, status := range c.status {
				if got.status == status && strings.Contains(got.body, c.answer) {
					return
				}
			}
			t.Errorf("answered with %d %s, want one of %v and %s", got.status, got.body, c.status, c.answer)
		})
	}
	if r := receive(t, sh.ran); r.name != "Welcome" || r.header != nil {
		t.Errorf("%s ran with %v, want Welcome without a trace", r.name, r.header)
	}
}

const signups = 5 // over one connection, which is where a framework uses its memory again

func (s Service) testTraceMemory(t *testing.T) {
	sh := s.open(t, tasks.Config{})
	want := map[string]bool{}
	for i := range signups {
		sh.post(t, "/signup", strings.NewReader(ana), "Traceparent", trace(i), "X-Other", "not propagated").want(t, 202, "")
		want[trace(i)] = true
	}
	for range signups {
		switch r := receive(t, sh.ran); {
		case len(r.header) != 1 || !want[r.header.Get("traceparent")]:
			t.Errorf("%s ran with %v", r.name, r.header)
		default:
			delete(want, r.header.Get("traceparent"))
		}
	}
}

// testTracePushes carries tasks by hand from where they are enqueued to where they are pushed, as Cloud Tasks does.
func (s Service) testTracePushes(t *testing.T) {
	queue := &remote{}
	sh := s.open(t, tasks.Config{Transport: queue, PropagatedHeaders: []string{"traceparent", "baggage"}})
	for i := range signups {
		sh.post(t, "/signup", strings.NewReader(ana), "traceparent", trace(i), "baggage", "a=1", "baggage", "b=2").want(t, 202, "")
	}
	for i, task := range queue.all() {
		r := request(t, http.MethodPost, sh.url+strings.TrimPrefix(task.URL, "http://localhost"), strings.NewReader(string(task.Body)))
		r.Header = task.Header
		sh.send(t, r).want(t, 200, "executed")
		if ran := receive(t, sh.ran); ran.header.Get("traceparent") != trace(i) || ran.header.Get("baggage") != "a=1,b=2" {
			t.Errorf("signup %d ran with %v", i, ran.header)
		}
	}
}

// remote is a queue somewhere else. It keeps header values as it got them: they must be nobody else's.
type remote struct {
	mu    sync.Mutex
	tasks []*transport.Task
}

func (q *remote) Enqueue(_ context.Context, t *transport.Task) (transport.Receipt, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := *t
	kept.Header, kept.Body = t.Header.Clone(), []byte(string(t.Body))
	q.tasks = append(q.tasks, &kept)
	return transport.Receipt{ID: "1", Queue: t.Queue, ETA: time.Time{}}, nil
}

func (q *remote) all() []*transport.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tasks
}
