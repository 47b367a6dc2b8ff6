package transporttest

import (
	"cmp"
	"context"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// BrokerDriver is a fresh broker, without topics and subscriptions, and what the suite must know about it. Only
// Broker is always needed; the zero value of each other field means what its comment says.
type BrokerDriver struct {
	// Broker is the driver under test.
	Broker transport.Broker

	// Admin and Receiver make the subscriptions and receive from them. nil: found with [transport.BrokerAs]. A
	// driver that has neither sets Eager.
	Admin    transport.BrokerAdmin
	Receiver transport.Receiver

	// Serve makes what is pushed to endpoint reach h until the test ends, and h's status the answer. nil: Broker
	// is a [transport.Server], else nothing is pushed. It is called with Endpoint, and with what continues it with
	// "/"; several times on one driver.
	Serve func(endpoint string, h transport.Handler) error

	// Endpoint is the URL that messages are pushed to. Empty: "https://conformance.test/push", which is enough where
	// nothing leaves the process.
	Endpoint string

	// Close ends the broker, after each case; what else it holds is for testing.TB.Cleanup to end. nil: Broker has a
	// method Shutdown(context.Context) error or Close() error, else there is nothing to end.
	Close func() error

	// Bubble runs each case, and the function that makes the BrokerDriver, in a testing/synctest bubble, on its
	// clock. It is for drivers whose goroutines all block within the process and end with Close or Cleanup.
	Bubble bool

	// Eager says that Publish runs the subscribers itself and returns their error. The subscriptions are declared
	// ([transport.SubscriptionDeclarer]) and pushed.
	Eager bool

	// NoRetryPolicy says that what is not acknowledged comes again at once, whatever the subscription says.
	NoRetryPolicy bool

	// NoDeadLetter says that dead-letter policies are kept, but not kept to.
	NoDeadLetter bool

	// NoPush says that nothing is pushed, although push settings are kept.
	NoPush bool

	// NoChecks says that names and settings of topics and subscriptions are not checked. Messages are, always.
	NoChecks bool

	// GiveBack is how much longer than Patience it may take until what a Receive held or refused as it ended comes
	// again: on Pub/Sub it can go to the ending stream once more, and stays there until its lease ends. 0: no longer.
	GiveBack time.Duration

	// Patience is how long to wait for what must happen, Grace how long to watch that nothing does; real clock
	// only. 0: ten seconds and 50 ms. In a bubble they are an hour and a minute.
	Patience, Grace time.Duration
}

// What the cases use, unless they are about names.
const (
	topic        = "conformance"
	otherTopic   = "conformance-2"
	subscription = "conformance-sub"
)

func (d BrokerDriver) withDefaults() BrokerDriver {
	if d.Admin == nil {
		d.Admin, _ = transport.BrokerAs[transport.BrokerAdmin](d.Broker)
	}
	if d.Receiver == nil {
		d.Receiver, _ = transport.BrokerAs[transport.Receiver](d.Broker)
	}
	if s, err := transport.BrokerAs[transport.Server](d.Broker); err == nil && d.Serve == nil {
		d.Serve = s.Serve
	}
	if d.Close == nil {
		d.Close = closer(d.Broker)
	}
	d.Endpoint = cmp.Or(d.Endpoint, "https://conformance.test/push")
	if d.Bubble {
		d.Patience, d.Grace = time.Hour, time.Minute
	}
	d.Patience = cmp.Or(d.Patience, 10*time.Second)
	d.Grace = cmp.Or(d.Grace, 50*time.Millisecond)
	return d
}

// closer finds how to end b, nil if it cannot be.
func closer(b transport.Broker) func() error {
	if s, err := transport.BrokerAs[interface{ Shutdown(context.Context) error }](b); err == nil {
		return func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return s.Shutdown(ctx)
		}
	}
	if c, err := transport.BrokerAs[interface{ Close() error }](b); err == nil {
		return c.Close
	}
	return nil
}

// incomplete says what keeps the suite from running at all, empty if nothing does. d has its defaults.
func (d BrokerDriver) incomplete() string {
	if d.Broker == nil {
		return "BrokerDriver.Broker is nil"
	}
	_, err := transport.BrokerAs[transport.SubscriptionDeclarer](d.Broker)
	switch {
	case d.Eager && err != nil:
		return "nothing can be subscribed: " + err.Error()
	case d.Eager && d.Serve == nil:
		return "nothing is delivered: set BrokerDriver.Serve, or make the driver a transport.Server"
	case !d.Eager && d.Admin == nil:
		return "nothing can be subscribed: set BrokerDriver.Admin, or make the driver a transport.BrokerAdmin"
	case !d.Eager && d.Receiver == nil:
		return "nothing is delivered: set BrokerDriver.Receiver, or make the driver a transport.Receiver"
	}
	return ""
}
