package cloudtasks

import (
	"net/http"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/transport"
)

// waiting is a task as Cloud Tasks shows it. One for App Engine has no URL.
func waiting(p *cloudtaskspb.Task) *transport.Waiting {
	w := &transport.Waiting{
		Created:    timeOf(p.GetCreateTime()),
		Dispatches: int(p.GetDispatchCount()),
		Seen:       int(p.GetResponseCount()),
	}
	w.Queue, w.ID = splitTask(p.GetName())
	w.ETA = timeOf(p.GetScheduleTime())
	w.Timeout = p.GetDispatchDeadline().AsDuration()
	if r := p.GetRetryConfig(); r != nil {
		cfg := retryConfig(r)
		w.Retry = &cfg
	}
	h := p.GetHttpRequest()
	w.URL = h.GetUrl()
	w.Audience = h.GetOidcToken().GetAudience()
	w.Body = h.GetBody()
	if headers := h.GetHeaders(); len(headers) > 0 {
		w.Header = make(http.Header, len(headers))
		for name, v := range headers {
			w.Header.Set(name, v)
		}
	}
	return w
}

func timeOf(p *timestamppb.Timestamp) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.AsTime()
}
