package taskotel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// measured is a provider of the SDK that is read when asked.
type measured struct {
	*sdkmetric.MeterProvider
	reader *sdkmetric.ManualReader
}

func measuring(t testing.TB, opts ...sdkmetric.Option) *measured {
	t.Helper()
	m := &measured{reader: sdkmetric.NewManualReader()}
	m.MeterProvider = sdkmetric.NewMeterProvider(append(opts, sdkmetric.WithReader(m.reader))...)
	t.Cleanup(func() {
		if err := m.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// options measure, and trace nothing.
func (m *measured) options() []taskotel.Option {
	return []taskotel.Option{taskotel.WithMeterProvider(m), taskotel.WithTracerProvider(tracenoop.NewTracerProvider())}
}

// lines are the points of a metric: their attributes, and what they count. Of histograms of short times the count alone.
func (m *measured) lines(t testing.TB, name string) (lines []string) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	line := func(set attribute.Set, format string, args ...any) {
		var kvs []string
		for _, kv := range set.ToSlice() {
			key := strings.TrimPrefix(strings.TrimPrefix(string(kv.Key), "messaging."), "typedtasks.")
			kvs = append(kvs, key+"="+kv.Value.String())
		}
		lines = append(lines, strings.Join(kvs, " ")+": "+fmt.Sprintf(format, args...))
	}
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != taskotel.ScopeName {
			t.Errorf("the scope is %q", scope.Scope.Name)
		}
		for _, got := range scope.Metrics {
			if got.Name != name {
				continue
			}
			switch data := got.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, "%d", p.Value)
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, "%d, sum %d", p.Count, p.Sum)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if p.Sum < 1 {
						line(p.Attributes, "%d", p.Count)
					} else {
						line(p.Attributes, "%d, sum %g", p.Count, p.Sum)
					}
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func (m *measured) want(t testing.TB, name string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := m.lines(t, name); !slices.Equal(got, want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMetrics_HaveTheConventionsNamesAndUnits(t *testing.T) {
	t.Parallel()
	m := measuring(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	rec := tasktest.New(t, task)
	if err := taskotel.Instrument(rec.App(), m.options()...); err != nil {
		t.Fatal(err)
	}
	must(task.Enqueue(rec.Context(), order{1}))(t)
	rec.Drain()
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range all.ScopeMetrics[0].Metrics {
		last := ""
		switch data := i.Data.(type) {
		case metricdata.Histogram[float64]:
			last = fmt.Sprint(" to ", data.DataPoints[0].Bounds[len(data.DataPoints[0].Bounds)-1])
		case metricdata.Histogram[int64]:
			last = fmt.Sprint(" to ", data.DataPoints[0].Bounds[len(data.DataPoints[0].Bounds)-1])
		}
		if i.Description == "" {
			t.Errorf("%s has no description", i.Name)
		}
		got = append(got, fmt.Sprintf("%s %s %T%s", i.Name, i.Unit, i.Data, last))
	}
	slices.Sort(got)
	want := []string{
		"messaging.client.consumed.messages {message} metricdata.Sum[int64]",
		"messaging.client.operation.duration s metricdata.Histogram[float64] to 10",
		"messaging.client.sent.messages {message} metricdata.Sum[int64]",
		"messaging.process.duration s metricdata.Histogram[float64] to 1800",
		"typedtasks.run.attempt {attempt} metricdata.Histogram[int64] to 100",
		"typedtasks.run.delay s metricdata.Histogram[float64] to 86400",
	}
	if !slices.Equal(got, want) {
		t.Errorf("measured\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMetrics_OfTasks(t *testing.T) {
	t.Parallel()
	m := measuring(t)
	runs := 0
	task := tasks.New(func(context.Context, order) error {
		if runs++; runs == 1 {
			return errDown
		}
		return nil
	}, tasks.WithName("charge"))
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task)
	if err := taskotel.Instrument(rec.App(), m.options()...); err != nil {
		t.Fatal(err)
	}
	must(task.Enqueue(rec.Context(), order{1}, tasks.WithID("one"), tasks.In(time.Hour)))(t)
	must(task.Enqueue(rec.Context(), order{1}, tasks.WithID("one")))(t)
	rec.FailNext(1, errDown)
	_, _ = task.Enqueue(rec.Context(), order{1})
	task.EnqueueAll(rec.Context(), []order{{1}, {2}, {3}})
	rec.Drain()
	const queue = "destination.name=shop "
	const sent = queue + "operation.name=send operation.type=send system=typedtasks kind=task name=charge"
	m.want(t, "messaging.client.sent.messages", sent+" outcome=ok: 4", sent+" outcome=duplicate: 1",
		"error.type=_OTHER "+sent+" outcome=error: 1")
	m.want(t, "messaging.client.operation.duration", sent+": 3", "error.type=_OTHER "+sent+": 1")
	const run = queue + "operation.name=process operation.type=process system=typedtasks kind=task name=charge"
	m.want(t, "messaging.client.consumed.messages", run+" outcome=executed: 4", "error.type=failed "+run+" outcome=failed: 1")
	m.want(t, "messaging.process.duration", run+" outcome=executed: 4", "error.type=failed "+run+" outcome=failed: 1")
	m.want(t, "typedtasks.run.attempt", run+" outcome=executed: 4, sum 5", "error.type=failed "+run+" outcome=failed: 1, sum 1")
	m.want(t, "typedtasks.run.delay", run+": 4") // on time; the retry does not count
}

func TestMetrics_ALateRun_IsMeasuredByItsTransportsTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		push func(t testing.TB, rec *tasktest.Recorder, task *tasks.Task[order]) map[string]string
		want []string
	}{
		{"a task", func(t testing.TB, rec *tasktest.Recorder, task *tasks.Task[order]) map[string]string {
			return map[string]string{"X-Cloudtasks-Tasketa": fmt.Sprint(rec.Now().Add(-90 * time.Second).Unix())}
		}, []string{"destination.name=shop operation.name=process operation.type=process kind=task name=charge: 1, sum 9"}},
		{"of a time to come", func(t testing.TB, rec *tasktest.Recorder, task *tasks.Task[order]) map[string]string {
			return map[string]string{"X-Cloudtasks-Tasketa": fmt.Sprint(rec.Now().Add(time.Minute).Unix())}
		}, []string{"destination.name=shop operation.name=process operation.type=process kind=task name=charge: 1"}},
		{"a retry", func(t testing.TB, rec *tasktest.Recorder, task *tasks.Task[order]) map[string]string {
			return map[string]string{"X-Cloudtasks-Tasketa": fmt.Sprint(rec.Now().Add(-90 * time.Second).Unix()), "X-Cloudtasks-Taskretrycount": "1"}
		}, nil},
		{"of no time", func(t testing.TB, rec *tasktest.Recorder, task *tasks.Task[order]) map[string]string {
			return map[string]string{"X-Cloudtasks-Tasketa": ""}
		}, nil},
		{"a job", func(t testing.TB, rec *tasktest.Recorder, task *tasks.Task[order]) map[string]string {
			return map[string]string{"X-Cloudtasks-Queuename": "", "X-Cloudscheduler-Jobname": "nightly",
				"X-Cloudscheduler-Scheduletime": rec.Now().Add(-90 * time.Second).UTC().Format(time.RFC3339)}
		}, []string{"destination.name=nightly operation.name=process operation.type=process kind=task name=charge: 1, sum 9"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := measuring(t)
			task := tasks.New(nothing, tasks.WithName("charge"))
			rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task)
			if err := taskotel.Instrument(rec.App(), m.options()...); err != nil {
				t.Fatal(err)
			}
			r := tasktest.Request(t, task, order{1}, tasktest.With(rec))
			for name, value := range c.push(t, rec, task) {
				r.Header.Set(name, value)
			}
			rec.App().ServeHTTP(httptest.NewRecorder(), r)
			got := m.lines(t, "typedtasks.run.delay")
			for i := range got { // 90 s, less or more a fraction
				got[i] = strings.Replace(strings.Replace(got[i], " system=typedtasks", "", 1), " system=gcp_cloud_scheduler", "", 1)
				if at := strings.LastIndex(got[i], "sum "); at >= 0 {
					got[i] = got[i][:at+len("sum 9")]
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("measured %q, want %q", got, c.want)
			}
		})
	}
}

func TestMetrics_WithoutAClock_GoByTheSystems(t *testing.T) {
	t.Parallel()
	m := measuring(t)
	task := tasks.New(nothing, tasks.WithName("charge"))
	app := newAppWith(t, tasks.Config{Transport: nowhere{}, Endpoint: "https://shop.example.com"}, m.options(), task)
	r := tasktest.Request(t, task, order{1})
	r.Header.Set("X-CloudTasks-TaskETA", fmt.Sprint(time.Now().Add(-time.Hour).Unix()))
	app.ServeHTTP(httptest.NewRecorder(), r)
	if got := m.lines(t, "typedtasks.run.delay"); len(got) != 1 || !strings.Contains(got[0], ": 1, sum 360") {
		t.Errorf("measured %q, want an hour", got)
	}
}

func TestMetrics_OfMessages(t *testing.T) {
	t.Parallel()
	m := measuring(t)
	p := pubsub.NewPublisher[order](pubsub.Topic("orders"), pubsub.WithName("paid"))
	sub := pubsub.NewSubscriber(func(_ context.Context, got pubsub.Message[order]) error {
		if got.Data.ID == 2 {
			return tasks.Discard(nil)
		}
		return nil
	}, pubsub.Topic("orders"), pubsub.Subscription("audit"))
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, p, sub)
	if err := taskotel.Instrument(rec.App(), m.options()...); err != nil {
		t.Fatal(err)
	}
	must(p.Publish(rec.Context(), order{1}))(t)
	p.PublishAll(rec.Context(), []order{{2}, {3}})
	if err := rec.App().PublishMessages(rec.Context(), nil); err != nil {
		t.Error(err)
	}
	rec.Drain()
	const sent = "destination.name=orders operation.name=send operation.type=send system=typedtasks kind=publisher name=paid"
	m.want(t, "messaging.client.sent.messages", sent+" outcome=ok: 3")
	m.want(t, "messaging.client.operation.duration", sent+": 2")
	const run = "destination.name=audit destination.subscription.name=audit operation.name=subscribe operation.type=process system=typedtasks kind=subscriber name=audit"
	m.want(t, "messaging.client.consumed.messages", run+" outcome=executed: 2", run+" outcome=discarded: 1")
	m.want(t, "typedtasks.run.delay", run+": 3")
}

func TestMetrics_OfRunsInTheCaller(t *testing.T) {
	t.Parallel()
	m := measuring(t)
	inner := tasks.New(nothing, tasks.WithName("inner"))
	outer := tasks.New(func(ctx context.Context, o order) error { return inner.Run(ctx, o) }, tasks.WithName("outer"))
	newAppWith(t, tasks.Config{Name: "shop", Eager: true}, m.options(), inner, outer)
	must(outer.Enqueue(t.Context(), order{1}))(t)
	const outerRun = "destination.name=shop operation.name=process operation.type=process system=typedtasks kind=task name=outer outcome=executed"
	const innerRun = "operation.name=run system=typedtasks kind=task name=inner outcome=executed"
	m.want(t, "messaging.client.consumed.messages", outerRun+": 1", innerRun+": 1")
	m.want(t, "typedtasks.run.attempt", outerRun+": 1, sum 1")
	m.want(t, "typedtasks.run.delay")
}

func TestMetrics_EachByItself_MayBeDropped(t *testing.T) {
	t.Parallel()
	names := []string{"messaging.client.sent.messages", "messaging.client.operation.duration", "messaging.client.consumed.messages",
		"messaging.process.duration", "typedtasks.run.attempt", "typedtasks.run.delay"}
	for _, kept := range names {
		m := measuring(t, sdkmetric.WithView(func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{Name: i.Name, Aggregation: sdkmetric.AggregationDrop{}}, i.Name != kept
		}))
		task := tasks.New(nothing, tasks.WithName("charge"))
		rec := tasktest.New(t, task)
		if err := taskotel.Instrument(rec.App(), m.options()...); err != nil {
			t.Fatal(err)
		}
		must(task.Enqueue(rec.Context(), order{1}))(t)
		rec.Drain()
		for _, name := range names {
			if n := len(m.lines(t, name)); (n > 0) != (name == kept) {
				t.Errorf("with %s alone, %s has %d points", kept, name, n)
			}
		}
	}
}

// Names of queues come with requests: what is remembered of them is bounded, what is measured is not wrong for it.
func TestMetrics_OfMoreQueuesThanAreRemembered(t *testing.T) {
	t.Parallel()
	m := measuring(t, sdkmetric.WithCardinalityLimit(0))
	task := tasks.New(nothing, tasks.WithName("charge"))
	app := newAppWith(t, tasks.Config{Name: "shop", Transport: memory.New()}, m.options(), task)
	for i := range 1100 {
		app.ServeHTTP(httptest.NewRecorder(), tasktest.Request(t, task, order{1}, tasktest.Queue(fmt.Sprint("q", i))))
	}
	if n := len(m.lines(t, "messaging.client.consumed.messages")); n != 1100 {
		t.Errorf("%d queues were measured, want 1100", n)
	}
}

var errNoInstrument = errors.New("no such instrument")

// refusing is a meter that makes no counters.
type refusing struct{ noop.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ noop.Meter }

func (refusingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errNoInstrument
}
