package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// dlvOrder is what most tests deliver.
type dlvOrder struct {
	ID    int    `json:"id" validate:"required"`
	Email string `json:"email,omitempty" validate:"omitempty,email"`
}

const dlvBody = `{"id": 7}`

// dlvRemote is a transport that delivers nothing: it records what it is given, as the wire would carry it.
type dlvRemote struct {
	mu    sync.Mutex
	tasks []*transport.Task
	fail  func(*transport.Task) error
}

func (r *dlvRemote) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
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
	r.tasks = append(r.tasks, &c)
	return transport.Receipt{ID: t.ID, Queue: t.Queue, ETA: t.ETA}, nil
}

// sent returns what was enqueued since the last call.
func (r *dlvRemote) sent() []*transport.Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	ts := r.tasks
	r.tasks = nil
	return ts
}

// one returns the single task enqueued since the last call.
func (r *dlvRemote) one(t testing.TB) *transport.Task {
	t.Helper()
	ts := r.sent()
	if len(ts) != 1 {
		t.Fatalf("enqueued %d tasks, want 1", len(ts))
	}
	return ts[0]
}

// dlvLocal is a transport that runs tasks in this process when the test says so.
type dlvLocal struct {
	dlvRemote
	handler transport.Handler
	calls   []string // to Shutdown
}

func (l *dlvLocal) Serve(_ string, h transport.Handler) error { l.handler = h; return nil }

func (l *dlvLocal) Shutdown(context.Context) error { l.calls = append(l.calls, "shutdown"); return nil }

// dlvLog records what is logged from its level on. By default that is Info, without what all is well with.
type dlvLog struct {
	least   slog.Level
	mu      sync.Mutex
	records []dlvRecord
}

type dlvRecord struct {
	level   slog.Level
	message string
	attrs   map[string]string
}

func (l *dlvLog) Enabled(_ context.Context, level slog.Level) bool { return level >= l.least }
func (l *dlvLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *dlvLog) WithGroup(string) slog.Handler                    { return l }

func (l *dlvLog) Handle(_ context.Context, r slog.Record) error {
	rec := dlvRecord{level: r.Level, message: r.Message, attrs: map[string]string{}}
	r.Attrs(func(a slog.Attr) bool { rec.attrs[a.Key] = a.Value.String(); return true })
	if o := rec.attrs["outcome"]; l.least == slog.LevelInfo && (o == "executed" || o == "enqueued") {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, rec)
	return nil
}

// taken returns the records since the last call, those of NewApp's warning excepted.
func (l *dlvLog) taken() []dlvRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := slices.DeleteFunc(l.records, func(r dlvRecord) bool { return strings.Contains(r.message, "Config.Quarantine is not set") })
	l.records = nil
	return rs
}

// dlvApp makes an App; its definitions belong to it alone.
func dlvApp(t testing.TB, c tasks.Config, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	if c.Transport == nil && !c.Eager {
		c.Transport = &dlvRemote{}
	}
	if c.Name == "" {
		c.Name = "shop"
	}
	if c.Endpoint == "" {
		c.Endpoint = "https://shop.example.com"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Authenticator == nil {
		c.Authenticator = tasks.TrustNetwork()
	}
	app, err := tasks.NewApp(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
	return app
}

// dlvTask defines the task "order".
func dlvTask(fn func(context.Context, dlvOrder) error, opts ...tasks.Option) *tasks.Task[dlvOrder] {
	return tasks.New(fn, append([]tasks.Option{tasks.WithName("order")}, opts...)...)
}

// dlvReturns is a function that returns err.
func dlvReturns(err error) func(context.Context, dlvOrder) error {
	return func(context.Context, dlvOrder) error { return err }
}

// dlvAnswer is an answer of ServeHTTP.
type dlvAnswer struct {
	code   int
	header http.Header
	status string
	result string // JSON
	error  string // JSON
}

// dlvServe serves a request and checks the form of the answer: one JSON object of three members.
func dlvServe(t testing.TB, h http.Handler, r *http.Request) dlvAnswer {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return dlvParse(t, w.Code, w.Header(), w.Body.Bytes())
}

func dlvParse(t testing.TB, code int, header http.Header, body []byte) dlvAnswer {
	t.Helper()
	if ct := header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q, want application/json", ct)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	if keys := slices.Sorted(maps.Keys(members)); !slices.Equal(keys, []string{"error", "result", "status"}) {
		t.Fatalf("answer %q has the members %q", body, keys)
	}
	a := dlvAnswer{code: code, header: header, result: string(members["result"]), error: string(members["error"])}
	if err := json.Unmarshal(members["status"], &a.status); err != nil {
		t.Fatalf("answer %q: status: %v", body, err)
	}
	if code != http.StatusBadRequest && a.error != "null" {
		t.Errorf("answer %d has the error %s: texts leave only with 400", code, a.error)
	}
	return a
}

// dlvPost is a push; headers are pairs of name and value.
func dlvPost(path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// dlvUnsized hides the length of a body, as chunked encoding does.
func dlvUnsized(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

// dlvWant compares code and status.
func dlvWant(t testing.TB, got dlvAnswer, code int, status string) {
	t.Helper()
	if got.code != code || got.status != status {
		t.Errorf("answered %d %q (error %s), want %d %q", got.code, got.status, got.error, code, status)
	}
}

// dlvPass lets a bubble's time go by, and what is due in it run.
func dlvPass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// dlvMemory makes an App over memory in a bubble; the test's end shuts it down.
func dlvMemory(t *testing.T, c tasks.Config, defs ...tasks.Definition) (*tasks.App, *memory.Transport) {
	t.Helper()
	m := memory.New()
	c.Transport = m
	app := dlvApp(t, c, defs...)
	t.Cleanup(func() {
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return app, m
}
