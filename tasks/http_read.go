package tasks

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// maxBody is the most bytes of a request's body: no platform sends more than these.
const (
	maxBody             = 1 << 20  // a task, a scheduler job
	maxSubscriptionBody = 14 << 20 // 10 MB of message in base64, with its envelope
)

// A body has bodyGrace to arrive, and a second more for each bodyRate of its bytes.
const (
	bodyGrace = 30 * time.Second
	bodyRate  = 64 << 10
)

// drainGrace is how long the server waits for a body that nobody will read, before it sends the answer.
const drainGrace = 5 * time.Second

// buffer holds a request's body. The App's own codec keeps nothing of it, so buffers are used again; with
// another codec, or middleware that may keep or change it, each request has its own.
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

// take reads the body, limit bytes at most and in bounded time. What has a content coding is not read.
func (buf *buffer) take(w http.ResponseWriter, r *http.Request, limit int) error {
	if c := coding(r.Header); c != "" {
		hurry(w, r, 0)
		return &codingError{c}
	}
	if r.ContentLength > int64(limit) {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, r.ContentLength, limit)
	}
	buf.b = buf.b[:0]
	if r.Body == nil {
		return nil
	}
	slow := hurry(w, r, limit)
	if err := buf.read(r.Body, int(r.ContentLength), limit); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w: the body did not arrive in time, after %d bytes", err, len(buf.b))
		}
		return err
	}
	if slow != nil {
		_ = slow.SetReadDeadline(time.Time{}) // it would end the function's context
	}
	return nil
}

// firstRead is how much memory a request gets for what it only says that it will send.
const firstRead = 256 << 10

// read reads body in one piece where its length is known.
func (buf *buffer) read(body io.Reader, length, limit int) error {
	if want := min(max(length+1, 512), firstRead); want > cap(buf.b) { // one more, to see the end without growing
		buf.b = make([]byte, 0, want)
	}
	for {
		if len(buf.b) == cap(buf.b) {
			buf.b = append(buf.b, 0)[:len(buf.b)]
		}
		n, err := body.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if len(buf.b) > limit {
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

// readDeadliner is what a server offers that can stop waiting for a client.
type readDeadliner interface{ SetReadDeadline(time.Time) error }

// hurry bounds how long the server waits for the body, of which most bytes at most are read; a server reads some of
// it that its handler has not. It returns who can lift the bound, nil where nobody can or none is needed. What a
// server's own ReadTimeout allows is not extended.
func hurry(w http.ResponseWriter, r *http.Request, most int) readDeadliner {
	if r.ContentLength == 0 {
		return nil
	}
	d := deadliner(w)
	if d == nil {
		return nil
	}
	if r.ContentLength > 0 {
		most = int(min(int64(most), r.ContentLength))
	}
	wait := bodyGrace + time.Duration(most)*time.Second/bodyRate
	if most == 0 {
		wait = drainGrace
	}
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ReadTimeout > 0 {
		wait = min(wait, s.ReadTimeout)
	}
	if d.SetReadDeadline(time.Now().Add(wait)) != nil {
		return nil
	}
	return d
}

// deadliner looks where http.ResponseController does, whose error for a writer that has none costs more than the
// look.
func deadliner(w http.ResponseWriter) readDeadliner {
	for {
		switch t := w.(type) {
		case readDeadliner:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// coding is the content coding of a body, empty where it has none.
func coding(h http.Header) string {
	for _, v := range h["Content-Encoding"] {
		for c := range strings.SplitSeq(v, ",") {
			if c = strings.Trim(c, " \t"); c != "" && !strings.EqualFold(c, "identity") {
				return c
			}
		}
	}
	return ""
}

type codingError struct{ coding string }

func (e *codingError) Error() string {
	return fmt.Sprintf("the body has the content coding %q: nothing is decoded, send it as it is", e.coding)
}

// unreadable answers for a body that was not read.
func (a *App) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	status, outcome, text := http.StatusBadRequest, string(OutcomeRejected), "the body could not be read"
	_, coded := err.(*codingError)
	_, limited := errors.AsType[*http.MaxBytesError](err) // by a handler around the App
	switch {
	case errors.Is(err, ErrTooLarge), limited:
		status, outcome, text = http.StatusRequestEntityTooLarge, "too_large", ""
		closes(w, r) // rather than read it all
	case errors.Is(err, os.ErrDeadlineExceeded):
		status, outcome, text = http.StatusRequestTimeout, "timeout", ""
		closes(w, r)
	case coded:
		status, outcome, text = http.StatusUnsupportedMediaType, "unsupported_encoding", ""
		w.Header().Set("Accept-Encoding", "identity")
	}
	a.logRequest(r, slog.LevelWarn, "tasks: body not read", slog.Int("status", status), slog.Any("error", err))
	answer(w, status, outcome, text)
}

// closes has the connection closed after the answer. HTTP/2 has many requests on one, which are not to blame.
func closes(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 {
		w.Header().Set("Connection", "close")
	}
}
