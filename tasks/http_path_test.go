package tasks_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

func TestServeHTTP_OddPaths_ReachNoDefinition(t *testing.T) {
	t.Parallel()
	odd := []string{
		"//_tasks/tasks/order", "/_tasks//tasks/order", "/_tasks/tasks//order", "/_tasks/tasks/order/", "/_tasks/tasks/order//",
		"/_tasks/tasks/order.", "/_tasks/tasks/.order", "/_tasks/tasks/./order", "/_tasks/./tasks/order", "/_tasks/tasks/../tasks/order", "/_tasks/x/../tasks/order", "/../_tasks/tasks/order",
		"/_tasks/tasks%2Forder", "/_tasks%2Ftasks/order", "/_tasks%2Ftasks%2Forder", "/%2F_tasks/tasks/order", "/_tasks/tasks%5Corder",
		"/_tasks/tasks/%2e/order", "/_tasks/x/%2E%2E/tasks/order", "/_tasks/x/..%2Ftasks/order", "/_tasks/tasks/order%2F", "/_tasks/tasks/order%2e",
		"/_tasks/tasks/%6Frder", "/_tasks/%74asks/order", "/%5Ftasks/tasks/order",
		"/_tasks/tasks/order%00", "/_tasks/tasks/order%20", "/_tasks/tasks/order%0A", "/_tasks/tasks/order;v=1", "/_tasks/tasks/order%3Fx", "/_tasks/tasks/order%23x", "/_tasks/tasks/order#x",
		"/_tasks/tasks/ORDER", "/_TASKS/tasks/order", "/_tasks/tasks/ordér", "/_tasks/tasks/order\\", "/_tasks/subscriptions/order", "/_tasks/order", "/tasks/order",
	}
	for _, quarantine := range []bool{false, true} {
		ran := 0
		var kept []tasks.Quarantined
		cfg := tasks.Config{Endpoint: "https://h/_tasks"}
		if quarantine {
			cfg.Quarantine = dlvKeep(&kept)
		}
		app := dlvApp(t, cfg, dlvTask(func(context.Context, dlvOrder) error { ran++; return nil }))
		mux := http.NewServeMux()
		mux.Handle("/_tasks/", app)
		for _, path := range odd {
			for how, h := range map[string]http.Handler{"alone": app, "in a ServeMux": mux} {
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(dlvBody))
				u, err := url.ParseRequestURI(path) // as a server does
				if err != nil {
					t.Fatal(err)
				}
				r.URL = u
				h.ServeHTTP(w, r)
				if ran != 0 || w.Code < 300 && w.Code != http.StatusAccepted || w.Code == http.StatusAccepted && !quarantine {
					t.Errorf("%s, %s: answered %d %s, ran %d times", path, how, w.Code, w.Body, ran)
				}
				ran = 0
			}
		}
		for _, q := range kept {
			if q.Kind != "" { // it would be a definition's
				t.Errorf("kept %q as a %q", q.Name, q.Kind)
			}
		}
		for _, path := range []string{"/_tasks/tasks/order", "/_tasks/tasks/order?x=/../"} {
			dlvWant(t, dlvServe(t, mux, dlvPost(path, dlvBody)), http.StatusOK, "executed")
		}
	}
}

func TestServeHTTP_MountPointWithEscapes_IsServedAsItIsSpelled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoint, mount  string
		served, unserved []string
	}{
		{"https://h/a%2Fb/_tasks", "", []string{"/a%2Fb/_tasks/tasks/order", "/a/b/_tasks/tasks/order"}, []string{"/a%2Fb/_tasks/tasks%2Forder", "/a%2fb/_tasks/tasks/order"}},
		{"https://h/a!b", "", []string{"/a!b/tasks/order", "/a%21b/tasks/order"}, []string{"/a!b/tasks/%6frder", "/a%21b%2Ftasks/order"}},
		{"https://h/a b", "", []string{"/a%20b/tasks/order"}, []string{"/a%20b/tasks%2Forder"}},
		{"https://h/x", "/a!b", []string{"/a!b/tasks/order", "/a%21b/tasks/order"}, []string{"/a%21b/t%61sks/order"}},
		{"https://h", "", []string{"/tasks/order"}, []string{"/%74asks/order", "/tasks%2Forder"}},
	} {
		ran := 0
		app := dlvApp(t, tasks.Config{Endpoint: c.endpoint, MountPath: c.mount}, dlvTask(func(context.Context, dlvOrder) error { ran++; return nil }))
		for _, path := range c.served {
			dlvWant(t, dlvServe(t, app, dlvPost(path, dlvBody)), http.StatusOK, "executed")
		}
		for _, path := range c.unserved {
			dlvWant(t, dlvServe(t, app, dlvPost(path, dlvBody)), http.StatusNotFound, "not_found")
		}
		if ran != len(c.served) {
			t.Errorf("%s: ran %d times", c.endpoint, ran)
		}
	}
}
