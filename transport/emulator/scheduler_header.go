package emulator

import (
	"net/http"
	"net/textproto"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/internal/jobs"
)

// The headers of the service, as it writes them.
const (
	headerScheduler    = "X-CloudScheduler"
	headerJobName      = "X-CloudScheduler-JobName"
	headerScheduleTime = "X-CloudScheduler-ScheduleTime"
)

// setJobHeaders sets the headers of an attempt: the job's own, and those of the service.
func setJobHeaders(h http.Header, pb *schedulerpb.Job, run jobs.Run) {
	t := pb.GetHttpTarget()
	for name, value := range t.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if !headers.OfScheduler(canonical) {
			h[canonical] = []string{value}
		}
	}
	if len(t.Body) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	h[userAgentHeader] = []string{jobAgent}
	h[headerScheduler] = []string{"true"}
	h[headerJobName] = []string{shortID(pb.Name)}
	if run.Cron {
		h[headerScheduleTime] = []string{run.Planned.Format(time.RFC3339)}
	}
}
