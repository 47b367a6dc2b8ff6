package tasks

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/typedtasks/typedtasks/transport"
)

// Register adds definitions, all of them or none. The error joins every problem, each naming the definition
// and the fix: what is wrong with it, a name that is taken, a definition registered twice.
func (a *App) Register(defs ...Definition) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.released.Load() {
		return fmt.Errorf("tasks: register: %w", ErrShutdown)
	}
	var errs []error
	all, seen := slices.Clone(a.defs), map[*Binding]bool{}
	taken := map[string]string{} // path -> kind and name of its owner
	for _, d := range all {
		seen[d.binding()] = true
		for _, path := range a.paths(d.Spec()) {
			taken[path] = owner(d.Spec())
		}
	}
	values, before := make([]any, len(defs)), a.resolvedBefore()
	for i, d := range defs {
		if isNil(d) {
			errs = append(errs, fmt.Errorf("definition %d is nil", i+1))
			continue
		}
		s := d.Spec()
		if seen[d.binding()] {
			errs = append(errs, fmt.Errorf("%s is registered twice: remove one of the two", describe(s)))
			continue
		}
		all, seen[d.binding()] = append(all, d), true
		wrong := a.check(d, s)
		if s.Resolve != nil && len(wrong) == 0 {
			var err error
			if values[i], err = s.Resolve(a); err != nil {
				wrong = append(wrong, each(err)...)
			} else {
				if wrong = conflicts(values[i], before); len(wrong) == 0 {
					before = addResolved(before, s, values[i])
				}
			}
		}
		for _, err := range wrong {
			errs = append(errs, fmt.Errorf("%s: %w", describe(s), err))
		}
		paths := a.paths(s)
		for _, path := range paths {
			if by, ok := taken[path]; ok {
				errs = append(errs, fmt.Errorf("%s: the path %q is served by %s already: choose another name with WithName", describe(s), path, by))
			}
		}
		for _, path := range paths {
			taken[path] = owner(s)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tasks: register: %w", err)
	}
	old := a.defs
	a.defs = all
	a.rebuild()
	for i, d := range defs {
		d.binding().bind(a, values[i])
	}
	if err := a.start(defs); err != nil {
		a.defs = old
		a.rebuild()
		for _, d := range defs {
			d.binding().unbind(a)
		}
		return err
	}
	return nil
}

// start begins what definitions need beside being served.
func (a *App) start(defs []Definition) error {
	var errs []error
	for _, d := range defs {
		if s := d.Spec(); s.Start != nil {
			for _, err := range each(s.Start(a)) {
				errs = append(errs, fmt.Errorf("%s: %w", describe(s), err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tasks: register: %w", err)
	}
	return nil
}

// check reports what is wrong with a definition by itself, and under this App's settings.
func (a *App) check(d Definition, s Spec) (errs []error) {
	errs = append(errs, each(s.Err)...)
	errs = append(errs, a.checkTaskOptions(s)...)
	t, ok := d.(interface{ definition() *definition })
	if !ok {
		return errs
	}
	def := t.definition()
	if def.plan != nil {
		if err := a.validator.Check(def.plan); err != nil {
			errs = append(errs, fmt.Errorf("payload: %w", err))
		}
	}
	for _, u := range def.upgrades {
		if u.Plan == nil { // told already
			continue
		}
		if err := a.validator.Check(u.Plan); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", u, err))
		}
	}
	if err := transport.CheckHeader(def.baseHeader(a.cfg.Codec)); err != nil {
		errs = append(errs, fmt.Errorf("headers: %w", err))
	}
	if def.policy.Validate() == nil {
		if err := def.policy.Or(a.cfg.EnqueueRetry).Validate(); err != nil {
			errs = append(errs, fmt.Errorf("WithEnqueueRetry over Config.EnqueueRetry: %w", err))
		}
	}
	return errs
}

// each are the errors that err joins, or err itself.
func each(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// isNil sees through a nil pointer in a Definition.
func isNil(d Definition) bool {
	if d == nil {
		return true
	}
	v := reflect.ValueOf(d)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// owner is describe with the payload's type: two tasks whose types have one name collide.
func owner(s Spec) string {
	if s.Payload == nil {
		return describe(s)
	}
	return fmt.Sprintf("%s of %s", describe(s), s.Payload)
}

func describe(s Spec) string {
	if s.Name == "" && s.Payload != nil {
		return fmt.Sprintf("%s of %s", s.Kind, s.Payload)
	}
	return fmt.Sprintf("%s %.200q", s.Kind, s.Name) // a name may be a path that somebody has asked for
}
