package manage

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks/plan"
)

// syncSome plans, asks where something is destroyed, does it, and prints what became of it. named says that the
// sections were asked for by name, so that an empty one is an error.
func (c *call) syncSome(f *syncFlags, named bool, all ...syncer) error {
	if f.exitCode && !c.dryRun {
		return usagef("--exit-code goes with --dry-run")
	}
	some, err := choose(named, all)
	if err != nil {
		return err
	}
	var local []string
	for _, s := range some {
		if s.local != "" {
			local = append(local, s.local)
		}
	}
	c.noteEnds(local...)
	if c.yes && !c.dryRun { // nothing will be asked
		return c.finish(c.converge("applying", false, some, nil))
	}
	planned := c.converge("planning", true, some, nil)
	p := planned.plan()
	switch {
	case c.dryRun:
		err := c.finish(planned)
		if err == nil && f.exitCode && p.Changed() {
			c.cmd.SilenceErrors = true // the plan says it
			return &failure{code: codeChanges, text: "the cloud is not what the code says"}
		}
		return err
	case !p.Changed():
		return c.finish(planned.asDone())
	}
	if what := destroys(p); what != "" && !c.yes {
		if err := c.confirmPlan(planned, what); err != nil {
			return err
		}
	}
	return c.finish(c.converge("applying", false, some, planned))
}

// choose leaves out the sections of which there is nothing. All that is missing is found before anything is done.
func choose(named bool, all []syncer) (some []syncer, err error) {
	var none []string
	var errs []error
	for _, s := range all {
		if s.none != "" {
			none = append(none, s.none)
			continue
		}
		if s.missing != nil {
			errs = append(errs, fmt.Errorf("sync %s: %w", s.kind, s.missing))
		}
		some = append(some, s)
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(some) == 0 && named:
		return nil, usagef("sync %s: nothing to sync: %s", all[0].kind, strings.Join(none, ", "))
	case len(some) == 0:
		return nil, usagef("sync: nothing to sync: %s", strings.Join(none, ", "))
	}
	return some, nil
}

// synced is what became of each section, in order.
type synced []struct {
	plan plan.Plan
	err  error
}

// converge syncs sections one after the other; one that fails hinders no other. What could not even be planned is left
// alone, and fails with the error of its plan; and nothing is destroyed that is not in planned, where that is given.
func (c *call) converge(doing string, dryRun bool, some []syncer, planned synced) synced {
	done := make(synced, len(some))
	for i, s := range some {
		if planned != nil && planned[i].err != nil && len(planned[i].plan.Changes) == 0 {
			done[i].err = planned[i].err
			continue
		}
		ctx, erase := c.progressing(doing)
		if planned != nil { // things may have changed since
			ctx = converge.WithConfirmed(ctx, planned[i].plan)
		}
		done[i].plan, done[i].err = s.sync(ctx, dryRun)
		done[i].plan.DryRun = dryRun
		erase()
	}
	return done
}

// plan joins the plans.
func (s synced) plan() plan.Plan {
	plans := make([]plan.Plan, len(s))
	for i, one := range s {
		plans[i] = one.plan
	}
	return plan.Join(plans...)
}

// asDone is a dry run that found nothing to do, as the run that did nothing.
func (s synced) asDone() synced {
	for i := range s {
		s[i].plan.DryRun = false
	}
	return s
}

// err is what failed, in one line: how much the plan tells of, and what it does not.
func (s synced) err() error {
	var causes []error
	var words []string
	p := s.plan()
	for _, verb := range []string{plan.Failed, plan.Blocked} {
		if n := p.Count(verb); n > 0 {
			words = append(words, fmt.Sprintf("%d of %s %s", n, count(len(p.Changes), "change"), verb))
		}
	}
	for _, one := range s {
		for _, err := range leaves(one.err) {
			causes = append(causes, err)
			if !told(one.plan, err) {
				words = append(words, err.Error())
			}
		}
	}
	if len(causes) == 0 {
		return nil
	}
	cause := errors.Join(causes...)
	if slices.ContainsFunc(causes, replaceable) {
		words = append(words, "what can only be replaced is replaced by sync subscriptions --allow-replace")
	}
	return &failure{code: codeFailed, text: "sync: " + strings.Join(words, "; "), err: cause}
}

// replaceable reports whether an error is of what --allow-replace helps with: of all that is blocked, pubsub.Sync says
// it of this alone.
func replaceable(err error) bool {
	return errors.Is(err, pubsub.ErrBlocked) && strings.Contains(err.Error(), "cannot be changed: AllowReplace makes it anew")
}

// texts are the errors, one by one.
func (s synced) texts() (texts []string) {
	for _, one := range s {
		for _, err := range leaves(one.err) {
			texts = append(texts, err.Error())
		}
	}
	return texts
}

// leaves are the errors that a Sync joins.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// told reports whether the plan has the error.
func told(p plan.Plan, err error) bool {
	for _, c := range p.Changes {
		if (c.Verb == plan.Failed || c.Verb == plan.Blocked) && strings.HasSuffix(err.Error(), c.Why) {
			return true
		}
	}
	return false
}

// finish prints what was done, or would be. The error is of what failed.
func (c *call) finish(s synced) error {
	p := s.plan()
	err := s.err()
	if len(p.Changes) == 0 && err != nil && c.output == outputText {
		return err
	}
	return errors.Join(err, c.print(syncDocOf(p, s.texts()), func() string { return c.planText(p, c.console.outTTY) }))
}

// syncDoc is the document of sync. A Plan marshals itself, and escapes for HTML.
type syncDoc struct {
	Changes   []plan.Change `json:"changes"`
	Errors    []string      `json:"errors"`
	DryRun    bool          `json:"dry_run"`
	Confirmed *bool         `json:"confirmed,omitempty"` // false where the plan was not; nothing was done then
}

func syncDocOf(p plan.Plan, errs []string) syncDoc {
	return syncDoc{Changes: append([]plan.Change{}, p.Changes...), Errors: append([]string{}, errs...), DryRun: p.DryRun}
}

// confirmPlan shows what is asked about, and asks. Where that does not come to a yes, the plan is the result.
func (c *call) confirmPlan(planned synced, what string) error {
	p := planned.plan()
	p.DryRun = false // nobody asked for one
	asked := c.console.asks()
	if asked {
		if _, err := c.console.err.Write([]byte(c.plannedText(p, c.console.errTTY))); err != nil {
			return err
		}
	}
	refused := c.confirm(what)
	if refused == nil || asked && c.output == outputText {
		return refused
	}
	doc := syncDocOf(p, append(planned.texts(), refused.Error()))
	doc.Confirmed = new(bool)
	return errors.Join(refused, c.print(doc, func() string { return c.plannedText(p, c.console.outTTY) }))
}

// planText is a plan as lines, its marks coloured.
func (c *call) planText(p plan.Plan, tty bool) string {
	return c.planLines(p, tty) + p.Summary() + "\n"
}

// plannedText is planText of what is yet to be done.
func (c *call) plannedText(p plan.Plan, tty bool) string {
	return c.planLines(p, tty) + "planned: " + p.Summary() + "\n"
}

func (c *call) planLines(p plan.Plan, tty bool) string {
	var b strings.Builder
	for _, change := range p.Changes {
		line := oneLine(change.String())
		mark := "[" + change.Mark() + "]"
		b.WriteString(c.console.paint(tty, colourOf(change.Mark()), mark) + strings.TrimPrefix(line, mark) + "\n")
	}
	return b.String()
}

func colourOf(mark string) string {
	switch mark {
	case "+":
		return green
	case "~":
		return yellow
	case "-":
		return red
	case "=":
		return dim
	}
	return magenta
}

// mostNamed is how many resources a question names; of more it tells their number.
const mostNamed = 3

// destroys says what a plan deletes or replaces, empty where that is nothing.
func destroys(p plan.Plan) string {
	var parts []string
	few := p.Count(plan.Deleted)+p.Count(plan.Replaced) <= mostNamed
	for _, verb := range []string{plan.Deleted, plan.Replaced} {
		var kinds []string
		names := map[string][]string{}
		for _, c := range p.Changes {
			if c.Verb != verb {
				continue
			}
			if names[c.Kind] == nil {
				kinds = append(kinds, c.Kind)
			}
			names[c.Kind] = append(names[c.Kind], c.Name)
		}
		for _, kind := range kinds {
			what := count(len(names[kind]), kind)
			if few {
				_, what, _ = strings.Cut(what, " ")
				what += " " + and(names[kind])
			}
			parts = append(parts, strings.TrimSuffix(verb, "d")+" "+what)
		}
	}
	return strings.Join(parts, ", ")
}
