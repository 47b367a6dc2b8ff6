package service

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

// Config makes a Service.
type Config struct {
	Tasks     tasks.Config            // Transport, Scheduler, Authenticator and Logger are filled in by New
	Transport []cloudtasks.Option     // where the tasks wait
	Scheduler []cloudscheduler.Option // what fires the periodic ones, if Manage is set
	Auth      tasks.Authenticator     // who may deliver them

	// Manage connects to Cloud Scheduler, for the commands that keep its jobs. A service that only serves needs neither
	// the connection nor the right to.
	Manage bool

	Logger  *slog.Logger  // nil: slog.Default()
	Refused shop.Refused  // told what customers' requests failed to enqueue; nil: it is logged
	Drain   time.Duration // how long what runs may take at the end; 0: DefaultDrain
}

// Cloud Run kills an instance 10 s after SIGTERM.
const (
	// DefaultDrain is how long requests that run, pushes among them, may take after SIGTERM.
	DefaultDrain = 8 * time.Second
	// brokenOff is how long handlers may take whose context has ended.
	brokenOff = time.Second
)

// ConfigFromEnv reads a Config from the environment. Its error names every variable that is wrong or missing, and
// what it wants.
func ConfigFromEnv() (Config, error) {
	var c Config
	var errs [5]error
	c.Tasks, errs[0] = tasks.ConfigFromEnv()
	c.Transport, errs[1] = cloudtasks.OptionsFromEnv()
	c.Scheduler, errs[4] = cloudscheduler.OptionsFromEnv()
	var audience string
	if errs[0] == nil {
		audience, errs[2] = audienceOf(c.Tasks.Endpoint)
	}
	c.Auth, errs[3] = authFromEnv(audience)
	if c.Tasks.Name == "" {
		c.Tasks.Name = "shop"
	}
	c.Tasks.CloudLoggingProject = os.Getenv("CLOUD_TASKS_PROJECT")
	return c, errors.Join(errs[:]...)
}

// queues are the settings of the service's queue: no more at a time than its instances take, see README.md. The command
// "tasks sync queues" puts them in force.
func queues(cfg tasks.Config) map[string]transport.QueueConfig {
	name := cmp.Or(cfg.Queue, cfg.Name)
	if transport.CheckQueue(name) != nil { // then the App's is another
		return nil
	}
	return map[string]transport.QueueConfig{name: {
		MaxDispatchesPerSecond: 100, MaxConcurrentDispatches: 80,
		Retry: transport.RetryConfig{MaxAttempts: 20, MinBackoff: time.Second, MaxBackoff: 10 * time.Minute, MaxDoublings: 16},
	}}
}

// audienceOf is whom the tokens on deliveries are made for: scheme and host of the endpoint, as the App has it by
// default. The endpoint needs a path, below which the shop's own pages are not.
func audienceOf(endpoint string) (string, error) {
	if u, err := url.Parse(endpoint); err == nil && strings.Trim(u.Path, "/") != "" {
		return u.Scheme + "://" + u.Host, nil
	}
	return "", fmt.Errorf("CLOUD_TASKS_ENDPOINT=%q: want the URL of this service and the path for pushes, such as https://shop-123.europe-west1.run.app%s",
		endpoint, shop.Mount)
}

// authFromEnv reads who may deliver: the account whose tokens the deliveries carry, and who checks them. Without an
// audience, which another error tells of, it makes nothing.
func authFromEnv(audience string) (tasks.Authenticator, error) {
	account := strings.TrimSpace(os.Getenv("CLOUD_TASKS_SERVICE_ACCOUNT"))
	if account == "" {
		return nil, errors.New("CLOUD_TASKS_SERVICE_ACCOUNT is not set: want the e-mail address of the service account that Cloud Tasks calls as")
	}
	mode := os.Getenv("SHOP_AUTH")
	switch {
	case mode != "" && mode != "verify" && mode != "cloud-run":
		return nil, fmt.Errorf("SHOP_AUTH=%q: want verify or cloud-run", mode)
	case mode == "cloud-run" && os.Getenv("K_SERVICE") == "": // Cloud Run sets it
		return nil, fmt.Errorf("SHOP_AUTH=%q: this is not Cloud Run, so nobody has checked the tokens: use verify", mode)
	case audience == "":
		return nil, nil
	case mode == "cloud-run":
		return oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), oidc.ServiceAccount(account))
	}
	return oidc.New(oidc.Audience(audience), oidc.ServiceAccount(account), oidc.KeysURL(os.Getenv("SHOP_CERTS_URL")))
}
