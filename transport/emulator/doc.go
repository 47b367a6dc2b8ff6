// Package emulator is a server that implements Cloud Tasks v2: gRPC in, HTTP out, without a Google account. Any
// Cloud Tasks client can use it, in any language. It runs within a test, or as the program tasks-emulator:
//
//	go run github.com/typedtasks/typedtasks/transport/emulator/cmd/tasks-emulator -port 8123 -queue mail
//
// # Smallest program
//
//	e, err := emulator.New(emulator.WithQueues("projects/p/locations/l/queues/mail"))
//	address, err := e.Start()
//	defer e.Close()
//	t, err := cloudtasks.New(ctx, cloudtasks.WithEndpoint(address), cloudtasks.WithProject("p"), ...)
//
// Google's Go client is pointed at it with option.WithEndpoint(address), option.WithoutAuthentication() and
// option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())). Over an in-memory listener,
// such as bufconn's, [Emulator.Serve] takes the listener and option.WithGRPCConn a connection to it.
//
// # What it does
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
// # Delivery guarantees
//
// At least once, in about the order in which tasks become due. With [WithData] what was answered is on disk and
// outlives SIGKILL; an attempt that was in flight then is repeated and has not counted.
//
// # Concurrency
//
// An Emulator is safe for concurrent use. It owns its goroutines and ends them in [Emulator.Shutdown].
//
// # Testing
//
// The conformance suite runs over a driver for Cloud Tasks and an emulator of its own for each case: the driver
// is transporttest.Driver's Transport, its Serve an HTTP server that turns pushes into deliveries.
package emulator
