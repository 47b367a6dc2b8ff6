package taskotel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/tasktest"
)

// run serves one push of a task with that function, and returns the span and the answer.
func run(t testing.TB, fn func(context.Context, order) error, o order) (tracetest.SpanStub, *httptest.ResponseRecorder, string) {
	t.Helper()
	spans, log := tracing(t), &bytes.Buffer{}
	task := tasks.New(fn, tasks.WithName("charge"))
	app := newApp(t, tasks.Config{Transport: nowhere{}, Endpoint: "https://shop.example.com", Logger: slog.New(slog.NewTextHandler(log, nil))}, spans, task)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, tasktest.Request(t, task, o))
	return find(t, spans.GetSpans(), "process tasks"), w, log.String()
}

func TestOutcome_OnItsSpan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		err       error
		payload   order
		outcome   tasks.Outcome
		status    codes.Code
		errorType string
		recorded  string
	}{
		{"executed", nil, order{1}, tasks.OutcomeExecuted, codes.Unset, "", ""},
		{"failed", fmt.Errorf("charge: %w", errDown), order{1}, tasks.OutcomeFailed, codes.Error, "failed", "charge: the database is down"},
		{"retry later", tasks.RetryAfter(time.Minute, errDown), order{1}, tasks.OutcomeRetryLater, codes.Error, "retry_later", "retry after 1m0s: the database is down"},
		{"rejected", nil, order{}, tasks.OutcomeRejected, codes.Error, "rejected", "rejected: "},
		{"discarded", tasks.Discard(errDown), order{1}, tasks.OutcomeDiscarded, codes.Unset, "", "discarded: the database is down"},
		{"discarded without a reason", tasks.Discard(nil), order{1}, tasks.OutcomeDiscarded, codes.Unset, "", ""},
		{"snoozed", tasks.Snooze(time.Minute), order{1}, tasks.OutcomeSnoozed, codes.Unset, "", ""},
		{"a deadline of something else", context.DeadlineExceeded, order{1}, tasks.OutcomeFailed, codes.Error, "failed", "context deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			span, _, _ := run(t, func(context.Context, order) error { return c.err }, c.payload)
			if got := text(span, taskotel.OutcomeKey); got != string(c.outcome) || span.Status.Code != c.status || text(span, "error.type") != c.errorType {
				t.Errorf("outcome %s, status %+v, error.type %q; want %s, %s, %q", got, span.Status, text(span, "error.type"), c.outcome, c.status, c.errorType)
			}
			if c.recorded == "" {
				if len(span.Events) > 0 {
					t.Errorf("recorded %+v", span.Events)
				}
				return
			}
			if len(span.Events) != 1 {
				t.Fatalf("recorded %+v", span.Events)
			}
			message := values(span.Events[0].Attributes)["exception.message"]
			if !strings.HasPrefix(message, c.recorded) || c.status == codes.Error && span.Status.Description != message {
				t.Errorf("recorded %q, status %q; want %q", message, span.Status.Description, c.recorded)
			}
		})
	}
}

// boom panics where a stack should show it.
func boom(context.Context, order) error { panic(errDown) }

func TestOutcome_APanic_IsRecordedWithItsStackAndPassedOn(t *testing.T) {
	t.Parallel()
	span, w, log := run(t, boom, order{1})
	if w.Code != http.StatusInternalServerError || !strings.Contains(log, "taskotel_test.boom") || !strings.Contains(log, errDown.Error()) {
		t.Errorf("answered %d, logged %s", w.Code, log)
	}
	if text(span, taskotel.OutcomeKey) != "failed" || text(span, "error.type") != "panic" || span.Status.Description != "panic: the database is down" {
		t.Errorf("the span says %v, %+v", values(span.Attributes), span.Status)
	}
	if event := values(span.Events[0].Attributes); len(span.Events) != 1 || !strings.Contains(event["exception.stacktrace"], "taskotel_test.boom") {
		t.Errorf("recorded %v", event)
	}
}

func TestOutcome_Goexit_EndsTheSpan(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(func(context.Context, order) error { runtime.Goexit(); return nil }, tasks.WithName("charge"))
	app := newApp(t, tasks.Config{Transport: nowhere{}, Endpoint: "https://shop.example.com"}, spans, task)
	r := tasktest.Request(t, task, order{1})
	var serving sync.WaitGroup
	serving.Go(func() { app.ServeHTTP(httptest.NewRecorder(), r) })
	serving.Wait()
	if s := find(t, spans.GetSpans(), "process tasks"); text(s, "error.type") != "goexit" || text(s, taskotel.OutcomeKey) != "failed" || !strings.Contains(s.Status.Description, "runtime.Goexit") {
		t.Errorf("the span says %v, %+v", values(s.Attributes), s.Status)
	}
}

// trap is a payload whose own method panics.
type trap struct {
	ID int `json:"id"`
}

func (*trap) Validate() error { panic("a trap") }

func TestOutcome_APayloadsPanic_IsOne(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task := tasks.New(func(context.Context, trap) error { return nil }, tasks.WithName("charge"))
	app := newApp(t, tasks.Config{Transport: nowhere{}, Endpoint: "https://shop.example.com"}, spans, task)
	app.ServeHTTP(httptest.NewRecorder(), tasktest.Request(t, task, trap{1}))
	s := find(t, spans.GetSpans(), "process tasks")
	if text(s, "error.type") != "panic" || len(s.Events) != 1 || !strings.Contains(values(s.Events[0].Attributes)["exception.stacktrace"], "(*trap).Validate") {
		t.Errorf("the span says %v, %+v", values(s.Attributes), s.Events)
	}
}

func TestOutcome_ARunThatOutlivesItsDeadline_TimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracing(t)
		task := tasks.New(func(ctx context.Context, _ order) error {
			<-ctx.Done()
			return fmt.Errorf("charge: %w", ctx.Err())
		}, tasks.WithName("charge"), tasks.WithTimeout(time.Minute))
		rec := recorder(t, tasks.Config{Name: "shop"}, spans, task)
		rec.App().ServeHTTP(httptest.NewRecorder(), tasktest.Request(t, task, order{1}, tasktest.With(rec)))
		if s := find(t, spans.GetSpans(), "process shop"); text(s, "error.type") != "timeout" || text(s, taskotel.OutcomeKey) != "failed" {
			t.Errorf("the span says %v", values(s.Attributes))
		}
	})
}

// What is logged of a run is logged under its span.
func TestOutcome_IsLoggedUnderTheSpan(t *testing.T) {
	t.Parallel()
	spans, h := tracing(t), &spanHandler{}
	task := tasks.New(func(context.Context, order) error { return errDown }, tasks.WithName("charge"))
	app := newApp(t, tasks.Config{Transport: nowhere{}, Endpoint: "https://shop.example.com", Logger: slog.New(h), CloudLoggingProject: "p",
		Quarantine: func(context.Context, tasks.Quarantined) error { return errors.New("full") }}, spans, task)
	app.ServeHTTP(httptest.NewRecorder(), tasktest.Request(t, task, order{1}))
	app.ServeHTTP(httptest.NewRecorder(), tasktest.Request(t, task, order{0})) // rejected, and not quarantined
	got := spans.GetSpans()
	logged := strings.Join(h.lines, "\n")
	for i, message := range []string{"task failed", "task rejected"} {
		sc := got[i].SpanContext
		line := fmt.Sprintf("%s %s projects/p/traces/%s %s true", message, sc.SpanID(), sc.TraceID(), sc.SpanID())
		if !strings.Contains(logged, line) {
			t.Errorf("logged\n%s\nwant\n%s", logged, line)
		}
	}
}

// What is logged of what is sent names the span that travels with it, wherever it travels.
func TestSent_IsLoggedWithItsTrace(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing, tasks.WithName("charge"))
	object := pubsub.NewPublisher[order](pubsub.Topic("objects"))
	other := pubsub.NewPublisher[order](pubsub.Topic("lines"), pubsub.WithCodec(lines{}))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("bytes"))
	many := []order{{1}, {2}}
	stale := pubsub.Raw(`{"_http_headers":{"traceparent":"` + traceparent + `"}}`)
	for _, c := range []struct {
		name string
		send func(ctx context.Context) error
		line string
		n    int
	}{
		{"a task", func(ctx context.Context) error { _, err := task.Enqueue(ctx, order{1}); return err }, "task enqueued", 1},
		{"tasks", func(ctx context.Context) error { return errors.Join(resultErrors(task.EnqueueAll(ctx, many))...) }, "task enqueued", 2},
		{"a message that is a JSON object", func(ctx context.Context) error { _, err := object.Publish(ctx, order{1}); return err }, "message published", 1},
		{"a message of other data", func(ctx context.Context) error { _, err := other.Publish(ctx, order{1}); return err }, "message published", 1},
		{"a message of bytes that name another trace", func(ctx context.Context) error { _, err := raw.Publish(ctx, stale); return err }, "message published", 1},
		{"an attribute that names another trace", func(ctx context.Context) error {
			_, err := object.Publish(ctx, order{1}, pubsub.Attributes(map[string]string{"http-traceparent": traceparent}))
			return err
		}, "message published", 1},
		{"messages", func(ctx context.Context) error { return errors.Join(resultErrors(object.PublishAll(ctx, many))...) }, "message published", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			spans, h := tracing(t), &spanHandler{}
			app := newApp(t, tasks.Config{Transport: nowhere{}, Broker: &remote{}, Endpoint: "https://shop.example.com", Logger: slog.New(h), CloudLoggingProject: "p"},
				spans, task, object, other, raw)
			if err := c.send(app.Context(under(t.Context(), traceparent))); err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, line := range h.lines {
				if named, ok := strings.CutPrefix(line, c.line+" "); ok {
					_, named, _ = strings.Cut(named, " ") // the span that it was logged under
					got = append(got, named)
				}
			}
			for _, s := range spans.GetSpans() {
				if s.SpanKind == trace.SpanKindProducer {
					want = append(want, fmt.Sprintf("projects/p/traces/%s %s true", outerTrace, s.SpanContext.SpanID()))
				}
			}
			if len(want) != c.n || !slices.Equal(got, want) {
				t.Errorf("logged\n%s\nwant\n%s", strings.Join(h.lines, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func resultErrors(rs []tasks.Result) (errs []error) {
	for _, r := range rs {
		errs = append(errs, r.Err)
	}
	return errs
}
