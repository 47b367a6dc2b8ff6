package payload

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/typedtasks/typedtasks/internal/seen"
)

// Upgrade is the way to a payload from one of an older type: UpgradeFrom of packages tasks and pubsub, which have the
// contract.
type Upgrade struct {
	From reflect.Type
	Plan *Plan // of From, boxed; nil where no value of it can be a payload

	to     reflect.Type
	target func() any
	call   func(ctx context.Context, old any) (any, error) // nil: none was given
	wrong  error
}

// UpgradeBy is the way that fn goes. It never fails: [Upgrades.Check] tells what is wrong with it.
func UpgradeBy[Old, T any](fn func(context.Context, Old) (T, error)) Upgrade {
	u := Upgrade{From: reflect.TypeFor[Old](), to: reflect.TypeFor[T](), target: Target[Old]()}
	u.Plan, u.wrong = PlanFor(reflect.TypeOf(u.target()).Elem())
	if fn != nil {
		u.call = func(ctx context.Context, old any) (any, error) {
			p, err := fn(ctx, Unbox[Old](old))
			return Box(&p), err
		}
	}
	return u
}

func (u Upgrade) String() string { return fmt.Sprintf("UpgradeFrom[%s, %s](...)", u.From, u.to) }

// Upgrades are those of one definition, in the order in which they are tried.
type Upgrades []Upgrade

// Check tells what is wrong with upgrades to the payload of a definition, which is a to; whose says whose it is.
// Whether the tags of the older ones make sense is for [Validator.Check] to say.
func (us Upgrades) Check(to reflect.Type, whose string) (errs []error) {
	given := map[reflect.Type]bool{}
	for _, u := range us {
		switch {
		case u.to != to:
			errs = append(errs, fmt.Errorf("%s makes a %s, and %s is a %s", u, u.to, whose, to))
		case u.From == to:
			errs = append(errs, fmt.Errorf("%s: the old payload is the new one: an old version has a type of its own", u))
		case given[u.From]:
			errs = append(errs, fmt.Errorf("%s: %s is given twice", u, u.From))
		case u.call == nil:
			errs = append(errs, fmt.Errorf("%s: the function is nil", u))
		}
		given[u.From] = true
		if u.wrong != nil {
			errs = append(errs, fmt.Errorf("%s: %w", u, u.wrong))
		}
	}
	return errs
}

// Upgrading is what upgrades need of the delivery whose payload is an older one.
type Upgrading struct {
	Codec    Codec
	Decode   func(c Codec, u Upgrade, old any) error // decodes an older payload, and validates it
	Validate func(v any) error                       // what comes of it
	Reject   func(error) error                       // makes an error one that rejects the delivery
	Directs  func(error) bool                        // reports whether an error asks for an outcome of the delivery
}

// Older is a payload of an older type, which is valid as that.
type Older struct {
	Payload any // boxed

	upgrade Upgrade
	by      Upgrading
	refused refusals
}

// Find decodes what is no payload by itself, which refusal says why, as one of an older type. That must fit exactly,
// so that a broken payload does not pass for an older one with nothing in it. The error is the run's: one that rejects,
// or a [*PanicError], for which the rules are to blame, and not what was delivered.
func (us Upgrades) Find(refusal error, by Upgrading) (*Older, error) {
	switch {
	case broken(refusal):
		return nil, refusal
	case len(us) == 0:
		return nil, by.Reject(refusal)
	}
	codec := by.Codec
	if j, ok := codec.(JSON); ok {
		j.Strict = true
		codec = j
	}
	refused := refusals{reasons{refusal}}
	for _, u := range us {
		old := u.target()
		err := by.Decode(codec, u, old)
		switch {
		case err == nil:
			return &Older{Payload: old, upgrade: u, by: by, refused: refused}, nil
		case broken(err):
			return nil, err
		}
		refused.reasons = append(refused.reasons, fmt.Errorf("as a %s: %w", u.From, err))
	}
	return nil, by.Reject(refused)
}

// Upgrade makes a payload of the older one, boxed. The error is the run's.
func (o *Older) Upgrade(ctx context.Context) (any, error) {
	seen.Upgraded(ctx, o.upgrade.From.String()) // whatever comes of it
	v, err := o.upgrade.call(ctx, o.Payload)
	if err == nil {
		if err = o.by.Validate(v); err == nil {
			return v, nil
		}
	}
	if o.by.Directs(err) || broken(err) || ctx.Err() != nil {
		return nil, err
	}
	return nil, o.by.Reject(refusals{append(o.refused.reasons, fmt.Errorf("upgraded from a %s: %w", o.upgrade.From, err))})
}

// refusals are why a payload is neither one of today nor an older one, today's reason first.
type refusals struct{ reasons }

// Public is the text of err for who has sent the payload: not what an upgrade said, which is the program's own.
func Public(err error) string {
	if rs, ok := errors.AsType[refusals](err); ok {
		return rs.reasons[0].Error()
	}
	return err.Error()
}

// broken reports whether the rules are at fault, and not the payload.
func broken(err error) bool {
	_, is := errors.AsType[*PanicError](err)
	return is
}
