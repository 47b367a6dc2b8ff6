package tasktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// nightly is a task that Cloud Scheduler fires at three in the night.
func nightly(opts ...schedule.Option) *schedule.Periodic[struct{}] {
	return schedule.New(nothing[struct{}], schedule.Cron("0 3 * * *"), append([]schedule.Option{schedule.Task(tasks.WithName("Nightly"))}, opts...)...)
}

// sent shows a request with its headers, times made equal.
func sent(t *testing.T, r *http.Request) []string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body)}
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[k] {
			v = regexp.MustCompile(`^\d{10}\.\d{6}$`).ReplaceAllString(v, "SECONDS")
			lines = append(lines, k+": "+v)
		}
	}
	return lines
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRequest_FirstAttempt_AsCloudTasksSendsIt(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Order])
	wantLines(t, sent(t, tasktest.Request(t, task, Order{1}, tasktest.WithHeader("traceparent", "00-0a-0b-01"))),
		`POST /tasks/Order {"id":1}`,
		"Content-Type: application/json",
		"Traceparent: 00-0a-0b-01",
		"User-Agent: Google-Cloud-Tasks",
		"X-Cloudtasks-Queuename: tasks",
		"X-Cloudtasks-Tasketa: SECONDS",
		"X-Cloudtasks-Taskexecutioncount: 0",
		"X-Cloudtasks-Taskname: 57462374832847",
		"X-Cloudtasks-Taskretrycount: 0",
	)
}

func TestRequest_Retry_AsCloudTasksSendsIt(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Order], tasks.OnQueue("shop--mail"), tasks.WithName("orders.new"))
	wantLines(t, sent(t, tasktest.Request(t, task, Order{1}, tasktest.Attempt(3), tasktest.ID("Order-2f1c"), tasktest.Mount("/_tasks/"), tasktest.LastAttempt())),
		`POST /_tasks/tasks/orders.new {"id":1}`,
		"Content-Type: application/json",
		"Typedtasks-Retry: attempts=3",
		"User-Agent: Google-Cloud-Tasks",
		"X-Cloudtasks-Queuename: shop--mail",
		"X-Cloudtasks-Tasketa: SECONDS",
		"X-Cloudtasks-Taskexecutioncount: 0",
		"X-Cloudtasks-Taskname: Order-2f1c",
		"X-Cloudtasks-Taskpreviousresponse: 500",
		"X-Cloudtasks-Taskretrycount: 2",
		"X-Cloudtasks-Taskretryreason: ",
	)
}

func TestRequest_Periodic_AsCloudSchedulerSendsIt(t *testing.T) {
	t.Parallel()
	task := nightly()
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, task)
	want := []string{
		`POST /tasks/Nightly {}`,
		"Content-Type: application/json",
		"User-Agent: Google-Cloud-Scheduler",
		"X-Cloudscheduler: true",
		"X-Cloudscheduler-Jobname: shop--Nightly",
		"X-Cloudscheduler-Scheduletime: " + rec.Now().Format(time.RFC3339),
	}
	wantLines(t, sent(t, tasktest.Request(t, task, struct{}{}, tasktest.With(rec))), want...)
	if got := tasktest.Request(t, task, struct{}{}).Header.Get("X-CloudScheduler-JobName"); got != "Nightly" {
		t.Errorf("without an App's name the job is %q, want Nightly", got)
	}
}

func TestRequest_Periodic_WhatItsScheduleSays(t *testing.T) {
	t.Parallel()
	named := func(name string) schedule.Option {
		return schedule.Task(tasks.WithName(name), tasks.WithHeader("X-Tenant", "acme"))
	}
	zoned := schedule.New(nothing[Order], schedule.Cron("0 3 * * *"), schedule.TimeZone("Asia/Kolkata"), named("daily.report"))
	english := schedule.New(nothing[Order], schedule.Every("every 2 hours"), named("Hourly"))
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"}, zoned, english)

	r := tasktest.Request(t, zoned, Order{7}, tasktest.With(rec))
	if at := r.Header.Get("X-CloudScheduler-ScheduleTime"); at != rec.Now().In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339) {
		t.Errorf("planned for %s, want %s in the zone of the job", at, rec.Now())
	}
	job, err := schedule.Describe(rec.App().Config(), zoned) // whose name is a legal one
	if err != nil {
		t.Fatal(err)
	}
	if name, tenant := r.Header.Get("X-CloudScheduler-JobName"), r.Header.Get("X-Tenant"); name != job.Name || tenant != "acme" {
		t.Errorf("job %q, want %q; tenant %q", name, job.Name, tenant)
	}
	if body, _ := io.ReadAll(r.Body); string(body) != `{"id":7}` || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("body %s of type %s", body, r.Header.Get("Content-Type"))
	}
	if at, ok := tasktest.Request(t, english, Order{7}, tasktest.With(rec)).Header["X-Cloudscheduler-Scheduletime"]; ok {
		t.Errorf("a job in English tells its time %s, which Cloud Scheduler does for five fields only", at)
	}
	broken := schedule.New(nothing[Order], schedule.Cron("0 3 * * *"), schedule.TimeZone("Mars/Olympus"))
	contains(t, mustFail(t, func(t testing.TB) { tasktest.Request(t, broken, Order{}) }), "definition of periodic Order is not valid", "Mars/Olympus")
}

// What the platform sends, as package tasks is tested with.
func TestRequest_HeadersOfTheWireVectors(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Order])
	for file, r := range map[string]*http.Request{
		"cloudtasks-first.json": tasktest.Request(t, task, Order{1}),
		"cloudtasks-retry.json": tasktest.Request(t, task, Order{1}, tasktest.Attempt(3)),
		"scheduler.json":        tasktest.Request(t, nightly(), struct{}{}),
	} {
		data, err := os.ReadFile(filepath.Join("..", "tasks", "testdata", "wire", file))
		if err != nil {
			t.Fatal(err)
		}
		var vector struct {
			Method  string
			Headers map[string]string
		}
		if err := json.Unmarshal(data, &vector); err != nil {
			t.Fatal(err)
		}
		want := http.Header{"Content-Type": nil} // where the task has one
		for k := range vector.Headers {
			want[http.CanonicalHeaderKey(k)] = nil
		}
		want.Del("Traceparent")              // a propagated one
		want.Del("X-Cloudtasks-Projectname") // which Python services add
		got, wanted := slices.Sorted(maps.Keys(r.Header)), slices.Sorted(maps.Keys(want))
		if !slices.Equal(got, wanted) || r.Method != vector.Method || r.UserAgent() != vector.Headers["User-Agent"] {
			t.Errorf("%s: %s %s with %q, want %q", file, r.Method, r.UserAgent(), got, wanted)
		}
	}
}

func TestRun_Periodic(t *testing.T) {
	t.Parallel()
	var m tasks.Metadata
	var last bool
	task := schedule.New(func(ctx context.Context, _ struct{}) error {
		m, _ = tasks.MetadataFrom(ctx)
		last, _ = m.LastAttempt(ctx)
		return nil
	}, schedule.Cron("0 3 * * *"), schedule.Task(tasks.WithName("Nightly")))
	rec := tasktest.New(t, task)
	tasktest.Run(t, task, struct{}{}, tasktest.With(rec), tasktest.LastAttempt())
	if m.SchedulerJob != "Nightly" || !m.ScheduleTime.Equal(rec.Now().Truncate(time.Second)) || m.Attempt != 1 || !last {
		t.Errorf("metadata %+v, last %t", m, last)
	}

	enqueue(t, rec.Context(), task.Task, struct{}{}) // a periodic task is a task
	rec.Drain()
	tasktest.RequireEnqueued(t, rec, task)
	if m.SchedulerJob != "" || m.Queue != "tasks" {
		t.Errorf("metadata of the enqueued one %+v", m)
	}
}

func TestRequest_ForAMountedApp_Arrives(t *testing.T) {
	t.Parallel()
	for _, mount := range []string{"/_tasks", "/_tasks/", "_tasks"} {
		var seen []int
		task := tasks.New(collect(&seen))
		app, err := tasks.NewApp(tasks.Config{Transport: memory.New(), Endpoint: "https://shop.example.com/_tasks", Authenticator: tasks.TrustNetwork()})
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Register(task); err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/_tasks/", app)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, tasktest.Request(t, task, Order{1}, tasktest.Mount(mount)))
		if w.Code != http.StatusOK || !slices.Equal(seen, []int{1}) {
			t.Errorf("%s: status %d, ran %v", mount, w.Code, seen)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestRequest_MountOverWith(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Order])
	rec := tasktest.NewWith(t, tasks.Config{Endpoint: "https://shop.example.com/_tasks", Queue: "shop"}, task)
	r := tasktest.Request(t, task, Order{1}, tasktest.With(rec))
	if r.URL.Path != "/_tasks/tasks/Order" || r.Header.Get("X-CloudTasks-QueueName") != "shop" {
		t.Errorf("path %s, queue %s", r.URL.Path, r.Header.Get("X-CloudTasks-QueueName"))
	}
	if r := tasktest.Request(t, task, Order{1}, tasktest.Mount("/"), tasktest.With(rec)); r.URL.Path != "/tasks/Order" {
		t.Errorf("path %s, want that of Mount", r.URL.Path)
	}
}

// reversed is a codec that writes JSON backwards, and may say how that is labelled.
type reversed struct{ tasks.JSONCodec }

func (reversed) Name() string { return "reversed" }

func (c reversed) Marshal(v any) ([]byte, error) {
	b, err := c.JSONCodec.Marshal(v)
	slices.Reverse(b)
	return b, err
}

func (c reversed) Unmarshal(b []byte, v any) error {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return c.JSONCodec.Unmarshal(b, v)
}

type labelled struct{ reversed }

func (labelled) ContentType() string { return "text/reversed" }

func TestRequest_CodecOfTheApp(t *testing.T) {
	t.Parallel()
	for want, codec := range map[string]tasks.Codec{"application/octet-stream": reversed{}, "text/reversed": labelled{}} {
		var seen []int
		task := tasks.New(collect(&seen))
		rec := tasktest.NewWith(t, tasks.Config{Codec: codec}, task)
		lines := sent(t, tasktest.Request(t, task, Order{12}, tasktest.With(rec)))
		if lines[0] != `POST /tasks/Order }21:"di"{` || lines[1] != "Content-Type: "+want {
			t.Errorf("sent %q", lines)
		}
		tasktest.Run(t, task, Order{12}, tasktest.With(rec))
		enqueue(t, rec.Context(), task, Order{34})
		tasktest.RequireEnqueued(t, rec, task, tasktest.Args(Order{34}))
		rec.Drain()
		if !slices.Equal(seen, []int{12, 34}) {
			t.Errorf("ran %v", seen)
		}
	}
}
