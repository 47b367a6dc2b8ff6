package pubsub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// evOrder is what most tests publish.
type evOrder struct {
	ID   int    `json:"id" validate:"required"`
	Note string `json:"note,omitempty" validate:"max=2000000"`
}

var errEv = errors.New("the database is down")

// evBroker is a remote broker that keeps what is published, and fails where fail says so.
type evBroker struct {
	fail func(m *transport.Message) error

	mu   sync.Mutex
	kept []*transport.Message
}

var _ transport.Broker = (*evBroker)(nil)

func (b *evBroker) Publish(ctx context.Context, m *transport.Message) (string, error) {
	if err := errors.Join(ctx.Err(), m.Check()); err != nil {
		return "", err
	}
	if b.fail != nil {
		if err := b.fail(m); err != nil {
			return "", err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := *m
	c.Data, c.Attributes = bytes.Clone(m.Data), maps.Clone(m.Attributes)
	b.kept = append(b.kept, &c)
	return "m" + strconv.Itoa(len(b.kept)), nil
}

// all returns what was published.
func (b *evBroker) all() []*transport.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.kept)
}

// last returns what was published last.
func (b *evBroker) last(t testing.TB) *transport.Message {
	t.Helper()
	all := b.all()
	if len(all) == 0 {
		t.Fatal("nothing was published")
	}
	return all[len(all)-1]
}

// evBatching is an evBroker that takes many messages in one call.
type evBatching struct {
	*evBroker
	sizes []int
}

var _ transport.BatchPublisher = (*evBatching)(nil)

func (b *evBatching) PublishBatch(ctx context.Context, ms []*transport.Message) []transport.Result {
	b.sizes = append(b.sizes, len(ms))
	results := make([]transport.Result, len(ms))
	for i, m := range ms {
		results[i].Receipt.ID, results[i].Err = b.Publish(ctx, m)
	}
	return results
}

// evRemote is a transport that delivers nothing: it keeps what is enqueued.
type evRemote struct {
	mu    sync.Mutex
	kept  []*transport.Task
	taken map[string]bool
	fail  func(*transport.Task) error
}

func (r *evRemote) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(ctx.Err(), t.Check(time.Now())); err != nil {
		return transport.Receipt{}, err
	}
	if r.fail != nil {
		if err := r.fail(t); err != nil {
			return transport.Receipt{}, err
		}
	}
	c := *t
	c.Header, c.Body = t.Header.Clone(), bytes.Clone(t.Body)
	if c.ID == "" {
		c.ID = "t" + strconv.Itoa(len(r.kept)+1)
	}
	if r.taken[c.ID] {
		return transport.Receipt{ID: c.ID}, &transport.Error{Op: transport.OpEnqueue, Queue: c.Queue, ID: c.ID, Kind: transport.KindExists}
	}
	if r.taken == nil {
		r.taken = map[string]bool{}
	}
	r.taken[c.ID] = true
	r.kept = append(r.kept, &c)
	return transport.Receipt{ID: c.ID, Queue: t.Queue, ETA: t.ETA}, nil
}

func (r *evRemote) all() []*transport.Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kept)
}

// one returns the only task enqueued.
func (r *evRemote) one(t testing.TB) *transport.Task {
	t.Helper()
	all := r.all()
	if len(all) != 1 {
		t.Fatalf("%d tasks were enqueued, want 1", len(all))
	}
	return all[0]
}

// evApp makes an App over an evRemote and an evBroker, where c has none.
func evApp(t testing.TB, c tasks.Config, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	app := evBareApp(t, c)
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
	return app
}

func evBareApp(t testing.TB, c tasks.Config) *tasks.App {
	t.Helper()
	if c.Transport == nil && !c.Eager {
		c.Transport = &evRemote{}
		if c.Broker == nil {
			c.Broker = &evBroker{}
		}
	}
	if c.Name == "" {
		c.Name = "shop"
	}
	if c.Endpoint == "" {
		c.Endpoint = "https://shop.example.com"
	}
	if c.Authenticator == nil {
		c.Authenticator = tasks.TrustNetwork()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	app, err := tasks.NewApp(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return app
}

// evMemory makes an App over memory, in a bubble; the test's end shuts it down.
func evMemory(t testing.TB, c tasks.Config, defs ...tasks.Definition) (*tasks.App, *memory.Transport) {
	t.Helper()
	m := memory.New()
	c.Transport = m
	return evApp(t, c, defs...), m
}

// evPass lets a bubble's time go by, and what is due in it run.
func evPass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// evDo fails the test on an error.
func evDo[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// evSays fails the test unless err holds every text.
func evSays(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q:\n%v", text, err)
		}
	}
}

// evIs fails the test unless err matches target.
func evIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want one that is %q", err, target)
	}
}

// evEqual compares by JSON, which is easy to read and to write down.
func evEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	g, w := evJSON(t, got), evJSON(t, want)
	if g != w {
		t.Errorf("%s is\n\t%s, want\n\t%s", what, g, w)
	}
}

func evJSON(t testing.TB, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// evSeen notes what subscribers get.
type evSeen[M any] struct {
	mu   sync.Mutex
	list []M
}

func (s *evSeen[M]) add(m M) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, m)
	return len(s.list)
}

// all returns what came since the last call.
func (s *evSeen[M]) all() []M {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// one returns the only one that came since the last call.
func (s *evSeen[M]) one(t testing.TB) M {
	t.Helper()
	list := s.all()
	if len(list) != 1 {
		t.Fatalf("%d came, want 1: %+v", len(list), list)
	}
	return list[0]
}

// evAnswer is an answer of the App.
type evAnswer struct {
	code   int
	status string
	error  string
	header http.Header
}

func (a evAnswer) want(t testing.TB, code int, status string) {
	t.Helper()
	if a.code != code || a.status != status {
		t.Errorf("answered %d %q (%s), want %d %q", a.code, a.status, a.error, code, status)
	}
}

// evServer serves an App over HTTP. It posts a body to a path; headers are pairs of name and value.
func evServer(t testing.TB, app http.Handler) func(path, body string, headers ...string) evAnswer {
	t.Helper()
	srv := evServe(t, app)
	return func(path, body string, headers ...string) evAnswer {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return evAsk(t, srv.Client(), r)
	}
}

// evServing is an App served over HTTP.
type evServing struct{ *httptest.Server }

func evServe(t testing.TB, app http.Handler) evServing {
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.Client().CloseIdleConnections)
	return evServing{srv}
}

func (s evServing) at(path string) *url.URL {
	u, _ := url.Parse(s.URL + path) // of a server's own URL
	return u
}

func evAsk(t testing.TB, client *http.Client, r *http.Request) evAnswer {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Status string
		Error  *string
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatalf("answer %d: %v", resp.StatusCode, err)
	}
	a := evAnswer{code: resp.StatusCode, status: got.Status, header: resp.Header}
	if got.Error != nil {
		a.error = *got.Error
	}
	if a.error != "" && a.code != http.StatusBadRequest {
		t.Errorf("answer %d tells the error %q", a.code, a.error)
	}
	return a
}

// evRun delivers a task as Cloud Tasks would.
func evRun(t testing.TB, app http.Handler, task *transport.Task, attempt int) evAnswer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, task.URL, bytes.NewReader(task.Body))
	r.Header = task.Header.Clone()
	r.Header.Set("X-CloudTasks-QueueName", task.Queue)
	r.Header.Set("X-CloudTasks-TaskName", task.ID)
	r.Header.Set("X-CloudTasks-TaskRetryCount", fmt.Sprint(attempt-1))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	var got struct {
		Status string
		Error  *string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	a := evAnswer{code: w.Code, status: got.Status, header: w.Header()}
	if got.Error != nil {
		a.error = *got.Error
	}
	return a
}

// evPush is a push of data as Pub/Sub wraps it; members are more of the message's, each with a comma before it.
func evPush(data string, members ...string) string {
	encoded, _ := json.Marshal([]byte(data))
	return fmt.Sprintf(`{"message": {"data": %s, "messageId": "11", "publishTime": "2026-11-24T06:00:00Z"%s}, "subscription": "projects/p/subscriptions/audit"}`,
		encoded, strings.Join(members, ""))
}
