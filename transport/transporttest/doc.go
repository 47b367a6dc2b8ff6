// Package transporttest is the conformance suite of [transport.Transport]: every law that the interfaces of
// package transport state, as a case. A driver, ours or yours, runs all of them in one call:
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, func(t testing.TB) transporttest.Driver {
//			return transporttest.Driver{Transport: mydriver.New(), Bubble: true}
//		})
//	}
//
// Each case runs as a subtest on a fresh driver, in a fixed order, under a name that stays ("retry/backoff"),
// so that -run picks it. A failure quotes the law, the case's source line and what was seen instead.
//
// # Abilities
//
// What a driver can do beyond Enqueue is found with [transport.As]; cases about an ability that it lacks are
// skipped, with a sentence that names the interface. What a driver does differently on purpose is said in the
// fields of [Driver].
//
// # Time
//
// A driver that stays within this process sets [Driver.Bubble]: each case then runs in a testing/synctest
// bubble, delays cost nothing and are checked exactly. One that uses sockets leaves it unset: the cases run on
// the real clock with delays of milliseconds and check lower bounds only; those that need minutes are skipped.
//
// # Drivers that deliver elsewhere
//
// A driver that is no [transport.Server], because a service pushes its tasks over HTTP, brings [Driver.Serve]:
// it starts a server at [Driver.Endpoint] that turns each push into a [transport.Delivery] and the handler's
// status into the answer.
//
// # Brokers
//
// [RunBroker] does the same for transport.Broker and what goes with it: publishing, subscriptions and their settings,
// receiving, filters, order, retries, dead letters, pushes. It takes a [BrokerDriver].
//
// # Schedulers
//
// [RunScheduler] does so for transport.Scheduler: jobs and their settings, paging, pausing, running by hand, headers,
// schedules and time zones, retries, overlaps. It takes a [SchedulerDriver]; what is about times needs a bubble.
//
// # Testing the suite
//
// [Check], [CheckBroker] and [CheckScheduler] return the failures instead of failing the test, to show that a bad driver
// is found out.
package transporttest
