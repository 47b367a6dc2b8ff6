package main

import (
	"strings"

	"github.com/typedtasks/typedtasks/tasks"
)

// outcomeOf names what an error of a task's function asks for.
func outcomeOf(err error) tasks.Outcome {
	switch {
	case err == nil:
		return tasks.OutcomeExecuted
	case strings.HasPrefix(err.Error(), "discarded"):
		return tasks.OutcomeDiscarded
	case strings.HasPrefix(err.Error(), "snoozed"):
		return tasks.OutcomeSnoozed
	case strings.HasPrefix(err.Error(), "rejected"):
		return tasks.OutcomeRejected
	}
	return tasks.OutcomeFailed
}
