package taskotel

import (
	"context"
	"maps"
	"net/http"
	"net/textproto"
	"slices"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// headerCarrier carries a context in the headers of a task, or of a request.
type headerCarrier http.Header

// Get implements propagation.TextMapCarrier.
func (h headerCarrier) Get(key string) string {
	vs := h[canonical(key)]
	if key == "traceparent" && len(h[headers.Traceparent]) > 0 {
		vs = h[headers.Traceparent]
	}
	if len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (h headerCarrier) Set(key, value string) { h[canonical(key)] = []string{value} }

// Keys implements propagation.TextMapCarrier.
func (h headerCarrier) Keys() []string { return slices.Collect(maps.Keys(h)) }

// canonical spares the common names an allocation.
func canonical(key string) string {
	switch key {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return "Tracestate"
	case "baggage":
		return "Baggage"
	default:
		return textproto.CanonicalMIMEHeaderKey(key)
	}
}

// clientPrefix is that of the attributes in which Google's clients carry a context where they trace themselves.
const clientPrefix = "googclient_"

// carrier is where a delivery carries its context, and whether that is the producer's for sure. A message has it with
// itself, a task that comes over HTTP a second time: what its request says may be of whoever brought it.
func (in *instrumentation) carrier(d *transport.Delivery) (c propagation.TextMapCarrier, producers bool) {
	if m := d.Message; m != nil && d.Queue == "" {
		data, _ := pushwire.ExtractHeaders(m.Data, in.headersKey)
		for _, get := range []func(field string) string{
			func(field string) string { return data[canonical(field)] },
			func(field string) string { return m.Attributes[pushwire.HeaderAttribute(field)] },
			func(field string) string { return m.Attributes[clientPrefix+field] },
		} {
			if found := in.collect(get); len(found) > 0 {
				return found, true
			}
		}
		return headerCarrier(d.Header), false
	}
	return headerCarrier(d.Header), in.taskSystem == systemLocal || len(d.Header[headers.Traceparent]) > 0
}

// collect gathers the propagator's fields.
func (in *instrumentation) collect(get func(field string) string) propagation.MapCarrier {
	found := propagation.MapCarrier{}
	for _, field := range in.fields {
		if value := get(field); value != "" {
			found[field] = value
		}
	}
	return found
}

// attachTask puts the span of ctx on a task, in place of what was propagated.
func (in *instrumentation) attachTask(ctx context.Context, t *transport.Task) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	large := len(t.Body) > transport.MaxTaskSize/2
	before := t.Header
	if t.Header == nil {
		t.Header = http.Header{}
	} else if large {
		t.Header = maps.Clone(t.Header)
	}
	for _, field := range in.fields {
		delete(t.Header, canonical(field))
	}
	delete(t.Header, headers.Traceparent)
	in.propagator.Inject(ctx, headerCarrier(t.Header))
	if vs := t.Header["Traceparent"]; len(vs) > 0 && in.taskSystem != systemLocal {
		t.Header[headers.Traceparent] = []string{vs[0]}
	}
	if large && t.Size() > transport.MaxTaskSize { // better untraced than refused
		t.Header = before
	}
}

// attachMessage puts the span of ctx on a message, in place of what was propagated, where packages tasks and pubsub
// look for headers: in the data where it is a JSON object, else in attributes.
func (in *instrumentation) attachMessage(ctx context.Context, m *transport.Message) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	found := propagation.MapCarrier{}
	in.propagator.Inject(ctx, found)
	if len(found) == 0 {
		return
	}
	before := *m
	attributes := maps.Clone(m.Attributes)
	for _, field := range in.fields {
		delete(attributes, pushwire.HeaderAttribute(field))
	}
	p := origin.From(ctx)
	data, ok := []byte(nil), false
	if !p.Raw {
		data, ok = pushwire.SetHeaders(m.Data, in.headersKey, found, in.fields, p.ValidJSON)
	}
	if ok {
		m.Data = data
	} else {
		if attributes == nil {
			attributes = make(map[string]string, len(found))
		}
		for field, value := range found {
			if len(attributes) < transport.MaxAttributes && len(value) <= transport.MaxAttributeValue {
				attributes[pushwire.HeaderAttribute(field)] = value
			}
		}
	}
	m.Attributes = attributes
	if len(m.Data) > transport.MaxMessageSize/2 && m.Size() > transport.MaxMessageSize { // better untraced than refused
		*m = before
	}
}
