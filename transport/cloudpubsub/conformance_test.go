package cloudpubsub_test

import (
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// TestConformance_Pstest is on the real clock: pstest and Google's client sleep with mutexes locked.
func TestConformance_Pstest(t *testing.T) {
	// What is given back as a Receive ends may go to the ending stream again, and is held there for a lease.
	const lease = 10 * time.Second
	transporttest.RunBroker(t, func(tb testing.TB) transporttest.BrokerDriver {
		return transporttest.BrokerDriver{
			Broker: connect(tb, cloudpubsub.WithEndpoint(startPstest(tb)), cloudpubsub.WithoutOIDC(),
				cloudpubsub.WithReceiveSettings(pubsub.ReceiveSettings{MaxDurationPerAckExtension: lease})),
			NoRetryPolicy: true, NoDeadLetter: true, NoPush: true, NoChecks: true, GiveBack: 2 * lease,
		}
	})
}
