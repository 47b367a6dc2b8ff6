package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

// routes is who serves what. It is replaced, never changed, so that its address tells whether a route found
// earlier still holds.
type routes struct {
	served []served // longest endpoint first
}

type served struct {
	endpoint string
	handler  transport.Handler
}

// route is an envelope's place in one state of the routes.
type route struct {
	of      *routes
	handler transport.Handler // nil: no endpoint matches
}

// find returns the handler for the tasks of env, nil if there is none.
func (r *routes) find(env *envelope) transport.Handler {
	if known := env.route.Load(); known != nil && known.of == r {
		return known.handler
	}
	found := &route{of: r}
	for _, s := range r.served {
		if covers(s.endpoint, env.url) {
			found.handler = s.handler
			break
		}
	}
	env.route.Store(found)
	return found.handler
}

func covers(endpoint, url string) bool {
	rest, ok := strings.CutPrefix(url, endpoint)
	return ok && (endpoint == "" || rest == "" || rest[0] == '/' || rest[0] == '?')
}

// Serve implements transport.Server.
func (e *Engine) Serve(endpoint string, h transport.Handler) error {
	fail := func(kind transport.Kind, err error) error {
		return &transport.Error{Op: transport.OpServe, Kind: kind, Err: err}
	}
	if h == nil {
		return fail(transport.KindInvalid, fmt.Errorf("the handler for endpoint %q is nil", endpoint))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stage != serving {
		return fail(transport.KindClosed, nil)
	}
	old := e.routes.Load().served
	at := len(old)
	for i, s := range old {
		if s.endpoint == endpoint {
			return fail(transport.KindExists, fmt.Errorf("endpoint %q is served already: Withdraw it first", endpoint))
		}
		if len(s.endpoint) < len(endpoint) {
			at = min(at, i)
		}
	}
	e.routes.Store(&routes{slices.Insert(slices.Clone(old), at, served{endpoint, h})})
	for _, q := range *e.queues.Load() {
		q.mu.Lock()
		q.kick(e.now())
		q.mu.Unlock()
	}
	return nil
}

// Withdraw implements transport.Sharer.
func (e *Engine) Withdraw(endpoint string) (left int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	served := slices.DeleteFunc(slices.Clone(e.routes.Load().served), func(s served) bool { return s.endpoint == endpoint })
	e.routes.Store(&routes{served})
	return len(served)
}
