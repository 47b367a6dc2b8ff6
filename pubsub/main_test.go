package pubsub_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Google's client for Pub/Sub links opencensus, whose package begins with a goroutine, and leaves one behind at the end
// of each Receive (2.8.1), which waits for a ticker that is stopped.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}
