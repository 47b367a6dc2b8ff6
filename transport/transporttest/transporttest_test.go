package transporttest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_ReferenceInBubble_Passes(t *testing.T) {
	transporttest.Run(t, func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: newReference(""), Bubble: true}
	})
}

func TestRun_ReferenceOnRealClock_Passes(t *testing.T) {
	transporttest.Run(t, func(testing.TB) transporttest.Driver {
		return transporttest.Driver{Transport: newReference("")}
	})
}
