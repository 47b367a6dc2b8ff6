package converge_test

import (
	"errors"
	"testing"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks/plan"
)

func TestMayDestroy_OnlyWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	if !converge.MayDestroy(t.Context(), "queue", "mail") {
		t.Error("nobody was asked, and it may not")
	}
	ctx := converge.WithConfirmed(t.Context(), plan.Plan{Changes: []plan.Change{
		{Verb: plan.Deleted, Kind: "queue", Name: "old"},
		{Verb: plan.Replaced, Kind: "subscription", Name: "audit"},
		{Verb: plan.Updated, Kind: "queue", Name: "mail"},
		{Verb: plan.Unchanged, Kind: "queue", Name: "gone"},
	}})
	for _, c := range []struct {
		kind, name string
		may        bool
	}{
		{"queue", "old", true},
		{"subscription", "audit", true},
		{"subscription", "old", false},
		{"queue", "mail", false},
		{"queue", "gone", false},
		{"queue", "other", false},
	} {
		if got := converge.MayDestroy(ctx, c.kind, c.name); got != c.may {
			t.Errorf("%s %s: %t, want %t", c.kind, c.name, got, c.may)
		}
	}
	if converge.MayDestroy(converge.WithConfirmed(t.Context(), plan.Plan{}), "queue", "old") {
		t.Error("a plan of nothing was confirmed, and it may")
	}
}

func TestUnconfirmed_IsBlocked(t *testing.T) {
	t.Parallel()
	blocked := errors.New("blocked")
	o := converge.Unconfirmed("schedule", "shop--a", blocked)
	if got := o.Changes[0].String(); got != "[!] schedule shop--a: blocked: not in the plan that was confirmed: sync again" {
		t.Error(got)
	}
	if !errors.Is(o.Err, blocked) || !errors.Is(o.Err, converge.ErrUnconfirmed) || o.Err.Error() != `schedule "shop--a": blocked: not in the plan that was confirmed: sync again` {
		t.Errorf("the error is %v", o.Err)
	}
}
