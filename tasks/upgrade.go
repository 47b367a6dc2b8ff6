package tasks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// UpgradeFrom serves what older versions of a program have enqueued with another payload: a body that does not decode
// and validate as T is tried as an Old, and upgrade makes a T of it. Given several times, the options are tried in the
// order given: the newest version first. It is for deliveries alone; Enqueue takes a T.
//
// An Old must fit exactly: with [JSONCodec] a member that it has no field for is refused, whatever the codec's Strict
// says, so that a broken T does not pass for an Old with nothing in it. A body that T takes is never upgraded: give T
// a required field that old bodies lack, or a codec that is Strict.
//
// The run's context bounds upgrade. Its error rejects the delivery as one that does not decode, with both reasons;
// a directive such as [Discard] or [RetryAfter] does what it does from the task's function, and so does any error once
// the context has ended. What it returns is validated as any payload is. Errors of Register: T is not the payload of
// the task, an Old that is T or given twice, a nil upgrade.
func UpgradeFrom[Old, T any](upgrade func(context.Context, Old) (T, error)) Option {
	o := upgradeOption{from: reflect.TypeFor[Old](), to: reflect.TypeFor[T](), newTarget: newTarget[Old]()}
	if upgrade != nil {
		o.call = func(ctx context.Context, v any) (any, error) {
			p, err := upgrade(ctx, unbox[Old](v))
			return box(&p), err
		}
	}
	return o
}

// upgradeOption is the way from one older payload.
type upgradeOption struct {
	from, to  reflect.Type
	newTarget func() any
	call      function
	plan      *payload.Plan // of from; made by define
}

func (o upgradeOption) define(s *settings) { s.upgrades = append(s.upgrades, o) }

func (o upgradeOption) String() string { return fmt.Sprintf("UpgradeFrom[%s, %s](...)", o.from, o.to) }

// checkUpgrades completes the upgrades of a definition, and collects what is wrong with them.
func (d *definition) checkUpgrades() {
	given := map[reflect.Type]bool{}
	for i := range d.upgrades {
		u := &d.upgrades[i]
		switch {
		case u.to != d.typ:
			d.problem("%s makes a %s, and the payload of the task is a %s", u, u.to, d.typ)
		case u.from == d.typ:
			d.problem("%s: the old payload is the new one: an old version has a type of its own", u)
		case given[u.from]:
			d.problem("%s: %s is given twice", u, u.from)
		case u.call == nil:
			d.problem("%s: the function is nil", u)
		}
		given[u.from] = true
		var err error
		if u.plan, err = payload.PlanFor(reflect.TypeOf(u.newTarget()).Elem()); err != nil {
			d.problem("%s: %w", u, err)
		}
	}
}

// upgrade makes a payload of a body that is none by itself, which refusal says why.
func (a *App) upgrade(ctx context.Context, d *definition, body []byte, refusal error) (any, error) {
	codec := a.cfg.Codec
	if j, ok := codec.(JSONCodec); ok {
		j.Strict = true
		codec = j
	}
	reasons := upgradeError{refusal}
	for _, u := range d.upgrades {
		old := u.newTarget()
		err := a.decodeBy(codec, u.plan, bodyless(u.from), body, old)
		if broken(err) {
			return nil, err
		}
		if err != nil {
			reasons = append(reasons, fmt.Errorf("as a %s: %w", u.from, err))
			continue
		}
		v, err := u.call(ctx, old)
		if err == nil {
			if err = a.validator.Validate(d.plan, v); err == nil {
				return v, nil
			}
		}
		if _, directs := errors.AsType[*directive](err); directs || broken(err) || ctx.Err() != nil {
			return nil, err
		}
		return nil, Reject(append(reasons, fmt.Errorf("upgraded from a %s: %w", u.from, err)))
	}
	return nil, Reject(reasons)
}

// broken reports whether the rules are at fault, and not the payload.
func broken(err error) bool {
	_, is := errors.AsType[*payload.PanicError](err)
	return is
}

// upgradeError is why a body is neither the payload of its task nor an older one.
type upgradeError []error

func (e upgradeError) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e upgradeError) Unwrap() []error { return e }
