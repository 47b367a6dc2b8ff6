// Package shop has the tasks of a small shop, and the pages that enqueue them. The examples run it over different
// transports: what is here is the same for all of them.
package shop

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// A task is a function and what it is given. The payload's type names the task: "Welcome".
var (
	SendWelcome  = tasks.New(sendWelcome)
	ChargeCard   = tasks.New(chargeCard, tasks.WithRetryConfig(patient))
	ShipOrder    = tasks.New(shipOrder)
	RefundOrder  = tasks.New(refundOrder)
	PrintInvoice = tasks.New(printInvoice, tasks.Unique())
	RemindCart   = tasks.New(remindCart)
	Reorder      = tasks.New(reorder, tasks.WithRetryConfig(impatient))
	SendDigest   = tasks.New(sendDigest)
)

// Mount is the path under which the App serves pushes.
const Mount = "/_tasks"

// Tasks lists all of them, for App.Register.
func Tasks() []tasks.Definition {
	return []tasks.Definition{
		SendWelcome, ChargeCard, ShipOrder, RefundOrder, PrintInvoice, RemindCart, Reorder, SendDigest,
	}
}

// Retries of a real shop would be minutes apart.
var (
	patient   = transport.RetryConfig{MaxAttempts: 10, MinBackoff: 50 * time.Millisecond, MaxBackoff: time.Second}
	impatient = transport.RetryConfig{MaxAttempts: 3, MinBackoff: 20 * time.Millisecond, MaxBackoff: time.Second}
)

// Welcome is validated where it is enqueued, and again before sendWelcome sees it.
type Welcome struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email"   validate:"required,email"`
}

func sendWelcome(ctx context.Context, w Welcome) error {
	return nil // a real shop sends its mail here
}

// Payment is the order to take money for.
type Payment struct {
	Order int `json:"order" validate:"required"`
	Cents int `json:"cents" validate:"gt=0"`
}

// chargeCard fails twice. Any error is a retry, later and later; it enqueues what comes next itself.
func chargeCard(ctx context.Context, p Payment) error {
	if m, _ := tasks.MetadataFrom(ctx); m.Attempt < 3 {
		return errors.New("the bank is busy")
	}
	_, err := ShipOrder.Enqueue(ctx, Shipment{Order: p.Order}, tasks.In(200*time.Millisecond))
	return err
}

// Shipment is the order to send.
type Shipment struct {
	Order int `json:"order" validate:"required"`
}

func shipOrder(ctx context.Context, s Shipment) error {
	return nil
}

// Refund is the order to give money back for.
type Refund struct {
	Order int `json:"order" validate:"required"`
}

// refundOrder comes too early at first. That is no failure: it asks to run again later.
func refundOrder(ctx context.Context, r Refund) error {
	if m, _ := tasks.MetadataFrom(ctx); m.FirstAttempt() {
		return tasks.Snooze(200 * time.Millisecond)
	}
	return nil
}

// Invoice is the order to print an invoice for.
type Invoice struct {
	Order int `json:"order" validate:"required"`
}

// UniqueKey makes one invoice per order, however often it is enqueued.
func (i Invoice) UniqueKey() string { return strconv.Itoa(i.Order) }

func printInvoice(ctx context.Context, i Invoice) error {
	return nil
}

// Reminder is a cart that waits to be checked out.
type Reminder struct {
	Cart  int `json:"cart"  validate:"required"`
	Items int `json:"items" validate:"gte=0"`
}

// remindCart has nothing to do for an empty cart, and a retry would not fill it.
func remindCart(ctx context.Context, r Reminder) error {
	if r.Items == 0 {
		return tasks.Discard(fmt.Errorf("cart %d is empty", r.Cart))
	}
	return nil
}

// Stock is what runs out.
type Stock struct {
	Item string `json:"item" validate:"required"`
}

// reorder never succeeds. After its last attempt the task goes to Config.Quarantine.
func reorder(ctx context.Context, s Stock) error {
	return errors.New("the supplier is gone")
}

// Digest is a user who gets the weekly mail.
type Digest struct {
	UserID int64 `json:"user_id" validate:"required"`
}

func sendDigest(ctx context.Context, d Digest) error {
	return nil
}
