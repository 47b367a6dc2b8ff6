package soak_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// The books that work is entered in: what clients push, what functions enqueue, what they publish.
const (
	pushes    = "pushes"
	followUps = "follow-ups"
	events    = "events"
)

// Work is the payload of everything.
type Work struct {
	ID    int64  `json:"id"              validate:"required,min=1"`
	Book  string `json:"book"            validate:"oneof=pushes follow-ups events"`
	Act   string `json:"act,omitempty"   validate:"omitempty,oneof=fail panic snooze retry discard hopeless"`
	Takes int    `json:"takes,omitempty" validate:"min=0,max=1000"` // ms
	More  string `json:"more,omitempty"  validate:"omitempty,oneof=one many later twice publish chain"`
	Trace string `json:"trace,omitempty"` // the traceparent that it must come with
	Bad   bool   `json:"bad,omitempty"`   // it must never run
	Fill  string `json:"fill,omitempty"`
}

// Once is work of which there is one for each key.
type Once struct {
	Work
	Key string `json:"key" validate:"required"`
}

// UniqueKey implements what [tasks.Unique] goes by.
func (o Once) UniqueKey() string { return o.Key }

// Side is one App with its definitions.
type Side struct {
	App          *tasks.App
	Mount        string
	Subscription string

	service  *Service
	work     *tasks.ResultTask[Work, int64]
	followUp *tasks.Task[Work]
	once     *tasks.Task[Once]
	shelf    *tasks.Task[tasks.Quarantined]
	paid     *pubsub.Publisher[Work]
}

func newSide(s *Service, name string, carrier transport.Transport) (*Side, error) {
	side := &Side{service: s, Mount: "/_" + name, Subscription: "paid-" + name}
	var err error
	side.App, err = tasks.NewApp(tasks.Config{
		Name: name, Endpoint: "http://" + s.Addr + side.Mount, Transport: carrier, Broker: s.memory, Queue: queue,
		Authenticator: authenticator{}, Logger: slog.New(s.log), Quarantine: side.quarantine,
		PropagatedHeaders: []string{"traceparent", "baggage"},
	})
	if err != nil {
		return nil, err
	}
	side.work = tasks.NewWithResult(side.doWork, tasks.WithName("Work"))
	side.followUp = tasks.New(side.doFollowUp, tasks.WithName("FollowUp"))
	side.once = tasks.New(func(ctx context.Context, o Once) error { return side.doFollowUp(ctx, o.Work) }, tasks.WithName("Once"), tasks.Unique())
	side.shelf = tasks.New(side.keep, tasks.WithName("Shelf"))
	side.paid = pubsub.NewPublisher[Work](pubsub.Topic("paid-"+name), pubsub.WithName("Paid"))
	subscriber := pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Work]) error {
		if m.Data.Book == events && rand.IntN(20) == 0 { // it is pushed again
			panic(errAsked)
		}
		return side.doFollowUp(ctx, m.Data)
	},
		pubsub.WithName("Paid"), pubsub.Topic("paid-"+name), pubsub.Subscription(side.Subscription),
		pubsub.Backoff(100*time.Millisecond, time.Second))
	return side, side.App.Register(side.work, side.followUp, side.once, side.shelf, side.paid, subscriber)
}

var errAsked = errors.New("it was asked to fail")

// doWork is the function of what clients push.
func (s *Side) doWork(ctx context.Context, w Work) (int64, error) {
	if err := s.begin(ctx, w); err != nil {
		return 0, err
	}
	if err := s.enqueue(ctx, w); err != nil {
		return 0, err
	}
	s.service.Books[w.Book].Ran(w.ID)
	return w.ID, nil
}

// doFollowUp is the function of what was enqueued or published, and of messages that clients push.
func (s *Side) doFollowUp(ctx context.Context, w Work) error {
	_, err := s.doWork(ctx, w)
	return err
}

// begin does all but the work: it checks, takes its time, and fails where it was asked to.
func (s *Side) begin(ctx context.Context, w Work) error {
	faults := s.service.faults
	if w.Bad {
		faults.Addf("what must never run ran: %.200v", w)
	}
	if got := tasks.HeadersFrom(ctx).Get("Traceparent"); w.Trace != "" && got != w.Trace {
		faults.Addf("%d of the %s came with the trace %q, want %q", w.ID, w.Book, got, w.Trace)
	}
	meta, ok := tasks.MetadataFrom(ctx)
	if app, _ := tasks.AppFrom(ctx); !ok || app != s.App {
		faults.Addf("%d of the %s has no metadata, or another App's", w.ID, w.Book)
	}
	if w.Takes > 0 && !wait(ctx, time.Duration(w.Takes)*time.Millisecond) {
		return ctx.Err()
	}
	first := meta.FirstAttempt()
	switch {
	case w.Act == "hopeless", w.Act == "fail" && first:
		return errAsked
	case w.Act == "panic" && first:
		panic(fmt.Sprintf("%d was asked\nto panic", w.ID))
	case w.Act == "snooze" && first:
		return tasks.Snooze(time.Duration(w.ID%300) * time.Millisecond)
	case w.Act == "retry" && first:
		return tasks.RetryAfter(30*time.Millisecond, errAsked)
	case w.Act == "discard":
		return tasks.Discard(errAsked)
	}
	return nil
}

// enqueue does what w.More says, under ctx, so that the trace rides along.
func (s *Side) enqueue(ctx context.Context, w Work) error {
	book := s.service.Books[followUps]
	next := func() Work {
		id := book.Issue()
		return Work{ID: id, Book: followUps, Act: followUpAct(id), Trace: w.Trace}
	}
	settle := func(id int64, r tasks.Receipt, err error) error {
		switch {
		case err != nil:
			book.Settle(id, Void)
		case r.Duplicate:
			book.Settle(id, Refused)
		default:
			book.Settle(id, Promised)
		}
		return err
	}
	switch w.More {
	case "one", "later", "chain":
		n := next()
		var opts []tasks.EnqueueOption
		switch w.More {
		case "later":
			opts = append(opts, tasks.In(time.Duration(n.ID%700)*time.Millisecond), tasks.WithHeader("X-Own", strconv.FormatInt(n.ID, 10)))
		case "chain":
			n.More = "later"
		}
		r, err := s.followUp.Enqueue(ctx, n, opts...)
		return settle(n.ID, r, err)
	case "many":
		all := []Work{next(), next(), next(), next()}
		var errs []error
		for i, r := range s.followUp.EnqueueAll(ctx, all) {
			errs = append(errs, settle(all[i].ID, r.Receipt, r.Err))
		}
		return errors.Join(errs...)
	case "twice":
		for i := range 2 { // the second one is a duplicate, whatever has become of the first
			n := next()
			r, err := s.once.Enqueue(ctx, Once{n, fmt.Sprint(w.Book, w.ID)})
			if err := settle(n.ID, r, err); err != nil {
				return err
			}
			if i == 1 && !r.Duplicate {
				s.service.faults.Addf("a unique task was enqueued twice: %d of the %s", w.ID, w.Book)
			}
		}
	case "publish":
		book := s.service.Books[events]
		id := book.Issue()
		_, err := s.paid.Publish(ctx, Work{ID: id, Book: events, Trace: w.Trace}, pubsub.Attribute("region", "emea"))
		if err != nil {
			book.Settle(id, Void)
			return err
		}
		book.Settle(id, Promised)
	}
	return nil
}

// warm uses up as many ids as the transport remembers, so that those take no more memory later on.
func (s *Side) warm(ctx context.Context) error {
	book := s.service.Books[followUps]
	for range capacity + 1 {
		id := book.Issue()
		if _, err := s.once.Enqueue(ctx, Once{Work{ID: id, Book: followUps}, fmt.Sprint("warm", id)}); err != nil {
			book.Settle(id, Void)
			return err
		}
		book.Settle(id, Promised)
		if id%64 == 0 && !s.service.drained(30*time.Second) { // as many may wait, and not more
			return errors.New("the first tasks do not run")
		}
	}
	return nil
}

// followUpAct lets one task of 16 fail at first, in some way.
func followUpAct(id int64) string {
	switch id % 64 {
	case 0:
		return "fail"
	case 16:
		return "panic"
	case 32:
		return "snooze"
	case 48:
		return "retry"
	}
	return ""
}

// headerShelved carries the id of what is quarantined.
const headerShelved = "X-Soak-Shelved"

// quarantine enqueues what came to nothing. That, too, is a promise.
func (s *Side) quarantine(ctx context.Context, q tasks.Quarantined) error {
	if q.Header == nil {
		q.Header = http.Header{}
	}
	if q.Header.Get("Authorization") != "" {
		s.service.faults.Addf("credentials are quarantined")
	}
	book := s.service.Books[followUps]
	id := book.Issue()
	q.Header.Set(headerShelved, strconv.FormatInt(id, 10))
	err := tasks.QuarantineTo(s.shelf)(ctx, q)
	if err != nil {
		book.Settle(id, Void)
		return err
	}
	book.Settle(id, Promised)
	return nil
}

// keep is the function of what was quarantined.
func (s *Side) keep(_ context.Context, q tasks.Quarantined) error {
	s.service.Books[followUps].Ran(shelvedID(q))
	return nil
}

func shelvedID(q tasks.Quarantined) int64 {
	id, _ := strconv.ParseInt(q.Header.Get(headerShelved), 10, 64)
	return id
}

// headerPanic asks the middleware for a panic.
const headerPanic = "X-Soak-Panic"

func panicky(next tasks.Handler) tasks.Handler {
	return func(ctx context.Context, d *transport.Delivery) (any, error) {
		if d.Header.Get(headerPanic) != "" && d.Attempt == 1 {
			panic(errAsked)
		}
		return next(ctx, d)
	}
}

// wait waits for d, or returns false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
