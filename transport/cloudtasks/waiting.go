package cloudtasks

import (
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// waiting is a task as Cloud Tasks shows it. One for App Engine has no URL.
func waiting(p *cloudtaskspb.Task) *transport.Waiting {
	w := &transport.Waiting{
		Created:    gcp.Time(p.GetCreateTime()),
		Dispatches: int(p.GetDispatchCount()),
		Seen:       int(p.GetResponseCount()),
	}
	w.Queue, w.ID = splitTask(p.GetName())
	w.ETA = gcp.Time(p.GetScheduleTime())
	w.Timeout = p.GetDispatchDeadline().AsDuration()
	if r := p.GetRetryConfig(); r != nil {
		cfg := retryConfig(r)
		w.Retry = &cfg
	}
	h := p.GetHttpRequest()
	w.URL = h.GetUrl()
	w.Audience = h.GetOidcToken().GetAudience()
	w.Body = h.GetBody()
	w.Header = gcp.Header(h.GetHeaders())
	return w
}
