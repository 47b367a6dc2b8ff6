package backoff

import (
	"errors"
	"fmt"
	"math"
)

// Validate reports every field that is out of range, each by its name; nil if none is. Unset fields always
// pass, as they may yet be filled by [Policy.Or]: validate what Or returned to see whether two policies fit
// together.
func (p Policy) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("backoff.Policy."+format, args...)) }
	if p.Initial < 0 {
		refuse("Initial %s is negative", p.Initial)
	}
	if p.Maximum < 0 {
		refuse("Maximum %s is negative", p.Maximum)
	}
	if p.Deadline < 0 {
		refuse("Deadline %s is negative", p.Deadline)
	}
	if p.Maximum > 0 && p.Initial > p.Maximum {
		refuse("Initial %s is greater than Maximum %s", p.Initial, p.Maximum)
	}
	if m := p.Multiplier; m != 0 && !(m >= 1) || math.IsInf(m, 0) { // !(m >= 1) holds for NaN
		refuse("Multiplier %v is not a finite number of at least 1", m)
	}
	if !(p.Jitter >= 0 && p.Jitter <= 1) {
		refuse("Jitter %v is outside 0 to 1", p.Jitter)
	}
	if p.Duplicates > Allow {
		refuse("Duplicates %d is neither Avoid nor Allow", p.Duplicates)
	}
	return errors.Join(errs...)
}
