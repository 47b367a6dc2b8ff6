package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// enqLocal is a transport in this process: it serves, takes queue settings, publishes and schedules.
type enqLocal struct {
	enqFake
	transport.Broker
	transport.Scheduler
	declared  map[string]transport.QueueConfig
	endpoints map[string]transport.Handler
}

func (l *enqLocal) DeclareQueues(cfgs map[string]transport.QueueConfig) error {
	if _, bad := cfgs["refused"]; bad {
		return errors.New("fake: refused")
	}
	l.declared = maps.Clone(cfgs)
	return nil
}

func (l *enqLocal) Serve(endpoint string, h transport.Handler) error {
	if l.endpoints[endpoint] != nil {
		return &transport.Error{Op: transport.OpServe, Kind: transport.KindExists}
	}
	if l.endpoints == nil {
		l.endpoints = map[string]transport.Handler{}
	}
	l.endpoints[endpoint] = h
	return nil
}

func (l *enqLocal) Shutdown(context.Context) error { return nil }

func (l *enqLocal) Withdraw(endpoint string) int {
	delete(l.endpoints, endpoint)
	return len(l.endpoints)
}

func TestNewApp_ZeroConfig_HasDocumentedDefaults(t *testing.T) {
	t.Parallel()
	local := &enqLocal{}
	c := enqMust(tasks.NewApp(tasks.Config{Transport: local}))(t).Config()
	want := tasks.Config{
		Endpoint: "http://localhost", Transport: local, Broker: local, Scheduler: local,
		Queue: "tasks", PropagatedHeaders: []string{"Traceparent"}, PropagatedHeadersKey: "_http_headers", MaxETA: 720 * time.Hour,
		Codec: tasks.JSONCodec{}, Logger: slog.Default(), Delimiter: "--", TasksPath: "tasks", SubscriptionsPath: "subscriptions",
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestNewApp_DerivedSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		cfg  tasks.Config
		got  func(tasks.Config) string
		want string
	}{
		{"queue: the name", tasks.Config{Name: "shop"}, enqQueue, "shop"},
		{"queue: the name made legal", tasks.Config{Name: "my_shop.v2 (test)"}, enqQueue, "my-shop-v2--test"},
		{"queue: none of a name without a legal letter", tasks.Config{Name: "магазин"}, enqQueue, "tasks"},
		{"queue: a long name cut", tasks.Config{Name: strings.Repeat("s", 120)}, enqQueue, strings.Repeat("s", 100)},
		{"queue: as given", tasks.Config{Name: "shop", Queue: "Mail-1"}, enqQueue, "Mail-1"},
		{"endpoint: without its slash", tasks.Config{Endpoint: "https://a.example/_tasks/"}, func(c tasks.Config) string { return c.Endpoint }, "https://a.example/_tasks"},
		{"mount path: the endpoint's", tasks.Config{Endpoint: "https://a.example/x/y/"}, enqMount, "/x/y"},
		{"mount path: none without one", tasks.Config{Endpoint: "https://a.example"}, enqMount, ""},
		{"mount path: as given", tasks.Config{Endpoint: "https://a.example/x", MountPath: "/z/"}, enqMount, "/z"},
		{"mount path: the root", tasks.Config{Endpoint: "https://a.example/x", MountPath: "/"}, enqMount, ""},
		{"audience: scheme and host", tasks.Config{Endpoint: "https://a.example:8443/x"}, enqAudience, "https://a.example:8443"},
		{"audience: as given", tasks.Config{Endpoint: "https://a.example/x", Audience: "shop"}, enqAudience, "shop"},
		{"audience: none without an endpoint", tasks.Config{}, enqAudience, ""},
		{"paths: without slashes", tasks.Config{TasksPath: "/jobs/", SubscriptionsPath: "subs/"}, func(c tasks.Config) string { return c.TasksPath + " " + c.SubscriptionsPath }, "jobs subs"},
		{"propagated headers: in canonical form", tasks.Config{PropagatedHeaders: []string{"x-request-id", "baggage"}}, enqPropagated, "X-Request-Id Baggage"},
		{"propagated headers: none", tasks.Config{PropagatedHeaders: []string{}}, enqPropagated, ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			c.cfg.Transport = &enqLocal{}
			if got := c.got(enqMust(tasks.NewApp(c.cfg))(t).Config()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func enqQueue(c tasks.Config) string      { return c.Queue }
func enqMount(c tasks.Config) string      { return c.MountPath }
func enqAudience(c tasks.Config) string   { return c.Audience }
func enqPropagated(c tasks.Config) string { return strings.Join(c.PropagatedHeaders, " ") }

func TestNewApp_BadConfig_NamesTheField(t *testing.T) {
	t.Parallel()
	subscriber := func(d tasks.SubscriberDefaults) tasks.Config { return tasks.Config{Subscriber: d} }
	for _, c := range []struct {
		cfg   tasks.Config
		wants []string
	}{
		{tasks.Config{Endpoint: "shop.example.com/_tasks"}, []string{`Config.Endpoint "shop.example.com/_tasks"`, "http:// or https://"}},
		{tasks.Config{Endpoint: "ftp://shop.example.com"}, []string{"Config.Endpoint", "http:// or https://"}},
		{tasks.Config{Endpoint: "https://"}, []string{"Config.Endpoint", "host"}},
		{tasks.Config{Endpoint: "https://a.example/?x=1"}, []string{"Config.Endpoint", "no query"}},
		{tasks.Config{Endpoint: "https://a.example/\x7f"}, []string{"Config.Endpoint", "control character"}},
		{tasks.Config{MountPath: "x"}, []string{`Config.MountPath "x"`, "slash"}},
		{tasks.Config{Queue: "my_queue"}, []string{"Config.Queue", "my_queue", "hyphens"}},
		{tasks.Config{Queues: map[string]transport.QueueConfig{"a_b": {}}}, []string{`Config.Queues["a_b"]`, "hyphens"}},
		{tasks.Config{Queues: map[string]transport.QueueConfig{"a": {MaxBurst: -1}}}, []string{`Config.Queues["a"]`, "MaxBurst -1"}},
		{tasks.Config{Queues: map[string]transport.QueueConfig{"refused": {}}}, []string{"Config.Queues", "fake: refused"}},
		{tasks.Config{PropagatedHeaders: []string{"x id"}}, []string{"Config.PropagatedHeaders", `"x id"`}},
		{tasks.Config{PropagatedHeaders: []string{"typedtasks-id"}}, []string{"Config.PropagatedHeaders", "reserved"}},
		{tasks.Config{MaxETA: 721 * time.Hour}, []string{"Config.MaxETA 721h0m0s", "720h0m0s"}},
		{tasks.Config{MaxETA: -1}, []string{"Config.MaxETA", "0 to"}},
		{tasks.Config{EnqueueRetry: backoff.Policy{Jitter: 2}}, []string{"Config.EnqueueRetry", "Jitter 2"}},
		{tasks.Config{TasksPath: "/"}, []string{"Config.TasksPath"}},
		{tasks.Config{TasksPath: "a/b"}, []string{"Config.TasksPath", "a/b"}},
		{tasks.Config{SubscriptionsPath: "a?b"}, []string{"Config.SubscriptionsPath", "a?b"}},
		{tasks.Config{TasksPath: "x", SubscriptionsPath: "/x"}, []string{`Config.TasksPath and SubscriptionsPath are both "x"`}},
		{subscriber(tasks.SubscriberDefaults{MaxRetries: 4}), []string{"Config.Subscriber: MaxRetries 4", "5 to 100"}},
		{subscriber(tasks.SubscriberDefaults{MinBackoff: time.Hour}), []string{"Config.Subscriber: MinBackoff 1h0m0s", "10m0s"}},
		{subscriber(tasks.SubscriberDefaults{MaxBackoff: -1}), []string{"Config.Subscriber: MaxBackoff", "0 to 10m0s"}},
		{subscriber(tasks.SubscriberDefaults{MinBackoff: 9, MaxBackoff: 8}), []string{"Config.Subscriber: MinBackoff 9ns", "MaxBackoff 8ns"}},
		{subscriber(tasks.SubscriberDefaults{Expiration: time.Hour}), []string{"Config.Subscriber: Expiration 1h0m0s", "24h0m0s; transport.NeverExpires"}},
		{subscriber(tasks.SubscriberDefaults{Expiration: -2}), []string{"Config.Subscriber: Expiration -2ns", "24h0m0s"}},
	} {
		t.Run(c.wants[0], func(t *testing.T) {
			t.Parallel()
			c.cfg.Transport = &enqLocal{}
			app, err := tasks.NewApp(c.cfg)
			enqSays(t, err, append(c.wants, "tasks: new app")...)
			if app != nil {
				t.Error("there is an App beside the error")
			}
		})
	}
}

func TestNewApp_ManyProblems_ReportsAll(t *testing.T) {
	t.Parallel()
	_, err := tasks.NewApp(tasks.Config{Endpoint: "x", Queue: "_", MaxETA: -1, EnqueueRetry: backoff.Policy{Multiplier: 0.5}, MountPath: "x"})
	enqSays(t, err, "Config.Transport is nil: use memory.New()", "Config.Endpoint", "Config.Queue", "Config.MaxETA", "Config.EnqueueRetry", "Config.MountPath")
}

func TestNewApp_RemoteTransport_NeedsAnEndpoint(t *testing.T) {
	t.Parallel()
	_, err := tasks.NewApp(tasks.Config{Transport: &enqFake{}})
	enqSays(t, err, "Config.Endpoint is empty", "*tasks_test.enqFake", "https://")
}

func TestNewApp_Eager_ReplacesTheTransport(t *testing.T) {
	t.Parallel()
	fake, ran := &enqFake{}, false
	task := tasks.New(func(context.Context, enqMail) error { ran = true; return nil })
	enqApp(t, tasks.Config{Transport: fake, Eager: true}, task)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.In(time.Hour)))(t)
	if !ran || fake.calls != 0 {
		t.Errorf("ran in the caller: %t; transport called %d times", ran, fake.calls)
	}
}

func TestNewApp_Queues_AreDeclaredToTheDriver(t *testing.T) {
	t.Parallel()
	local := &enqLocal{}
	queues := map[string]transport.QueueConfig{"mail": {MaxConcurrentDispatches: 3}, "slow": {}}
	app := enqApp(t, tasks.Config{Transport: local, Queues: queues})
	if !maps.Equal(local.declared, queues) {
		t.Errorf("declared %v, want %v", local.declared, queues)
	}
	delete(queues, "mail")
	app.Config().Queues["other"] = transport.QueueConfig{}
	if got := slices.Sorted(maps.Keys(app.Config().Queues)); !slices.Equal(got, []string{"mail", "slow"}) {
		t.Errorf("the App's queues changed with the caller's map: %q", got)
	}
}

func TestNewApp_SharedTransport_WantsAnEndpointEach(t *testing.T) {
	t.Parallel()
	local := &enqLocal{}
	enqApp(t, tasks.Config{Transport: local, Endpoint: "http://a.example"})
	enqApp(t, tasks.Config{Transport: local, Endpoint: "http://b.example"})
	_, err := tasks.NewApp(tasks.Config{Transport: local, Endpoint: "http://a.example/"})
	if !errors.Is(err, transport.ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	enqSays(t, err, "an Endpoint of its own")
}

func TestNewApp_Warnings_OnceAndOnlyForRemoteTransports(t *testing.T) {
	t.Parallel()
	quarantine := func(context.Context, tasks.Quarantined) error { return nil }
	for _, c := range []struct {
		why  string
		cfg  tasks.Config
		want string // in the one warning; empty: there is none
	}{
		{"remote, no quarantine", tasks.Config{Transport: &enqFake{}}, "Config.Quarantine is not set"},
		{"remote, quarantine", tasks.Config{Transport: &enqFake{}, Quarantine: quarantine}, ""},
		{"local, no quarantine", tasks.Config{Transport: &enqLocal{}}, ""},
		{"eager, no quarantine", tasks.Config{Eager: true}, ""},
		{"queues that nobody takes", tasks.Config{Transport: &enqFake{}, Quarantine: quarantine, Queues: map[string]transport.QueueConfig{"a": {}}}, "Config.Queues has no effect"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			c.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			task := tasks.New(enqDone[enqMail])
			enqApp(t, c.cfg, task)
			enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
			if n := strings.Count(log.String(), "level=WARN"); c.want == "" && n != 0 || c.want != "" && n != 1 {
				t.Errorf("%d warnings:\n%s", n, log.String())
			}
			if !strings.Contains(log.String(), c.want) {
				t.Errorf("the warning does not say %q: %s", c.want, log.String())
			}
		})
	}
}
