package schedule_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestDescribe_FullDefinition(t *testing.T) {
	t.Parallel()
	retry := transport.RetryConfig{MaxAttempts: 4, MaxRetryDuration: time.Hour, MinBackoff: 10 * time.Second, MaxBackoff: time.Minute, MaxDoublings: 2}
	p := schedule.New(schNothing[schReport], schedule.Cron(" 0  3 * * 1-5"), schedule.TimeZone("America/Sao_Paulo"),
		schedule.Description("the report of the night"), schedule.Retry(retry),
		schedule.Task(tasks.WithName("reports.nightly"), tasks.WithTimeout(5*time.Minute), tasks.WithHeader("x-tenant", "a"),
			tasks.OnQueue("slow"), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 9}), tasks.Unique()),
	).WithPayload(schReport{Region: "south"})
	app := schApp(t, tasks.Config{Name: "shop co", Delimiter: "::", TasksPath: "jobs", Audience: "https://aud.example.com"})
	schRegister(t, app, p)
	want := &transport.Job{
		Name: "shop-co-5f57ab99--reports-nightly", Description: "the report of the night", Schedule: "0 3 * * 1-5", TimeZone: "America/Sao_Paulo",
		URL: "https://shop.example.com/_tasks/jobs/reports.nightly", Audience: "https://aud.example.com",
		Header: http.Header{"Content-Type": {"application/json"}, "X-Tenant": {"a"}}, Body: []byte(`{"region":"south"}`),
		Deadline: 5 * time.Minute, Retry: &retry, Method: http.MethodPost,
	}
	got := schDescribe(t, app, p)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got.Header.Set("X-Tenant", "b")
	got.Body[0], got.Retry.MaxAttempts = 'x', 1
	if again := schDescribe(t, app, p); !reflect.DeepEqual(again, want) {
		t.Errorf("what Describe returns is shared: %+v", again)
	}
}

func TestDescribe_WithoutOptions(t *testing.T) {
	t.Parallel()
	p := schedule.New(schNothing[struct{}], schedule.Cron("@daily"), schedule.Task(tasks.WithName("SaySomethingTask")))
	app := schApp(t, tasks.Config{})
	schRegister(t, app, p)
	want := &transport.Job{
		Name: "shop--SaySomethingTask", Schedule: "0 0 * * *", TimeZone: "UTC", URL: "https://shop.example.com/_tasks/tasks/SaySomethingTask",
		Audience: "https://shop.example.com", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{}`), Method: http.MethodPost,
	}
	if got := schDescribe(t, app, p); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	full := schNamed("n")
	for _, c := range []struct {
		name string
		cfg  tasks.Config
		def  tasks.Definition
		got  func(*transport.Job) string
		want string
	}{
		{"no name of the App", tasks.Config{Name: "-"}, full, func(j *transport.Job) string { return j.Name }, "n"},
		{"another delimiter", tasks.Config{Delimiter: "_"}, full, func(j *transport.Job) string { return j.Name }, "shop_n"},
		{"a name in other letters", tasks.Config{Name: "größe"}, full, func(j *transport.Job) string { return j.Name }, "gr--e-8a391438--n"},
		{"no token", tasks.Config{}, schNamed("n", schedule.NoOIDC()), func(j *transport.Job) string { return j.Audience }, ""},
		{"English", tasks.Config{}, schedule.New(schNothing[schReport], schedule.Every("1st  friday of month 09:00")), func(j *transport.Job) string { return j.Schedule }, "1st friday of month 09:00"},
		{"whole minutes", tasks.Config{}, schedule.New(schNothing[schReport], schedule.Interval(90*time.Minute)), func(j *transport.Job) string { return j.Schedule }, "every 90 minutes"},
		{"seconds", tasks.Config{}, schedule.New(schNothing[schReport], schedule.Interval(90*time.Second)), func(j *transport.Job) string { return j.Schedule }, "every 90 seconds"},
		{"@Hourly", tasks.Config{}, schedule.New(schNothing[schReport], schedule.Cron(" @Hourly ")), func(j *transport.Job) string { return j.Schedule }, "0 * * * *"},
		{"the content type of a codec", tasks.Config{Codec: schText{}}, full, func(j *transport.Job) string { return j.Header.Get("Content-Type") + " " + string(j.Body) }, "application/octet-stream text"},
		{"... that says it", tasks.Config{Codec: schLabelled{}}, full, func(j *transport.Job) string { return j.Header.Get("Content-Type") }, "text/x-labelled"},
		{"a content type of its own", tasks.Config{}, schNamed("n", schedule.Task(tasks.WithHeader("content-type", "application/x-own"))),
			func(j *transport.Job) string { return strings.Join(j.Header["Content-Type"], ",") }, "application/x-own"},
		{"the zero value that a pointer points to", tasks.Config{}, schedule.New(schNothing[*schReport], schedule.Cron("@daily")), func(j *transport.Job) string { return string(j.Body) }, "{}"},
		{"a payload by pointer", tasks.Config{}, schedule.New(schNothing[*schReport], schedule.Cron("@daily")).WithPayload(&schReport{Days: 3}), func(j *transport.Job) string { return string(j.Body) }, `{"days":3}`},
		{"a list", tasks.Config{}, schedule.New(schNothing[[]int], schedule.Cron("@daily"), schedule.Task(tasks.WithName("n"))).WithPayload([]int{1, 2}), func(j *transport.Job) string { return string(j.Body) }, "[1,2]"},
		{"the last payload", tasks.Config{}, schNamed("n").WithPayload(schReport{Days: 1}).WithPayload(schReport{Days: 2}), func(j *transport.Job) string { return string(j.Body) }, `{"days":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := schApp(t, c.cfg)
			schRegister(t, app, c.def)
			if got := c.got(schDescribe(t, app, c.def)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

type schText struct{}

func (schText) Name() string                { return "text" }
func (schText) Marshal(any) ([]byte, error) { return []byte("text"), nil }
func (schText) Unmarshal([]byte, any) error { return nil }

type schLabelled struct{ schText }

func (schLabelled) ContentType() string { return "text/x-labelled" }

func TestDescribe_Refuses(t *testing.T) {
	t.Parallel()
	cfg := schApp(t, tasks.Config{}).Config()
	long := cfg
	long.Name = strings.Repeat("n", 498)
	for _, c := range []struct {
		cfg  tasks.Config
		def  tasks.Definition
		says string
	}{
		{cfg, tasks.New(schNothing[schReport]), `task "schReport" is no periodic task`},
		{cfg, pubsub.NewPublisher[schReport](), "no periodic task"},
		{cfg, schedule.New(schNothing[schReport], nil), "schReport: the schedule is nil"},
		{cfg, new(schedule.Periodic[schReport]), "zero Periodic"},
		{cfg, schedule.New(schNothing[schOdd], schedule.Cron("@daily")), "panic"},
		{long, schNamed("n"), "job id of 501 bytes"},
	} {
		job, err := schedule.Describe(c.cfg, c.def)
		if job != nil {
			t.Errorf("%q: a job all the same: %+v", c.says, job)
		}
		schSays(t, err, c.says)
	}
	// Without a codec it is JSON.
	if job, err := schedule.Describe(tasks.Config{Endpoint: "https://x.example", TasksPath: "tasks"}, schNamed("n")); err != nil || string(job.Body) != "{}" {
		t.Errorf("%+v, %v", job, err)
	}
}

func TestWithPayload_WhatIsRegistered_Stays(t *testing.T) {
	t.Parallel()
	first, second := &schScheduler{}, &schScheduler{}
	p := schNamed("n").WithPayload(schReport{Days: 1})
	one := schApp(t, tasks.Config{Scheduler: first})
	schRegister(t, one, p)
	p.WithPayload(schReport{Days: 2})
	two := schApp(t, tasks.Config{Scheduler: second})
	schRegister(t, two, p)
	for app, s := range map[*tasks.App]*schScheduler{one: first, two: second} {
		schSync(t, app)
		want := map[*schScheduler]string{first: `{"days":1}`, second: `{"days":2}`}[s]
		if got := string(s.jobs["shop--n"].Body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
