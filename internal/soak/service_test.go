package soak_test

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// capacity is how many tasks may wait, and how many used ids the transport remembers, a day long: few enough to have them
// all before the load begins, so that a leak shows.
const capacity = 2048

// queue is where all tasks go; briefQueue is only named by pushes, whose third attempt is the last.
const (
	queue      = "soak"
	briefQueue = "brief"
)

// Service is the server under test: two Apps on one transport in memory, one of them with middleware, behind a real
// HTTP server on loopback.
type Service struct {
	Addr   string
	Sides  []*Side
	Books  map[string]*Ledger // by Work.Book
	faults *Faults
	memory *memory.Transport
	server *http.Server
	log    *logbook
	served sync.WaitGroup
}

// Planted are faults that tests put in, for the checks to find.
type Planted struct {
	Transport  func(transport.Transport) transport.Transport
	Middleware tasks.Middleware
}

// The tokens that pushes come with.
const (
	goodToken    = "Bearer good"
	foreignToken = "Bearer of somebody else"
)

// authenticator stands in for the verification of a signature.
type authenticator struct{}

// Authenticate implements [tasks.Authenticator].
func (authenticator) Authenticate(r *http.Request) error {
	values := r.Header["Authorization"]
	switch {
	case len(values) != 1:
		return fmt.Errorf("%d Authorization headers", len(values))
	case subtle.ConstantTimeCompare([]byte(values[0]), []byte(goodToken)) == 1:
		return nil
	case values[0] == foreignToken:
		return fmt.Errorf("%w: not our account", tasks.ErrForbidden)
	default:
		return errors.New("the token is not valid")
	}
}

// NewService serves on loopback until Stop.
func NewService(headerTimeout time.Duration, faults *Faults, planted Planted) (*Service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	retry := transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MinBackoff: 20 * time.Millisecond, MaxBackoff: 500 * time.Millisecond, MaxDoublings: 5}
	brief := retry
	brief.MaxAttempts = 3
	s := &Service{
		Addr:   l.Addr().String(),
		Books:  map[string]*Ledger{},
		faults: faults,
		memory: memory.New(memory.WithCapacity(capacity), memory.WithQueues(map[string]transport.QueueConfig{
			queue: {Retry: retry}, briefQueue: {Retry: brief},
		})),
		log: &logbook{faults: faults},
	}
	for _, book := range []string{pushes, followUps, events} {
		s.Books[book] = NewLedger(book, faults)
	}
	s.log.Handler = slog.NewTextHandler(lineChecker{faults}, nil)
	var carrier transport.Transport = s.memory
	if planted.Transport != nil {
		carrier = planted.Transport(carrier)
	}
	mux := http.NewServeMux()
	for _, name := range []string{"wrapped", "plain"} {
		side, err := newSide(s, name, carrier)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		if name == "wrapped" {
			side.App.Use(panicky, planted.Middleware)
			side.App.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc { return next })
		}
		s.Sides = append(s.Sides, side)
		mux.Handle(side.Mount+"/", side.App)
	}
	s.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, // the rest is up to the App
		ErrorLog: log.New(serverLog{faults}, "", 0),
	}
	s.served.Go(func() {
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			faults.Addf("the server ended: %v", err)
		}
	})
	return s, nil
}

// Order is how Stop goes about it.
type Order struct {
	Patience  time.Duration // until the context ends
	AppsFirst bool          // against the advice
}

// Stop ends the service: the server, then the Apps. It reports whether all was over in time.
func (s *Service) Stop(o Order) bool {
	ctx, cancel := context.WithTimeout(context.Background(), o.Patience)
	defer cancel()
	var errs []error
	end := func() {
		for _, side := range s.Sides {
			errs = append(errs, side.App.Shutdown(ctx))
		}
	}
	if o.AppsFirst {
		end()
	}
	if err := s.server.Shutdown(ctx); err != nil {
		errs = append(errs, err, s.server.Close())
	}
	if !o.AppsFirst {
		end()
	}
	s.served.Wait()
	err := errors.Join(errs...)
	if err != nil && ctx.Err() == nil {
		s.faults.Addf("shutdown failed before its context ended: %v", err)
	}
	return err == nil
}

// Waiting is how many tasks and messages wait, or run, in memory.
func (s *Service) Waiting() (tasks, messages int) {
	for _, side := range s.Sides {
		n, err := s.memory.SubscriptionBacklog(context.Background(), side.Subscription)
		if err != nil {
			s.faults.Addf("backlog of %s: %v", side.Subscription, err)
		}
		messages += n
	}
	return s.memory.Backlog(), messages
}

// Settle compares what was promised with what ran and with what still waits in memory, once nothing runs any more. Of
// messages only the number is known. It returns how many of the promised are among those that wait.
func (s *Service) Settle() (left int) {
	waiting, err := s.waitingIDs()
	if err != nil {
		s.faults.Addf("listing what waits: %v", err)
	}
	_, messages := s.Waiting()
	for name, book := range s.Books {
		if n := book.Unsettled(); n != 0 {
			s.faults.Addf("%d %s were issued, and nothing said of them: the test is wrong", n, name)
		}
		for _, id := range book.Owed() {
			switch {
			case name == events && messages > 0:
				messages--
				left++
			case waiting[name][id]:
				left++
			default:
				s.faults.Addf("lost: %d of the %s was promised, did not run, and does not wait", id, name)
			}
		}
	}
	for _, e := range s.memory.Exhausted() {
		s.faults.Addf("given up, though attempts are unlimited: %s %s (%v)", e.URL, e.Body, e.LastErr)
	}
	return left
}

// waitingIDs lists the ids of the tasks that wait, by their books.
func (s *Service) waitingIDs() (map[string]map[int64]bool, error) {
	ids := map[string]map[int64]bool{pushes: {}, followUps: {}, events: {}}
	n := 0
	for w, err := range s.memory.All(context.Background(), queue) {
		if err != nil {
			return ids, err
		}
		n++
		var work Work
		var shelved tasks.Quarantined
		if json.Unmarshal(w.Body, &work) == nil && work.ID != 0 {
			ids[work.Book][work.ID] = true
		} else if json.Unmarshal(w.Body, &shelved) == nil && shelvedID(shelved) != 0 {
			ids[followUps][shelvedID(shelved)] = true
		} else {
			return ids, fmt.Errorf("a task that waits is none of ours: %q", w.Body)
		}
	}
	if backlog := s.memory.Backlog(); n != backlog {
		return ids, fmt.Errorf("%d tasks are listed, and Backlog is %d", n, backlog)
	}
	return ids, nil
}

// logbook is the Apps' logger: it remembers what Shutdown said was left.
type logbook struct {
	slog.Handler
	faults *Faults

	mu   sync.Mutex
	left int // as the last line said
}

// Handle implements [slog.Handler].
func (l *logbook) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "tasks: shut down with tasks left waiting" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "waiting" {
				l.mu.Lock()
				l.left = int(a.Value.Int64())
				l.mu.Unlock()
			}
			return true
		})
	}
	return l.Handler.Handle(ctx, r)
}

// Left is what Shutdown said.
func (l *logbook) Left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

// lineChecker takes log lines and lets none pass that is more than one.
type lineChecker struct{ faults *Faults }

// Write implements [io.Writer].
func (c lineChecker) Write(line []byte) (int, error) {
	for i, b := range line {
		if b < ' ' && (b != '\n' || i != len(line)-1) || b == 0x7f {
			c.faults.Addf("a log line has the byte %#x in it: %q", b, line)
			break
		}
	}
	return len(line), nil
}

// serverLog takes what net/http has to say: nothing of it may be a panic of ours, or a wrong use.
type serverLog struct{ faults *Faults }

// Write implements [io.Writer].
func (l serverLog) Write(line []byte) (int, error) {
	l.faults.Addf("net/http logs: %s", line)
	return len(line), nil
}

var (
	_ io.Writer    = lineChecker{}
	_ slog.Handler = (*logbook)(nil)
)
