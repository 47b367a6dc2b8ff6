package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/transport"
)

// Headers of our own, in the canonical form in which net/http delivers them.
const (
	headerID       = "Typedtasks-Id"       // a snoozed task's first id
	headerAttempts = "Typedtasks-Attempts" // ... and the attempts used before
	headerRetry    = headers.Retry         // the task's own retry settings
	headerTimeout  = "Typedtasks-Timeout"  // a timeout that differs from the definition's
	headerNonce    = "Typedtasks-Nonce"    // tells our named task from another's after a lost answer

	headerContentType = "Content-Type"
)

// HeadersFrom returns the propagated headers that ctx carries: of the request under which it runs, or of the
// task whose function it was given. The result is the caller's own; nil without any.
func HeadersFrom(ctx context.Context) http.Header {
	switch h := ctx.Value(headersKey{}).(type) {
	case freshHeader:
		return http.Header(h)
	case http.Header:
		return h.Clone()
	case *givenHeader:
		if len(h.h) > 0 {
			return h.h.Clone()
		}
	}
	return nil
}

// ContextWithHeaders returns a ctx whose headers ride along on everything enqueued or published under it, as
// far as Config.PropagatedHeaders names them, in upper or lower case. They replace those of ctx as a whole.
func ContextWithHeaders(ctx context.Context, h http.Header) context.Context {
	g := &givenHeader{h: make(http.Header, len(h))}
	for name, vs := range h {
		name = textproto.CanonicalMIMEHeaderKey(name)
		g.h[name] = append(g.h[name], vs...)
	}
	return context.WithValue(ctx, headersKey{}, g)
}

// Propagate is middleware for the user's own routes: the headers that Config.PropagatedHeaders names ride
// along on everything enqueued or published under the request's context.
func (a *App) Propagate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, left := a.pick(r.Header)
		if left != nil {
			a.leaveBehind(r.Context(), left)
		}
		if h != nil {
			r = r.WithContext(context.WithValue(r.Context(), headersKey{}, h))
		}
		next.ServeHTTP(w, r)
	})
}

type headersKey struct{}

// freshHeader is the value of headersKey where it was made for who asked, and nobody else has it.
type freshHeader http.Header

// givenHeader is the value of headersKey that [ContextWithHeaders] was given, which nobody has looked at yet.
type givenHeader struct {
	h    http.Header
	told atomic.Bool // that some of them stay behind
}

// carriedBy returns ctx's headers, only to be read.
func (a *App) carriedBy(ctx context.Context) http.Header {
	switch h := ctx.Value(headersKey{}).(type) {
	case freshHeader:
		picked, _ := a.pick(http.Header(h))
		return picked
	case http.Header:
		picked, _ := a.pick(h)
		return picked
	case *givenHeader:
		picked, left := a.pick(h.h)
		if left != nil && !h.told.Swap(true) {
			a.leaveBehind(ctx, left)
		}
		return picked
	}
	return nil
}

// Limits of what is propagated, see Config.PropagatedHeaders: how many headers, the bytes of one value, of names and
// values together. W3C Baggage, the longest of the common ones, has 8 KiB.
const (
	maxPropagatedHeaders = 16
	maxPropagatedValue   = 8 << 10
	maxPropagatedBytes   = 16 << 10
)

// pick copies the propagated headers out of h, several values of one name joined by commas; nil if none. left are those
// that stay behind: no task can carry them, or they are over the limits. Who sent them must not keep the request from
// enqueueing.
func (a *App) pick(h http.Header) (picked http.Header, left []string) {
	size := 0
	for _, name := range a.propagated {
		vs := h[name]
		if len(vs) == 0 {
			continue
		}
		if len(vs) > 1 {
			vs = []string{strings.Join(vs, ",")}
		}
		n := len(name) + len(vs[0])
		if len(picked) == maxPropagatedHeaders || len(vs[0]) > maxPropagatedValue || size+n > maxPropagatedBytes || !carriable(vs[0]) {
			left = append(left, name)
			continue
		}
		if picked == nil {
			picked = make(http.Header, len(a.propagated))
		}
		picked[name] = vs[:1:1]
		size += n
	}
	return picked, left
}

// carriable reports whether a task can carry a header of this value: it splits none, and is UTF-8.
func carriable(value string) bool {
	ascii := true
	for i := range len(value) {
		c := value[i]
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(value)
}

// leaveBehind tells which headers do not ride along.
func (a *App) leaveBehind(ctx context.Context, names []string) {
	a.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "tasks: propagated headers stay behind: too many, too long, no room beside the rest, or not to be carried by a header",
		slog.String("headers", strings.Join(names, ", ")))
}

// addPropagated puts propagated headers on a task. own says whether h may be changed; a header set by the task or the
// call wins over a propagated one.
func addPropagated(carried, h http.Header, own bool) (http.Header, bool) {
	for name, vs := range carried {
		if _, set := h[name]; set {
			continue
		}
		if !own {
			h, own = cloneHeader(h, len(carried)), true
		}
		h[name] = vs
	}
	return h, own
}

// cloneHeader copies the map with room for more; values are shared, since nothing here changes one in place.
func cloneHeader(h http.Header, more int) http.Header {
	c := make(http.Header, len(h)+more)
	for k, v := range h {
		c[k] = v
	}
	return c
}

// checkUserHeader refuses what would split a header and what belongs to the platform or to us.
func checkUserHeader(key, value string) error {
	if err := checkHeader(key, value); err != nil {
		return err
	}
	if name := textproto.CanonicalMIMEHeaderKey(key); reservedHeader(name) {
		return fmt.Errorf("header %q is reserved: it is set by the platform or by this package", key)
	}
	return nil
}

// checkPropagated refuses names of headers that may not ride along.
func checkPropagated(name string) error {
	if textproto.CanonicalMIMEHeaderKey(name) == headerProject { // a stranger's would pass for the sender's
		return fmt.Errorf("header %q is reserved: it tells who has enqueued a task", name)
	}
	return checkUserHeader(name, "")
}

// checkHeader refuses what no transport takes.
func checkHeader(key, value string) error {
	return transport.CheckHeader(http.Header{key: {value}})
}

// foldNames are the canonical names of headers, and how they were spelled, each header once: its first spelling.
func foldNames(names []string) (canonical, spelled []string) {
	canonical = make([]string, 0, len(names))
	for _, name := range names {
		if folded := textproto.CanonicalMIMEHeaderKey(name); !slices.Contains(canonical, folded) {
			canonical, spelled = append(canonical, folded), append(spelled, name)
		}
	}
	return canonical, spelled
}

// reservedHeader names what belongs to HTTP, to the platform or to us. X-CloudTasks-Projectname does not: Python
// services put it on their tasks by themselves.
func reservedHeader(canonical string) bool {
	return canonical != headerProject && headers.Reserved(canonical)
}
