package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/internal/lazyctx"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// maxBody is the most bytes of a request's body: no platform sends more than these.
const (
	maxBody             = 1 << 20  // a task, a scheduler job
	maxSubscriptionBody = 14 << 20 // 10 MB of message in base64, with its envelope
)

// ServeHTTP takes a push of Cloud Tasks, Cloud Scheduler or Pub/Sub. It answers JSON, {"status", "result",
// "error"}, with
//
//	200 executed, snoozed, enqueued    400 does not decode or validate    413 too large
//	202 discarded, quarantined         401, 403 caller not allowed        500 failed
//	404 names no definition            405 not POST                       503 retry later, shutting down
//
// A push of another subscription than the subscriber's is answered with 400, and never quarantined.
//
// The text of an error leaves only with 400; the rest is for the log.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
		return
	}
	if !a.gate.enter() {
		answer(w, http.StatusServiceUnavailable, "shutting_down", "")
		return
	}
	defer a.gate.leave()
	if a.cfg.Authenticator != nil {
		if err := a.cfg.Authenticator.Authenticate(r); err != nil {
			a.refuse(w, r, err)
			return
		}
	} else if a.unguarded.Load() {
		a.warnUnguarded(r.Context())
	}
	rt := a.table.Load().byPath[r.URL.Path]
	if rt == nil {
		a.serveUnknown(w, r)
		return
	}
	limit := maxBody
	if rt.spec.Kind == KindSubscriber {
		limit = maxSubscriptionBody
	}
	buf := a.buffer()
	defer buf.free()
	if err := buf.read(w, r, limit); err != nil {
		a.unreadable(w, r, err)
		return
	}
	d := &transport.Delivery{Task: transport.Task{URL: rt.url, Body: buf.b}}
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
	}
	ctx := lazyctx.WithDeadline(r.Context(), time.Now().Add(timeout))
	defer ctx.Cancel()
	a.reply(w, rt, a.deliver(ctx, rt, d, overHTTP))
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
		answer(w, status, string(v.outcome), v.err.Error())
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
	a.cfg.Logger.LogAttrs(r.Context(), slog.LevelWarn, "tasks: no definition is served at this path: check Config.Endpoint, Config.MountPath and the names registered",
		slog.String("path", r.URL.Path), slog.String("mount", a.cfg.MountPath+"/"))
	if a.cfg.Quarantine == nil || !below || name == "" || section != a.cfg.TasksPath && section != a.cfg.SubscriptionsPath {
		answer(w, http.StatusNotFound, "not_found", "")
		return
	}
	var buf buffer
	limit := maxBody
	if section == a.cfg.SubscriptionsPath {
		limit = maxSubscriptionBody
	}
	if err := buf.read(w, r, limit); err != nil {
		a.unreadable(w, r, err)
		return
	}
	d := &transport.Delivery{Task: transport.Task{URL: a.cfg.Endpoint + "/" + path, Body: buf.b}}
	readDelivery(d, r.Header)
	if status, _, _ := a.unknown(r.Context(), d, overHTTP); status == http.StatusAccepted {
		answer(w, status, string(OutcomeQuarantined), "")
		return
	}
	answer(w, http.StatusNotFound, "not_found", "")
}

func (a *App) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusUnauthorized, "unauthenticated"
	if errors.Is(err, ErrForbidden) {
		status, text = http.StatusForbidden, "forbidden"
	}
	a.cfg.Logger.LogAttrs(r.Context(), slog.LevelWarn, "tasks: caller refused", slog.Int("status", status), slog.String("path", r.URL.Path), slog.Any("error", err))
	answer(w, status, text, "")
}

func (a *App) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	status, outcome, text := http.StatusBadRequest, string(OutcomeRejected), "the body could not be read"
	if errors.Is(err, ErrTooLarge) {
		status, outcome, text = http.StatusRequestEntityTooLarge, "too_large", ""
	}
	a.cfg.Logger.LogAttrs(r.Context(), slog.LevelWarn, "tasks: body not read", slog.Int("status", status), slog.String("path", r.URL.Path), slog.Any("error", err))
	answer(w, status, outcome, text)
}

// buffer holds a request's body. The App's own codec keeps nothing of it, so buffers are used again; with
// another codec, or middleware that sees the body, each request has its own.
type buffer struct {
	b    []byte
	pool *sync.Pool
}

// pooledMost keeps one huge body from staying in memory.
const pooledMost = 256 << 10

func (a *App) buffer() *buffer {
	if !a.table.Load().pooled {
		return &buffer{}
	}
	buf, _ := a.buffers.Get().(*buffer)
	if buf == nil {
		buf = &buffer{pool: &a.buffers}
	}
	return buf
}

func (buf *buffer) free() {
	if buf.pool != nil && cap(buf.b) <= pooledMost {
		buf.b = buf.b[:0]
		buf.pool.Put(buf)
	}
}

// read reads the body, limit bytes at most, in one piece where its length is known.
func (buf *buffer) read(w http.ResponseWriter, r *http.Request, limit int) error {
	if r.ContentLength > int64(limit) {
		w.Header().Set("Connection", "close") // rather than read it all
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, r.ContentLength, limit)
	}
	buf.b = buf.b[:0]
	if r.Body == nil {
		return nil
	}
	if want := max(int(r.ContentLength)+1, 512); want > cap(buf.b) { // one more, to see the end without growing
		buf.b = make([]byte, 0, want)
	}
	for {
		if len(buf.b) == cap(buf.b) {
			buf.b = append(buf.b, 0)[:len(buf.b)]
		}
		n, err := r.Body.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if len(buf.b) > limit {
			w.Header().Set("Connection", "close")
			return fmt.Errorf("%w: over %d bytes", ErrTooLarge, limit)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
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
