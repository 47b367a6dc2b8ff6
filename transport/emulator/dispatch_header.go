package emulator

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/transport"
)

// The headers of the service, as it writes them. They go into the map as they are: Go's canonical form differs,
// and HTTP/1 shows it.
const (
	headerQueueName        = "X-CloudTasks-QueueName"
	headerTaskName         = "X-CloudTasks-TaskName"
	headerRetryCount       = "X-CloudTasks-TaskRetryCount"
	headerExecutionCount   = "X-CloudTasks-TaskExecutionCount"
	headerETA              = "X-CloudTasks-TaskETA"
	headerPreviousResponse = "X-CloudTasks-TaskPreviousResponse"
	headerRetryReason      = "X-CloudTasks-TaskRetryReason"
)

// setHeaders sets a delivery's headers: the task's own, what its queue overrides, and those of the service.
func setHeaders(h http.Header, t *transport.Delivery, over *cloudtaskspb.HttpTarget) {
	for name, values := range t.Header {
		if !headers.OfTasks(name) {
			h[name] = values
		}
	}
	for _, o := range over.GetHeaderOverrides() {
		if name := textproto.CanonicalMIMEHeaderKey(o.GetHeader().GetKey()); !headers.OfTasks(name) {
			h[name] = []string{o.GetHeader().GetValue()}
		}
	}
	h[userAgentHeader] = []string{userAgent}
	h[headerQueueName] = []string{shortID(t.Queue)}
	h[headerTaskName] = []string{t.ID}
	h[headerRetryCount] = []string{strconv.Itoa(t.Attempt - 1)}
	h[headerExecutionCount] = []string{strconv.Itoa(t.Executions)}
	h[headerETA] = []string{epoch(t.ETA)}
	if t.Attempt > 1 {
		h[headerPreviousResponse] = []string{strconv.Itoa(t.PreviousResponse)}
		h[headerRetryReason] = []string{""} // as it was recorded
	}
}

// epoch writes a time as seconds with six decimals.
func epoch(t time.Time) string {
	us := t.UnixMicro()
	return fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
}
