package engine

import (
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// route is who serves an envelope's URL according to one table. Tables are replaced, never changed: the address
// tells whether the route still holds.
type route struct {
	table   *serving.Table
	handler transport.Handler // nil: no endpoint matches
}

// handler returns who serves the tasks of env, nil if nobody does.
func (e *Engine) handler(env *envelope) transport.Handler {
	table := e.table.Load()
	if known := env.route.Load(); known != nil && known.table == table {
		return known.handler
	}
	found := &route{table: table, handler: table.Find(env.url)}
	env.route.Store(found)
	return found.handler
}

// Handler returns who serves url, nil if nobody does.
func (e *Engine) Handler(url string) transport.Handler { return e.table.Load().Find(url) }

// Serve implements transport.Server.
func (e *Engine) Serve(endpoint string, h transport.Handler) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stage != open {
		return fail(transport.OpServe, "", "", transport.KindClosed, nil)
	}
	table, err := e.table.Load().With(endpoint, h)
	if err != nil {
		return err
	}
	e.table.Store(table)
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
	table := e.table.Load().Without(endpoint)
	e.table.Store(table)
	return table.Len()
}
