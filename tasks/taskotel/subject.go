package taskotel

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The values of messaging.system. OpenTelemetry has one of them, gcp_pubsub.
const (
	systemTasks    = "gcp_cloud_tasks"
	systemMessages = "gcp_pubsub"
	systemJobs     = "gcp_cloud_scheduler"
	systemLocal    = "typedtasks" // memory and eager
)

// The values of messaging.operation.name.
const (
	opSend      = "send"
	opCreate    = "create"
	opProcess   = "process"
	opSubscribe = "subscribe" // as gcp_pubsub calls processing
	opRun       = "run"       // in the caller
)

// Attributes of our own.
const (
	// KindKey and NameKey are the attributes that tell the definition: tasks.KindTask, ..., and its name.
	KindKey = attribute.Key("typedtasks.kind")
	NameKey = attribute.Key("typedtasks.name")
	// OutcomeKey is the attribute that tells what became of it: a [tasks.Outcome], or of an enqueue or a publish "ok",
	// "duplicate" or "error".
	OutcomeKey = attribute.Key("typedtasks.outcome")
	// AttemptKey is the attribute of spans that counts the attempts of a task, those before a Snooze included, from 1.
	AttemptKey = attribute.Key("typedtasks.attempt")
)

// subject is what an operation is about, as far as spans and measurements of many operations have it in common.
type subject struct {
	system       string
	operation    string
	destination  string // queue, topic, subscription or job
	subscription string
	kind, name   string // of the definition
}

// operationType is messaging.operation.type; empty for what is no messaging.
func (s subject) operationType() attribute.KeyValue {
	switch s.operation {
	case opSend:
		return semconv.MessagingOperationTypeSend
	case opCreate:
		return semconv.MessagingOperationTypeCreate
	case opProcess, opSubscribe:
		return semconv.MessagingOperationTypeProcess
	default:
		return attribute.KeyValue{}
	}
}

// spanName is what the conventions say, and for what is no messaging the definition's name.
func (s subject) spanName() string {
	target := s.destination
	if s.operation == opRun {
		target = s.name
	}
	if target == "" {
		return s.operation
	}
	return s.operation + " " + target
}

func (s subject) attributes() []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, 0, 10)
	add := func(key attribute.Key, value string) {
		if value != "" {
			kvs = append(kvs, key.String(value))
		}
	}
	add(semconv.MessagingSystemKey, s.system)
	add(semconv.MessagingOperationNameKey, s.operation)
	if t := s.operationType(); t.Valid() {
		kvs = append(kvs, t)
	}
	add(semconv.MessagingDestinationNameKey, s.destination)
	add(semconv.MessagingDestinationSubscriptionNameKey, s.subscription)
	add(KindKey, s.kind)
	add(NameKey, s.name)
	return kvs
}

// profile is a subject made ready: what all of its spans begin with, and the attributes of its measurements.
type profile struct {
	subject
	spanName string
	start    []trace.SpanStartOption // never appended to in place
	sets     table[result, metric.MeasurementOption]
}

// result is how an operation ended, in words of which there are few.
type result struct {
	outcome   string
	errorType string
}

// role is a subject as spans of one kind show it.
type role struct {
	subject
	kind trace.SpanKind
}

// profile finds or makes that of a subject; kind is that of its spans.
func (in *instrumentation) profile(s subject, kind trace.SpanKind) *profile {
	return in.profiles.get(role{s, kind}, func() *profile {
		attributes := s.attributes()
		p := &profile{subject: s, spanName: s.spanName()}
		if s.operation == opRun { // no messaging, on a span
			attributes = subject{kind: s.kind, name: s.name}.attributes()
		}
		p.start = []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(attributes...)}
		return p
	})
}

// startWith is what a span begins with that has options of its own.
func (p *profile) startWith(opts ...trace.SpanStartOption) []trace.SpanStartOption {
	if len(opts) == 0 {
		return p.start
	}
	return append(p.start[:len(p.start):len(p.start)], opts...)
}

// set holds the attributes of measurements that ended like this.
func (p *profile) set(r result) metric.MeasurementOption {
	return p.sets.get(r, func() metric.MeasurementOption {
		kvs := p.attributes()
		if r.outcome != "" {
			kvs = append(kvs, OutcomeKey.String(r.outcome))
		}
		if r.errorType != "" {
			kvs = append(kvs, semconv.ErrorTypeKey.String(r.errorType))
		}
		return metric.WithAttributeSet(attribute.NewSet(kvs...))
	})
}

// table remembers what was made for a key. It is read without a lock, and copied when it grows.
type table[K comparable, V any] struct {
	mu sync.Mutex
	m  atomic.Pointer[map[K]V]
}

// mostEntries bounds what is remembered: names of queues come in with requests.
const mostEntries = 1000

func (t *table[K, V]) get(k K, make func() V) V {
	if m := t.m.Load(); m != nil {
		if v, ok := (*m)[k]; ok {
			return v
		}
		if len(*m) >= mostEntries {
			return make()
		}
	}
	v := make()
	t.mu.Lock()
	defer t.mu.Unlock()
	grown := map[K]V{}
	if m := t.m.Load(); m != nil {
		grown = maps.Clone(*m)
	}
	if had, ok := grown[k]; ok { // made meanwhile
		return had
	}
	if len(grown) < mostEntries {
		grown[k] = v
		t.m.Store(&grown)
	}
	return v
}
