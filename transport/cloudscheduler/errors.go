package cloudscheduler

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

// The roles that calls need.
const (
	roleAdmin  = "roles/cloudscheduler.admin"
	roleViewer = "roles/cloudscheduler.viewer"
	roleRunner = "roles/cloudscheduler.jobRunner"
	roleUser   = "roles/iam.serviceAccountUser"
)

// about is what a call is about.
type about struct {
	op, resource string

	grant    string // the role that it needs
	account  string // whose tokens the job sends: the caller must be allowed to act as it
	parent   bool   // NotFound is about the location, not about the job
	notTwice bool   // it does something each time

	began time.Time // from when on the time for retries counts, for all calls that it takes
}

func (a about) closed() error {
	return &transport.Error{Op: a.op, Resource: a.resource, Kind: transport.KindClosed}
}

func (a about) invalid(err error) error {
	return &transport.Error{Op: a.op, Resource: a.resource, Kind: transport.KindInvalid, Err: err}
}

// failed makes an error of what a call answered. The kind follows from the gRPC code. That a location is missing has no
// kind: it must not pass for a job that is.
func (s *Scheduler) failed(ctx context.Context, a about, err error) error {
	e := &transport.Error{Op: a.op, Resource: a.resource, Err: s.emulator.Unanswered(ctx, err, nil)}
	code := status.Code(err)
	elsewhere := namesLocation(err) || a.parent && code == codes.NotFound
	switch code {
	case codes.NotFound:
		if !elsewhere {
			e.Kind, e.Err = transport.KindNotFound, fmt.Errorf("in %s: %w", s.location(), e.Err)
		}
	case codes.InvalidArgument:
		e.Kind = transport.KindInvalid
	case codes.AlreadyExists:
		e.Kind = transport.KindExists
	case codes.Unimplemented:
		e.Kind = transport.KindUnsupported
	case codes.PermissionDenied:
		if grant := s.missing(a, status.Convert(err).Message()); grant != "" {
			e.Err = gcp.NotAllowed(e.Err, grant)
		}
	case codes.Canceled:
		if s.closed.Load() && ctx.Err() == nil {
			e.Kind = transport.KindClosed
		}
	}
	if elsewhere {
		e.Err = fmt.Errorf("location %q of project %q: set the right ones with WithLocation or %s, WithProject or %s: %w",
			s.region, s.project, gcp.EnvLocation, gcp.EnvProject, e.Err)
	}
	return e
}

// missing is what the caller may lack, by the text of the refusal.
func (s *Scheduler) missing(a about, text string) string {
	switch {
	case strings.Contains(text, "has not been used in project"), strings.Contains(text, "it is disabled"):
		return "" // the API is not enabled, and the text says how to
	case a.account != "" && strings.Contains(text, "actAs"):
		return roleUser + " on " + a.account
	case strings.Contains(text, "may not exist"):
		return fmt.Sprintf("%s, or set a location that Cloud Scheduler has with WithLocation or %s", a.grant, gcp.EnvLocation)
	case a.account != "" && !strings.Contains(text, "cloudscheduler."):
		return a.grant + " and, on " + a.account + ", " + roleUser
	}
	return a.grant
}

// namesLocation tells that the location is wrong from what is wrong with a job, whose full name holds "locations/";
// only the text does. Cloud Scheduler says "Location 'x' is not a valid location", "Location must equal y".
func namesLocation(err error) bool {
	code := status.Code(err)
	if code != codes.NotFound && code != codes.InvalidArgument {
		return false
	}
	text := strings.ReplaceAll(status.Convert(err).Message(), "locations/", "")
	return strings.Contains(text, "ocation '") || strings.Contains(text, "ocation must")
}
