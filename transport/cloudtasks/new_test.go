package cloudtasks_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	apiv2 "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// sent enqueues and returns the request as it arrived.
func sent(t *testing.T, s *server, opts ...cloudtasks.Option) *cloudtaskspb.CreateTaskRequest {
	t.Helper()
	enqueue(t, connect(t, opts...), task(""))
	calls := s.calls("CreateTask")
	return calls[len(calls)-1].(*cloudtaskspb.CreateTaskRequest)
}

// anywhere is a server with the queue "mail" in every project and location.
func anywhere(t *testing.T) (*server, string) {
	s := newServer()
	addr := s.start(t)
	return s, addr
}

func TestNew_OptionWinsOverEnvironment(t *testing.T) {
	s, addr := anywhere(t)
	t.Setenv("CLOUD_TASKS_EMULATOR_HOST", addr)
	if got := sent(t, s); got.Parent != parent+"/queues/mail" {
		t.Errorf("at an emulator, with nothing set: %s", got.Parent)
	}
	t.Setenv("GOOGLE_CLOUD_PROJECT", "usual")
	t.Setenv("GOOGLE_CLOUD_LOCATION", "global") // no location of Cloud Tasks
	t.Setenv("GOOGLE_CLOUD_REGION", "europe-west4")
	if got := sent(t, s); got.Parent != "projects/usual/locations/europe-west4/queues/mail" {
		t.Errorf("with the usual variables: %s", got.Parent)
	}
	t.Setenv("CLOUD_TASKS_PROJECT", " own ")
	t.Setenv("CLOUD_TASKS_LOCATION", "us-east1")
	t.Setenv("CLOUD_TASKS_SERVICE_ACCOUNT", "env@own.iam.gserviceaccount.com")
	got := sent(t, s)
	if got.Parent != "projects/own/locations/us-east1/queues/mail" || got.Task.GetHttpRequest().GetOidcToken().GetServiceAccountEmail() != "env@own.iam.gserviceaccount.com" {
		t.Errorf("with the driver's variables: %v", got)
	}
	got = sent(t, s, cloudtasks.WithProject("p"), cloudtasks.WithLocation("l"), nil, cloudtasks.WithServiceAccount("a@b"))
	if got.Parent != "projects/p/locations/l/queues/mail" || got.Task.GetHttpRequest().GetOidcToken().GetServiceAccountEmail() != "a@b" {
		t.Errorf("with options: %v", got)
	}
	t.Setenv("CLOUD_TASKS_EMULATOR_HOST", "127.0.0.1:1")
	sent(t, s, cloudtasks.WithEndpoint("http://"+addr))
}

func TestOptionsFromEnv_ReadsWhatNewReads(t *testing.T) {
	s, addr := anywhere(t)
	s.blocked["projects/p/locations/l/queues/mail"] = true
	t.Setenv("CLOUD_TASKS_EMULATOR_HOST", addr)
	t.Setenv("CLOUD_TASKS_PROJECT", "p")
	t.Setenv("CLOUD_TASKS_LOCATION", "l")
	t.Setenv("CLOUD_TASKS_BACKUP_QUEUE_NAME", "spare")
	opts, err := cloudtasks.OptionsFromEnv()
	if err != nil || len(opts) != 4 {
		t.Fatalf("%d options, %v", len(opts), err)
	}
	for _, name := range []string{"CLOUD_TASKS_EMULATOR_HOST", "CLOUD_TASKS_PROJECT", "CLOUD_TASKS_LOCATION", "CLOUD_TASKS_BACKUP_QUEUE_NAME"} {
		t.Setenv(name, "")
	}
	if got := sent(t, s, opts...); got.Parent != "projects/p/locations/l/queues/spare" {
		t.Errorf("sent to %s", got.Parent)
	}
}

func TestOptionsFromEnv_BadValue_NamesVariableValueAndWhatIsAllowed(t *testing.T) {
	for name, c := range map[string][2]string{
		"CLOUD_TASKS_PROJECT":           {"my_project", "letters"},
		"GOOGLE_CLOUD_PROJECT":          {"a/b", "letters"},
		"CLOUD_TASKS_LOCATION":          {"europe_west1", "europe-west1"},
		"CLOUD_TASKS_SERVICE_ACCOUNT":   {"nobody", "e-mail"},
		"CLOUD_TASKS_BACKUP_QUEUE_NAME": {"a_b", "hyphens"},
		"CLOUD_TASKS_EMULATOR_HOST":     {"localhost", "host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, c[0])
			_, err := cloudtasks.OptionsFromEnv()
			_, newErr := cloudtasks.New(t.Context())
			for _, err := range []error{err, newErr} {
				for _, part := range []string{name, `"` + c[0] + `"`, c[1]} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %v does not say %s", err, part)
					}
				}
			}
		})
	}
}

func TestNew_BadOptions_AllAreNamed(t *testing.T) {
	_, err := cloudtasks.New(t.Context(), cloudtasks.WithProject(""), cloudtasks.WithLocation(""), cloudtasks.WithServiceAccount("a b@c"),
		cloudtasks.WithBackupQueue(""), cloudtasks.WithEndpoint(""), cloudtasks.WithConnectionPool(0), cloudtasks.WithInFlight(-1))
	for _, part := range []string{`WithProject("")`, `WithLocation("")`, `WithServiceAccount("a b@c")`, `WithBackupQueue("")`, `WithEndpoint("")`, "WithConnectionPool(0)", "WithInFlight(-1)"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
}

// rawClient is Google's own client for a server.
func rawClient(t *testing.T, addr string) *apiv2.Client {
	t.Helper()
	c, err := apiv2.NewClient(t.Context(), option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestNew_AsksMetadataServerForTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		opts    []cloudtasks.Option
		parent  string
		account string
	}{
		"Cloud Run": {answers: map[string]string{
			"project/project-id": "shop-1", "instance/region": "projects/123/regions/europe-west1", "instance/zone": "projects/123/zones/europe-west9-1",
			"instance/service-accounts/default/email": "run@shop-1.iam.gserviceaccount.com\n",
		}, parent: "projects/shop-1/locations/europe-west1", account: "run@shop-1.iam.gserviceaccount.com"},
		"Compute Engine": {answers: map[string]string{
			"project/project-id": "shop-1", "instance/zone": "projects/123/zones/us-central1-f", "instance/service-accounts/default/email": "vm@shop-1.iam.gserviceaccount.com",
		}, parent: "projects/shop-1/locations/us-central1", account: "vm@shop-1.iam.gserviceaccount.com"},
		"only what is missing": {answers: map[string]string{"project/project-id": "shop-1"}, opts: []cloudtasks.Option{cloudtasks.WithLocation("l"), cloudtasks.WithoutOIDC()},
			parent: "projects/shop-1/locations/l"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, c.answers))
			s, addr := anywhere(t)
			got := sent(t, s, append(c.opts, cloudtasks.WithClient(rawClient(t, addr)))...)
			if got.Parent != c.parent+"/queues/mail" || got.Task.GetHttpRequest().GetOidcToken().GetServiceAccountEmail() != c.account {
				t.Errorf("sent %v, want %s, account %q", got, c.parent, c.account)
			}
		})
	}
}

func TestNew_WhatIsMissing_IsNamedWithTheWayToSetIt(t *testing.T) {
	all := []string{"project", "WithProject", "CLOUD_TASKS_PROJECT", "location", "WithLocation", "CLOUD_TASKS_LOCATION", "service account", "WithServiceAccount", "CLOUD_TASKS_SERVICE_ACCOUNT", "WithoutOIDC"}
	require := func(t *testing.T, err error, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error %v does not say %s", err, part)
			}
		}
	}
	t.Run("metadata server knows nothing", func(t *testing.T) {
		t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, map[string]string{"project/project-id": "not legal"}))
		_, err := cloudtasks.New(t.Context())
		require(t, err, all...)
	})
	t.Run("metadata server is down", func(t *testing.T) {
		t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
		_, err := cloudtasks.New(t.Context(), cloudtasks.WithProject("p"))
		require(t, err, all[3:]...)
		if strings.Contains(err.Error(), "WithProject") {
			t.Errorf("error %v names what is set", err)
		}
	})
	t.Run("no metadata server", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := cloudtasks.New(ctx)
		require(t, err, all...)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want Canceled", err)
		}
	})
}

func TestNew_NoCredentials_SaysHowToGetThem(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err := cloudtasks.New(t.Context(), cloudtasks.WithProject("p"), cloudtasks.WithLocation("l"), cloudtasks.WithoutOIDC())
	if err == nil || !strings.Contains(err.Error(), "gcloud auth application-default login") || errors.Unwrap(err) == nil {
		t.Errorf("error %v", err)
	}
}

func TestClose_EndsWhatNewOpened(t *testing.T) {
	s := newServer("mail")
	tr := s.dial(t)
	enqueue(t, tr, task("a"))
	for range 2 {
		if err := tr.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	_, err := tr.Enqueue(t.Context(), task("b"))
	_, getErr := tr.Get(t.Context(), "mail", "a")
	for _, err := range []error{err, getErr, tr.Delete(t.Context(), "mail", "a"), tr.Delete(t.Context(), "mail", "a", "b"), tr.Pause(t.Context(), "mail")} {
		if !errors.Is(err, transport.ErrClosed) {
			t.Errorf("error %v, want ErrClosed", err)
		}
	}
	if n := len(s.calls("CreateTask")); n != 1 {
		t.Errorf("%d calls of CreateTask", n)
	}
}

func TestClose_LeavesClientOfOthersOpen(t *testing.T) {
	s := newServer("mail")
	client := rawClient(t, s.start(t))
	opts := []cloudtasks.Option{cloudtasks.WithClient(client), cloudtasks.WithProject("emulator"), cloudtasks.WithLocation("local"), cloudtasks.WithoutOIDC()}
	tr := connect(t, opts...)
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Enqueue(t.Context(), task("a")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	enqueue(t, connect(t, opts...), task("b"))
}

func TestWithTelemetry_TurnsOnThatOfGooglesClient(t *testing.T) {
	before := otel.GetTracerProvider()
	defer otel.SetTracerProvider(before)
	otel.SetTracerProvider(noop.NewTracerProvider()) // the first one set is asked for all that was made before
	for _, c := range []struct {
		opts []cloudtasks.Option
		want bool
	}{{nil, false}, {[]cloudtasks.Option{cloudtasks.WithTelemetry(), cloudtasks.WithConnectionPool(2)}, true}} {
		p := &gcptest.Tracers{}
		otel.SetTracerProvider(p)
		s := newServer("mail")
		enqueue(t, s.dial(t, c.opts...), task("a"))
		if (p.Asked > 0) != c.want {
			t.Errorf("with %d options, %d tracers were made", len(c.opts), p.Asked)
		}
	}
}

func TestWithClientOptions_ComeLast(t *testing.T) {
	s := newServer("mail")
	seen := 0
	count := grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		seen++
		return next(ctx, method, req, reply, cc, opts...)
	})
	enqueue(t, s.dial(t, cloudtasks.WithClientOptions(option.WithGRPCDialOption(count))), task("a"))
	if seen != 1 {
		t.Errorf("the interceptor saw %d calls", seen)
	}
}
