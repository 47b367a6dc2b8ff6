package transporttest_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestRunBroker_CorrectDrivers_Pass(t *testing.T) {
	for _, c := range []struct {
		what      string
		newDriver func(testing.TB) transporttest.BrokerDriver
	}{
		{"every ability, in bubbles", bubbled("")},
		{"every ability, on the real clock", func(testing.TB) transporttest.BrokerDriver {
			return transporttest.BrokerDriver{Broker: newBroker(""), Grace: 20 * time.Millisecond}
		}},
		{"little ability, on the real clock", func(testing.TB) transporttest.BrokerDriver {
			b := newBroker("")
			return transporttest.BrokerDriver{
				Broker: publisher{b}, Admin: b, Receiver: puller{b}, Close: func() error { return b.Shutdown(t.Context()) },
				Patience: time.Minute, Grace: 10 * time.Millisecond,
			}
		}},
		{"no policies, no pushes, no checks", func(testing.TB) transporttest.BrokerDriver {
			return transporttest.BrokerDriver{
				Broker: newBroker("has no policies"), Bubble: true, NoRetryPolicy: true, NoDeadLetter: true, NoPush: true, NoChecks: true,
			}
		}},
		{"cannot be closed", func(t testing.TB) transporttest.BrokerDriver {
			b := newBroker("")
			t.Cleanup(func() { _ = b.Shutdown(t.Context()) })
			return transporttest.BrokerDriver{Broker: publisher{b}, Admin: b, Receiver: b, Serve: b.Serve, Bubble: true}
		}},
		{"in the caller", subscribersInCaller("")},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			transporttest.RunBroker(t, c.newDriver)
		})
	}
}

func TestCheckBroker_Failure_QuotesTheLawAndItsSource(t *testing.T) {
	failures := transporttest.CheckBroker(t, bubbled("loses empty attributes"))
	var f *transporttest.Failure
	for i := range failures {
		if failures[i].Case == "publish/attributes" {
			f = &failures[i]
		}
	}
	if f == nil {
		t.Fatalf("failures %v, want one of publish/attributes", failures)
	}
	line := regexp.MustCompile(`^broker_publish\.go:\d+`)
	if !strings.HasPrefix(f.Law, "Attributes arrive as they are") || !line.MatchString(f.Source) || !line.MatchString(f.Seen[0]) {
		t.Errorf("failure %+v, want the law and lines of broker_publish.go", f)
	}
	if !strings.Contains(f.Seen[0], `published map["empty":""], received map[]`) {
		t.Errorf("saw %q, want what was published and received", f.Seen)
	}
}

func TestCheckBroker_IncompleteDriver_IsTheOnlyFailure(t *testing.T) {
	b := newBroker("")
	for _, c := range []struct {
		what   string
		driver transporttest.BrokerDriver
		want   string
	}{
		{"no broker", transporttest.BrokerDriver{}, "BrokerDriver.Broker is nil"},
		{"no administration", transporttest.BrokerDriver{Broker: publisher{b}, Receiver: b}, "set BrokerDriver.Admin"},
		{"nobody receives", transporttest.BrokerDriver{Broker: publisher{b}, Admin: b}, "set BrokerDriver.Receiver"},
		{"in the caller, but nothing to declare", transporttest.BrokerDriver{Broker: publisher{b}, Eager: true}, "SubscriptionDeclarer"},
		{"in the caller, but nobody delivers", transporttest.BrokerDriver{Broker: &calling{}, Eager: true}, "set BrokerDriver.Serve"},
	} {
		t.Run(c.what, func(t *testing.T) {
			failures := transporttest.CheckBroker(t, func(testing.TB) transporttest.BrokerDriver { return c.driver })
			if len(failures) != 1 || failures[0].Case != "driver" || !strings.Contains(failures[0].Error(), c.want) {
				t.Errorf("failures %v, want one of the case driver that says %q", failures, c.want)
			}
		})
	}
}

// bubbled makes BrokerDrivers of brokers with every ability.
func bubbled(fault string) func(testing.TB) transporttest.BrokerDriver {
	return func(testing.TB) transporttest.BrokerDriver {
		return transporttest.BrokerDriver{Broker: newBroker(fault), Bubble: true}
	}
}

// publisher hides every ability but Publish, puller every one but Receive.
type (
	publisher struct{ transport.Broker }
	puller    struct{ transport.Receiver }
)
