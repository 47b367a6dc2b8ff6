package pubsub

import "github.com/typedtasks/typedtasks/tasks/plan"

// Plan is what [Sync] did, or would do, in order: topics, subscriptions, what is obsolete, roles. See [plan.Plan].
type Plan = plan.Plan

// Change is one topic, subscription or role: what becomes of it, and why.
type Change = plan.Change

// The verbs of a Change. In a dry run they tell what would happen.
const (
	Created   = plan.Created
	Updated   = plan.Updated
	Replaced  = plan.Replaced // deleted and made anew, with [AllowReplace]
	Deleted   = plan.Deleted
	Unchanged = plan.Unchanged
	Granted   = plan.Granted
	Blocked   = plan.Blocked // not done: it needs AllowReplace, or it is another's
	Manual    = plan.Manual  // not allowed to us: Why has the command
	Failed    = plan.Failed  // Why has the error
)
