package tasks

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// ServeHTTP takes a push of Cloud Tasks, Cloud Scheduler or Pub/Sub. It answers JSON, {"status", "result",
// "error"}, with
//
//	200 executed, snoozed, enqueued    400 does not decode or validate    413 too large
//	202 discarded, quarantined         401, 403 caller not allowed        415 has a content coding
//	404 names no definition            405 not POST                       500 failed
//	                                   408 body too slow                  503 retry later, shutting down
//
// A body is at most 1 MiB, a push of Pub/Sub's 14 MiB. It has 30 s to arrive, and a second more for each 64 KiB, where
// the server takes read deadlines (net/http's does); the function's time begins afterwards. A Content-Encoding other
// than identity is refused, and never decoded; an unwrapped push has one if the message has an attribute of that name.
// A path is served as tasks spell it, and not with other escapes, dots or slashes; what a router in front does to paths
// is its own.
//
// A push of another subscription than the subscriber's is answered with 400, and never quarantined. A 401 comes with
// the header WWW-Authenticate.
//
// The text of an error leaves only with 400, and only what is wrong with the payload as one of today's; the rest is for
// the log. Of what is refused before it is looked at "status" says why: unauthenticated, forbidden, not_found,
// method_not_allowed (which is not logged), timeout, too_large, unsupported_encoding, shutting_down.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		hurry(w, r, 0)
		answer(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
		return
	}
	if a.gate.isShut() {
		a.turnAway(w, r)
		return
	}
	if a.cfg.Authenticator != nil {
		if err := a.cfg.Authenticator.Authenticate(r); err != nil {
			a.refuse(w, r, err)
			return
		}
	} else if a.unguarded.Load() {
		a.warnUnguarded(r.Context())
	}
	rt := a.table.Load().byPath[r.URL.Path]
	if rt == nil || r.URL.RawPath != "" && !a.plain(r.URL) {
		a.serveUnknown(w, r)
		return
	}
	limit := maxBody
	if rt.spec.Kind == KindSubscriber {
		limit = maxSubscriptionBody
	}
	buf := a.buffer()
	defer buf.free()
	if err := buf.take(w, r, limit); err != nil {
		a.unreadable(w, r, err)
		return
	}
	if !a.gate.enter() { // so late, because a Shutdown waits for what runs, and not for who is slow to send
		a.turnAway(w, r)
		return
	}
	defer a.gate.leave()
	p := new(push)
	d := &p.delivery
	d.URL, d.Body = rt.url, buf.b
	if rt.spec.Kind == KindSubscriber && pushwire.Unwrapped(r.Header) {
		readPush(d, r.Header)
	} else {
		readDelivery(d, r.Header)
	}
	timeout := rt.timeout
	switch {
	case d.Timeout != 0:
		timeout = d.Timeout
	case rt.spec.Kind == KindSubscriber && d.Queue != "": // its own is for messages
		timeout = transport.DefaultTimeout
	case rt.spec.Kind == KindPeriodic && rt.spec.Timeout == 0 && fromScheduler(d):
		timeout = transport.DefaultJobDeadline
	}
	now := time.Now()
	p.ctx.Begin(r.Context(), now.Add(timeout))
	defer p.ctx.Cancel()
	p.run.begin(&p.ctx, a, rt, d, overHTTP, now.Sub(a.made))
	a.reply(w, rt, p.run.deliver())
}

// push is all that a request's run needs, in one allocation.
type push struct {
	run      run
	ctx      lazyctx.Context
	delivery transport.Delivery
}

// reply answers with a verdict.
func (a *App) reply(w http.ResponseWriter, rt *route, v verdict) {
	status := v.outcome.status()
	switch v.outcome {
	case OutcomeExecuted:
		if v.result != nil {
			result, err := encodeResult(v.result)
			if err == nil {
				write(w, status, string(v.outcome), result, "")
				return
			}
			// It ran: to fail now would run it again.
			a.cfg.Logger.Error("tasks: the result does not encode", "task", rt.spec.Name, "error", err)
		}
		answer(w, status, string(v.outcome), "")
	case OutcomeRejected:
		answer(w, status, string(v.outcome), payload.Public(v.err))
	case OutcomeRetryLater:
		if s := int64(math.Ceil(v.after.Seconds())); s > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(s, 10))
		}
		answer(w, status, string(v.outcome), "")
	default:
		answer(w, status, string(v.outcome), "")
	}
}

// encodeResult keeps a MarshalJSON method that panics from undoing what has been done.
func encodeResult(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return json.Marshal(v)
}

// serveUnknown answers for a path that names nothing. What looks like a delivery may be quarantined.
func (a *App) serveUnknown(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.Path, a.cfg.MountPath+"/")
	section, name, _ := strings.Cut(path, "/")
	if a.cfg.Quarantine == nil || !below || name == "" || section != a.cfg.TasksPath && section != a.cfg.SubscriptionsPath || r.URL.RawPath != "" && !a.plain(r.URL) {
		a.logRequest(r, slog.LevelWarn, "tasks: no definition is served at this path: check Config.Endpoint, Config.MountPath and the names registered",
			slog.String("mount", a.cfg.MountPath+"/"))
		hurry(w, r, 0)
		answer(w, http.StatusNotFound, "not_found", "")
		return
	}
	var buf buffer
	limit := maxBody
	if section == a.cfg.SubscriptionsPath {
		limit = maxSubscriptionBody
	}
	if err := buf.take(w, r, limit); err != nil {
		a.unreadable(w, r, err)
		return
	}
	if !a.gate.enter() {
		a.turnAway(w, r)
		return
	}
	defer a.gate.leave()
	d := &transport.Delivery{Task: transport.Task{URL: a.cfg.Endpoint + "/" + path, Body: buf.b}}
	if section == a.cfg.SubscriptionsPath && pushwire.Unwrapped(r.Header) {
		readPush(d, r.Header)
	} else {
		readDelivery(d, r.Header)
	}
	if status, _, _ := a.unknown(r.Context(), d, overHTTP); status == http.StatusAccepted {
		answer(w, status, string(OutcomeQuarantined), "")
		return
	}
	answer(w, http.StatusNotFound, "not_found", "")
}

// turnAway answers while the App shuts down.
func (a *App) turnAway(w http.ResponseWriter, r *http.Request) {
	a.logRequest(r, slog.LevelDebug, "tasks: turned away: the App shuts down")
	hurry(w, r, 0)
	answer(w, http.StatusServiceUnavailable, "shutting_down", "")
}

// plain reports whether a path with escapes in it is spelled as our tasks spell theirs. What stands in front of the
// service may judge by the spelling, and must not be talked round with an escaped slash or dot.
func (a *App) plain(u *url.URL) bool {
	tail, ok := strings.CutPrefix(u.Path, a.cfg.MountPath)
	return ok && slices.ContainsFunc(a.mounts, func(m string) bool { return u.RawPath == m+tail })
}

func (a *App) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusUnauthorized, "unauthenticated"
	if errors.Is(err, ErrForbidden) {
		status, text = http.StatusForbidden, "forbidden"
	} else {
		w.Header().Set("WWW-Authenticate", challenge(r.Header))
	}
	a.logRequest(r, slog.LevelWarn, "tasks: caller refused", slog.Int("status", status), slog.Any("error", err))
	hurry(w, r, 0)
	answer(w, status, text, "")
}

// challenge is what a 401 must carry (RFC 9110). It says that a token was no good only to who sent one (RFC 6750).
func challenge(h http.Header) string {
	for _, v := range h.Values("Authorization") {
		if scheme, _, _ := strings.Cut(v, " "); strings.EqualFold(scheme, "Bearer") {
			return `Bearer error="invalid_token"`
		}
	}
	return "Bearer"
}

// answer writes an answer without a result.
func answer(w http.ResponseWriter, code int, status, text string) {
	write(w, code, status, nil, text)
}

func write(w http.ResponseWriter, code int, status string, result []byte, text string) {
	b := make([]byte, 0, 64+len(result)+len(text))
	b = append(b, `{"status":"`...)
	b = append(b, status...)
	b = append(b, `","result":`...)
	if result == nil {
		b = append(b, "null"...)
	}
	b = append(b, result...)
	b = append(b, `,"error":`...)
	if text == "" {
		b = append(b, "null"...)
	} else {
		quoted, _ := json.Marshal(text) // a string always encodes
		b = append(b, quoted...)
	}
	b = append(b, "}\n"...)
	w.Header()[headerContentType] = []string{"application/json"}
	w.WriteHeader(code)
	_, _ = w.Write(b) // nobody is left to tell
}
