package tasks

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/aftermath"
	"github.com/typedtasks/typedtasks/internal/printable"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// log writes the one line of a delivery's outcome. What came from outside is escaped where it does not print.
func (r *run) log(v *verdict) {
	level, log := r.level(v), r.app.cfg.Logger
	ctx := r.after()
	if !log.Enabled(ctx, level) {
		return
	}
	m := r.metadata()
	attrs := make([]slog.Attr, 0, 16)
	what := "task"
	if r.isMessage() {
		what = "message"
		attrs = append(attrs, slog.String("subscriber", printable.Text(r.route.spec.Name)), slog.String("id", printable.Name(m.ID)), slog.Int("attempt", m.Attempt))
		if d := r.delivery; d.Message != nil {
			attrs = append(attrs, slog.String("subscription", printable.Name(d.Message.Subscription)))
		}
	} else {
		attrs = append(attrs, slog.String("task", printable.Text(r.route.spec.Name)), slog.String("id", printable.Name(m.ID)),
			slog.String("queue", printable.Text(m.Queue)), slog.Int("attempt", m.Attempt))
	}
	attrs = append(attrs, slog.String("outcome", string(v.outcome)), slog.Duration("duration", time.Since(r.app.made)-r.began))
	if m.SchedulerJob != "" {
		attrs = append(attrs, slog.String("job", printable.Name(m.SchedulerJob)))
	}
	if from := r.upgraded.Load(); from != nil {
		attrs = append(attrs, slog.String("upgraded_from", *from))
	}
	if v.err != nil && v.outcome != OutcomeEnqueued { // which is what was asked for
		attrs = append(attrs, slog.Any("error", v.err))
	}
	if v.beside != nil && v.beside.quarantine != nil {
		attrs = append(attrs, slog.Any("quarantine_error", v.beside.quarantine))
	}
	if v.beside != nil && v.beside.lastAttempt != nil {
		attrs = append(attrs, slog.Any("last_attempt_error", v.beside.lastAttempt))
	}
	attrs = r.app.appendTrace(attrs, r.trace())
	if p := r.payload.Load(); p != nil {
		attrs = append(attrs, slog.Attr{Key: "payload", Value: r.app.loggedPayload(*p)})
	}
	if v.stack != nil {
		attrs = append(attrs, slog.String("stack", string(v.stack)))
	}
	log.LogAttrs(ctx, level, what+" "+string(v.outcome), attrs...)
}

// level is the level of an outcome.
func (r *run) level(v *verdict) slog.Level {
	switch {
	case v.stack != nil:
		return slog.LevelError
	case r.source.inCaller(): // the caller has the error, but not the stack
		return slog.LevelDebug
	case v.outcome == OutcomeQuarantined, v.beside != nil && v.beside.quarantine != nil, r.delivery.Exhausted:
		return slog.LevelError
	case (v.outcome == OutcomeExecuted || v.outcome == OutcomeEnqueued) && r.app.sharesLog && r.upgraded.Load() == nil: // that is no news
		return slog.LevelDebug
	case v.outcome == OutcomeExecuted, v.outcome == OutcomeEnqueued, v.outcome == OutcomeSnoozed, v.outcome == OutcomeDiscarded:
		return slog.LevelInfo
	default:
		return slog.LevelWarn // what the queue tries again
	}
}

// trace is the span that middleware began for the run, or else the one that enqueued it.
func (r *run) trace() traceparent {
	if then := r.then.Load(); then != nil && then.span != (aftermath.Span{}) {
		s := then.span
		return traceparent{trace: hex.EncodeToString(s.Trace[:]), span: hex.EncodeToString(s.ID[:]), sampled: s.Sampled}
	}
	return traceOf(r.delivery.Header)
}

// logRequest tells of a push that got nowhere, with what its headers say of it: claims, as long as it is not known who
// sent them.
func (a *App) logRequest(r *http.Request, level slog.Level, message string, attrs ...slog.Attr) {
	if !a.cfg.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs = append([]slog.Attr{slog.String("path", printable.Text(spelled(r.URL)))}, attrs...)
	d := new(transport.Delivery)
	if readDelivery(d, r.Header); d.ID != "" {
		attrs = append(attrs, slog.String("id", printable.Name(d.ID)), slog.String("queue", printable.Text(d.Queue)), slog.Int("attempt", d.Attempt))
	}
	a.cfg.Logger.LogAttrs(r.Context(), level, message, a.appendTrace(attrs, traceOf(r.Header))...)
}

// spelled is a path as it came, where it has other escapes than it needs: that may be what is wrong with it.
func spelled(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.Path
}

// see is a seen.Func.
func (r *run) see(payload any) { r.payload.Store(&payload) }

// logEnqueued tells of a task that was enqueued. An eager one has told of itself.
func (o *order) logEnqueued(ctx context.Context, t *transport.Task, r Receipt) {
	log := o.app.cfg.Logger
	if !log.Enabled(ctx, slog.LevelDebug) || o.app.eager {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("task", o.name()), slog.String("id", printable.Name(r.ID)), slog.String("queue", printable.Text(r.Queue)))
	if !r.ETA.IsZero() {
		attrs = append(attrs, slog.Time("due", r.ETA))
	}
	if r.Duplicate {
		attrs = append(attrs, slog.Bool("duplicate", true))
	}
	log.LogAttrs(ctx, slog.LevelDebug, "task enqueued", o.app.appendTrace(attrs, traceOf(t.Header))...)
}

// logPublished tells of a message that was published.
func (a *App) logPublished(ctx context.Context, m *transport.Message, id string) {
	if !a.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := make([]slog.Attr, 0, 6)
	attrs = append(attrs, slog.String("topic", printable.Text(m.Topic)), slog.String("id", printable.Name(id)))
	a.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "message published", a.appendTrace(attrs, a.traceOfMessage(ctx, m))...)
}

// traceOfMessage is the one that a message carries, or else the one that it was published under.
func (a *App) traceOfMessage(ctx context.Context, m *transport.Message) traceparent {
	value := m.Attributes[pushwire.HeaderAttribute(headerTraceparent)]
	if value == "" {
		carried, _ := pushwire.ExtractHeaders(m.Data, a.cfg.PropagatedHeadersKey)
		value = carried[headerTraceparent]
	}
	if value == "" {
		return traceOf(a.carriedBy(ctx))
	}
	return parseTraceparent(value)
}

// appendTrace adds what names a trace.
func (a *App) appendTrace(attrs []slog.Attr, t traceparent) []slog.Attr {
	if t.trace == "" {
		return attrs
	}
	if a.cfg.CloudLoggingProject == "" {
		return append(attrs, slog.String("trace_id", t.trace))
	}
	return append(attrs,
		slog.String("logging.googleapis.com/trace", "projects/"+a.cfg.CloudLoggingProject+"/traces/"+t.trace),
		slog.String("logging.googleapis.com/spanId", t.span),
		slog.Bool("logging.googleapis.com/trace_sampled", t.sampled))
}

const headerTraceparent = "Traceparent"

// traceparent is what the header of W3C Trace Context that goes by this name says. The zero value is none.
type traceparent struct {
	trace, span string // in lower-case hex
	sampled     bool
}

func traceOf(h http.Header) traceparent { return parseTraceparent(first(h[headerTraceparent])) }

// parseTraceparent reads 00-<trace>-<span>-<flags>, and of later versions what they have in common with it.
func parseTraceparent(s string) traceparent {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(s) < length || len(s) > length && (s[:2] == "00" || s[length] != '-') || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return traceparent{}
	}
	version, flags := s[:2], s[53:length]
	t := traceparent{trace: s[3:35], span: s[36:52]}
	if !isHex(version) || version == "ff" || !isHex(t.trace) || !isHex(t.span) || !isHex(flags) || strings.Trim(t.trace, "0") == "" || strings.Trim(t.span, "0") == "" {
		return traceparent{}
	}
	t.sampled = strings.IndexByte("13579bdf", flags[1]) >= 0
	return t
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// isProject reports whether s is a project's id, or empty.
func isProject(s string) bool {
	return len(s) <= 100 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:.") == ""
}
