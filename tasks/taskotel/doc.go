// Package taskotel makes an App tell OpenTelemetry what it enqueues, publishes and runs: one trace from a request
// through tasks and messages to the last subscriber, and metrics of all of it. It needs the OpenTelemetry API alone; which
// SDK and which exporter is the program's choice.
//
// # Smallest program
//
//	otel.SetTracerProvider(provider)
//	app, err := tasks.NewApp(tasks.Config{...})
//	err = taskotel.Instrument(app)
//	http.Handle("/orders", app.Propagate(orders)) // or a server that is instrumented itself
//
// # Spans
//
//	what                          kind      name                      parent
//	Enqueue, Publish              PRODUCER  send <queue or topic>     the span around, else what was propagated
//	EnqueueAll, PublishAll: each  PRODUCER  create <queue or topic>   the same
//	... and all together          CLIENT    send <queue or topic>     the same; linked to the first 128 of each
//	attempt at a task             CONSUMER  process <queue>           the enqueue's
//	delivery of a message         CONSUMER  subscribe <subscription>  the publish's
//	run of a job                  CONSUMER  process <job>             none; what its request carried is linked
//	Run, Debug                    INTERNAL  run <name>                the span around; Debug is linked to the enqueue's
//
// Each attempt is a span of its own, all of one task under the span of its enqueue. A task that is snoozed, and a message
// that becomes a task, go on under the run that asked for it; so do what Config.Quarantine enqueues and the line that is
// logged of the outcome. A run that is its producer's child has no link to it beside, which the conventions recommend.
//
// The span of an HTTP server around a push is linked, be it of the same trace or not: its parent may be a front end's that
// nobody ever sees. It is the parent itself of a job's run, and where it is of the trace of a run of which nothing but the
// request's own headers, which a front end may have changed, say whose child it is: a task enqueued without this package or
// with another propagator's fields, a message that says nothing. What the request says is then linked.
//
// The context travels in headers (traceparent and tracestate, see [WithPropagator]), whatever Config.PropagatedHeaders
// says: of a task its own, of a message those in its data (Config.PropagatedHeadersKey) where that is a JSON object, else
// in attributes: http-traceparent. A publisher of pubsub.Raw uses attributes, so that its data stays as it is. What was
// propagated is replaced, and so is a traceparent given by tasks.WithHeader: each is the parent of the enqueue's span where
// none is around. A task that comes back over HTTP has traceparent a second time, as Typedtasks-Traceparent: front ends,
// Cloud Run's for one, replace the first by spans of their own. Received are also the attributes of Google's clients that
// trace themselves, googclient_traceparent. A task or message that is too large for it travels without.
//
// # Attributes
//
// Those of the semantic conventions 1.43 for messaging, which are not stable yet; of spans and metrics:
//
//	messaging.system                         gcp_cloud_tasks, gcp_pubsub, gcp_cloud_scheduler; typedtasks in this process
//	messaging.operation.name, .type          send, create, process, subscribe, run; send, create, process
//	messaging.destination.name               queue, topic, subscription or job
//	messaging.destination.subscription.name  of a message that is run
//	typedtasks.kind, typedtasks.name         of the definition: task, periodic, publisher, subscriber
//	typedtasks.outcome                       ok, duplicate, error; of runs a tasks.Outcome
//	error.type                               of what failed
//
// and of spans alone:
//
//	messaging.message.id                     the task's, the message's
//	messaging.message.conversation_id        of a snoozed task its first id
//	messaging.batch.message_count            of send of many
//	messaging.gcp_pubsub.message.ordering_key, .delivery_attempt
//	typedtasks.attempt                       of a task, from 1, those before a Snooze included
//
// Failed are runs that failed, were rejected, or ask for a retry later: error.type is the outcome, or panic, goexit, or
// timeout where the run's context had ended. Their error is recorded, a panic with its stack. Of an enqueue or a publish it
// is timeout, canceled, not_found, exists, unsupported, closed, capacity, too_large, too_far, invalid, or _OTHER. Why a run
// was discarded is recorded too; that is no failure. INTERNAL spans have no messaging attributes.
//
// # Metrics
//
//	messaging.client.sent.messages      {message}  counter    tasks and messages sent, by outcome
//	messaging.client.operation.duration s          histogram  of a call that sends, one or many
//	messaging.client.consumed.messages  {message}  counter    runs, by outcome
//	messaging.process.duration          s          histogram  of a run, by outcome; up to 30 minutes
//	typedtasks.run.attempt              {attempt}  histogram  which attempt a run was, by outcome: of those executed, how many it took
//	typedtasks.run.delay                s          histogram  from due to start, of first attempts
//
// The delay counts from a task's ETA, a job's scheduled time, a message's publish time; of a message without a dead-letter
// topic, and of a job, redeliveries count too, since nobody tells them apart. Attributes are few: no ids, no texts. Queues
// are named by requests, so a service that anyone may call should bound cardinality in its SDK, or authenticate.
//
// # Limits
//
// What never gets to a function has no span: callers refused, bodies too large, names that are not served, messages that
// are no push. An outcome is what the function asks for: what Config.Quarantine then takes counts as rejected or failed,
// and so does a Snooze that cannot be enqueued count as snoozed.
//
// # Concurrency
//
// Nothing is started and nothing is to be closed.
//
// # Testing
//
// With package tasktest: Instrument(rec.App(), ...) and the SDK's tracetest.
package taskotel
