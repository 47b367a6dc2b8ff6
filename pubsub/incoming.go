package pubsub

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/internal/printable"
	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/internal/seen"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// inlet is a subscriber under one App.
type inlet struct {
	app          *tasks.App
	codec        tasks.Codec
	headerKey    string // of the data's object
	subscription *transport.Subscription
}

// Conflict refuses a second subscriber of one subscription: see tasks.Spec.
func (in *inlet) Conflict(other any, whose string) error {
	with, ok := other.(*inlet)
	if !ok || !sameTopic(with.subscription.Name, in.subscription.Name) { // subscriptions are named as topics are
		return nil
	}
	return fmt.Errorf("the subscription %q is that of %s already, and each would get a part of its messages: choose another with pubsub.Subscription", in.subscription.Name, whose)
}

func (d *subscriber) resolve(app *tasks.App) (*inlet, error) {
	cfg := app.Config()
	sub, err := d.subscriptionUnder(cfg)
	if err := errors.Join(append(append(each(err), d.checkPayload(app)), d.checkOlder(app)...)...); err != nil {
		return nil, err
	}
	return &inlet{app: app, codec: d.codecUnder(cfg), headerKey: cfg.PropagatedHeadersKey, subscription: sub}, nil
}

// each are the errors that a join holds, so that Register tells them one by one.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.Clone(joined.Unwrap())
	}
	return nil
}

// handle is the innermost tasks.Handler.
func (d *subscriber) handle(ctx context.Context, b *tasks.Binding, del *transport.Delivery) (any, error) {
	app, err := b.App(ctx)
	if err != nil {
		return nil, err
	}
	in, ok := b.Resolved(app).(*inlet)
	if !ok || del.Message == nil {
		return nil, fmt.Errorf("pubsub: %s: handled outside of an App, or without a message", printable.Text(d.nameOf()))
	}
	return d.call(ctx, in, del.Message)
}

// handle calls fn with what comes of the message, unless that is to become a task.
func handle[M any](ctx context.Context, d *subscriber, in *inlet, msg *transport.Message, fn func(context.Context, Message[M]) error) (any, error) {
	data, err := d.open(ctx, in, msg)
	if err != nil {
		return nil, err
	}
	return nil, fn(ctx, Message[M]{ // fn's own: what it changes does not show in a task or a quarantine
		Data: payload.Unbox[M](data), Attributes: maps.Clone(msg.Attributes), ID: msg.ID, OrderingKey: msg.OrderingKey,
		PublishTime: msg.PublishTime, DeliveryAttempt: msg.DeliveryAttempt,
	})
}

// open makes an M of the message's data, boxed. Where the message is to become a task, which its data must be fit for,
// the error says so, and an older one is left to be upgraded by that.
func (d *subscriber) open(ctx context.Context, in *inlet, msg *transport.Message) (any, error) {
	handsOver := d.viaTasks && handsOver(ctx, msg)
	v := d.newTarget()
	if err := in.decode(in.codec, msg.Data, d.typ, v); err != nil {
		older, err := d.upgrades.Find(err, in.upgrading(msg.Data))
		switch {
		case err != nil:
			return nil, err
		case handsOver:
			v = older.Payload
		default:
			if v, err = older.Upgrade(ctx); err != nil {
				return nil, err
			}
		}
	}
	if see := seen.By(ctx); see != nil {
		see(v)
	}
	if handsOver {
		return nil, tasks.HandOver()
	}
	return v, nil
}

// decode turns data into the boxed t that v is.
func (in *inlet) decode(c tasks.Codec, data []byte, t reflect.Type, v any) error {
	if isRaw(t) {
		*v.(*Raw) = slices.Clone(data)
		return nil
	}
	_, data = pushwire.ExtractHeaders(data, in.headerKey)
	return in.app.Decode(c, data, v)
}

// handsOver reports whether the message is to become a task now: it is none yet, somebody runs tasks, and it fits
// into one.
func handsOver(ctx context.Context, m *transport.Message) bool {
	meta, ok := tasks.MetadataFrom(ctx)
	if !ok || meta.Queue != "" || meta.Eager {
		return false
	}
	data, rest := base64.StdEncoding.EncodedLen(len(m.Data)), m.Size()-len(m.Data)
	if data+rest >= maxHandedOver {
		return false
	}
	const worstEscape = 6 // a byte as \u0000
	return data+worstEscape*rest < maxHandedOver || len(pushwire.Body(m)) < maxHandedOver
}

// maxHandedOver leaves room in a task for the push's envelope, names and escapes, and for headers.
const maxHandedOver = transport.MaxTaskSize - 64<<10
