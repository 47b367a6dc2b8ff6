package cloudscheduler_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apiv1 "cloud.google.com/go/scheduler/apiv1"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
)

// plaintext are options of Google's client for a server, without saying that it is an emulator.
func plaintext(addr string) []option.ClientOption {
	return []option.ClientOption{option.WithEndpoint(addr), option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
}

// withoutAccount is a server for a program that runs where no service account is known, and how to reach it.
func withoutAccount(t *testing.T) (*server, []cloudscheduler.Option) {
	t.Helper()
	t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, map[string]string{"project/project-id": "emulator", "instance/region": "projects/1/regions/local"}))
	s := newServer()
	return s, []cloudscheduler.Option{cloudscheduler.WithClientOptions(plaintext(s.start(t))...)}
}

// sent puts a job and returns it as it arrived.
func sent(t *testing.T, s *server, opts ...cloudscheduler.Option) *schedulerpb.Job {
	t.Helper()
	j := nightly()
	j.Audience = audience
	put(t, connect(t, opts...), j)
	calls := s.calls("UpdateJob")
	return calls[len(calls)-1].(*schedulerpb.UpdateJobRequest).Job
}

func requireSent(t *testing.T, got *schedulerpb.Job, location, account string) {
	t.Helper()
	if got.Name != location+"/jobs/shop--Nightly" || got.GetHttpTarget().GetOidcToken().GetServiceAccountEmail() != account {
		t.Errorf("sent %v, want it in %s, with the token of %q", got, location, account)
	}
}

func TestNew_OptionWinsOverEnvironment(t *testing.T) {
	s := newServer()
	addr := s.start(t)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json")) // nobody needs them
	t.Setenv("CLOUD_SCHEDULER_EMULATOR_HOST", addr)
	requireSent(t, sent(t, s), parent, account)
	t.Setenv("GOOGLE_CLOUD_PROJECT", "usual")
	t.Setenv("GOOGLE_CLOUD_LOCATION", "global") // no location of Cloud Scheduler
	t.Setenv("GOOGLE_CLOUD_REGION", "europe-west4")
	requireSent(t, sent(t, s), "projects/usual/locations/europe-west4", account)
	t.Setenv("CLOUD_TASKS_PROJECT", " own ")
	t.Setenv("CLOUD_TASKS_LOCATION", "us-east1")
	t.Setenv("CLOUD_TASKS_SERVICE_ACCOUNT", "env@own.iam.gserviceaccount.com")
	requireSent(t, sent(t, s), "projects/own/locations/us-east1", "env@own.iam.gserviceaccount.com")
	opts := []cloudscheduler.Option{cloudscheduler.WithProject("p"), cloudscheduler.WithLocation("l"), nil, cloudscheduler.WithServiceAccount("a@b")}
	requireSent(t, sent(t, s, opts...), "projects/p/locations/l", "a@b")
	if got := connect(t, opts...).PushServiceAccount(); got != "a@b" {
		t.Errorf("account %q", got)
	}
	t.Setenv("CLOUD_SCHEDULER_EMULATOR_HOST", "127.0.0.1:1")
	sent(t, s, cloudscheduler.WithEndpoint("http://"+addr))
}

func TestOptionsFromEnv_ReadsWhatNewReads(t *testing.T) {
	s := newServer()
	values := map[string]string{
		"CLOUD_SCHEDULER_EMULATOR_HOST": s.start(t), "CLOUD_TASKS_PROJECT": "p", "CLOUD_TASKS_LOCATION": "l", "CLOUD_TASKS_SERVICE_ACCOUNT": "a@b",
	}
	for name, v := range values {
		t.Setenv(name, v)
	}
	opts, err := cloudscheduler.OptionsFromEnv()
	if err != nil || len(opts) != 4 {
		t.Fatalf("%d options, %v", len(opts), err)
	}
	for name := range values {
		t.Setenv(name, "")
	}
	requireSent(t, sent(t, s, opts...), "projects/p/locations/l", "a@b")
}

func TestOptionsFromEnv_BadValue_NamesVariableValueAndWhatIsAllowed(t *testing.T) {
	for name, c := range map[string][2]string{
		"CLOUD_TASKS_PROJECT":           {"my_project", "letters"},
		"CLOUD_TASKS_LOCATION":          {"europe_west1", "europe-west1"},
		"CLOUD_TASKS_SERVICE_ACCOUNT":   {"nobody", "e-mail"},
		"CLOUD_SCHEDULER_EMULATOR_HOST": {"localhost", "host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, c[0])
			_, err := cloudscheduler.OptionsFromEnv()
			_, newErr := cloudscheduler.New(t.Context())
			for _, err := range []error{err, newErr} {
				for _, part := range []string{"cloudscheduler: ", name, `"` + c[0] + `"`, c[1]} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %v does not say %s", err, part)
					}
				}
			}
		})
	}
}

func TestNew_BadOptions_AllAreNamed(t *testing.T) {
	_, err := cloudscheduler.New(t.Context(), cloudscheduler.WithProject(""), cloudscheduler.WithLocation(""), cloudscheduler.WithServiceAccount("a b@c"),
		cloudscheduler.WithEndpoint(""), cloudscheduler.WithRetryTime(-time.Second))
	for _, part := range []string{`WithProject("")`, `WithLocation("")`, `WithServiceAccount("a b@c")`, `WithEndpoint("")`, "WithRetryTime(-1s)"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
}

func TestNew_AsksMetadataServerForTheRest(t *testing.T) {
	t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, map[string]string{
		"project/project-id": "shop-1", "instance/region": "projects/123/regions/europe-west1", "instance/service-accounts/default/email": "run@shop-1.iam.gserviceaccount.com",
	}))
	s := newServer()
	requireSent(t, sent(t, s, cloudscheduler.WithClientOptions(plaintext(s.start(t))...)), "projects/shop-1/locations/europe-west1", "run@shop-1.iam.gserviceaccount.com")
}

func TestNew_WhatIsMissing_IsNamedWithTheWayToSetIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cloudscheduler.New(ctx)
	for _, part := range []string{"no project", "WithProject", "CLOUD_TASKS_PROJECT", "no location", "WithLocation", "CLOUD_TASKS_LOCATION"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %s", err, part)
		}
	}
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "service account") {
		t.Errorf("error %v", err)
	}
}

func TestNew_NoCredentials_SaysHowToGetThem(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err := cloudscheduler.New(t.Context(), cloudscheduler.WithProject("p"), cloudscheduler.WithLocation("l"), cloudscheduler.WithServiceAccount("a@b"))
	if err == nil || !strings.Contains(err.Error(), "gcloud auth application-default login") || errors.Unwrap(err) == nil {
		t.Errorf("error %v", err)
	}
}

func TestClose_EverythingAnswersErrClosed(t *testing.T) {
	s := newServer()
	sched := s.dial(t)
	put(t, sched, nightly())
	for range 2 {
		if err := sched.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	requests := s.total()
	for name, call := range everyCall(sched) {
		if err := call(t.Context(), "shop--Nightly"); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.total() != requests {
		t.Error("something was sent")
	}
}

func TestClose_LeavesClientOfOthersOpen(t *testing.T) {
	s := newServer()
	client, err := apiv1.NewCloudSchedulerClient(t.Context(), plaintext(s.start(t))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	opts := []cloudscheduler.Option{cloudscheduler.WithClient(client), cloudscheduler.WithProject("emulator"), cloudscheduler.WithLocation("local"), cloudscheduler.WithServiceAccount("a@b")}
	first := connect(t, opts...)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.PutJob(t.Context(), nightly()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	put(t, connect(t, opts...), nightly())
}

func TestWithTelemetry_TurnsOnThatOfGooglesClient(t *testing.T) {
	before := otel.GetTracerProvider()
	defer otel.SetTracerProvider(before)
	otel.SetTracerProvider(noop.NewTracerProvider()) // the first one set is asked for all that was made before
	for _, c := range []struct {
		opts []cloudscheduler.Option
		want bool
	}{{nil, false}, {[]cloudscheduler.Option{cloudscheduler.WithTelemetry()}, true}} {
		p := &gcptest.Tracers{}
		otel.SetTracerProvider(p)
		put(t, newServer().dial(t, c.opts...), nightly())
		if (p.Asked > 0) != c.want {
			t.Errorf("with %d options, %d tracers were made", len(c.opts), p.Asked)
		}
	}
}

func TestAbilities_AreFoundThroughTheSeam(t *testing.T) {
	sched := newServer().dial(t)
	if _, err := transport.SchedulerAs[transport.JobAdmin](sched); err != nil {
		t.Error(err)
	}
	if a, err := transport.SchedulerAs[transport.PushAuthorizer](sched); err != nil || a.PushServiceAccount() != account {
		t.Errorf("%v, %v", a, err)
	}
	if _, err := transport.SchedulerAs[transport.JobDeclarer](sched); !errors.Is(err, transport.ErrUnsupported) {
		t.Errorf("Cloud Scheduler takes declared jobs: %v", err)
	}
}
