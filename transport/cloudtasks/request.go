package cloudtasks

import (
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// envelope is a CreateTaskRequest with all its parts, in one piece of memory.
type envelope struct {
	request  cloudtaskspb.CreateTaskRequest
	task     cloudtaskspb.Task
	message  cloudtaskspb.Task_HttpRequest
	http     cloudtaskspb.HttpRequest
	auth     cloudtaskspb.HttpRequest_OidcToken
	token    cloudtaskspb.OidcToken
	schedule timestamppb.Timestamp
	deadline durationpb.Duration
}

// request is the wire form of a task, which it refers to.
func (t *Transport) request(q *queue, task *transport.Task) *cloudtaskspb.CreateTaskRequest {
	e := &envelope{}
	e.request.Parent = q.name
	e.request.Task = &e.task
	e.task.MessageType = &e.message
	e.message.HttpRequest = &e.http
	if task.ID != "" {
		e.task.Name = q.tasks + task.ID
	}
	if !task.ETA.IsZero() {
		setTime(&e.schedule, task.ETA)
		e.task.ScheduleTime = &e.schedule
	}
	if task.Timeout != 0 {
		setDuration(&e.deadline, task.Timeout)
		e.task.DispatchDeadline = &e.deadline
	}
	if task.Retry != nil {
		e.task.RetryConfig = retryProto(*task.Retry)
	}
	e.http.Url = task.URL
	e.http.HttpMethod = cloudtaskspb.HttpMethod_POST
	e.http.Headers = gcp.HeaderMap(task.Header)
	e.http.Body = task.Body
	if t.account != "" {
		e.token.ServiceAccountEmail = t.account
		e.token.Audience = t.audienceOf(task)
		e.auth.OidcToken = &e.token
		e.http.AuthorizationHeader = &e.auth
	}
	return &e.request
}

// audienceOf never leaves the choice to Cloud Tasks, whose default is the whole URL with its query.
func (t *Transport) audienceOf(task *transport.Task) string {
	switch {
	case task.Audience != "":
		return task.Audience
	case t.audience != "":
		return t.audience
	}
	u, err := url.Parse(task.URL)
	if err != nil {
		return task.URL
	}
	return u.Scheme + "://" + u.Host
}

// setTime cuts to microseconds, as Cloud Tasks does.
func setTime(p *timestamppb.Timestamp, at time.Time) {
	p.Seconds = at.Unix()
	p.Nanos = int32(at.Nanosecond() / 1000 * 1000)
}

func setDuration(p *durationpb.Duration, d time.Duration) {
	p.Seconds = int64(d / time.Second)
	p.Nanos = int32(d % time.Second)
}

func hasScheme(u string) bool {
	return strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://")
}
