package tasks

import (
	"context"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// UpgradeFrom serves what older versions of a program have enqueued with another payload: a body that does not decode
// and validate as T is tried as an Old, and upgrade makes a T of it. Given several times, the options are tried in the
// order given: the newest version first. It is for deliveries and bodies ([EnqueueBody], [App.RunBody]); Enqueue takes a T.
//
// An Old must fit exactly: with [JSONCodec] a member that it has no field for is refused, whatever the codec's Strict
// says, so that a broken T does not pass for an Old with nothing in it. A map, a json.RawMessage, a type with UnmarshalJSON
// take what they take, a broken T too: let their Validate or upgrade tell. A body that T takes is never upgraded: give T
// a required field that old bodies lack, or a codec that is Strict.
//
// The run's context bounds upgrade. Its error rejects the delivery as one that does not decode, with both reasons in the log;
// a directive such as [Discard] or [RetryAfter] does what it does from the task's function, and so does any error once
// the context has ended. What it returns is validated as any payload is. Errors of Register: T is not the payload of
// the task, an Old that is T or given twice, a nil upgrade.
func UpgradeFrom[Old, T any](upgrade func(context.Context, Old) (T, error)) Option {
	return upgradeOption{payload.UpgradeBy(upgrade)}
}

type upgradeOption struct{ payload.Upgrade }

func (o upgradeOption) define(s *settings) { s.upgrades = append(s.upgrades, o.Upgrade) }

// upgrading is a delivery of d with a body that is no payload of it.
func (a *App) upgrading(d *definition, body []byte) payload.Upgrading {
	return payload.Upgrading{
		Codec: a.cfg.Codec,
		Decode: func(c payload.Codec, u payload.Upgrade, old any) error {
			return a.decodeBy(c, u.Plan, bodyless(u.From), body, old)
		},
		Validate: func(v any) error { return a.validator.Validate(d.plan, v) },
		Reject:   Reject,
		Directs:  func(err error) bool { return OutcomeOf(err) != OutcomeFailed },
	}
}
