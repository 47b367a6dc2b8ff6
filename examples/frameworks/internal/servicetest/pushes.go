package servicetest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

func (s Service) testPushes(t *testing.T) {
	task := orders(func(_ context.Context, o Order) error {
		switch o.ID {
		case 500:
			return errors.New("a secret")
		case 202:
			return tasks.Discard(errors.New("a secret"))
		case 503:
			return tasks.RetryAfter(7*time.Second, nil)
		case 666:
			panic("a secret")
		}
		return nil
	})
	sh := s.open(t, tasks.Config{}, task)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		appStatus, error         string
		header                   string // "Name: value" of the answer
	}{
		{name: "the service's task", path: "/tasks/Welcome", body: `{"email":"ana@example.com"}`, status: 200, appStatus: "executed"},
		{name: "another task", path: "/tasks/Order", body: `{"id":1}`, status: 200, appStatus: "executed", header: "Content-Type: application/json"},
		{name: "no JSON", path: "/tasks/Welcome", body: `{"email":`, status: 400, appStatus: "rejected", error: "not valid json"},
		{name: "no body", path: "/tasks/Welcome", status: 400, appStatus: "rejected"},
		{name: "a field breaks its rule", path: "/tasks/Welcome", body: `{"email":"ana"}`, status: 400, appStatus: "rejected", error: "email fails rule email"},
		{name: "a field is missing", path: "/tasks/Welcome", body: `{}`, status: 400, appStatus: "rejected", error: "email fails rule required"},
		{name: "two fields are wrong", path: "/tasks/Order", body: `{"email":"ana"}`, status: 400, appStatus: "rejected", error: "id fails rule required"},
		{name: "no such task", path: "/tasks/Nothing", body: `{}`, status: 404, appStatus: "not_found"},
		{name: "no such subscription", path: "/subscriptions/Welcome", body: `{}`, status: 404, appStatus: "not_found"},
		{name: "GET", method: "GET", path: "/tasks/Welcome", status: 405, appStatus: "method_not_allowed", header: "Allow: POST"},
		{name: "PUT", method: "PUT", path: "/tasks/Welcome", body: `{}`, status: 405, appStatus: "method_not_allowed", header: "Allow: POST"},
		{name: "DELETE of nothing", method: "DELETE", path: "/tasks/Nothing", status: 405, appStatus: "method_not_allowed", header: "Allow: POST"},
		{name: "a function fails", path: "/tasks/Order", body: `{"id":500}`, status: 500, appStatus: "failed"},
		{name: "a function panics", path: "/tasks/Order", body: `{"id":666}`, status: 500, appStatus: "failed"},
		{name: "a function discards", path: "/tasks/Order", body: `{"id":202}`, status: 202, appStatus: "discarded"},
		{name: "a function asks for a pause", path: "/tasks/Order", body: `{"id":503}`, status: 503, appStatus: "retry_later", header: "Retry-After: 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.method == "" {
				c.method = http.MethodPost
			}
			got := sh.send(t, request(t, c.method, sh.url+"/_tasks"+c.path, strings.NewReader(c.body)))
			got.want(t, c.status, c.appStatus)
			if !strings.Contains(got.appError(), c.error) || strings.Contains(got.body, "secret") {
				t.Errorf("the error is %q, want %q in it", got.appError(), c.error)
			}
			if name, value, _ := strings.Cut(c.header, ": "); c.header != "" && got.header.Get(name) != value {
				t.Errorf("the header is %v, want %s", got.header, c.header)
			}
		})
	}
}

// CalculatePriceTask is the payload of the golden push.
type CalculatePriceTask struct {
	Price    float64   `json:"price"`
	Quantity int       `json:"quantity"`
	Discount float64   `json:"discount"`
	Label    string    `json:"label"`
	At       time.Time `json:"at"`
}

// golden is where the library keeps pushes as the platform sends them, seen from the package of an example.
const golden = "../../../tasks/testdata/wire/cloudtasks-first.json"

func (s Service) testGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(golden))
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Path, Body string
		Headers    map[string]string
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	type seen struct {
		payload CalculatePriceTask
		meta    tasks.Metadata
		trace   string
	}
	got := make(chan seen, 1)
	sh := s.open(t, tasks.Config{}, tasks.New(func(ctx context.Context, p CalculatePriceTask) error {
		m, _ := tasks.MetadataFrom(ctx)
		got <- seen{p, m, tasks.HeadersFrom(ctx).Get("traceparent")}
		return nil
	}))
	var header []string
	for name, value := range g.Headers {
		header = append(header, name, value)
	}
	sh.post(t, "/_tasks"+g.Path, strings.NewReader(g.Body), header...).want(t, 200, "executed")
	at := time.Date(2024, 11, 24, 2, 30, 0, 123456000, time.UTC)
	switch ran := receive(t, got); {
	case ran.payload.Price != 30, ran.payload.Quantity != 4, ran.payload.Discount != 0.2, ran.payload.Label != "café", !ran.payload.At.Equal(at):
		t.Errorf("the payload is %+v", ran.payload)
	case ran.meta.ID != "57462374832847", ran.meta.Queue != "tasks", ran.meta.Project != "potato-dev",
		ran.meta.Attempt != 1, ran.meta.ExecutionCount != 0, !ran.meta.ETA.Equal(at):
		t.Errorf("the metadata is %+v", ran.meta)
	case ran.meta.Header.Get("User-Agent") != "Google-Cloud-Tasks", ran.meta.Header.Get("X-CloudTasks-TaskName") != "57462374832847":
		t.Errorf("the raw header is %v", ran.meta.Header)
	case ran.trace != g.Headers["traceparent"]:
		t.Errorf("the trace is %q, want %q", ran.trace, g.Headers["traceparent"])
	}
}

func (s Service) testPaths(t *testing.T) {
	t.Run("below /_tasks", func(t *testing.T) {
		sh := s.open(t, tasks.Config{})
		testPathsBelow(t, sh, "/_tasks")
		if got := sh.post(t, "/signup/", strings.NewReader(`{"email":"ana@example.com"}`)); got.status != s.Slash {
			t.Errorf("POST /signup/ is answered with %d, want %d", got.status, s.Slash)
		}
	})
	t.Run("in a group", func(t *testing.T) {
		testPathsBelow(t, open(t, s.Nested, tasks.Config{Endpoint: "http://localhost/api/_tasks", MountPath: s.Mount}, s.Welcome), "/api/_tasks")
	})
	t.Run("as Cloud Tasks would ask for them", func(t *testing.T) {
		task := orders(ignore)
		sh := s.open(t, tasks.Config{}, task)
		got := sh.push(t, tasktest.Request(t, task, Order{ID: 1}, tasktest.Mount("/_tasks"), tasktest.Attempt(3)))
		got.want(t, 200, "executed")
	})
}

func testPathsBelow(t *testing.T, sh *shop, mount string) {
	for path, status := range map[string]int{
		"/tasks/Welcome":         200,
		"/tasks/Welcome?a=b":     200,
		"/tasks/Wel%63ome":       404, // no task of ours is spelled so
		"/tasks/Welcome/":        404,
		"/tasks/Welcome/Welcome": 404,
		"/tasks/welcome":         404,
		"/tasks/":                404,
		"/":                      404,
		mount + "/tasks/Welcome": 404,
	} {
		if got := sh.post(t, mount+path, strings.NewReader(`{"email":"ana@example.com"}`)); got.status != status {
			t.Errorf("POST %s is answered with %d %s, want %d", mount+path, got.status, got.body, status)
		}
	}
	for _, path := range []string{"/tasks/Welcome", "/elsewhere" + mount + "/tasks/Welcome", mount + "s/tasks/Welcome"} {
		if got := sh.post(t, path, strings.NewReader(`{"email":"ana@example.com"}`)); got.status != 404 {
			t.Errorf("POST %s is answered with %d %s, want 404", path, got.status, got.body)
		}
	}
	// Some routers send on to the same path with a slash. Cloud Tasks takes a redirect for a failure.
	if got := sh.post(t, mount, strings.NewReader(`{"email":"ana@example.com"}`)); got.status != 404 && got.status != 307 {
		t.Errorf("POST %s is answered with %d %s, want 404 or 307", mount, got.status, got.body)
	}
}
