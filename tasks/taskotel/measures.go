package taskotel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
)

// measures are the instruments.
type measures struct {
	sent     metric.Int64Counter
	sending  metric.Float64Histogram
	runs     metric.Int64Counter
	running  metric.Float64Histogram
	attempts metric.Int64Histogram
	delay    metric.Float64Histogram
}

func newMeasures(m metric.Meter) (measures, error) {
	var errs [6]error
	var ms measures
	sent, err := messagingconv.NewClientSentMessages(m)
	ms.sent, errs[0] = sent.Inst(), err
	sending, err := messagingconv.NewClientOperationDuration(m, metric.WithExplicitBucketBoundaries(shortSeconds()...))
	ms.sending, errs[1] = sending.Inst(), err
	runs, err := messagingconv.NewClientConsumedMessages(m)
	ms.runs, errs[2] = runs.Inst(), err
	running, err := messagingconv.NewProcessDuration(m, metric.WithExplicitBucketBoundaries(append(shortSeconds(), 30, 60, 120, 300, 600, 1800)...))
	ms.running, errs[3] = running.Inst(), err
	ms.attempts, errs[4] = m.Int64Histogram("typedtasks.run.attempt", metric.WithUnit("{attempt}"),
		metric.WithDescription("Which attempt of a task or message a run was."),
		metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 5, 7, 10, 20, 50, 100))
	ms.delay, errs[5] = m.Float64Histogram("typedtasks.run.delay", metric.WithUnit("s"),
		metric.WithDescription("Time from when a task or job was due, or a message was published, to the start of its run."),
		metric.WithExplicitBucketBoundaries(append(shortSeconds(), 30, 60, 300, 900, 3600, 4*3600, 24*3600)...))
	return ms, errors.Join(errs[:]...)
}

// shortSeconds are the boundaries that the conventions ask for.
func shortSeconds() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// ofSends reports whether anybody wants to know of sends.
func (m *measures) ofSends(ctx context.Context) bool {
	return m.sent.Enabled(ctx) || m.sending.Enabled(ctx)
}

// ofRuns reports whether anybody wants to know of runs.
func (m *measures) ofRuns(ctx context.Context) bool {
	return m.runs.Enabled(ctx) || m.running.Enabled(ctx) || m.attempts.Enabled(ctx) || m.delay.Enabled(ctx)
}

func seconds(d time.Duration) float64 { return max(d, 0).Seconds() }
