package tour

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
)

// Tour is a customer of the shop, and its owner, who see all that can become of a task.
type Tour struct {
	URL      string // of the shop
	Journal  *Journal
	Story    *Narrator
	Patience time.Duration // for all of it

	// Push has the push delivered whose id is PushID. nil: Tour sends it itself.
	Push func(ctx context.Context, path string, payload any) error
}

// PushID is the id of the task that comes as a push and was never enqueued by the App.
const PushID = "push-1"

// step is something to do, and what must come of it.
type step struct {
	where, what string
	do          func(context.Context) error
	want        counts
}

func (t *Tour) steps() []step {
	return []step{
		{
			"POST /signup", "a typed task, validated and executed",
			t.signup, counts{{"Welcome", Enqueued}: 1, {"Welcome", Executed}: 1},
		}, {
			"POST /signup", "a payload that breaks its rules, answered with 400",
			t.signupBadly, counts{{"Welcome", Rejected}: 1},
		}, {
			"POST /orders", "retried twice; then it enqueues another task, delayed",
			t.order, counts{{"Payment", Retried}: 2, {"Payment", Executed}: 1, {"Shipment", Enqueued}: 1, {"Shipment", Executed}: 1},
		}, {
			"POST /refunds", "too early: snoozed, then executed",
			t.refund, counts{{"Refund", Snoozed}: 1, {"Refund", Executed}: 1},
		}, {
			"POST /invoices", "unique: the second is a duplicate",
			t.invoice, counts{{"Invoice", Enqueued}: 1, {"Invoice", Executed}: 1, {"Invoice", Duplicate}: 1},
		}, {
			"from code", "nothing to do, now or later: discarded",
			t.remind, counts{{"Reminder", Discarded}: 1},
		}, {
			"from code", "out of attempts: quarantined",
			t.reorder, counts{{"Stock", Retried}: 2, {"Stock", Failed}: 1, {"Stock", Quarantined}: 1},
		}, {
			"POST /_tasks/...", "a push over HTTP, as Cloud Tasks sends it",
			t.push, counts{{"Welcome", Executed}: 1},
		}, {
			"from code", "a thousand in one call",
			t.digest, counts{{"Digest", Enqueued}: bulkSize, {"Digest", Executed}: bulkSize},
		},
	}
}

// Walk takes the steps, each when the one before has come to its end. Its error names the step, and what did not
// happen.
func (t *Tour) Walk(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.Patience, fmt.Errorf("the tour took longer than %s", t.Patience))
	defer cancel()
	for _, s := range t.steps() {
		t.Story.heading(s.where, s.what)
		before, _ := t.Journal.now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.where, err)
		}
		if err := t.Journal.await(ctx, before, s.want); err != nil {
			return fmt.Errorf("%s: %w", s.where, err)
		}
	}
	return nil
}

func (t *Tour) signup(ctx context.Context) error {
	return t.Post(ctx, "/signup", shop.Welcome{UserID: 7, Email: "ana@example.com"}, nil, http.StatusAccepted)
}

func (t *Tour) signupBadly(ctx context.Context) error {
	return t.Post(ctx, "/signup", shop.Welcome{Email: "ana"}, nil, http.StatusBadRequest)
}

// order comes with a trace, under which the payment runs, and the shipment that follows from it.
func (t *Tour) order(ctx context.Context) error {
	trace := http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	return t.Post(ctx, "/orders", shop.Payment{Order: 17, Cents: 4200}, trace, http.StatusAccepted)
}

func (t *Tour) refund(ctx context.Context) error {
	return t.Post(ctx, "/refunds", shop.Refund{Order: 12}, nil, http.StatusAccepted)
}

func (t *Tour) invoice(ctx context.Context) error {
	before, _ := t.Journal.now()
	if err := t.Post(ctx, "/invoices", shop.Invoice{Order: 17}, nil, http.StatusAccepted); err != nil {
		return err
	}
	if err := t.Journal.await(ctx, before, counts{{"Invoice", Executed}: 1}); err != nil {
		return err
	}
	return t.Post(ctx, "/invoices", shop.Invoice{Order: 17}, nil, http.StatusOK)
}

func (t *Tour) remind(ctx context.Context) error {
	_, err := shop.RemindCart.Enqueue(ctx, shop.Reminder{Cart: 9})
	return err
}

func (t *Tour) reorder(ctx context.Context) error {
	_, err := shop.Reorder.Enqueue(ctx, shop.Stock{Item: "lamp"})
	return err
}

func (t *Tour) push(ctx context.Context) error {
	send := t.Push
	if send == nil {
		send = t.pushByHand
	}
	return send(ctx, shop.Mount+"/tasks/Welcome", shop.Welcome{UserID: 8, Email: "bo@example.com"})
}

// pushByHand does what Cloud Tasks does when a task is due.
func (t *Tour) pushByHand(ctx context.Context, path string, payload any) error {
	header := http.Header{}
	header.Set("User-Agent", "Google-Cloud-Tasks")
	header.Set("X-CloudTasks-QueueName", "shop")
	header.Set("X-CloudTasks-TaskName", PushID)
	header.Set("X-CloudTasks-TaskRetryCount", "0")
	header.Set("X-CloudTasks-TaskExecutionCount", "0")
	return t.Post(ctx, path, payload, header, http.StatusOK)
}

const bulkSize = 1000

func (t *Tour) digest(ctx context.Context) error {
	digests := make([]shop.Digest, bulkSize)
	for i := range digests {
		digests[i].UserID = int64(i + 1)
	}
	for _, r := range shop.SendDigest.EnqueueAll(ctx, digests) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}
