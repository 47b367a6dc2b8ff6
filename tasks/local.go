package tasks

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

// local is what delivers in this process: the transport, the broker, the scheduler, or several in one.
type local struct {
	server transport.Server
	sharer transport.Sharer // nil: nobody shares it
	source source           // of what it delivers
}

// locals finds what delivers in this process.
func locals(cfg Config) (list []local) {
	source := func(isEager error) source {
		if isEager == nil {
			return inCaller
		}
		return inProcess
	}
	if s, err := transport.As[transport.Server](cfg.Transport); err == nil {
		shared, _ := transport.As[transport.Sharer](cfg.Transport)
		_, err = transport.As[*eager.Transport](cfg.Transport)
		list = append(list, local{s, shared, source(err)})
	}
	if s, err := transport.BrokerAs[transport.Server](cfg.Broker); err == nil && (len(list) == 0 || !same(s, list[0].server)) {
		shared, _ := transport.BrokerAs[transport.Sharer](cfg.Broker)
		_, err = transport.BrokerAs[*eager.Transport](cfg.Broker)
		list = append(list, local{s, shared, source(err)})
	}
	if s, err := transport.SchedulerAs[transport.Server](cfg.Scheduler); err == nil && !slices.ContainsFunc(list, func(l local) bool { return same(s, l.server) }) {
		shared, _ := transport.SchedulerAs[transport.Sharer](cfg.Scheduler)
		list = append(list, local{s, shared, inProcess})
	}
	return list
}

// same is a == b for values of any type.
func same(a, b any) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// serve begins to take deliveries from what delivers in this process: from all of it, or from none.
func (a *App) serve() error {
	for i, l := range a.locals {
		handler := func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			return a.serveLocal(ctx, d, l.source)
		}
		if err := l.server.Serve(a.cfg.Endpoint, handler); err != nil {
			for _, before := range a.locals[:i] {
				before.withdraw(a.cfg.Endpoint)
			}
			return fmt.Errorf("%w: give each App that shares a transport an Endpoint of its own", err)
		}
	}
	return nil
}

// withdraw leaves what delivers in this process, and notes what no other App uses.
func (a *App) withdraw() {
	for _, l := range a.locals {
		if l.withdraw(a.cfg.Endpoint) == 0 {
			a.alone = append(a.alone, l.server)
		}
	}
}

// withdraw says how many others still use it.
func (l local) withdraw(endpoint string) (left int) {
	if l.sharer == nil {
		return 0
	}
	return l.sharer.Withdraw(endpoint)
}

// serveLocal is the App's face to what delivers in this process.
func (a *App) serveLocal(ctx context.Context, d *transport.Delivery, src source) (int, time.Duration, error) {
	rt := a.table.Load().byURL[d.URL]
	if d.Exhausted {
		return a.exhausted(ctx, rt, d)
	}
	if rt == nil {
		return a.unknown(ctx, d, src)
	}
	if src == inProcess && !a.gate.enter() { // eager work belongs to who called it
		return http.StatusServiceUnavailable, 0, refusedError{}
	}
	if src == inProcess {
		defer a.gate.leave()
	}
	if rt.spec.Kind == KindSubscriber { // the message is found in it, and the driver's own is not ours to change
		own := *d
		d = &own
	}
	v := a.newRun(ctx, rt, d, src, time.Since(a.made)).deliver()
	status, err := v.outcome.status(), v.err
	if src == inCaller {
		if err = v.forCaller(); err != nil && status < 300 { // snoozed: in the caller that is none
			status = http.StatusInternalServerError
		}
	}
	return status, v.retryAfter(), err
}
