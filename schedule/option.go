package schedule

import (
	"slices"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Option configures a [Periodic] where it is defined.
type Option interface{ periodic(*definition) }

// TimeZone sets the zone whose wall clock the schedule goes by, a name of the tz database such as "Europe/Berlin".
// Default: UTC, which no clock change touches. A program that runs where no such database is installed imports
// time/tzdata.
func TimeZone(name string) Option { return option(func(d *definition) { d.setZone(name) }) }

// Description is what Cloud Scheduler's console shows of the job, 500 characters at most.
func Description(text string) Option { return option(func(d *definition) { d.setDescription(text) }) }

// Retry has a run that fails tried again, with Cloud Scheduler's limits and defaults: MaxAttempts is 1 to 6, and 1, no
// retry, where it is 0; see transport.RetryConfig.ForJob. Retries end with the next time of the schedule. What is
// enqueued is retried as its queue or tasks.WithRetryConfig says. Default: no retry.
func Retry(c transport.RetryConfig) Option { return option(func(d *definition) { d.setRetry(c) }) }

// NoOIDC has the job sent without a token, for an endpoint that checks none. Default: an OIDC token for
// tasks.Config.Audience. What is enqueued is sent as any task.
func NoOIDC() Option { return option(func(d *definition) { d.noOIDC = true }) }

// Task sets what holds of the task: tasks.WithName, tasks.WithAliases, tasks.WithTimeout (15 s to 30 min) and
// tasks.WithHeader for its runs and for what is enqueued, tasks.OnQueue and the like for the latter, tasks.UpgradeFrom
// for what a job carries until [Sync] has put the payload of this version.
func Task(opts ...tasks.Option) Option {
	opts = slices.Clone(opts)
	return option(func(d *definition) { d.taskOptions = append(d.taskOptions, opts...) })
}

type option func(*definition)

func (o option) periodic(d *definition) { o(d) }
