package tasks

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// queueResolver tells what t makes of a queue's settings; of one that does not say, what package transport says.
func queueResolver(t transport.Transport) func(transport.QueueConfig) transport.QueueConfig {
	if r, err := transport.As[transport.QueueResolver](t); err == nil {
		return r.ResolveQueue
	}
	if isLocal(t) {
		return func(cfg transport.QueueConfig) transport.QueueConfig {
			unlimited := transport.CloudTasksQueue()
			unlimited.MaxDispatchesPerSecond = transport.NoRateLimit
			return cfg.Or(unlimited)
		}
	}
	return func(cfg transport.QueueConfig) transport.QueueConfig {
		cfg = cfg.Or(transport.CloudTasksQueue())
		cfg.MaxDispatchesPerSecond = min(cfg.MaxDispatchesPerSecond, transport.DefaultDispatchesPerSecond)
		cfg.MaxBurst = 0
		return cfg
	}
}

// queueFields are the settings that have and want, both with their defaults, do not share. A burst of 0 in want is for
// the driver to choose.
func queueFields(have, want transport.QueueConfig) (fields []plan.Field) {
	differs := func(name, from, to string) {
		if from != to {
			fields = append(fields, plan.Field{Name: name, From: from, To: to})
		}
	}
	differs("rate", rateText(have.MaxDispatchesPerSecond), rateText(want.MaxDispatchesPerSecond))
	if want.MaxBurst > 0 && !(burstFollows(have) && burstFollows(want)) {
		differs("burst", strconv.Itoa(have.MaxBurst), strconv.Itoa(want.MaxBurst))
	}
	differs("concurrent", strconv.Itoa(have.MaxConcurrentDispatches), strconv.Itoa(want.MaxConcurrentDispatches))
	h, w := have.Retry, want.Retry
	differs("attempts", attemptsText(h.MaxAttempts), attemptsText(w.MaxAttempts))
	differs("retry duration", limitText(h.MaxRetryDuration), limitText(w.MaxRetryDuration))
	differs("backoff", backoffText(h), backoffText(w))
	differs("doublings", strconv.Itoa(h.MaxDoublings), strconv.Itoa(w.MaxDoublings))
	return fields
}

// burstFollows reports whether the burst is the one that the rate brings along.
func burstFollows(cfg transport.QueueConfig) bool {
	return cfg.MaxBurst == transport.QueueConfig{MaxDispatchesPerSecond: cfg.MaxDispatchesPerSecond}.Burst()
}

// queueWords are the settings that are not the defaults.
func queueWords(defaults, cfg transport.QueueConfig) string {
	var parts []string
	for _, f := range queueFields(defaults, cfg) {
		parts = append(parts, f.Name+" "+f.To)
	}
	return strings.Join(parts, ", ")
}

func rateText(perSecond float64) string {
	if math.IsInf(perSecond, 1) {
		return "no limit"
	}
	return strconv.FormatFloat(perSecond, 'f', -1, 64) + "/s"
}

func attemptsText(n int) string {
	if n == transport.UnlimitedAttempts {
		return "no limit"
	}
	return strconv.Itoa(n)
}

func limitText(d time.Duration) string {
	if d == 0 {
		return "no limit"
	}
	return converge.Span(d)
}

func backoffText(r transport.RetryConfig) string {
	return converge.Span(r.MinBackoff) + " to " + converge.Span(r.MaxBackoff)
}
