package taskotel_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// lines is a codec whose data is no JSON.
type lines struct{ tasks.Codec }

func (lines) Name() string                  { return "lines" }
func (lines) Marshal(v any) ([]byte, error) { return fmt.Appendf(nil, "%d", v.(*order).ID), nil }
func (lines) Unmarshal(data []byte, v any) error {
	_, err := fmt.Sscan(string(data), &v.(*order).ID)
	return err
}
func full(key, value string) (m map[string]string) { return filled(100, key, value) }

// filled are n attributes, that one among them.
func filled(n int, key, value string) map[string]string {
	m := map[string]string{key: value}
	for i := len(m); i < n; i++ {
		m[fmt.Sprint("a", i)] = "x"
	}
	return m
}

func TestCarry_AMessage_InItsDataOrItsAttributes(t *testing.T) {
	t.Parallel()
	const other = "00-11111111111111111111111111111111-2222222222222222-01"
	for _, c := range []struct {
		name       string
		propagated []string
		in         context.Context
		raw        string // published as it is
		codec      tasks.Codec
		attributes map[string]string
		data       string // %s is the span's traceparent
		want       map[string]string
	}{
		{name: "in the data", in: under(context.Background(), traceparent), data: `{"id":1,"_http_headers":{"traceparent":"%s"}}`},
		{name: "also without a request", data: `{"id":1,"_http_headers":{"traceparent":"%s"}}`},
		{name: "beside other headers", in: tasks.ContextWithHeaders(context.Background(), map[string][]string{"x-tenant": {"acme"}, "traceparent": {traceparent}, "tracestate": {"old=1"}}),
			propagated: []string{"traceparent", "tracestate", "X-Tenant"}, data: `{"id":1,"_http_headers":{"X-Tenant":"acme","traceparent":"%s","tracestate":"old=1"}}`},
		{name: "whatever is propagated", propagated: []string{}, data: `{"id":1,"_http_headers":{"traceparent":"%s"}}`},
		{name: "and nowhere else", attributes: map[string]string{"http-traceparent": other, "a": "b"}, data: `{"id":1,"_http_headers":{"traceparent":"%s"}}`, want: map[string]string{"a": "b"}},
		{name: "in an attribute of other data", codec: lines{}, in: under(context.Background(), traceparent), data: `1`, want: map[string]string{"http-traceparent": "%s"}},
		{name: "in place of another there", codec: lines{}, attributes: map[string]string{"http-traceparent": other}, data: `1`, want: map[string]string{"http-traceparent": "%s"}},
		{name: "in an attribute of raw data", raw: `{"id":1,"_http_headers":{"traceparent":"` + other + `"}}`, data: `{"id":1,"_http_headers":{"traceparent":"` + other + `"}}`,
			want: map[string]string{"http-traceparent": "%s"}},
		{name: "unless there is no room", codec: lines{}, attributes: full("a", "b"), data: `1`, want: full("a", "b")},
		{name: "for which it makes none", codec: lines{}, attributes: full("http-traceparent", other), data: `1`, want: full("http-traceparent", "%s")},
	} {
		t.Run(c.name, func(t *testing.T) {
			spans, to := tracing(t), &remote{}
			opts := []pubsub.PublisherOption{pubsub.Topic("orders")}
			if c.codec != nil {
				opts = append(opts, pubsub.WithCodec(c.codec))
			}
			p, raw := pubsub.NewPublisher[order](opts...), pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("bytes"))
			app := newApp(t, tasks.Config{Transport: nowhere{}, Broker: to, Endpoint: "https://shop.example.com", PropagatedHeaders: c.propagated}, spans, p, raw)
			ctx := app.Context(t.Context())
			if c.in != nil {
				ctx = app.Context(c.in)
			}
			if c.raw != "" {
				must(raw.Publish(ctx, pubsub.Raw(c.raw), pubsub.Attributes(c.attributes)))(t)
			} else {
				must(p.Publish(ctx, order{1}, pubsub.Attributes(c.attributes)))(t)
			}
			sc := spans.GetSpans()[0].SpanContext
			own := "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"
			want := maps.Clone(c.want)
			for k, v := range want {
				want[k] = strings.ReplaceAll(v, "%s", own)
			}
			got := to.kept[0]
			if data := strings.ReplaceAll(c.data, "%s", own); string(got.Data) != data || !maps.Equal(got.Attributes, want) {
				t.Errorf("published\n%s %v, want\n%s %v", got.Data, got.Attributes, data, want)
			}
		})
	}
}

func TestCarry_AMessageThatComes_FromWhereItIsSaid(t *testing.T) {
	t.Parallel()
	headers := func(span string) string { return `,"_http_headers":{"traceparent":"` + span + `"}` }
	numbered := func(i int) string {
		return strings.Replace(traceparent, outerSpan, strings.Repeat(fmt.Sprint(i), 16), 1)
	}
	for _, c := range []struct {
		name       string
		data       string
		attributes map[string]string
		push       string // the request's own
		want       int
	}{
		{"its data first", headers(numbered(1)), map[string]string{"http-traceparent": numbered(2), "googclient_traceparent": numbered(3)}, numbered(4), 1},
		{"its attributes", `,"_http_headers":{"x-tenant":"acme"}`, map[string]string{"http-traceparent": numbered(2), "googclient_traceparent": numbered(3)}, numbered(4), 2},
		{"those of Google's client", "", map[string]string{"googclient_traceparent": numbered(3)}, numbered(4), 3},
		{"the request", "", nil, numbered(4), 4},
		{"nowhere", "", nil, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, propagated := range [][]string{nil, {}} {
				spans := tracing(t)
				sub := pubsub.NewSubscriber(func(context.Context, pubsub.Message[pubsub.Raw]) error { return nil }, pubsub.Topic("orders"), pubsub.Subscription("audit"))
				app := newApp(t, tasks.Config{Transport: nowhere{}, Broker: &remote{}, Endpoint: "https://shop.example.com", PropagatedHeaders: propagated}, spans, sub)
				r := tasktest.PushRequest(t, sub, pubsub.Message[pubsub.Raw]{Data: pubsub.Raw(`{"id":1` + c.data + `}`), Attributes: c.attributes})
				if c.push != "" {
					r.Header.Set("Traceparent", c.push)
				}
				app.ServeHTTP(httptest.NewRecorder(), r)
				want := strings.Repeat(fmt.Sprint(c.want), 16)
				if got := spans.GetSpans()[0].Parent.SpanID().String(); got != want {
					t.Errorf("with %q propagated the parent is %s, want %s", propagated, got, want)
				}
			}
		})
	}
}

// keeping is a transport that keeps the headers of what it is given.
type keeping struct{ kept []http.Header }

func (k *keeping) Enqueue(_ context.Context, t *transport.Task) (transport.Receipt, error) {
	k.kept = append(k.kept, t.Header.Clone())
	return transport.Receipt{ID: "1"}, nil
}

func TestCarry_ATaskThatLeavesTheProcess_SaysItTwice(t *testing.T) {
	t.Parallel()
	spans, away := tracing(t), &keeping{}
	task := tasks.New(nothing, tasks.WithName("charge"))
	newApp(t, tasks.Config{Name: "shop", Transport: away, Endpoint: "https://shop.example.com"}, spans, task)
	must(task.Enqueue(under(t.Context(), traceparent), order{1}))(t)
	must(task.Enqueue(t.Context(), order{1}, tasks.WithHeader("traceparent", traceparent)))(t) // is replaced like the other
	for i, s := range spans.GetSpans() {
		own := "00-" + outerTrace + "-" + s.SpanContext.SpanID().String() + "-01"
		if a, b := away.kept[i]["Traceparent"], away.kept[i]["Typedtasks-Traceparent"]; !slices.Equal(a, []string{own}) || !slices.Equal(b, a) {
			t.Errorf("it carries %q and %q, want %s", a, b, own)
		}
	}
	rec := recorder(t, tasks.Config{Name: "shop"}, tracing(t), task)
	must(task.Enqueue(rec.Context(), order{1}))(t)
	if h := rec.Recorded()[0].Header; h.Get("Traceparent") == "" || h.Get("Typedtasks-Traceparent") != "" {
		t.Errorf("within the process it carries %v", h)
	}
}

// What just fits must not be refused for what is added.
func TestCarry_WithoutRoom_TravelsUntraced(t *testing.T) {
	t.Parallel()
	spans, to := tracing(t), &remote{}
	task := tasks.New(func(context.Context, string) error { return nil }, tasks.WithName("charge"))
	p := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("bytes"))
	mem := memory.New()
	app := newApp(t, tasks.Config{Name: "shop", Transport: mem, Broker: to}, spans, task, p)
	probe := &transport.Task{Queue: "shop", URL: "http://localhost/tasks/charge", Audience: app.Config().Audience, Header: map[string][]string{"Content-Type": {"application/json"}}}
	room := transport.MaxTaskSize - probe.Size() - len(`""`)
	must(task.Enqueue(t.Context(), strings.Repeat("x", room), tasks.In(1e12)))(t)
	must(task.Enqueue(t.Context(), strings.Repeat("x", room/2), tasks.In(1e12)))(t)
	var carried []string
	for w, err := range mem.All(t.Context(), "shop") {
		carried = append(carried, fmt.Sprint(len(w.Header.Get("Traceparent")), err))
	}
	slices.Sort(carried)
	if want := []string{"0 <nil>", "55 <nil>"}; !slices.Equal(carried, want) {
		t.Errorf("the tasks carry %q bytes, want %q", carried, want)
	}
	must(p.Publish(t.Context(), make(pubsub.Raw, transport.MaxMessageSize)))(t)
	must(p.Publish(t.Context(), make(pubsub.Raw, transport.MaxMessageSize-100)))(t)
	if a, b := to.kept[0].Attributes, to.kept[1].Attributes; len(a) != 0 || len(b) != 1 {
		t.Errorf("the messages carry %v and %v", a, b)
	}
}

// colon is a propagator with a field of its own, as B3 is.
type colon struct{}

func (colon) Fields() []string { return []string{"x-span"} }

func (colon) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	c.Set("x-span", sc.TraceID().String()+":"+sc.SpanID().String())
}

func (colon) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	if !slices.ContainsFunc(c.Keys(), func(k string) bool { return strings.EqualFold(k, "x-span") }) {
		return ctx
	}
	tr, span, _ := strings.Cut(c.Get("x-span"), ":")
	traceID, _ := trace.TraceIDFromHex(tr)
	spanID, _ := trace.SpanIDFromHex(span)
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled}))
}

func TestCarry_AnotherPropagator_HasItsOwnFields(t *testing.T) {
	t.Parallel()
	spans := tracing(t)
	task, p := tasks.New(nothing, tasks.WithName("charge")), pubsub.NewPublisher[order](pubsub.Topic("orders"), pubsub.WithCodec(lines{}))
	sub := pubsub.NewSubscriber(ignore, pubsub.Topic("orders"), pubsub.Subscription("audit"), pubsub.WithCodec(lines{}))
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task, p, sub)
	if err := taskotel.Instrument(rec.App(), taskotel.WithPropagator(colon{}), taskotel.WithTracerProvider(spans.provider), taskotel.WithMeterProvider(noop.NewMeterProvider())); err != nil {
		t.Fatal(err)
	}
	must(task.Enqueue(rec.Context(), order{1}))(t)
	must(p.Publish(rec.Context(), order{1}))(t)
	rec.Drain()
	spans.want(t, `
		producer send shop: ok
		  consumer process shop: executed
		producer send orders: ok
		  consumer subscribe audit: executed`)
}
