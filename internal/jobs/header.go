package jobs

import (
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/transport"
)

// Header is what an attempt brings along, in the canonical form and with one value per name: the job's own headers,
// but those that Cloud Scheduler ignores, and the platform's.
func Header(j *transport.Job, r Run) http.Header {
	h := make(http.Header, len(j.Header)+5)
	for name, values := range j.Header {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if _, twice := j.Header[canonical]; twice && canonical != name || len(values) == 0 || headers.OfScheduler(canonical) {
			continue // of two spellings of a name the canonical one holds
		}
		h[canonical] = []string{strings.Join(values, ", ")}
	}
	if len(j.Body) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("User-Agent", "Google-Cloud-Scheduler")
	h.Set("X-CloudScheduler", "true")
	h.Set("X-CloudScheduler-JobName", transport.ResourceID(j.Name))
	if r.Cron {
		h.Set("X-CloudScheduler-ScheduleTime", r.Planned.Format(time.RFC3339))
	}
	return h
}

// HeaderAt is the Header of the first attempt of a run that is planned for a time.
func HeaderAt(j *transport.Job, planned time.Time) (http.Header, error) {
	c, err := compile(transport.OpGet, j)
	if err != nil {
		return nil, err
	}
	return Header(j, Run{Planned: planned.In(c.zone), Attempt: 1, Cron: c.schedule.UnixCron()}), nil
}
