package gcp_test

import (
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// requireText holds an error to texts that it has.
func requireText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %s", err, part)
		}
	}
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		check     func(string) error
		good, bad []string
	}{
		"project":  {gcp.CheckProject, []string{"shop-1", "example.com:shop", "P9"}, []string{"", "a_b", "a b", "a/b", "ü"}},
		"location": {gcp.CheckLocation, []string{"europe-west1", "local", "global"}, []string{"", "europe_west1", "a.b", "a/b"}},
		"account":  {gcp.CheckAccount, []string{"a@b", "tasks@p.iam.gserviceaccount.com"}, []string{"", "a", "@b", "a@", "a b@c", "a@b,c@d", "a/b@c"}},
		"endpoint": {gcp.CheckHostPort("1"), []string{"localhost:1", "http://localhost:1", "[::1]:80"}, []string{"", "localhost", ":1", "localhost:", "https://localhost:1"}},
	} {
		for _, s := range c.good {
			if err := c.check(s); err != nil {
				t.Errorf("%s %q: %v", name, s, err)
			}
		}
		for _, s := range c.bad {
			if c.check(s) == nil {
				t.Errorf("%s %q passes", name, s)
			}
		}
	}
}

func TestEnv_FirstVariableThatIsSetWins(t *testing.T) {
	for _, c := range []struct {
		variable, value            string
		project, location, account string
	}{
		{"GCP_PROJECT", "usual", "usual", "", ""},
		{"GOOGLE_CLOUD_PROJECT", "global", "global", "", ""}, // may be a project's id
		{"CLOUD_TASKS_PROJECT", " own ", "own", "", ""},
		{"FUNCTION_REGION", "us-east1", "own", "us-east1", ""},
		{"GOOGLE_CLOUD_LOCATION", "global", "own", "us-east1", ""},
		{"GOOGLE_CLOUD_REGION", "us-east2", "own", "us-east2", ""},
		{"CLOUD_TASKS_LOCATION", "global", "own", "global", ""},
		{"CLOUD_TASKS_SERVICE_ACCOUNT", "a@b", "own", "global", "a@b"},
	} {
		t.Setenv(c.variable, c.value) // beside those before
		var e gcp.Env
		project, location, account := e.Project(), e.Location(), e.Account()
		if err := e.Err(regional()); err != nil || project.Text != c.project || location.Text != c.location || account.Text != c.account {
			t.Errorf("with %s: %v %v %v, %v", c.variable, project, location, account, err)
		}
	}
	var e gcp.Env
	if got := e.Project(); got.Source != "CLOUD_TASKS_PROJECT" {
		t.Errorf("source %q", got.Source)
	}
	if got := e.Endpoint(regional()); got != (gcp.Value{}) {
		t.Errorf("endpoint %v", got)
	}
}

func TestEnv_BadValues_AreKeptForErrAndHaveNoText(t *testing.T) {
	t.Setenv("GCLOUD_PROJECT", "a/b")
	t.Setenv("FUNCTION_REGION", "a_b")
	t.Setenv("DRIVER_EMULATOR_HOST", "localhost")
	var e gcp.Env
	for _, v := range []gcp.Value{e.Project(), e.Location(), e.Endpoint(regional())} {
		if v.Text != "" || v.Source == "" {
			t.Errorf("value %+v", v)
		}
	}
	requireText(t, e.Err(regional()), "driver: environment: ", `GCLOUD_PROJECT="a/b": want`, `FUNCTION_REGION="a_b": want`, `DRIVER_EMULATOR_HOST="localhost": want host:port`)
}
