package main

import (
	"context"
	"fmt"
	"net/http"
)

// tour is a customer of the shop, and its owner, who see all that can become of a task.
type tour struct {
	url     string
	journal *journal
	story   *narrator
}

// step is something to do, and what must come of it.
type step struct {
	where, what string
	do          func(context.Context) error
	want        counts
}

func (t *tour) steps() []step {
	return []step{
		{
			"POST /signup", "a typed task, validated and executed",
			t.signup, counts{{"Welcome", enqueued}: 1, {"Welcome", executed}: 1},
		}, {
			"POST /signup", "a payload that breaks its rules, answered with 400",
			t.signupBadly, counts{{"Welcome", rejected}: 1},
		}, {
			"POST /orders", "retried twice; then it enqueues another task, delayed",
			t.order, counts{{"Payment", retried}: 2, {"Payment", executed}: 1, {"Shipment", enqueued}: 1, {"Shipment", executed}: 1},
		}, {
			"POST /refunds", "too early: snoozed, then executed",
			t.refund, counts{{"Refund", snoozed}: 1, {"Refund", executed}: 1},
		}, {
			"POST /invoices", "unique: the second is a duplicate",
			t.invoice, counts{{"Invoice", enqueued}: 1, {"Invoice", executed}: 1, {"Invoice", duplicate}: 1},
		}, {
			"from code", "nothing to do, now or later: discarded",
			t.remind, counts{{"Reminder", discarded}: 1},
		}, {
			"from code", "out of attempts: quarantined",
			t.reorder, counts{{"Stock", retried}: 2, {"Stock", failed}: 1, {"Stock", quarantined}: 1},
		}, {
			"POST /_tasks/...", "a push over HTTP, as Cloud Tasks sends it",
			t.push, counts{{"Welcome", executed}: 1},
		}, {
			"from code", "a thousand in one call",
			t.digest, counts{{"Digest", enqueued}: bulkSize, {"Digest", executed}: bulkSize},
		},
	}
}

// walk takes the steps, each when the one before has come to its end.
func (t *tour) walk(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the tour took longer than %s", patience))
	defer cancel()
	for _, s := range t.steps() {
		t.story.heading(s.where, s.what)
		before, _ := t.journal.now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.where, err)
		}
		if err := t.journal.await(ctx, before, s.want); err != nil {
			return fmt.Errorf("%s: %w", s.where, err)
		}
	}
	return nil
}

func (t *tour) signup(ctx context.Context) error {
	return t.post(ctx, "/signup", Welcome{UserID: 7, Email: "ana@example.com"}, nil, http.StatusAccepted)
}

func (t *tour) signupBadly(ctx context.Context) error {
	return t.post(ctx, "/signup", Welcome{Email: "ana"}, nil, http.StatusBadRequest)
}

// order comes with a trace, under which the payment runs, and the shipment that follows from it.
func (t *tour) order(ctx context.Context) error {
	trace := http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	return t.post(ctx, "/orders", Payment{Order: 17, Cents: 4200}, trace, http.StatusAccepted)
}

func (t *tour) refund(ctx context.Context) error {
	return t.post(ctx, "/refunds", Refund{Order: 12}, nil, http.StatusAccepted)
}

func (t *tour) invoice(ctx context.Context) error {
	before, _ := t.journal.now()
	if err := t.post(ctx, "/invoices", Invoice{Order: 17}, nil, http.StatusAccepted); err != nil {
		return err
	}
	if err := t.journal.await(ctx, before, counts{{"Invoice", executed}: 1}); err != nil {
		return err
	}
	return t.post(ctx, "/invoices", Invoice{Order: 17}, nil, http.StatusOK)
}

func (t *tour) remind(ctx context.Context) error {
	_, err := RemindCart.Enqueue(ctx, Reminder{Cart: 9})
	return err
}

func (t *tour) reorder(ctx context.Context) error {
	_, err := Reorder.Enqueue(ctx, Stock{Item: "lamp"})
	return err
}

// push does what Cloud Tasks does when a task is due.
func (t *tour) push(ctx context.Context) error {
	header := http.Header{}
	header.Set("User-Agent", "Google-Cloud-Tasks")
	header.Set("X-CloudTasks-QueueName", "shop")
	header.Set("X-CloudTasks-TaskName", "push-1")
	header.Set("X-CloudTasks-TaskRetryCount", "0")
	header.Set("X-CloudTasks-TaskExecutionCount", "0")
	return t.post(ctx, mount+"/tasks/Welcome", Welcome{UserID: 8, Email: "bo@example.com"}, header, http.StatusOK)
}

const bulkSize = 1000

func (t *tour) digest(ctx context.Context) error {
	digests := make([]Digest, bulkSize)
	for i := range digests {
		digests[i].UserID = int64(i + 1)
	}
	for _, r := range SendDigest.EnqueueAll(ctx, digests) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}
