package tasks

// conflicting is what a [Spec].Resolve may return: a value that goes with some others under one App, and not with all.
type conflicting interface {
	Conflict(other any, whose string) error
}

// resolved is a definition with what its Resolve made of it.
type resolved struct {
	whose string
	value any
}

// conflicts are the reasons why value does not go with those that were resolved before it.
func conflicts(value any, before []resolved) (errs []error) {
	v, ok := value.(conflicting)
	if !ok {
		return nil
	}
	for _, other := range before {
		if err := v.Conflict(other.value, other.whose); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// resolvedBefore are the definitions that an App has already. Its caller holds a.mu.
func (a *App) resolvedBefore() []resolved {
	var list []resolved
	for _, d := range a.defs {
		list = addResolved(list, d.Spec(), d.binding().Resolved(a))
	}
	return list
}

func addResolved(list []resolved, s Spec, value any) []resolved {
	if _, ok := value.(conflicting); !ok {
		return list
	}
	return append(list, resolved{describe(s), value})
}
