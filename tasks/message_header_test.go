package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// msgFlat writes headers as one text, sorted.
func msgFlat(h http.Header) string {
	parts := make([]string, 0, len(h))
	for _, k := range slices.Sorted(maps.Keys(h)) {
		parts = append(parts, k+"="+strings.Join(h[k], "|"))
	}
	return strings.Join(parts, " ")
}

// msgPushed is m as it is pushed.
func msgPushed(m *transport.Message) string { return string(pushwire.Body(m)) }

func TestPush_HeadersOfTheMessage_ArePropagated(t *testing.T) {
	t.Parallel()
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	long := strings.Repeat("x", 8<<10)
	for _, c := range []struct {
		name    string
		key     string // of the data's object; empty: the default
		data    string
		attrs   map[string]string
		headers []string // of the push
		want    string
	}{
		{"in the data", "", `{"id": 7, "_http_headers": {"traceparent": "00-1", "X-Tenant-ID": "acme"}}`, nil, nil, "Traceparent=00-1 X-Tenant-Id=acme"},
		{"in the data, spelled otherwise", "", `{"_http_headers": {"TRACEPARENT": "00-1", "x-tenant-id": "acme"}}`, nil, nil, "Traceparent=00-1 X-Tenant-Id=acme"},
		{"in the data, under a key of the App's", "meta", `{"_http_headers": {"traceparent": "wrong"}, "meta": {"traceparent": "00-1"}}`, nil, nil, "Traceparent=00-1"},
		{"in attributes", "", `[1]`, map[string]string{"http-traceparent": "00-1", "http-x-tenant-id": "acme"}, nil, "Traceparent=00-1 X-Tenant-Id=acme"},
		{"in attributes alone", "", ``, map[string]string{"http-traceparent": "00-1"}, nil, "Traceparent=00-1"},
		{"in both", "", `{"_http_headers": {"traceparent": "00-1"}}`, map[string]string{"http-traceparent": "00-2", "http-x-tenant-id": "acme"}, nil, "Traceparent=00-1 X-Tenant-Id=acme"},
		{"over the push's own", "", `{"_http_headers": {"traceparent": "00-1"}}`, nil, []string{"Traceparent", "00-9", "X-Tenant-ID", "push"}, "Traceparent=00-1 X-Tenant-Id=push"},
		{"empty", "", `{"_http_headers": {"traceparent": ""}}`, nil, []string{"Traceparent", "00-9"}, "Traceparent="},
		{"none", "", `{"traceparent": "00-1"}`, map[string]string{"traceparent": "00-2", "http-Traceparent": "00-3"}, nil, ""},
		{"not configured", "", `{"_http_headers": {"Authorization": "Bearer x", "X-Other": "1"}}`, map[string]string{"http-authorization": "x", "http-typedtasks-id": "x"}, nil, ""},
		{"as long as may be", "", `{"_http_headers": {"traceparent": "` + long + `"}}`, nil, nil, "Traceparent=" + long},

		{"no object", "", `{"_http_headers": ["traceparent"]}`, nil, nil, ""},
		{"no strings", "", `{"_http_headers": {"traceparent": 1, "X-Tenant-ID": null}}`, nil, nil, ""},
		{"a newline", "", `{"_http_headers": {"traceparent": "00-1\r\nEvil: 1", "X-Tenant-ID": "acme"}}`, nil, nil, "X-Tenant-Id=acme"},
		{"a NUL", "", `{"_http_headers": {"traceparent": "\u0000", "X-Tenant-ID": "acme"}}`, nil, nil, "X-Tenant-Id=acme"},
		{"not UTF-8", "", "{\"_http_headers\": {\"traceparent\": \"\xff\", \"X-Tenant-ID\": \"acme\"}}", nil, nil, "X-Tenant-Id=acme"},
		{"too long", "", `{"_http_headers": {"traceparent": ` + quote(long+"x") + `, "X-Tenant-ID": "acme"}}`, nil, []string{"Traceparent", "00-9"}, "Traceparent=00-9 X-Tenant-Id=acme"},
		{"1 MB", "", `{"_http_headers": {"traceparent": ` + quote(strings.Repeat("x", 1<<20)) + `}}`, nil, []string{"Traceparent", "00-9"}, "Traceparent=00-9"},
		{"hostile attributes", "", ``, map[string]string{"http-traceparent": "a\nb", "http-x-tenant-id": strings.Repeat("x", 1<<20)}, nil, ""},
		{"broken data", "", `{"_http_headers": {"traceparent": "00-1"}`, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			remote := &dlvRemote{}
			runs := &msgRuns{}
			order := dlvTask(dlvReturns(nil))
			sub := msgSubscriber("audit", runs.handle(func(ctx context.Context, _ msgRun) error {
				_, err := order.Enqueue(ctx, dlvOrder{ID: 7})
				return err
			}))
			app := dlvApp(t, tasks.Config{Transport: remote, PropagatedHeaders: []string{"traceparent", "X-Tenant-ID"}, PropagatedHeadersKey: c.key}, order, sub)
			m := &transport.Message{ID: "11", Data: []byte(c.data), Attributes: c.attrs}

			check := func(how string) {
				t.Helper()
				got := runs.one(t)
				if flat := msgFlat(got.headers); flat != c.want {
					t.Errorf("%s: propagated %.200q, want %.200q", how, flat, c.want)
				}
				sent := remote.one(t).Header
				delete(sent, "Content-Type")
				if flat := msgFlat(sent); flat != c.want {
					t.Errorf("%s: what it enqueued has %.200q, want %.200q", how, flat, c.want)
				}
				for name, vs := range got.headers {
					if in := got.meta.Header[name]; !slices.Equal(in, vs) {
						t.Errorf("%s: Metadata.Header has %q for %s", how, in, name)
					}
				}
			}
			r := dlvPost("/subscriptions/audit", msgPushed(m), c.headers...)
			before := msgFlat(r.Header)
			dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
			check("pushed")
			if after := msgFlat(r.Header); after != before {
				t.Errorf("the request's headers were changed from %q to %q", before, after)
			}
			if len(c.headers) == 0 {
				if err := app.Deliver(t.Context(), sub, m); err != nil {
					t.Error(err)
				}
				check("delivered")
				if string(m.Data) != c.data || len(m.Attributes) != len(c.attrs) {
					t.Error("the message was changed")
				}
			}
		})
	}
}

func TestPush_HeadersAsAttributesOfAnUnwrappedPush_ArePropagated(t *testing.T) {
	t.Parallel()
	runs := &msgRuns{}
	app := dlvApp(t, tasks.Config{PropagatedHeaders: []string{"X-Tenant-ID", "traceparent"}}, msgSubscriber("audit", runs.handle(nil)))
	headers := append([]string{"http-x-tenant-id", "acme", "traceparent", "00-9"}, msgUnwrapped...)
	dlvWant(t, dlvServe(t, app, dlvPost("/subscriptions/audit", "text", headers...)), http.StatusOK, "executed")
	if got := msgFlat(runs.one(t).headers); got != "Traceparent=00-9 X-Tenant-Id=acme" {
		t.Errorf("propagated %q", got)
	}
}

// What nobody could enqueue must not keep a request from enqueueing.
func TestPropagate_TooLongAValue_StaysBehind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		want   string
	}{
		{[]string{strings.Repeat("x", 8<<10)}, strings.Repeat("x", 8<<10)},
		{[]string{strings.Repeat("x", 8<<10+1)}, ""},
		{[]string{strings.Repeat("x", 5<<10), strings.Repeat("x", 5<<10)}, ""},
		{[]string{strings.Repeat("x", 1<<20)}, ""},
	} {
		remote := &dlvRemote{}
		order := dlvTask(dlvReturns(nil))
		app := dlvApp(t, tasks.Config{Transport: remote}, order)
		h := app.Propagate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := order.Enqueue(r.Context(), dlvOrder{ID: 7}); err != nil {
				t.Error(err)
			}
		}))
		r := dlvPost("/", "")
		r.Header["Traceparent"] = c.values
		h.ServeHTTP(nil, r)
		if got := remote.one(t).Header.Get("Traceparent"); got != c.want {
			t.Errorf("%d bytes were enqueued, want %d", len(got), len(c.want))
		}
	}
}

func TestCarried_NamesAsTheyAreConfigured(t *testing.T) {
	t.Parallel()
	carrying := func(h http.Header) context.Context { return tasks.ContextWithHeaders(context.Background(), h) }
	all := http.Header{"Traceparent": {"00-1"}, "X-Tenant-Id": {"a", "b"}, "X-Other": {"1"}}
	for _, c := range []struct {
		propagated []string
		ctx        context.Context
		want       map[string]string
	}{
		{nil, carrying(all), map[string]string{"traceparent": "00-1"}},
		{[]string{"X-Tenant-ID", "TraceParent"}, carrying(all), map[string]string{"X-Tenant-ID": "a,b", "TraceParent": "00-1"}},
		{[]string{"x-tenant-id", "x-missing"}, carrying(all), map[string]string{"x-tenant-id": "a,b"}},
		{[]string{}, carrying(all), nil},
		{[]string{"x-missing"}, carrying(all), nil},
		{nil, context.Background(), nil},
		{nil, carrying(nil), nil},
		{nil, carrying(http.Header{"Traceparent": {strings.Repeat("x", 1<<20)}}), nil},
		{nil, carrying(http.Header{"Traceparent": {"\xff"}}), nil},
	} {
		app := dlvApp(t, tasks.Config{PropagatedHeaders: c.propagated})
		got := app.Carried(c.ctx)
		if !maps.Equal(got, c.want) {
			t.Errorf("%q carry %v, want %v", c.propagated, got, c.want)
		}
		if c.want == nil && got != nil {
			t.Errorf("%q carry an empty map", c.propagated)
		}
	}
	propagated := []string{"X-Tenant-ID"}
	app := dlvApp(t, tasks.Config{PropagatedHeaders: propagated})
	propagated[0] = "changed"
	if got := fmt.Sprint(app.Carried(carrying(all))); got != "map[X-Tenant-ID:a,b]" {
		t.Errorf("after the configuration's slice was changed they carry %s", got)
	}
}

func TestCarried_InASubscriber_IsWhatTheMessageCarried(t *testing.T) {
	t.Parallel()
	var got map[string]string
	sub := msgSubscriber("audit", func(ctx context.Context, _ *transport.Delivery) error {
		app, ok := tasks.AppFrom(ctx)
		if !ok {
			t.Error("the context has no App")
		}
		got = app.Carried(ctx)
		return nil
	})
	app := dlvApp(t, tasks.Config{}, sub)
	m := &transport.Message{Data: []byte(`{"_http_headers": {"Traceparent": "00-1", "X-Tenant-ID": "acme"}}`)}
	if err := app.Deliver(t.Context(), sub, m); err != nil || !maps.Equal(got, map[string]string{"traceparent": "00-1"}) {
		t.Errorf("carried %v, %v", got, err)
	}
	if other, ok := tasks.AppFrom(t.Context()); ok || other != nil {
		t.Errorf("a bare context has the App %v", other)
	}
	if own, ok := tasks.AppFrom(app.Context(t.Context())); !ok || own != app {
		t.Errorf("the App's context has the App %v", own)
	}
}

func TestNewApp_PropagatedHeadersKeyThatIsNotUTF8_IsRefused(t *testing.T) {
	t.Parallel()
	_, err := tasks.NewApp(tasks.Config{Transport: &dlvRemote{}, Endpoint: "https://h", PropagatedHeadersKey: "\xff"})
	enqSays(t, err, `Config.PropagatedHeadersKey "\xff" is not UTF-8`)
}
