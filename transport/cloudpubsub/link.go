package cloudpubsub

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// link watches the broker's calls: whether the server answers, and what its Receives are still doing.
type link struct {
	logger *slog.Logger
	away   atomic.Pointer[error] // the last answer was that nobody is there: it

	mu      sync.Mutex
	pulls   map[string]*pull // by the full name of the subscription, while there is a Receive
	outages int              // how many of them are broken: there is one outage, as far as the log goes
}

// pull is what the Receives of one subscription have in common.
type pull struct {
	subscription string

	receives int // under link.mu, with the next three
	streams  int // they want
	open     int
	broken   bool // since one did not open, until all are

	settling atomic.Int64 // calls that acknowledge, or extend, in flight
	settled  atomic.Int64 // those that were answered
}

// enter is for a Receive, of so many streams, that begins. It must leave.
func (l *link) enter(subscription string, streams int) *pull {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pulls[subscription]
	if p == nil {
		p = &pull{subscription: subscription}
		l.pulls[subscription] = p
	}
	p.receives++
	p.streams += streams
	return p
}

func (l *link) leave(p *pull, streams int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.streams -= streams
	if p.receives--; p.receives > 0 {
		return
	}
	delete(l.pulls, p.subscription)
	if p.broken {
		p.broken = false
		l.outages--
	}
}

// failed is told each time that a stream does not open. It logs the first time.
func (l *link) failed(ctx context.Context, p *pull, host string, err error) {
	l.mu.Lock()
	fresh := p.receives > 0 && !p.broken
	if fresh {
		p.broken = true
		l.outages++
	}
	first := fresh && l.outages == 1
	l.mu.Unlock()
	if first {
		l.logger.WarnContext(ctx, "cloudpubsub: cannot receive: the stream does not open; it is tried until it does",
			"host", host, "subscription", p.subscription, "cause", err)
	}
}

// opened is told that a stream has. It logs when that was the last one that had not.
func (l *link) opened(ctx context.Context, p *pull, host string) {
	l.mu.Lock()
	p.open++
	over := p.broken && p.open >= p.streams
	if over {
		p.broken = false
		l.outages--
	}
	last := over && l.outages == 0
	l.mu.Unlock()
	if last {
		l.logger.InfoContext(ctx, "cloudpubsub: receives again", "host", host, "subscription", p.subscription)
	}
}

// ended is told that a stream that had opened is no more.
func (l *link) ended(p *pull) {
	l.mu.Lock()
	p.open--
	l.mu.Unlock()
}

// unary is a grpc.UnaryClientInterceptor.
func (l *link) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var p *pull
	switch r := req.(type) {
	case *pubsubpb.AcknowledgeRequest:
		p = l.pull(r.GetSubscription())
	case *pubsubpb.ModifyAckDeadlineRequest:
		p = l.pull(r.GetSubscription())
	}
	if p != nil {
		p.settling.Add(1)
		defer p.settling.Add(-1)
	}
	err := next(ctx, method, req, reply, cc, opts...)
	switch status.Code(err) {
	case codes.Unavailable:
		l.away.Store(&err)
		return err
	case codes.Canceled, codes.DeadlineExceeded: // says nothing about the server
		return err
	}
	if l.away.Load() != nil {
		l.away.Store(nil)
	}
	if p != nil {
		p.settled.Add(1)
	}
	return err
}

// cause is why nobody is there; nil where somebody is.
func (l *link) cause() error {
	if err := l.away.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *link) pull(subscription string) *pull {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pulls[subscription]
}

// host is where a connection leads to: host:port.
func host(cc *grpc.ClientConn) string {
	target := cc.Target()
	return target[strings.LastIndexByte(target, '/')+1:]
}
