package cloudpubsub

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A stream that holds for so long has opened, even if nothing has come yet.
const steady = time.Second

// stream is a StreamingPull that connects when something is to be read from it, and fails nowhere else.
//
// Google's client (v2.8.1) keeps a mutex locked while it opens a stream, and another one while it sends: for as long
// as that fails, pauses between attempts included, and whatever becomes of its caller. To end it needs both. Between
// attempts to read it holds none and can be stopped.
type stream struct {
	ctx     context.Context
	connect func() (grpc.ClientStream, error)
	link    *link
	host    string

	mu      sync.Mutex
	to      grpc.ClientStream // nil before it is connected
	waiting []any             // what to send then
	closing bool
	state   state
	steady  *time.Timer // while fresh
	pull    *pull       // of the first request; nil before it
}

// state is what is known of a stream: it is open once something has come, or nothing for a while.
type state int

const (
	fresh state = iota
	open
	over
)

// stream is a grpc.StreamClientInterceptor.
func (l *link) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if method != pubsubpb.Subscriber_StreamingPull_FullMethodName {
		return next(ctx, desc, cc, method, opts...)
	}
	return &stream{ctx: ctx, link: l, host: host(cc), connect: func() (grpc.ClientStream, error) {
		return next(ctx, desc, cc, method, opts...)
	}}, nil
}

// SendMsg never fails: RecvMsg tells why the stream has ended.
func (s *stream) SendMsg(m any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing { // the client goes on sending after it has closed a silent stream
		return nil
	}
	if s.to == nil {
		if r, ok := m.(*pubsubpb.StreamingPullRequest); ok && len(s.waiting) == 0 {
			s.pull = s.link.pull(r.GetSubscription())
		}
		s.waiting = append(s.waiting, m)
		return nil
	}
	_ = s.to.SendMsg(m)
	return nil
}

func (s *stream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	if s.to == nil {
		return nil
	}
	return s.to.CloseSend()
}

func (s *stream) RecvMsg(m any) error {
	to, err := s.connected()
	if err == nil {
		err = to.RecvMsg(m)
	}
	if err == nil {
		s.open()
	} else if !s.end() && s.pull != nil && s.ctx.Err() == nil && passes(err) {
		s.link.failed(s.ctx, s.pull, s.host, err)
	}
	return err
}

// connected returns the stream behind, which it connects to first. It has one caller at a time, as RecvMsg has.
func (s *stream) connected() (grpc.ClientStream, error) {
	s.mu.Lock()
	to := s.to
	s.mu.Unlock()
	if to != nil {
		return to, nil
	}
	to, err := s.connect()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
	s.steady = time.AfterFunc(steady, s.open)
	for _, m := range s.waiting {
		_ = to.SendMsg(m)
	}
	s.waiting = nil
	if s.closing {
		return to, to.CloseSend()
	}
	return to, nil
}

// open tells once that the stream works.
func (s *stream) open() {
	s.mu.Lock()
	first := s.state == fresh && s.pull != nil
	if first {
		s.state = open
		s.steady.Stop()
	}
	s.mu.Unlock()
	if !first {
		return
	}
	s.link.opened(s.ctx, s.pull, s.host)
	context.AfterFunc(s.ctx, func() { s.end() }) // maybe nobody reads any more
}

// end reports whether the stream had opened.
func (s *stream) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.state
	s.state = over
	if s.steady != nil {
		s.steady.Stop()
	}
	if was == open {
		s.link.ended(s.pull)
	}
	return was != fresh
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) Header() (metadata.MD, error) {
	to, err := s.connected()
	if err != nil {
		return nil, err
	}
	return to.Header()
}

func (s *stream) Trailer() metadata.MD {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == nil {
		return nil
	}
	return s.to.Trailer()
}

// passes reports whether Google's client tries again after err.
func passes(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Aborted:
		return true
	}
	return false
}
