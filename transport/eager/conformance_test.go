package eager_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/transport/eager"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: eager.New(), Bubble: true, Eager: true}
	})
}

func TestConformance_Broker(t *testing.T) {
	transporttest.RunBroker(t, func(testing.TB) transporttest.BrokerDriver {
		return transporttest.BrokerDriver{Broker: eager.New(), Bubble: true, Eager: true}
	})
}
