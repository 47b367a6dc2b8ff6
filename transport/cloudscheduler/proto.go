package cloudscheduler

import (
	"cmp"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/internal/headers"
	"github.com/typedtasks/typedtasks/transport"
)

// jobProto is a job, which was checked, with every setting spelled out.
func (s *Scheduler) jobProto(j *transport.Job, account string) *schedulerpb.Job {
	method := schedulerpb.HttpMethod_value[cmp.Or(j.Method, http.MethodPost)]
	target := &schedulerpb.HttpTarget{
		Uri:        j.URL,
		HttpMethod: schedulerpb.HttpMethod(method),
		Headers:    gcp.HeaderMap(j.Header),
		Body:       j.Body,
	}
	dropReplaced(target.Headers)
	if account != "" {
		target.AuthorizationHeader = &schedulerpb.HttpTarget_OidcToken{
			OidcToken: &schedulerpb.OidcToken{ServiceAccountEmail: account, Audience: j.Audience},
		}
	}
	retry := transport.RetryConfig{}
	if j.Retry != nil {
		retry = *j.Retry
	}
	return &schedulerpb.Job{
		Name:            s.fullName(j.Name),
		Description:     j.Description,
		Schedule:        j.Schedule,
		TimeZone:        cmp.Or(j.TimeZone, "UTC"),
		Target:          &schedulerpb.Job_HttpTarget{HttpTarget: target},
		AttemptDeadline: durationpb.New(cmp.Or(j.Deadline, transport.DefaultJobDeadline)),
		RetryConfig:     retryProto(retry.ForJob()),
	}
}

// retryProto is r, which has no defaults left to fill in. On the wire no doubling is the same as unset.
func retryProto(r transport.RetryConfig) *schedulerpb.RetryConfig {
	p := &schedulerpb.RetryConfig{
		RetryCount:         int32(r.MaxAttempts - 1),
		MinBackoffDuration: durationpb.New(r.MinBackoff),
		MaxBackoffDuration: durationpb.New(r.MaxBackoff),
		MaxDoublings:       int32(r.MaxDoublings),
	}
	if r.MaxRetryDuration > 0 {
		p.MaxRetryDuration = durationpb.New(r.MaxRetryDuration)
	}
	return p
}

// job is a job as Cloud Scheduler shows it. One for Pub/Sub or App Engine has no URL.
func job(p *schedulerpb.Job) *transport.Job {
	j := &transport.Job{
		Name:        p.GetName()[strings.LastIndexByte(p.GetName(), '/')+1:],
		Description: p.GetDescription(),
		Schedule:    p.GetSchedule(),
		TimeZone:    p.GetTimeZone(),
		Deadline:    p.GetAttemptDeadline().AsDuration(),
		State:       state(p.GetState()),
		Next:        gcp.Time(p.GetScheduleTime()),
		LastRun:     gcp.Time(p.GetLastAttemptTime()),
		LastErr:     lastErr(p.GetStatus()),
	}
	if r := p.GetRetryConfig(); r != nil {
		j.Retry = &transport.RetryConfig{
			MaxAttempts:      int(r.GetRetryCount()) + 1,
			MaxDoublings:     int(r.GetMaxDoublings()),
			MaxRetryDuration: r.GetMaxRetryDuration().AsDuration(),
			MinBackoff:       r.GetMinBackoffDuration().AsDuration(),
			MaxBackoff:       r.GetMaxBackoffDuration().AsDuration(),
		}
	}
	if h := p.GetHttpTarget(); h != nil {
		target(j, h)
	}
	if j.State == transport.JobPaused || j.State == transport.JobDisabled {
		j.Next = time.Time{} // whatever the server kept
	}
	return j
}

func target(j *transport.Job, h *schedulerpb.HttpTarget) {
	j.URL = h.GetUri()
	j.Method = http.MethodPost
	if m := h.GetHttpMethod(); m != schedulerpb.HttpMethod_HTTP_METHOD_UNSPECIFIED {
		j.Method = m.String()
	}
	dropReplaced(h.GetHeaders())
	j.Header = gcp.Header(h.GetHeaders())
	j.Body = h.GetBody()
	j.Deadline = cmp.Or(j.Deadline, transport.DefaultJobDeadline)
	if t := h.GetOidcToken(); t != nil {
		j.ServiceAccount = t.GetServiceAccountEmail()
		j.Audience = cmp.Or(t.GetAudience(), j.URL) // which is what unset stands for
	} else {
		j.ServiceAccount = h.GetOauthToken().GetServiceAccountEmail()
	}
}

// dropReplaced takes out the headers that Cloud Scheduler replaces, some of which it shows.
func dropReplaced(m map[string]string) {
	for name := range m {
		if headers.OfScheduler(textproto.CanonicalMIMEHeaderKey(name)) {
			delete(m, name)
		}
	}
}

func state(s schedulerpb.Job_State) transport.JobState {
	if s == schedulerpb.Job_STATE_UNSPECIFIED {
		return ""
	}
	return transport.JobState(s.String())
}

// lastErr is how the last attempt ended. Before the first one the code may be -1.
func lastErr(s *status.Status) error {
	if s.GetCode() <= int32(codes.OK) {
		return nil
	}
	return runError{grpcstatus.FromProto(s)}
}

// runError is an answer that a job got.
type runError struct{ status *grpcstatus.Status }

func (e runError) Error() string {
	if e.status.Message() == "" {
		return "the attempt ended with " + e.status.Code().String()
	}
	return "the attempt ended with " + e.status.Code().String() + ": " + e.status.Message()
}

// GRPCStatus is for google.golang.org/grpc/status.
func (e runError) GRPCStatus() *grpcstatus.Status { return e.status }
