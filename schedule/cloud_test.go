package schedule_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apiv1 "cloud.google.com/go/scheduler/apiv1"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

const schLocation = "projects/shop/locations/europe-west1"

// schCloud is Google's client over our emulator, and what it asked for.
type schCloud struct {
	t         testing.TB
	scheduler *cloudscheduler.Scheduler
	client    *apiv1.CloudSchedulerClient // for what is done by hand

	mu     sync.Mutex
	calls  []string // "UpdateJob shop--a"
	denied func(method, job string) bool
}

func newSchCloud(t testing.TB, opts ...cloudscheduler.Option) *schCloud {
	t.Helper()
	c := &schCloud{t: t}
	e, err := emulator.New(emulator.WithServerOptions(grpc.ChainUnaryInterceptor(c.see)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	client := []option.ClientOption{option.WithEndpoint(address), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
	if c.client, err = apiv1.NewCloudSchedulerClient(t.Context(), client...); err != nil {
		t.Fatal(err)
	}
	opts = append([]cloudscheduler.Option{cloudscheduler.WithProject("shop"), cloudscheduler.WithLocation("europe-west1"),
		cloudscheduler.WithServiceAccount("push@shop.iam.gserviceaccount.com"), cloudscheduler.WithClientOptions(client...)}, opts...)
	if c.scheduler, err = cloudscheduler.New(t.Context(), opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.client.Close(), c.scheduler.Close() })
	return c
}

// see notes a call, and may deny it.
func (c *schCloud) see(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method, job := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:], ""
	switch r := req.(type) {
	case *schedulerpb.CreateJobRequest:
		job = r.GetJob().GetName()
	case *schedulerpb.UpdateJobRequest:
		job = r.GetJob().GetName()
	case *schedulerpb.DeleteJobRequest:
		job = r.GetName()
	}
	job = transport.ResourceID(job)
	c.mu.Lock()
	c.calls = append(c.calls, method+" "+job)
	denied := c.denied != nil && c.denied(method, job)
	c.mu.Unlock()
	if denied {
		return nil, status.Error(codes.PermissionDenied, "The principal lacks IAM permission.")
	}
	return next(ctx, req)
}

// take returns the calls since.
func (c *schCloud) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// writes are the calls since that change something.
func (c *schCloud) writes() []string {
	return slices.DeleteFunc(c.take(), func(call string) bool {
		return strings.HasPrefix(call, "ListJobs") || strings.HasPrefix(call, "GetJob")
	})
}

// byHand changes a job without our driver.
func (c *schCloud) byHand(name string, fields []string, change func(*schedulerpb.Job)) {
	c.t.Helper()
	j := c.get(name)
	change(j)
	if _, err := c.client.UpdateJob(c.t.Context(), &schedulerpb.UpdateJobRequest{Job: j, UpdateMask: &fieldmaskpb.FieldMask{Paths: fields}}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *schCloud) get(name string) *schedulerpb.Job {
	c.t.Helper()
	j, err := c.client.GetJob(c.t.Context(), &schedulerpb.GetJobRequest{Name: schLocation + "/jobs/" + name})
	if err != nil {
		c.t.Fatal(err)
	}
	return j
}

func (c *schCloud) create(j *schedulerpb.Job) {
	c.t.Helper()
	j.Name, j.Schedule = schLocation+"/jobs/"+j.Name, "0 3 * * *"
	if _, err := c.client.CreateJob(c.t.Context(), &schedulerpb.CreateJobRequest{Parent: schLocation, Job: j}); err != nil {
		c.t.Fatal(err)
	}
}

func schHTTP(name, url string) *schedulerpb.Job {
	return &schedulerpb.Job{Name: name, Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{Uri: url}}}
}

func schTopic(name string) *schedulerpb.Job {
	return &schedulerpb.Job{Name: name, Target: &schedulerpb.Job_PubsubTarget{PubsubTarget: &schedulerpb.PubsubTarget{TopicName: "projects/shop/topics/orders", Data: []byte("x")}}}
}

// Each field that is changed by hand, as Cloud Scheduler keeps it, is changed back, alone, and once.
func TestSyncCloud_Drift(t *testing.T) {
	c := newSchCloud(t)
	app := schApp(t, tasks.Config{Scheduler: c.scheduler})
	schRegister(t, app, schNamed("n", schedule.TimeZone("Europe/Berlin"), schedule.Description("each night"),
		schedule.Retry(transport.RetryConfig{MaxAttempts: 3, MaxRetryDuration: time.Hour, MinBackoff: 10 * time.Second, MaxBackoff: time.Minute, MaxDoublings: 2}),
		schedule.Task(tasks.WithTimeout(time.Minute), tasks.WithHeader("X-Tenant", "a"))).WithPayload(schReport{Days: 7}), schNamed("bare"))
	schPlan(t, schSync(t, app, schedule.DryRun()),
		"[+] schedule shop--n: created: 0 3 * * * (Europe/Berlin), post to https://shop.example.com/_tasks/tasks/n",
		"[+] schedule shop--bare: created: 0 3 * * * (UTC), post to https://shop.example.com/_tasks/tasks/bare", "dry run, nothing was done: 2 created")
	if got := c.writes(); len(got) > 0 {
		t.Fatalf("a dry run: %q", got)
	}
	schSync(t, app)
	c.take()
	if p := schSync(t, app); p.Changed() {
		t.Fatalf("at once:\n%s", p)
	}
	if got := c.take(); !slices.Equal(got, []string{"ListJobs "}) {
		t.Fatalf("%q", got)
	}
	target := func(change func(*schedulerpb.HttpTarget)) func(*schedulerpb.Job) {
		return func(j *schedulerpb.Job) { change(j.GetHttpTarget()) }
	}
	for _, d := range []struct {
		name, field string
		change      func(*schedulerpb.Job)
		want        string
	}{
		{"schedule", "schedule", func(j *schedulerpb.Job) { j.Schedule = "0 4 * * *" }, "schedule: 0 4 * * * -> 0 3 * * *"},
		{"zone", "time_zone", func(j *schedulerpb.Job) { j.TimeZone = "Etc/UTC" }, "time zone: UTC -> Europe/Berlin"},
		{"description", "description", func(j *schedulerpb.Job) { j.Description = "" }, "description: none -> each night"},
		{"method", "http_target", target(func(h *schedulerpb.HttpTarget) { h.HttpMethod = schedulerpb.HttpMethod_PUT }), "method: PUT -> POST"},
		{"url", "http_target", target(func(h *schedulerpb.HttpTarget) { h.Uri = "https://old.example.com/n" }), "url: https://old.example.com/n -> https://shop.example.com/_tasks/tasks/n"},
		{"no token", "http_target", target(func(h *schedulerpb.HttpTarget) { h.AuthorizationHeader = nil }),
			"audience: none -> https://shop.example.com; service account: none -> push@shop.iam.gserviceaccount.com"},
		{"audience", "http_target", target(func(h *schedulerpb.HttpTarget) { h.GetOidcToken().Audience = "" }), "audience: https://shop.example.com/_tasks/tasks/n -> https://shop.example.com"},
		{"account", "http_target", target(func(h *schedulerpb.HttpTarget) {
			h.GetOidcToken().ServiceAccountEmail = "o@shop.iam.gserviceaccount.com"
		}),
			"service account: o@shop.iam.gserviceaccount.com -> push@shop.iam.gserviceaccount.com"},
		{"another token", "http_target", target(func(h *schedulerpb.HttpTarget) {
			h.AuthorizationHeader = &schedulerpb.HttpTarget_OauthToken{OauthToken: &schedulerpb.OAuthToken{ServiceAccountEmail: "o@shop.iam.gserviceaccount.com"}}
		}), "audience: none -> https://shop.example.com; service account: o@shop.iam.gserviceaccount.com -> push@shop.iam.gserviceaccount.com"},
		{"headers", "http_target", target(func(h *schedulerpb.HttpTarget) {
			h.Headers = map[string]string{"X-Tenant": "b", "X-Hand": "1", "Content-Type": "application/json", "User-Agent": "me"}
		}), "header X-Hand: 1 -> none; header X-Tenant: b -> a"},
		{"no content type", "http_target", target(func(h *schedulerpb.HttpTarget) { delete(h.Headers, "Content-Type") }), "header Content-Type: none -> application/json"},
		{"body", "http_target", target(func(h *schedulerpb.HttpTarget) { h.Body = []byte(`{"days":8}`) }), `body: {"days":8} -> {"days":7}`},
		{"deadline", "attempt_deadline", func(j *schedulerpb.Job) { j.AttemptDeadline = nil }, "deadline: 3m -> 1m"},
		{"retries", "retry_config", func(j *schedulerpb.Job) { j.RetryConfig = nil },
			"retries: 0 -> 2; retry duration: none -> 1h; min backoff: 5s -> 10s; max backoff: 1h -> 1m; max doublings: 5 -> 2"},
		{"one of them", "retry_config", func(j *schedulerpb.Job) { j.RetryConfig.MaxBackoffDuration = durationpb.New(2 * time.Minute) }, "max backoff: 2m -> 1m"},
	} {
		c.byHand("shop--n", []string{d.field}, d.change)
		c.take()
		schPlan(t, schSync(t, app, schedule.DryRun()), "[~] schedule shop--n: updated: "+d.want, "[=] schedule shop--bare", "dry run, nothing was done: 1 updated, 1 unchanged")
		if got := c.writes(); len(got) > 0 {
			t.Errorf("%s: a dry run: %q", d.name, got)
		}
		schPlan(t, schSync(t, app), "[~] schedule shop--n: updated: "+d.want, "[=] schedule shop--bare", "1 updated, 1 unchanged")
		if got := c.writes(); !slices.Equal(got, []string{"UpdateJob shop--n"}) {
			t.Errorf("%s: %q", d.name, got)
		}
		if p := schSync(t, app); p.Changed() {
			t.Errorf("%s, once more:\n%s", d.name, p)
		}
	}
}

func TestSyncCloud_Paused_StaysSo(t *testing.T) {
	c := newSchCloud(t)
	app := schApp(t, tasks.Config{Scheduler: c.scheduler})
	schRegister(t, app, schNamed("n"))
	schSync(t, app)
	if err := c.scheduler.PauseJob(t.Context(), "shop--n"); err != nil {
		t.Fatal(err)
	}
	schPlan(t, schSync(t, app), "[=] schedule shop--n: it is paused, and stays so", "1 unchanged")
	c.byHand("shop--n", []string{"description"}, func(j *schedulerpb.Job) { j.Description = "x" })
	schPlan(t, schSync(t, app), "[~] schedule shop--n: updated: description: x -> none; it is paused, and stays so", "1 updated")
	if got := c.get("shop--n").GetState(); got != schedulerpb.Job_PAUSED {
		t.Error(got)
	}
}

func TestSyncCloud_WithoutTokens(t *testing.T) {
	c := newSchCloud(t)
	app := schApp(t, tasks.Config{Scheduler: c.scheduler})
	schRegister(t, app, schNamed("n", schedule.NoOIDC()))
	schSync(t, app)
	if c.get("shop--n").GetHttpTarget().GetAuthorizationHeader() != nil {
		t.Error("there is a token")
	}
	schPlan(t, schSync(t, app), "[=] schedule shop--n", "1 unchanged")
	c.byHand("shop--n", []string{"http_target"}, func(j *schedulerpb.Job) {
		j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OidcToken{OidcToken: &schedulerpb.OidcToken{ServiceAccountEmail: "o@shop.iam.gserviceaccount.com", Audience: "a"}}
	})
	schPlan(t, schSync(t, app), "[~] schedule shop--n: updated: audience: a -> none; service account: o@shop.iam.gserviceaccount.com -> none", "1 updated")
	schPlan(t, schSync(t, app), "[=] schedule shop--n", "1 unchanged")
}

// As many jobs as a page has and more, others' between them, some of which are not allowed to be changed.
func TestSyncCloud_ManyJobs(t *testing.T) {
	const n = 500
	c := newSchCloud(t)
	app := schApp(t, tasks.Config{Scheduler: c.scheduler})
	name := func(i int) string { return fmt.Sprintf("n%03d", i) }
	var defs []tasks.Definition
	for i := range n {
		defs = append(defs, schNamed(name(i)))
	}
	schRegister(t, app, defs...)

	foreign := []*schedulerpb.Job{
		schHTTP("shop-admin--n000", schTasks+"n000"), schHTTP("shop--admin--n000", schTasks+"n000"),
		schHTTP("shop--elsewhere", "https://other.example.com/_tasks/tasks/elsewhere"), schHTTP("by-hand", "https://x.example.com/"),
		schTopic("shop--topic"), schTopic("zzz-topic"), schTopic("shop--" + name(3)),
	}
	for _, j := range foreign {
		c.create(j)
	}
	for i := range 40 {
		c.create(schHTTP(fmt.Sprintf("shop--old%02d", i), schTasks+fmt.Sprintf("old%02d", i)))
	}
	c.denied = func(method, job string) bool {
		return (method == "CreateJob" || method == "DeleteJob") && strings.HasSuffix(job, "7")
	}
	c.take()
	p, err := schedule.Sync(t.Context(), app)
	schSays(t, err, "PermissionDenied", `"shop--n007"`, `"shop--n497"`, `"shop--old37"`, `schedule "shop--n003": blocked`)
	if got, want := p.Summary(), "449 created, 36 deleted, 1 blocked, 54 failed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.mu.Lock()
	c.denied = nil
	c.mu.Unlock()

	p, err = schedule.Sync(t.Context(), app)
	schSays(t, err, "blocked")
	if got, want := p.Summary(), "50 created, 4 deleted, 449 unchanged, 1 blocked"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := c.client.CreateJob(t.Context(), &schedulerpb.CreateJobRequest{}); err == nil {
		t.Error("a job without a name")
	}
	c.take()
	p, err = schedule.Sync(t.Context(), app)
	schSays(t, err, "blocked")
	if p.Count(plan.Unchanged) != n-1 || len(p.Changes) != n {
		t.Errorf("once more: %s", p.Summary())
	}
	if got := c.take(); !slices.Equal(got, []string{"ListJobs ", "ListJobs "}) {
		t.Errorf("%q", got)
	}
	for _, j := range foreign {
		c.get(transport.ResourceID(j.GetName()))
	}
}

// A page that cannot be read is no reason to create, or to delete.
func TestSyncCloud_ListDenied_NothingIsChanged(t *testing.T) {
	c := newSchCloud(t)
	c.create(schHTTP("shop--old", schTasks+"old"))
	c.denied = func(method, _ string) bool { return method == "ListJobs" }
	app := schApp(t, tasks.Config{Scheduler: c.scheduler})
	schRegister(t, app, schNamed("n"))
	c.take()
	p, err := schedule.Sync(t.Context(), app)
	schSays(t, err, "nothing was changed", "PermissionDenied")
	if got := c.writes(); len(got) > 0 || len(p.Changes) != 0 {
		t.Errorf("%q\n%s", got, p)
	}
}
