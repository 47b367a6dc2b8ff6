// Package plan is what the commands that make the cloud match the code report: what became of each resource, or
// would become of it in a dry run. pubsub.Sync, schedule.Sync and tasks.SyncQueues return a [Plan].
package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Plan is what was done, or would be, in order.
type Plan struct {
	Changes []Change `json:"changes"`
	DryRun  bool     `json:"dry_run"` // nothing was done: the verbs say what would be
}

// Change is one resource: what becomes of it, and why.
type Change struct {
	Verb   string  `json:"verb"` // Created, ...
	Kind   string  `json:"kind"` // "queue", "topic", "subscription", "role", "schedule"
	Name   string  `json:"name"` // the resource's id; for a role, the role and the resource
	Fields []Field `json:"fields,omitempty"`
	Why    string  `json:"why,omitempty"` // the fields in words; why it is deleted or blocked, what went wrong, what to do by hand
}

// Field is one setting that differs, from what to what.
type Field struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// The verbs of a Change. In a dry run they tell what would happen.
const (
	Created   = "created"
	Updated   = "updated"
	Replaced  = "replaced" // deleted and made anew
	Deleted   = "deleted"
	Unchanged = "unchanged"
	Granted   = "granted"
	Blocked   = "blocked" // not done: it has to be asked for, or is another's
	Manual    = "manual"  // not allowed to us: Why has the command
	Failed    = "failed"  // Why has the error
)

// verbs in the order of a summary.
func verbs() []string {
	return []string{Created, Updated, Replaced, Deleted, Granted, Unchanged, Blocked, Manual, Failed}
}

// Join returns one plan of several, in order. It is a dry run if one of them is.
func Join(plans ...Plan) Plan {
	var all Plan
	for _, p := range plans {
		all.Changes = append(all.Changes, p.Changes...)
		all.DryRun = all.DryRun || p.DryRun
	}
	return all
}

// Changed reports whether anything but Unchanged is in the plan.
func (p Plan) Changed() bool {
	for _, c := range p.Changes {
		if c.Verb != Unchanged {
			return true
		}
	}
	return false
}

// Count is how many changes have the verb.
func (p Plan) Count(verb string) (n int) {
	for _, c := range p.Changes {
		if c.Verb == verb {
			n++
		}
	}
	return n
}

// MarshalJSON writes the changes as a list where there are none too. A struct that embeds a Plan has this method too:
// give it a field instead.
func (p Plan) MarshalJSON() ([]byte, error) {
	type fields Plan // without this method
	if p.Changes == nil {
		p.Changes = []Change{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // -> is for the caller to escape
	err := e.Encode(fields(p))
	return bytes.TrimSpace(b.Bytes()), err
}

// String is one line for each change, then [Plan.Summary]:
//
//	[+] subscription audit: created: push to https://shop.example.com/_tasks/subscriptions/audit
//	[=] topic orders
//	1 created, 1 unchanged
func (p Plan) String() string {
	var b strings.Builder
	for _, c := range p.Changes {
		b.WriteString(c.String() + "\n")
	}
	return b.String() + p.Summary()
}

// Summary counts the changes by verb, in one line.
func (p Plan) Summary() string {
	var parts []string
	for _, verb := range verbs() {
		if n := p.Count(verb); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verb))
		}
	}
	switch {
	case len(parts) == 0:
		return "nothing was planned"
	case p.DryRun:
		return "dry run, nothing was done: " + strings.Join(parts, ", ")
	}
	return strings.Join(parts, ", ")
}

// String is the change's line in the plan.
func (c Change) String() string {
	s := fmt.Sprintf("[%s] %s %s", c.Mark(), c.Kind, c.Name)
	if c.Verb != Unchanged {
		s += ": " + c.Verb
	}
	if c.Why != "" {
		s += ": " + strings.ReplaceAll(c.Why, "\n", "; ")
	}
	return s
}

// Mark is one character for the verb: + for what comes into being, ~ for what changes, - for what goes, = for what
// stays, ! for what needs somebody.
func (c Change) Mark() string {
	switch c.Verb {
	case Created, Granted:
		return "+"
	case Updated, Replaced:
		return "~"
	case Deleted:
		return "-"
	case Unchanged:
		return "="
	}
	return "!"
}
