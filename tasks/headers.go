package tasks

import (
	"context"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
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
		if len(h) > 0 {
			return h.Clone()
		}
	}
	return nil
}

// ContextWithHeaders returns a ctx whose headers ride along on everything enqueued or published under it, as
// far as Config.PropagatedHeaders names them, in upper or lower case. They replace those of ctx as a whole.
func ContextWithHeaders(ctx context.Context, h http.Header) context.Context {
	own := make(http.Header, len(h))
	for name, vs := range h {
		name = textproto.CanonicalMIMEHeaderKey(name)
		own[name] = append(own[name], vs...)
	}
	return context.WithValue(ctx, headersKey{}, own)
}

// Propagate is middleware for the user's own routes: the headers that Config.PropagatedHeaders names ride
// along on everything enqueued or published under the request's context.
func (a *App) Propagate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := a.pick(r.Header); h != nil {
			r = r.WithContext(context.WithValue(r.Context(), headersKey{}, h))
		}
		next.ServeHTTP(w, r)
	})
}

type headersKey struct{}

// freshHeader is the value of headersKey where it was made for who asked, and nobody else has it.
type freshHeader http.Header

// carriedBy returns ctx's headers, only to be read.
func carriedBy(ctx context.Context) http.Header {
	switch h := ctx.Value(headersKey{}).(type) {
	case freshHeader:
		return http.Header(h)
	case http.Header:
		return h
	}
	return nil
}

// maxPropagated is the most bytes of a propagated header. W3C Baggage, the longest of the common ones, has as much.
const maxPropagated = 8 << 10

// pick copies the propagated headers out of h, several values of one name joined by commas; nil if none.
func (a *App) pick(h http.Header) http.Header {
	var picked http.Header
	for _, name := range a.propagated {
		vs := h[name]
		if len(vs) == 0 || slices.ContainsFunc(vs, func(v string) bool { return !utf8.ValidString(v) }) {
			continue // no task can carry it, and who sent it must not keep the request from enqueueing
		}
		if len(vs) > 1 {
			vs = []string{strings.Join(vs, ",")}
		}
		if len(vs[0]) > maxPropagated { // likewise
			continue
		}
		if picked == nil {
			picked = make(http.Header, len(a.propagated))
		}
		picked[name] = vs[:1:1]
	}
	return picked
}

// addPropagated puts ctx's headers on a task. own says whether h may be changed; a header set by the task or
// the call wins over a propagated one.
func (a *App) addPropagated(ctx context.Context, h http.Header, own bool) (http.Header, bool) {
	carried := carriedBy(ctx)
	if len(carried) == 0 {
		return h, own
	}
	for name, vs := range a.pick(carried) {
		if _, set := h[name]; set {
			continue
		}
		if !own {
			h, own = cloneHeader(h, len(a.propagated)), true
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

// checkHeader refuses what no transport takes.
func checkHeader(key, value string) error {
	return transport.CheckHeader(http.Header{key: {value}})
}

// reservedHeader names what Cloud Tasks ignores or replaces, and our own. X-CloudTasks-Projectname is neither:
// Python services put it on their tasks by themselves.
func reservedHeader(canonical string) bool {
	if canonical == headerProject {
		return false
	}
	return headers.OfScheduler(canonical) || strings.HasPrefix(canonical, "X-Cloudtasks-") || strings.HasPrefix(canonical, "Typedtasks-")
}
