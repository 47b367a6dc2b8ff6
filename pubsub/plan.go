package pubsub

import (
	"fmt"
	"strings"
)

// Plan is what [Sync] did, or would do, in order: topics, subscriptions, what is obsolete, roles.
type Plan struct {
	Changes []Change
	DryRun  bool // nothing was done: the verbs say what would be
}

// Change is one resource: what becomes of it, and why.
type Change struct {
	Verb string // Created, ...
	Kind string // "topic", "subscription" or "role"
	Name string // the resource's id; for a role, the role and the resource
	Why  string // what differs, from what to what; why it is deleted or blocked, what went wrong, what to do by hand
}

// The verbs of a Change. In a dry run they tell what would happen.
const (
	Created   = "created"
	Updated   = "updated"
	Replaced  = "replaced" // deleted and made anew, with [AllowReplace]
	Deleted   = "deleted"
	Unchanged = "unchanged"
	Granted   = "granted"
	Blocked   = "blocked" // not done: it needs AllowReplace, or it is another's
	Manual    = "manual"  // not allowed to us: Why has the command
	Failed    = "failed"  // Why has the error
)

// Changed reports whether anything but Unchanged is in the plan.
func (p Plan) Changed() bool {
	for _, c := range p.Changes {
		if c.Verb != Unchanged {
			return true
		}
	}
	return false
}

// String is one line for each change, then a summary:
//
//	[+] subscription audit: created: push to https://shop.example.com/_tasks/subscriptions/audit
//	[=] topic orders
//	1 created, 1 unchanged
func (p Plan) String() string {
	var b strings.Builder
	count := map[string]int{}
	for _, c := range p.Changes {
		b.WriteString(c.String() + "\n")
		count[c.Verb]++
	}
	var parts []string
	for _, verb := range []string{Created, Updated, Replaced, Deleted, Granted, Unchanged, Blocked, Manual, Failed} {
		if n := count[verb]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verb))
		}
	}
	if len(parts) == 0 {
		return "nothing was planned"
	}
	if p.DryRun {
		return b.String() + "dry run, nothing was done: " + strings.Join(parts, ", ")
	}
	return b.String() + strings.Join(parts, ", ")
}

// String is the change's line in the plan.
func (c Change) String() string {
	mark := map[string]string{Created: "+", Granted: "+", Updated: "~", Replaced: "~", Deleted: "-", Unchanged: "="}[c.Verb]
	if mark == "" {
		mark = "!"
	}
	s := fmt.Sprintf("[%s] %s %s", mark, c.Kind, c.Name)
	if c.Verb != Unchanged {
		s += ": " + c.Verb
	}
	if c.Why != "" {
		s += ": " + strings.ReplaceAll(c.Why, "\n", "; ")
	}
	return s
}
