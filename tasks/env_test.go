package tasks_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// enqEnv sets variables, and clears all others that ConfigFromEnv reads.
func enqEnv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, name := range strings.Fields(`ENDPOINT APP_NAME QUEUE DELIMITER EAGER PROPAGATED_HEADERS PROPAGATED_HEADERS_KEY
		MAXIMUM_ETA_TASK TASKS_PATH SUBSCRIPTIONS_PATH ENQUEUE_RETRY_CODES ENQUEUE_RETRY_INITIAL ENQUEUE_RETRY_MAXIMUM
		ENQUEUE_RETRY_MULTIPLIER ENQUEUE_RETRY_DEADLINE SUBSCRIBER_MAX_RETRIES SUBSCRIBER_MIN_BACKOFF
		SUBSCRIBER_MAX_BACKOFF SUBSCRIBER_EXPIRATION`) {
		t.Setenv("CLOUD_TASKS_"+name, vars[name])
	}
}

func TestConfigFromEnv_Empty_SetsNothing(t *testing.T) {
	enqEnv(t, nil)
	c := enqMust(tasks.ConfigFromEnv())(t)
	if c.Endpoint+c.Name+c.Queue+c.Delimiter+c.PropagatedHeadersKey+c.TasksPath+c.SubscriptionsPath != "" || c.Eager || c.PropagatedHeaders != nil ||
		c.MaxETA != 0 || c.EnqueueRetry.Enabled() || c.Subscriber != (tasks.SubscriberDefaults{}) {
		t.Errorf("got %+v", c)
	}
}

func TestConfigFromEnv_All(t *testing.T) {
	enqEnv(t, map[string]string{
		"ENDPOINT": " https://shop.example.com/_tasks ", "APP_NAME": "shop", "QUEUE": "mail", "DELIMITER": "-x-", "EAGER": "True",
		"PROPAGATED_HEADERS": "traceparent, X-Request-Id ,", "PROPAGATED_HEADERS_KEY": "_h", "MAXIMUM_ETA_TASK": "3600",
		"TASKS_PATH": "jobs/", "SUBSCRIPTIONS_PATH": "subs", "ENQUEUE_RETRY_CODES": "UNAVAILABLE, 13,deadline_exceeded",
		"ENQUEUE_RETRY_INITIAL": "0.5", "ENQUEUE_RETRY_MAXIMUM": "1m30s", "ENQUEUE_RETRY_MULTIPLIER": "1.3", "ENQUEUE_RETRY_DEADLINE": "20",
		"SUBSCRIBER_MAX_RETRIES": "7", "SUBSCRIBER_MIN_BACKOFF": "10", "SUBSCRIBER_MAX_BACKOFF": "600", "SUBSCRIBER_EXPIRATION": "48h",
	})
	c := enqMust(tasks.ConfigFromEnv())(t)
	if c.Endpoint != "https://shop.example.com/_tasks" || c.Name != "shop" || c.Queue != "mail" || c.Delimiter != "-x-" || !c.Eager ||
		!slices.Equal(c.PropagatedHeaders, []string{"traceparent", "X-Request-Id"}) || c.PropagatedHeadersKey != "_h" || c.MaxETA != time.Hour ||
		c.TasksPath != "jobs/" || c.SubscriptionsPath != "subs" {
		t.Errorf("got %+v", c)
	}
	r := c.EnqueueRetry
	if r.Initial != 500*time.Millisecond || r.Maximum != 90*time.Second || r.Multiplier != 1.3 || r.Deadline != 20*time.Second {
		t.Errorf("policy is %+v", r)
	}
	for code, want := range map[codes.Code]bool{codes.Unavailable: true, codes.Internal: true, codes.DeadlineExceeded: true, codes.NotFound: false} {
		if got := r.On(status.Error(code, "")); got != want {
			t.Errorf("retries %s: %t, want %t", code, got, want)
		}
	}
	if want := (tasks.SubscriberDefaults{MaxRetries: 7, MinBackoff: 10 * time.Second, MaxBackoff: 600 * time.Second, Expiration: 48 * time.Hour}); c.Subscriber != want {
		t.Errorf("subscribers get %+v, want %+v", c.Subscriber, want)
	}
	if _, err := tasks.NewApp(c); err != nil {
		t.Errorf("NewApp does not take it: %v", err)
	}
}

func TestConfigFromEnv_SubscribersThatNeverExpire(t *testing.T) {
	for _, word := range []string{"never", " Never "} {
		enqEnv(t, map[string]string{"SUBSCRIBER_EXPIRATION": word, "EAGER": "true"})
		c := enqMust(tasks.ConfigFromEnv())(t)
		if c.Subscriber.Expiration != transport.NeverExpires {
			t.Errorf("%q is %s", word, c.Subscriber.Expiration)
		}
		if _, err := tasks.NewApp(c); err != nil {
			t.Errorf("NewApp does not take it: %v", err)
		}
	}
}

func TestConfigFromEnv_Eager_TakesTheUsualWords(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "t": true, "TRUE": true, "yes": true, "On": true, "0": false, "f": false, "False": false, "no": false, "OFF": false} {
		enqEnv(t, map[string]string{"EAGER": value})
		if c := enqMust(tasks.ConfigFromEnv())(t); c.Eager != want {
			t.Errorf("EAGER=%q is %t, want %t", value, c.Eager, want)
		}
	}
}

func TestConfigFromEnv_EmptyLists(t *testing.T) {
	enqEnv(t, map[string]string{"PROPAGATED_HEADERS": ",", "ENQUEUE_RETRY_CODES": " , "})
	c := enqMust(tasks.ConfigFromEnv())(t)
	if c.PropagatedHeaders == nil || len(c.PropagatedHeaders) != 0 {
		t.Errorf("propagated headers are %#v, want none, not the default", c.PropagatedHeaders)
	}
	if c.EnqueueRetry.Enabled() {
		t.Error("no code is retried, yet the policy is enabled")
	}
}

func TestConfigFromEnv_BadValue_NamesVariableValueAndWhatIsAllowed(t *testing.T) {
	for _, c := range []struct{ name, value, allowed string }{
		{"ENDPOINT", "shop.example.com", "http://"},
		{"QUEUE", "my_queue", "hyphens"},
		{"EAGER", "maybe", "true or false"},
		{"PROPAGATED_HEADERS", "a b", "HTTP token"},
		{"PROPAGATED_HEADERS", "x-cloudtasks-taskname", "reserved"},
		{"MAXIMUM_ETA_TASK", "soon", `seconds such as "90"`},
		{"MAXIMUM_ETA_TASK", "721h", "at most 720h"},
		{"MAXIMUM_ETA_TASK", "-1", "at least 0s"},
		{"MAXIMUM_ETA_TASK", "NaN", "seconds"},
		{"MAXIMUM_ETA_TASK", "1e300", "seconds"},
		{"TASKS_PATH", "a/b", "letters"},
		{"SUBSCRIPTIONS_PATH", "/", "1 to 200"},
		{"ENQUEUE_RETRY_CODES", "NOPE", "UNAVAILABLE"},
		{"ENQUEUE_RETRY_CODES", "99", "UNAVAILABLE"},
		{"ENQUEUE_RETRY_CODES", "OK", "UNAVAILABLE"},
		{"ENQUEUE_RETRY_INITIAL", "-1s", "at least 0s"},
		{"ENQUEUE_RETRY_MAXIMUM", "x", "seconds"},
		{"ENQUEUE_RETRY_MULTIPLIER", "0.9", "at least 1"},
		{"ENQUEUE_RETRY_MULTIPLIER", "Inf", "at least 1"},
		{"ENQUEUE_RETRY_MULTIPLIER", "two", "at least 1"},
		{"ENQUEUE_RETRY_DEADLINE", "1 minute", "seconds"},
		{"SUBSCRIBER_MAX_RETRIES", "4", "5 to 100"},
		{"SUBSCRIBER_MAX_RETRIES", "101", "5 to 100"},
		{"SUBSCRIBER_MAX_RETRIES", "5.5", "whole number"},
		{"SUBSCRIBER_MIN_BACKOFF", "601", "at most 10m0s"},
		{"SUBSCRIBER_MAX_BACKOFF", "1h", "at most 10m0s"},
		{"SUBSCRIBER_EXPIRATION", "1h", `at least 24h0m0s, or "never"`},
		{"SUBSCRIBER_EXPIRATION", "-1ns", `or "never"`},
		{"MAXIMUM_ETA_TASK", "never", "at most 720h0m0s"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			enqEnv(t, map[string]string{c.name: c.value})
			cfg, err := tasks.ConfigFromEnv()
			enqSays(t, err, "CLOUD_TASKS_"+c.name+`="`+c.value+`"`, c.allowed)
			if cfg.Endpoint != "" || cfg.EnqueueRetry.Enabled() {
				t.Errorf("there is a Config beside the error: %+v", cfg)
			}
		})
	}
}

func TestConfigFromEnv_ManyProblems_ReportsAll(t *testing.T) {
	enqEnv(t, map[string]string{
		"ENDPOINT": "x", "EAGER": "x", "ENQUEUE_RETRY_INITIAL": "2m", "ENQUEUE_RETRY_MAXIMUM": "1m",
		"SUBSCRIBER_MIN_BACKOFF": "20", "SUBSCRIBER_MAX_BACKOFF": "10", "ENQUEUE_RETRY_CODES": "x,UNAVAILABLE,y",
	})
	_, err := tasks.ConfigFromEnv()
	enqSays(t, err, "CLOUD_TASKS_ENDPOINT", "CLOUD_TASKS_EAGER", `CLOUD_TASKS_ENQUEUE_RETRY_INITIAL="2m": want at most CLOUD_TASKS_ENQUEUE_RETRY_MAXIMUM, which is 1m0s`,
		`CLOUD_TASKS_SUBSCRIBER_MIN_BACKOFF="20": want at most CLOUD_TASKS_SUBSCRIBER_MAX_BACKOFF`, `CODES="x"`, `CODES="y"`)
}

func TestConfigFromEnv_RetryCodes_DriveTheEnqueue(t *testing.T) {
	enqEnv(t, map[string]string{"ENQUEUE_RETRY_CODES": "UNAVAILABLE"})
	c := enqMust(tasks.ConfigFromEnv())(t)
	if !c.EnqueueRetry.On(errors.Join(errors.New("x"), status.Error(codes.Unavailable, ""))) {
		t.Error("a wrapped Unavailable is not retried")
	}
	if c.EnqueueRetry.Or(backoff.Policy{}).Initial != 0 {
		t.Error("what is not set has a value")
	}
}
