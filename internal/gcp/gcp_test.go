package gcp_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/api/option"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func regional() gcp.Driver {
	return gcp.Driver{Name: "driver", Emulator: "DRIVER_EMULATOR_HOST", Port: "8123", Regional: true, WithoutOIDC: true}
}

func set(text, source string) gcp.Value { return gcp.Value{Text: text, Source: source} }

func runsOn(t *testing.T, answers map[string]string) {
	t.Helper()
	t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, answers))
}

const accountPath = "instance/service-accounts/default/email"

func TestResolve_FillsInWhatIsNotSet(t *testing.T) {
	optional := gcp.Driver{Name: "driver", AccountOptional: true}
	run := map[string]string{"project/project-id": "shop-1", "instance/region": "projects/123/regions/europe-west1", "instance/zone": "projects/123/zones/europe-west9-1", accountPath: "run@shop-1\n"}
	endpoint := set("http://localhost:1", "WithEndpoint")
	for name, c := range map[string]struct {
		driver                     gcp.Driver
		answers                    map[string]string
		set                        gcp.Settings
		project, location, account string
	}{
		"Cloud Run":                {driver: regional(), answers: run, project: "shop-1", location: "europe-west1", account: "run@shop-1"},
		"Compute Engine, by zone":  {driver: regional(), answers: map[string]string{"project/project-id": "p", "instance/zone": "projects/1/zones/us-central1-f", accountPath: "a@b"}, project: "p", location: "us-central1", account: "a@b"},
		"what is set stays":        {driver: regional(), answers: run, set: gcp.Settings{Project: set("p", "WithProject"), Location: set("l", "X")}, project: "p", location: "l", account: "run@shop-1"},
		"nobody is asked":          {driver: regional(), set: gcp.Settings{Project: set("p", "X"), Location: set("l", "X"), Account: set("a@b", "X"), NoOIDC: true}, project: "p", location: "l"},
		"without locations":        {driver: optional, answers: run, project: "shop-1", account: "run@shop-1"},
		"the account may be none":  {driver: optional, answers: map[string]string{"project/project-id": "p"}, project: "p"},
		"an emulator":              {driver: regional(), set: gcp.Settings{Endpoint: endpoint}, project: "emulator", location: "local", account: "tasks@emulator.iam.gserviceaccount.com"},
		"an emulator, and set":     {driver: regional(), set: gcp.Settings{Endpoint: endpoint, Project: set("p", "X"), Account: set("a@b", "X")}, project: "p", location: "local", account: "a@b"},
		"an emulator, no location": {driver: optional, set: gcp.Settings{Endpoint: endpoint, NoOIDC: true}, project: "emulator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
			if c.answers != nil {
				runsOn(t, c.answers)
			}
			s := c.set
			if err := s.Resolve(t.Context(), c.driver); err != nil {
				t.Fatal(err)
			}
			if s.Project.Text != c.project || s.Location.Text != c.location || s.Account.Text != c.account {
				t.Errorf("got %+v", s)
			}
			if want := c.set.Endpoint.Text; want != "" && "http://"+s.Endpoint.Text != want {
				t.Errorf("endpoint %q", s.Endpoint.Text)
			}
			if s.Logger != slog.Default() {
				t.Error("no logger")
			}
		})
	}
}

func TestResolve_WhatIsMissing_IsNamedWithTheWayToSetIt(t *testing.T) {
	const (
		noProject  = "no project: set it by WithProject or CLOUD_TASKS_PROJECT ("
		noLocation = "no location: set it by WithLocation or CLOUD_TASKS_LOCATION ("
		noAccount  = "no service account: set it by WithServiceAccount or CLOUD_TASKS_SERVICE_ACCOUNT, or give up tokens by WithoutOIDC ("
	)
	t.Run("the metadata server has nonsense", func(t *testing.T) {
		runsOn(t, map[string]string{"project/project-id": "not legal", "instance/region": "a b", accountPath: "nobody"})
		requireText(t, (&gcp.Settings{}).Resolve(t.Context(), regional()), "driver: new: ", noProject+"want a project id", noLocation+"want a location", noAccount+"want the e-mail")
	})
	t.Run("the metadata server has nothing", func(t *testing.T) {
		runsOn(t, nil)
		requireText(t, (&gcp.Settings{}).Resolve(t.Context(), regional()), noProject, noLocation, `"instance/region" not defined`, `"instance/zone" not defined`, noAccount)
	})
	t.Run("an optional account is wrong", func(t *testing.T) {
		runsOn(t, map[string]string{"project/project-id": "p", accountPath: "nobody"})
		err := (&gcp.Settings{}).Resolve(t.Context(), gcp.Driver{AccountOptional: true})
		requireText(t, err, "no service account: set it by WithServiceAccount or CLOUD_TASKS_SERVICE_ACCOUNT (want the e-mail")
	})
	t.Run("there is none", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := (&gcp.Settings{}).Resolve(ctx, regional())
		requireText(t, err, noProject, noLocation, noAccount)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		s := gcp.Settings{Project: set("p", "X")}
		if err := s.Resolve(ctx, gcp.Driver{AccountOptional: true}); err != nil || s.Account.Text != "" {
			t.Errorf("an optional account: %q, %v", s.Account.Text, err)
		}
	})
}

func TestResolve_BadValues_AllAreNamed(t *testing.T) {
	s := gcp.Settings{
		Project: set("", "WithProject"), Location: set("a_b", "CLOUD_TASKS_LOCATION"), Account: set("a b@c", "WithServiceAccount"),
		Endpoint: set("localhost", "WithEndpoint"),
	}
	requireText(t, s.Resolve(t.Context(), regional(), errors.New("WithMore(-1)"), nil),
		`WithProject(""): want a project id`, `CLOUD_TASKS_LOCATION="a_b": want a location`, `WithServiceAccount("a b@c"): want the e-mail`,
		`WithEndpoint("localhost"): want host:port, such as "localhost:8123"`, "WithMore(-1)")
}

func TestDialOptions_LeadToTheEmulatorAndEndWithTheUsers(t *testing.T) {
	own, users := option.WithGRPCConnectionPool(3), option.WithQuotaProject("q")
	s := gcp.Settings{ClientOptions: []option.ClientOption{users}}
	if got := s.DialOptions(own); len(got) != 3 || got[0] != own || got[2] != users {
		t.Errorf("got %v", got)
	}
	s.Telemetry = true
	s.Endpoint = set(net.JoinHostPort("localhost", "1"), "WithEndpoint")
	if got := s.DialOptions(); len(got) != 4 || got[0] != option.WithEndpoint("localhost:1") || got[3] != users {
		t.Errorf("got %v", got)
	}
}

func TestMetadata_AnswersInOrder(t *testing.T) {
	runsOn(t, map[string]string{"a": "1\n", "b": "2"})
	got, err := gcp.Metadata(t.Context(), "b", "a")
	if err != nil || len(got) != 2 || got[0] != "2" || got[1] != "1" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := gcp.Metadata(t.Context(), "a", "none"); err == nil {
		t.Error("no error for what is not there")
	}
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	if _, err := gcp.Metadata(t.Context(), "a"); err == nil {
		t.Error("no error without a server")
	}
}
