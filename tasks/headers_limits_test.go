package tasks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// limNames are the names of n headers, X-H-01 first.
func limNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("X-H-%02d", i+1))
	}
	return names
}

// limHeader has a header of each name, with that value.
func limHeader(names []string, value string) http.Header {
	h := http.Header{}
	for _, name := range names {
		h.Set(name, value)
	}
	return h
}

func TestPropagatedHeaders_OverTheLimits_StayBehindWithOneLine(t *testing.T) {
	t.Parallel()
	names := limNames(20)
	kib := func(n int) string { return strings.Repeat("x", n<<10) }
	for _, c := range []struct {
		name string
		h    http.Header
		kept []string
		left string // as the log has them
	}{
		{"few and short", limHeader(names[:3], "1"), names[:3], ""},
		{"as many as may be", limHeader(names[:16], "1"), names[:16], ""},
		{"too many: the first ones count", limHeader(names, "1"), names[:16], "X-H-17, X-H-18, X-H-19, X-H-20"},
		{"too long a value", limHeader(names[:1], kib(8)+"x"), nil, "X-H-01"},
		{"together as long as may be", limHeader(names[:2], kib(8)[:8<<10-6]), names[:2], ""},
		{"together too long", limHeader(names[:3], kib(6)), names[:2], "X-H-03"},
		{"together too long: what comes later may fit", http.Header{names[0]: {kib(8)}, names[1]: {kib(8)}, names[2]: {"1"}}, []string{names[0], names[2]}, "X-H-02"},
		{"several values of one name", http.Header{names[0]: slices.Repeat([]string{kib(1)}, 9)}, nil, "X-H-01"},
		{"what splits a header", http.Header{names[0]: {"a\r\nEvil: 1"}, names[1]: {"a\x00"}, names[2]: {"\xff"}, names[3]: {"fine\t"}}, names[3:4], "X-H-01, X-H-02, X-H-03"},
	} {
		for way, run := range map[string]func(app *tasks.App, order *tasks.Task[dlvOrder], h http.Header){
			"Propagate": func(app *tasks.App, order *tasks.Task[dlvOrder], h http.Header) {
				r := dlvPost("/signup", "")
				r.Header = h
				app.Propagate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					enqMust(order.Enqueue(r.Context(), dlvOrder{ID: 7}))(t)
				})).ServeHTTP(httptest.NewRecorder(), r)
			},
			"ContextWithHeaders": func(app *tasks.App, order *tasks.Task[dlvOrder], h http.Header) {
				ctx := tasks.ContextWithHeaders(t.Context(), h)
				enqMust(order.Enqueue(ctx, dlvOrder{ID: 7}))(t)
				if got := app.Carried(ctx); len(got) != len(c.kept) {
					t.Errorf("a message carries %d headers, want %d", len(got), len(c.kept))
				}
			},
			"a run": func(app *tasks.App, _ *tasks.Task[dlvOrder], h http.Header) {
				r := dlvPost("/tasks/parent", dlvBody)
				r.Header = h
				dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
			},
		} {
			t.Run(way+"/"+c.name, func(t *testing.T) {
				remote, log, order := &dlvRemote{}, &dlvLog{}, dlvTask(dlvReturns(nil))
				parent := tasks.New(func(ctx context.Context, o dlvOrder) error {
					_, _ = tasks.HeadersFrom(ctx), tasks.HeadersFrom(ctx)
					_, err := order.Enqueue(ctx, o)
					return err
				}, tasks.WithName("parent"))
				app := dlvApp(t, tasks.Config{Transport: remote, PropagatedHeaders: names, Logger: slog.New(log)}, order, parent)
				run(app, order, c.h.Clone())
				sent := remote.one(t).Header
				delete(sent, "Content-Type")
				got := sortedNames(sent)
				if !slices.Equal(got, c.kept) {
					t.Errorf("the task has %q, want %q", got, c.kept)
				}
				var lines []string
				for _, r := range log.taken() {
					lines = append(lines, r.level.String()+" "+r.attrs["headers"])
				}
				var want []string
				if c.left != "" {
					want = []string{"WARN " + c.left}
				}
				if !slices.Equal(lines, want) {
					t.Errorf("logged %q, want %q", lines, want)
				}
			})
		}
	}
}

func sortedNames(h http.Header) (names []string) {
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestPropagatedHeaders_OfAMessage_AreLimitedToo(t *testing.T) {
	t.Parallel()
	names := limNames(20)
	remote, log, order := &dlvRemote{}, &dlvLog{}, dlvTask(dlvReturns(nil))
	sub := msgSubscriber("audit", (&msgRuns{}).handle(func(ctx context.Context, _ msgRun) error {
		_, err := order.Enqueue(ctx, dlvOrder{ID: 7})
		return err
	}))
	app := dlvApp(t, tasks.Config{Transport: remote, PropagatedHeaders: names, Logger: slog.New(log)}, order, sub)
	attributes, inData := map[string]string{}, []string{}
	for _, name := range names[:10] {
		attributes["http-"+strings.ToLower(name)] = "1"
	}
	for _, name := range names[10:] {
		inData = append(inData, fmt.Sprintf("%q: %q", name, "1"))
	}
	m := &transport.Message{ID: "11", Attributes: attributes, Data: []byte(`{"_http_headers": {` + strings.Join(inData, ", ") + `}}`)}
	r := dlvPost("/subscriptions/audit", msgPushed(m))
	dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
	sent := remote.one(t).Header
	delete(sent, "Content-Type")
	if got := sortedNames(sent); !slices.Equal(got, names[:16]) {
		t.Errorf("the task has %q", got)
	}
	if records := log.taken(); len(records) != 1 || records[0].attrs["headers"] != strings.Join(names[16:], ", ") {
		t.Errorf("logged %+v, want one line", records)
	}
}

func TestConfig_PropagatedHeaders_AreTheSameInAnyCase(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{PropagatedHeaders: []string{"traceparent", "X-Tenant-ID", "TRACEPARENT", "x-tenant-id"}})
	if got, want := app.Config().PropagatedHeaders, []string{"Traceparent", "X-Tenant-Id"}; !slices.Equal(got, want) {
		t.Errorf("propagated are %q, want %q", got, want)
	}
	ctx := tasks.ContextWithHeaders(t.Context(), http.Header{"X-TENANT-id": {"acme"}, "traceParent": {"00-1"}})
	if got, want := app.Carried(ctx), map[string]string{"traceparent": "00-1", "X-Tenant-ID": "acme"}; !reflect.DeepEqual(got, want) {
		t.Errorf("a message carries %v, want %v", got, want)
	}
}

// A stranger's headers must not keep a task from being enqueued that has room without them.
func TestPropagatedHeaders_NoRoomBesideTheRest_StayBehind(t *testing.T) {
	t.Parallel()
	carried := http.Header{"Baggage": {strings.Repeat("b", 8000)}, "Tracestate": {strings.Repeat("t", 8000)}}
	long := strings.Repeat("x", 70<<10)
	for name, enqueue := range map[string]func(ctx context.Context, app *tasks.App) error{
		"many headers of its own": func(ctx context.Context, app *tasks.App) error {
			task := tasks.New(enqDone[string], tasks.WithName("text"))
			if err := app.Register(task); err != nil {
				return err
			}
			_, err := task.Enqueue(ctx, "", tasks.WithHeader("X-Long", long))
			return err
		},
		"a large body": func(ctx context.Context, app *tasks.App) error {
			task := tasks.New(enqDone[string], tasks.WithName("text"))
			if err := app.Register(task); err != nil {
				return err
			}
			_, err := task.Enqueue(ctx, strings.Repeat("x", 1<<20-1500))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, remote := &dlvLog{}, &dlvRemote{}
			app := dlvApp(t, tasks.Config{Transport: remote, Logger: slog.New(log), PropagatedHeaders: []string{"baggage", "tracestate"}})
			log.taken()
			if err := enqueue(tasks.ContextWithHeaders(t.Context(), carried), app); err != nil {
				t.Fatal(err)
			}
			rs := log.taken()
			if sent := remote.sent(); len(sent) != 1 || sent[0].Header.Get("Baggage") != "" || len(rs) != 1 || rs[0].attrs["headers"] != "Baggage, Tracestate" {
				t.Errorf("enqueued %d, logged %+v", len(sent), rs)
			}
		})
	}
}
