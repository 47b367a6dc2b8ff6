package pubsub

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/tasks"
)

// UpgradeFrom is tasks.UpgradeFrom for a subscriber: data that does not decode and validate as M is tried as an Old,
// which must fit exactly, and upgrade makes an M of it. Several are tried in the order given, and all that is said there
// of errors, directives and the context holds here. A message without data is an Old of zero value, if that is valid.
//
// With [ViaTasks] an old message is handed over as it came, and upgraded when its task runs: again at each attempt.
// tasks.Config.LogPayloads shows the M, and at the hand-over the Old.
//
// An Old that is [Raw] is whatever data is left, with nothing taken off: for upgrade to look at, and for the last option
// alone. Errors of Register: M is not the subscriber's, or Raw, which takes any data and leaves none to upgrade; an Old
// that is M or given twice, a Raw one with another behind it; a nil upgrade.
func UpgradeFrom[Old, M any](upgrade func(context.Context, Old) (M, error)) SubscriberOption {
	return subscriberOption(func(s *subscriber) { s.upgrades = append(s.upgrades, payload.UpgradeBy(upgrade)) })
}

// checkUpgrades collects what is wrong with the upgrades, their validate tags excepted.
func (d *subscriber) checkUpgrades() {
	d.errs = append(d.errs, d.upgrades.Check(d.typ, "the data of the subscriber")...)
	for i, u := range d.upgrades {
		if d.isRaw() {
			d.problem("%s: Raw takes any data, and leaves none to upgrade: leave the option out", u)
		}
		if u.From.PkgPath() == reflect.TypeFor[Raw]().PkgPath() && strings.HasPrefix(u.From.Name(), "Message[") {
			d.problem("%s: an Old is the type of older data, not a Message of it", u)
		}
		if isRaw(u.From) && i < len(d.upgrades)-1 {
			d.problem("%s: Raw takes any data: give the option last", u)
		}
	}
}

// checkOlder asks the App whether older data can be validated.
func (d *subscriber) checkOlder(app *tasks.App) (errs []error) {
	for _, u := range d.upgrades {
		if err := checkData(app, u.From); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", u, err))
		}
	}
	return errs
}

// upgrading is a delivery of a message whose data is no M.
func (in *inlet) upgrading(data []byte) payload.Upgrading {
	return payload.Upgrading{
		Codec:    in.codec,
		Decode:   func(c payload.Codec, u payload.Upgrade, old any) error { return in.decode(c, data, u.From, old) },
		Validate: in.app.Validate,
		Reject:   tasks.Reject,
		Directs:  func(err error) bool { return tasks.OutcomeOf(err) != tasks.OutcomeFailed },
	}
}

func isRaw(t reflect.Type) bool { return t == reflect.TypeFor[Raw]() }
