package memory_test

import (
	"testing"

	"github.com/typedtasks/typedtasks/transport/memory"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: memory.New(), Bubble: true}
	})
}

func TestConformance_Broker(t *testing.T) {
	transporttest.RunBroker(t, func(testing.TB) transporttest.BrokerDriver {
		return transporttest.BrokerDriver{Broker: memory.New(), Bubble: true}
	})
}

func TestConformance_Scheduler(t *testing.T) {
	transporttest.RunScheduler(t, func(testing.TB) transporttest.SchedulerDriver {
		return transporttest.SchedulerDriver{Scheduler: memory.New(), Bubble: true}
	})
}
