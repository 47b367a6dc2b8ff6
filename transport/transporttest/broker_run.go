package transporttest

import (
	"slices"
	"testing"
)

// RunBroker runs every case about brokers as a subtest of t, each on a BrokerDriver of its own. newDriver is
// called once more before them, outside any bubble, to read the BrokerDriver's fields; nothing is published on
// that one.
func RunBroker(t *testing.T, newDriver func(testing.TB) BrokerDriver) {
	t.Helper()
	eachBrokerLaw(t, newDriver, func(tb testing.TB, f Failure) {
		tb.Helper()
		tb.Error(f)
	})
}

// CheckBroker runs the same cases but returns the failures, in the order of the cases, instead of failing t. It
// is for testing that a bad driver is found out.
func CheckBroker(t *testing.T, newDriver func(testing.TB) BrokerDriver) []Failure {
	t.Helper()
	var failures []Failure
	eachBrokerLaw(t, newDriver, func(_ testing.TB, f Failure) { failures = append(failures, f) })
	return failures
}

type brokerLaw = lawOf[*brokerTrial]

// brokerLaws lists every case in the order in which they run, the simplest first.
func brokerLaws() []brokerLaw {
	return slices.Concat(
		publishLaws(),
		messageLimitLaws(),
		messageOwnershipLaws(),
		subscribeLaws(),
		eagerBrokerLaws(),
		receiveLaws(),
		receiveEndLaws(),
		flowLaws(),
		orderLaws(),
		redeliveryLaws(),
		deadLetterLaws(),
		publishBatchLaws(),
		topicLaws(),
		subscriptionLaws(),
		subscriptionUpdateLaws(),
		pushLaws(),
		declareLaws(),
		brokerAbilityLaws(),
		brokerCloseLaws(),
	)
}

func eachBrokerLaw(t *testing.T, newDriver func(testing.TB) BrokerDriver, report func(testing.TB, Failure)) {
	t.Helper()
	first := newDriver(t)
	if first.Broker != nil {
		first = first.withDefaults()
	}
	if problem := first.incomplete(); problem != "" {
		report(t, Failure{
			Case: "driver", Law: "A BrokerDriver names a Broker and ways to subscribe and to receive.",
			Source: "broker_driver.go", Seen: []string{problem},
		})
		return
	}
	if first.Close != nil {
		defer func() { _ = first.Close() }()
	}
	runLaws(t, brokerLaws(), first.Bubble, report, func(tb testing.TB, l brokerLaw) *brokerTrial {
		tb.Helper()
		return newBrokerTrial(tb, l, newDriver(tb).withDefaults())
	})
}
