package service_test

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
	"github.com/typedtasks/typedtasks/tasktest"
)

// setEnv leaves of the variables that count only those given.
func setEnv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "CLOUD_TASKS_") || strings.HasPrefix(name, "SHOP_") || name == "K_SERVICE" {
			t.Setenv(name, "")
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func TestConfigFromEnv(t *testing.T) {
	for _, c := range []struct {
		name  string
		env   map[string]string
		wants []string // in the error; none: it succeeds
	}{
		{
			"endpoint and account are enough",
			map[string]string{"CLOUD_TASKS_ENDPOINT": endpoint, "CLOUD_TASKS_SERVICE_ACCOUNT": account}, nil,
		}, {
			"on Cloud Run its own check may be trusted",
			map[string]string{"CLOUD_TASKS_ENDPOINT": endpoint, "CLOUD_TASKS_SERVICE_ACCOUNT": account, "SHOP_AUTH": "cloud-run", "K_SERVICE": "shop"}, nil,
		}, {
			"elsewhere it may not",
			map[string]string{"CLOUD_TASKS_ENDPOINT": endpoint, "CLOUD_TASKS_SERVICE_ACCOUNT": account, "SHOP_AUTH": "cloud-run"},
			[]string{"SHOP_AUTH", "not Cloud Run"},
		}, {
			"what is missing is named, all of it",
			nil, []string{"CLOUD_TASKS_ENDPOINT", "CLOUD_TASKS_SERVICE_ACCOUNT"},
		}, {
			"what is wrong is named, all of it",
			map[string]string{
				"CLOUD_TASKS_ENDPOINT": "shop.example.com", "CLOUD_TASKS_LOCATION": "no location",
				"CLOUD_TASKS_SERVICE_ACCOUNT": account, "SHOP_AUTH": "none",
			},
			[]string{"CLOUD_TASKS_ENDPOINT", "CLOUD_TASKS_LOCATION", "SHOP_AUTH"},
		}, {
			"an endpoint needs a path",
			map[string]string{"CLOUD_TASKS_ENDPOINT": audience + "/", "CLOUD_TASKS_SERVICE_ACCOUNT": account},
			[]string{"CLOUD_TASKS_ENDPOINT", "/_tasks"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			setEnv(t, c.env)
			cfg, err := service.ConfigFromEnv()
			if len(c.wants) == 0 {
				if err != nil {
					t.Error(err)
				} else if cfg.Tasks.Endpoint != endpoint || cfg.Tasks.Name != "shop" || cfg.Tasks.CloudLoggingProject != c.env["CLOUD_TASKS_PROJECT"] {
					t.Errorf("got endpoint %q, name %q, traces of %q", cfg.Tasks.Endpoint, cfg.Tasks.Name, cfg.Tasks.CloudLoggingProject)
				}
				return
			}
			for _, want := range c.wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("ConfigFromEnv = %v, want %s in it", err, want)
				}
			}
		})
	}
}

func TestConfigFromEnv_Service_LetsInWhoTheEnvironmentNames(t *testing.T) {
	signer := tasktest.NewSigner(t)
	certs := httptest.NewServer(signer)
	defer certs.Close()
	setEnv(t, map[string]string{
		"CLOUD_TASKS_ENDPOINT": endpoint, "CLOUD_TASKS_SERVICE_ACCOUNT": account, "SHOP_CERTS_URL": certs.URL,
	})
	cfg, err := service.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, cfg.Auth)
	if status, logged := d.try("Bearer " + signer.Token(good())); status != 200 {
		t.Errorf("answered with %d, logged %s", status, logged)
	}
	if status, _ := d.try("Bearer " + signer.Token(tasktest.Claims{Audience: audience, Email: "eve@example.com"})); status != 403 {
		t.Errorf("another account was answered with %d", status)
	}
}

func TestConfigFromEnv_OnCloudRun_TakesWhatItHasChecked(t *testing.T) {
	signer := tasktest.NewSigner(t)
	setEnv(t, map[string]string{
		"CLOUD_TASKS_ENDPOINT": endpoint, "CLOUD_TASKS_SERVICE_ACCOUNT": account, "SHOP_AUTH": "cloud-run", "K_SERVICE": "shop",
	})
	cfg, err := service.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, cfg.Auth)
	token := signer.Token(good())
	if status, logged := d.try("Bearer " + token); status != 401 {
		t.Errorf("a token that Cloud Run has not checked was answered with %d, logged %s", status, logged)
	}
	if status, logged := d.try("Bearer " + token[:strings.LastIndexByte(token, '.')] + ".SIGNATURE_REMOVED_BY_GOOGLE"); status != 200 {
		t.Errorf("answered with %d, logged %s", status, logged)
	}
}
