// Package emulator is a server that implements Cloud Tasks v2, Pub/Sub and Cloud Scheduler v1: gRPC in, HTTP out, without a
// Google account. Any Google client can use it, in any language. It runs within a test, or as the program tasks-emulator:
//
//	go run github.com/typedtasks/typedtasks/transport/emulator/cmd/tasks-emulator -port 8123 -http-port 8124 -queue mail -topic orders
//
// -http-port is for services that verify OIDC tokens: the key is at http://localhost:8124/oauth2/v3/certs then, for
// oidc.KeysURL.
//
// # Smallest program
//
//	e, err := emulator.New(emulator.WithQueues("projects/p/locations/l/queues/mail"))
//	address, err := e.Start()
//	defer e.Close()
//	t, err := cloudtasks.New(ctx, cloudtasks.WithEndpoint(address), cloudtasks.WithProject("p"), ...)
//
// Google's Go clients are pointed at it with option.WithEndpoint(address), option.WithoutAuthentication() and
// option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())); those for Pub/Sub, in all
// languages, by PUBSUB_EMULATOR_HOST in the environment too. Over an in-memory listener, such as bufconn's,
// [Emulator.Serve] takes the listener and option.WithGRPCConn a connection to it.
//
// # Cloud Tasks
//
// All methods for queues and tasks with the limits, defaults, error codes and texts of the service; batches with
// their operations; IAM methods that remember and permit everything; tombstones of tasks (24 hours) and of queues.
// Tasks are dispatched over HTTP with every header of the service, with deadlines, redirects, Retry-After, and OIDC
// tokens that [Emulator.Handler] serves the key for. Access tokens are random text.
//
// Where the service is not documented, this is what the emulator does:
//
//   - Answers 429 and 503 slow the queue down: each, one a second at most, halves its rate, down to one dispatch a
//     second; each second without one doubles it. Retry-After delays the task that it was the answer to.
//   - An attempt without an answer counts as 503 (Unavailable), one past its deadline as 504.
//   - A task's own retry settings replace the queue's as a whole. In both, unset fields take the defaults; where a
//     backoff is set, max_doublings 0 means none.
//   - Pausing, purging and deleting do not stop an attempt in flight.
//   - New queues dispatch at full rate at once, and answer at once.
//
// It does not emulate App Engine targets and customer-managed keys (Unimplemented), quotas, BufferTask, REST.
//
// # Pub/Sub
//
// Topics, subscriptions and IAM with the limits, defaults and error codes of the service; publishing; push, pull and
// streaming pull with flow control; acknowledgment deadlines, retry policies, dead letters, filters, ordering keys,
// exactly-once acknowledgments, detaching, seeking to a time. Messages are pushed over HTTP, wrapped or not, with
// OIDC tokens, to http endpoints too; 102, 200, 201, 202 and 204 acknowledge, nothing else does.
//
// Where it differs from the service, or the service is not documented:
//
//   - A dead letter is forwarded exactly once, after exactly the attempts that the policy names. The grants that the
//     service needs for it are kept, not asked for.
//   - The pauses after failed pushes, 100 ms doubling to 60 s, are the message's own, not the subscription's.
//   - A 102 acknowledges where no other answer follows before the deadline.
//   - Pull waits for 90 seconds, and answers an empty list shortly before the deadline of the call.
//   - What a stream was sent, and its client has neither extended nor settled, comes again a second after the stream
//     has ended and has not counted; the service waits for the lease to end, as the emulator does with exactly-once.
//   - Ids of messages are small numbers, which begin again with each start.
//   - A topic's retention, storage policy and a subscription's expiration are kept and have no effect.
//
// It does not emulate snapshots, schemas, message transforms, customer-managed keys, and subscriptions that write to
// BigQuery, Bigtable or Cloud Storage (Unimplemented), quotas, REST.
//
// # Cloud Scheduler
//
// All methods for jobs with the limits, defaults and error codes of the service; schedules in five fields and in
// English, by the wall clock of any time zone; retries, deadlines, redirects. Jobs are fired over HTTP with every
// header of the service and OIDC tokens as on tasks, or publish into the emulator's own Pub/Sub.
//
// Where it differs from the service, or the service is not documented:
//
//   - A time that comes while an attempt is in flight is skipped, as are those that were missed while the machine slept,
//     but for one. What was missed while the emulator was down, or a job was paused, is not made up for.
//   - RunJob during an attempt lets another follow it, one however often it is called. Such a run is for the time of the
//     call; it replaces one that waits for its retry, and is retried itself unless the job is paused.
//   - An update counts from the next attempt on, a retry included. An attempt in flight survives pausing and deleting its
//     job. The name of a deleted job can be used again at once.
//   - Where a backoff is set, max_doublings 0 means none; with neither it is the default of 5.
//   - The User-Agent shows in the headers of a job, as the service shows it; the default Content-Type is sent alone.
//   - status tells how the last attempt ended, from its end on: empty for success, else the code that fits the answer,
//     Unavailable where there was none, DeadlineExceeded. A new job has none. A paused one has no schedule_time.
//   - Malformed names are InvalidArgument, those of parents too. A bad schedule or time zone is told with its reason.
//   - Update masks take the fields of Job itself, in snake_case; what is output only may be named and is ignored.
//   - A page of jobs ends at 3 MiB, too, so that any client can take it. Jobs without a name are given numbers.
//
// It does not emulate App Engine targets (Unimplemented), quotas, REST. "every N seconds" is refused here as there.
//
// # Delivery guarantees
//
// Tasks: at least once, in about the order in which they become due. With [WithData] what was answered is on disk and
// outlives SIGKILL; an attempt that was in flight then is repeated and has not counted.
//
// Jobs: at least once at each time of their schedules, while the process lives. With [WithData] they and their states
// outlive SIGKILL; an attempt that was in flight then is not repeated, and the schedule goes on.
//
// Messages: at least once, to each subscription whose filter matches, while the process lives. They are in memory:
// a restart loses what was not acknowledged, with [WithData] too, which keeps topics and subscriptions.
//
// # Concurrency
//
// An Emulator is safe for concurrent use. It owns its goroutines and ends them in [Emulator.Shutdown].
//
// # Testing
//
// The conformance suites run over the drivers for Cloud Tasks, Pub/Sub and Cloud Scheduler and an emulator of its own for
// each case: the driver is transporttest.Driver's Transport, its Serve an HTTP server that turns pushes into deliveries;
// likewise with transporttest.BrokerDriver and transporttest.SchedulerDriver. Inside a testing/synctest bubble, tasks,
// messages and jobs go by its clock.
package emulator
