package emulator

import (
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	rpccode "google.golang.org/genproto/googleapis/rpc/code"

	"github.com/typedtasks/typedtasks/internal/engine"
)

// storedTask is a task with all that the service stores of it. Its body is the engine's own.
func storedTask(s *engine.Snapshot) *cloudtaskspb.Task {
	return &cloudtaskspb.Task{
		Name:             s.Queue + "/tasks/" + s.ID,
		MessageType:      &cloudtaskspb.Task_HttpRequest{HttpRequest: fromEngine(&s.Task)},
		ScheduleTime:     micros(s.ETA),
		CreateTime:       timestamppb.New(s.Created.Truncate(time.Second)),
		DispatchDeadline: durationpb.New(s.Timeout),
		DispatchCount:    int32(s.Dispatches),
		ResponseCount:    int32(s.Seen),
		FirstAttempt:     firstAttempt(&s.History),
		LastAttempt:      lastAttempt(&s.History),
		RetryConfig:      fromRetry(s.Retry),
	}
}

// firstAttempt tells when it was dispatched; the service keeps no more of it.
func firstAttempt(h *engine.History) *cloudtaskspb.Attempt {
	if h.First.IsZero() {
		return nil
	}
	return &cloudtaskspb.Attempt{DispatchTime: micros(h.First)}
}

func lastAttempt(h *engine.History) *cloudtaskspb.Attempt {
	last := h.Last
	if last.Dispatched.IsZero() {
		return nil
	}
	a := &cloudtaskspb.Attempt{ScheduleTime: micros(last.Scheduled), DispatchTime: micros(last.Dispatched)}
	if !last.Responded.IsZero() {
		a.ResponseTime = micros(last.Responded)
		a.ResponseStatus = responseStatus(h.Status)
	}
	return a
}

// responseStatus says an HTTP status in terms of gRPC.
func responseStatus(code int) *statuspb.Status {
	c := rpcCode(code)
	return &statuspb.Status{Code: int32(c), Message: fmt.Sprintf("%s(%d): HTTP status code %d", rpccode.Code(c), int32(c), code)}
}

func rpcCode(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case 499:
		return codes.Canceled
	case http.StatusInternalServerError:
		return codes.Internal
	case http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	default:
		return codes.Unknown
	}
}

func micros(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t.Truncate(time.Microsecond)) }
