package taskotel_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/transport"
)

// order is what tests enqueue and publish.
type order struct {
	ID int `json:"id" validate:"required"`
}

var errDown = errors.New("the database is down")

// The trace that comes in from outside.
const (
	outerTrace  = "0af7651916cd43dd8448eb211c80319c"
	outerSpan   = "b7ad6b7169203331"
	traceparent = "00-" + outerTrace + "-" + outerSpan + "-01"
)

// exported is an in-memory exporter that can be waited for.
type exported struct {
	*tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider

	mu    sync.Mutex
	grown chan struct{} // closed, and replaced, with each export
}

// tracing is a provider of the SDK that exports to memory, all spans or those that their parents say.
func tracing(t testing.TB, opts ...sdktrace.TracerProviderOption) *exported {
	t.Helper()
	e := &exported{InMemoryExporter: tracetest.NewInMemoryExporter(), grown: make(chan struct{})}
	e.provider = sdktrace.NewTracerProvider(append(opts, sdktrace.WithSyncer(e))...)
	t.Cleanup(func() {
		if err := e.provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exported) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.InMemoryExporter.ExportSpans(ctx, spans)
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.grown)
	e.grown = make(chan struct{})
	return err
}

// wait waits for n spans to have ended.
func (e *exported) wait(t testing.TB, n int) tracetest.SpanStubs {
	t.Helper()
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	for {
		e.mu.Lock()
		grown := e.grown
		e.mu.Unlock()
		if spans := e.GetSpans(); len(spans) >= n {
			return spans
		}
		select {
		case <-grown:
		case <-patience.C:
			t.Fatalf("%d spans have ended, want %d:\n%s", len(e.GetSpans()), n, tree(e.GetSpans()))
		}
	}
}

// want compares all that was exported with a tree, and says whether it is one trace.
func (e *exported) want(t testing.TB, want string) tracetest.SpanStubs {
	t.Helper()
	want = strings.Trim(strings.ReplaceAll(want, "\n\t\t", "\n"), "\n\t") + "\n"
	spans := e.wait(t, strings.Count(want, "\n")-strings.Count("\n"+want, "\n(outside)"))
	if got := tree(spans); got != want {
		t.Errorf("exported\n%swant\n%s", got, want)
	}
	return spans
}

// tree draws spans, children under their parents: kind, name, and how it ended.
func tree(spans tracetest.SpanStubs) string {
	var b strings.Builder
	known := map[trace.SpanID]bool{}
	for _, s := range spans {
		known[s.SpanContext.SpanID()] = true
	}
	var draw func(parent trace.SpanID, depth int)
	draw = func(parent trace.SpanID, depth int) {
		var children tracetest.SpanStubs
		for _, s := range spans {
			if s.Parent.SpanID() == parent {
				children = append(children, s)
			}
		}
		slices.SortStableFunc(children, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		for _, s := range children {
			fmt.Fprintf(&b, "%s%s %s: %s", strings.Repeat("  ", depth), s.SpanKind, s.Name, cmp.Or(text(s, taskotel.OutcomeKey), "-"))
			if s.Status.Code == codes.Error {
				fmt.Fprintf(&b, ", error %s", text(s, "error.type"))
			}
			b.WriteByte('\n')
			draw(s.SpanContext.SpanID(), depth+1)
		}
	}
	draw(trace.SpanID{}, 0)
	var outside []trace.SpanID
	for _, s := range slices.SortedStableFunc(slices.Values(spans), func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) }) {
		if p := s.Parent.SpanID(); p.IsValid() && !known[p] && !slices.Contains(outside, p) {
			outside = append(outside, p)
		}
	}
	for _, p := range outside {
		fmt.Fprintf(&b, "(outside)\n")
		draw(p, 1)
	}
	return b.String()
}

// oneTrace fails unless all spans are of the trace.
func oneTrace(t testing.TB, spans tracetest.SpanStubs, want string) {
	t.Helper()
	for _, s := range spans {
		if got := s.SpanContext.TraceID().String(); got != want {
			t.Errorf("%s is of trace %s, want %s", s.Name, got, want)
		}
	}
}

func text(s tracetest.SpanStub, key attribute.Key) string { return values(s.Attributes)[key] }

func values(kvs []attribute.KeyValue) map[attribute.Key]string {
	m := map[attribute.Key]string{}
	for _, kv := range kvs {
		m[kv.Key] = kv.Value.String()
	}
	return m
}

// find returns the only span of that name.
func find(t testing.TB, spans tracetest.SpanStubs, name string) tracetest.SpanStub {
	t.Helper()
	var found tracetest.SpanStubs
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans are called %q, want 1:\n%s", len(found), name, tree(spans))
	}
	return found[0]
}

// newApp makes an instrumented App that ends with the test.
func newApp(t testing.TB, cfg tasks.Config, e *exported, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	return newAppWith(t, cfg, []taskotel.Option{taskotel.WithTracerProvider(e.provider), taskotel.WithMeterProvider(noop.NewMeterProvider())}, defs...)
}

func newAppWith(t testing.TB, cfg tasks.Config, opts []taskotel.Option, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	app, err := tasks.NewApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := taskotel.Instrument(app, opts...); err != nil {
		t.Fatal(err)
	}
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return app
}

// must takes what a call returns.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// under is a ctx that a request with that traceparent ran under.
func under(ctx context.Context, traceparent string) context.Context {
	return tasks.ContextWithHeaders(ctx, map[string][]string{"traceparent": {traceparent}})
}

// remote is a broker that delivers nothing: it keeps what is published, and fails where fail says so.
type remote struct {
	fail func(*transport.Message) error
	kept []*transport.Message
}

func (b *remote) Publish(_ context.Context, m *transport.Message) (string, error) {
	if b.fail != nil {
		if err := b.fail(m); err != nil {
			return "", err
		}
	}
	if err := m.Check(); err != nil {
		return "", err
	}
	c := *m
	b.kept = append(b.kept, &c)
	return fmt.Sprint("m", len(b.kept)), nil
}

// retrying is a policy that tries at once again.
func retrying() backoff.Policy {
	return backoff.Policy{On: func(error) bool { return true }, Initial: 1}
}

// quickly are settings that retry at once.
func quickly() transport.RetryConfig {
	return transport.RetryConfig{MaxAttempts: 5, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}
}
