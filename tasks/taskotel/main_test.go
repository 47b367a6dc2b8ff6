package taskotel_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Google's client for Pub/Sub links opencensus, whose package begins with a goroutine, and one of its own goes on
// for 10 seconds after Receive.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}
