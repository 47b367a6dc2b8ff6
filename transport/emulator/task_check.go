package emulator

import (
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/transport"
)

const (
	maxTaskSize = 1<<20 - 7 // of the stored message, as measured by others
	maxHeaders  = 80 << 10  // names and values
	maxURL      = 2083      // after encoding
	maxDelay    = 720 * time.Hour

	minDeadline     = 15 * time.Second
	maxDeadline     = 30 * time.Minute
	defaultDeadline = 10 * time.Minute

	userAgentHeader = "User-Agent"
	userAgent       = "Google-Cloud-Tasks"

	longestGeneratedID = 20
)

// checkTask checks a new task and completes it, in place, as it is to be stored: everything but a generated name.
// It returns the same as the engine keeps it.
func checkTask(parent string, t *cloudtaskspb.Task, now time.Time) (*transport.Task, error) {
	if t == nil {
		return nil, invalid("CreateTaskRequest.task is required.")
	}
	id := ""
	if t.Name != "" {
		queue, own, err := splitTaskName(t.Name)
		if err != nil {
			return nil, err
		}
		if queue != parent {
			return nil, invalid("The queue name from request ('%s') must be the same as the queue name in the named task ('%s').", parent, queue)
		}
		id = own
	}
	r, err := httpRequestOf(t)
	if err != nil {
		return nil, err
	}
	if err := completeRequest(r); err != nil {
		return nil, err
	}
	if err := completeTimes(t, now); err != nil {
		return nil, err
	}
	if err := checkRetry(t.RetryConfig); err != nil {
		return nil, err
	}
	t.CreateTime = timestamppb.New(now.Truncate(time.Second))
	t.DispatchCount, t.ResponseCount, t.FirstAttempt, t.LastAttempt, t.View = 0, 0, nil, nil, 0
	size := proto.Size(t)
	if id == "" {
		size += len(parent) + len("/tasks/") + longestGeneratedID + 3
	}
	if size > maxTaskSize {
		return nil, invalid("Task size too large")
	}
	task := toEngine(r)
	task.ID = id
	task.ETA = t.ScheduleTime.AsTime()
	task.Timeout = t.DispatchDeadline.AsDuration()
	task.Retry = toRetry(t.RetryConfig)
	return task, nil
}

func httpRequestOf(t *cloudtaskspb.Task) (*cloudtaskspb.HttpRequest, error) {
	if t.GetAppEngineHttpRequest() != nil {
		return nil, status.Error(codes.Unimplemented, "App Engine tasks are not emulated: use an http_request with the URL of the service.")
	}
	r := t.GetHttpRequest()
	if r == nil {
		return nil, invalid("Task must have an HttpRequest or an AppEngineHttpRequest.")
	}
	return r, nil
}

// completeRequest checks what is to be sent and adds what the service adds.
func completeRequest(r *cloudtaskspb.HttpRequest) error {
	if err := checkURL(r.Url); err != nil {
		return err
	}
	if r.HttpMethod == cloudtaskspb.HttpMethod_HTTP_METHOD_UNSPECIFIED {
		r.HttpMethod = cloudtaskspb.HttpMethod_POST
	}
	if _, known := cloudtaskspb.HttpMethod_name[int32(r.HttpMethod)]; !known {
		return invalid("HttpRequest.httpMethod %d is not valid.", r.HttpMethod)
	}
	if len(r.Body) > 0 && !hasBody(r.HttpMethod) {
		return invalid("HttpRequest.body is allowed only if the HttpRequest.httpMethod is POST, PUT, or PATCH.")
	}
	if err := checkAuth(r); err != nil {
		return err
	}
	var err error
	r.Headers, err = completeHeaders("HttpRequest.headers", r.Headers, userAgent)
	return err
}

func hasBody(m cloudtaskspb.HttpMethod) bool {
	return m == cloudtaskspb.HttpMethod_POST || m == cloudtaskspb.HttpMethod_PUT || m == cloudtaskspb.HttpMethod_PATCH
}

func checkURL(s string) error { return checkTargetURL("HttpRequest.url", "HttpTarget.url", s) }

// checkTargetURL refuses what cannot be sent to. The service has two names for the field.
func checkTargetURL(field, inScheme, s string) error {
	if s == "" {
		return invalid("%s is required.", field)
	}
	if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
		return invalid("%s must start with 'http://' or 'https://'.", inScheme)
	}
	encoded := encodeURL(s)
	if len(encoded) > maxURL {
		return invalid("%s must be at most %d characters long, after encoding.", field, maxURL)
	}
	if u, err := url.Parse(encoded); err != nil || u.Host == "" {
		return invalid("%s is not a valid URL.", field)
	}
	return nil
}

func checkAuth(r *cloudtaskspb.HttpRequest) error {
	switch a := r.AuthorizationHeader.(type) {
	case *cloudtaskspb.HttpRequest_OidcToken:
		if a.OidcToken.GetServiceAccountEmail() == "" {
			return invalid("HttpRequest.oidcToken.serviceAccountEmail is required.")
		}
	case *cloudtaskspb.HttpRequest_OauthToken:
		if a.OauthToken.GetServiceAccountEmail() == "" {
			return invalid("HttpRequest.oauthToken.serviceAccountEmail is required.")
		}
	}
	return nil
}

// completeTimes checks the times and resolves their defaults.
func completeTimes(t *cloudtaskspb.Task, now time.Time) error {
	eta := now
	if t.ScheduleTime != nil {
		if !t.ScheduleTime.IsValid() {
			return invalid("Task.scheduleTime is not a valid timestamp.")
		}
		at := t.ScheduleTime.AsTime()
		if at.After(now.Add(maxDelay)) {
			return invalid("The Task.scheduleTime, %s, is too far in the future. Schedule time must be no more than %dh in the future.",
				at.Format(time.RFC3339Nano), int(maxDelay.Hours()))
		}
		if at.After(now) {
			eta = at
		}
	}
	t.ScheduleTime = timestamppb.New(eta.Truncate(time.Microsecond))
	deadline := defaultDeadline
	if t.DispatchDeadline != nil {
		deadline = t.DispatchDeadline.AsDuration().Truncate(time.Millisecond)
		if !t.DispatchDeadline.IsValid() || deadline < minDeadline || deadline > maxDeadline {
			return invalid("Task.dispatchDeadline must be between [15s, 30m].")
		}
	}
	t.DispatchDeadline = durationpb.New(deadline)
	return nil
}
