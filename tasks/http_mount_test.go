package tasks_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

func TestServeHTTP_Mounted_ServesBelowItsPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		endpoint, mount  string
		tasksPath        string
		pattern          string // of an http.ServeMux around the App; none: the App alone
		served, unserved []string
	}{
		{name: "at the root", endpoint: "https://h", served: []string{"/tasks/order"}, unserved: []string{"/_tasks/tasks/order"}},
		{name: "at the endpoint's path", endpoint: "https://h/_tasks", pattern: "/_tasks/", served: []string{"/_tasks/tasks/order", "/_tasks/tasks/old-order"}, unserved: []string{"/tasks/order", "/_tasks/order"}},
		{name: "endpoint with a slash at its end", endpoint: "https://h/_tasks/", pattern: "/_tasks/", served: []string{"/_tasks/tasks/order"}},
		{name: "endpoint with an escape in its path", endpoint: "https://h/a%20b", served: []string{"/a%20b/tasks/order"}},
		{name: "method in the pattern", endpoint: "https://h/_tasks", pattern: "POST /_tasks/", served: []string{"/_tasks/tasks/order"}},
		{name: "MountPath behind a proxy that cuts the path", endpoint: "https://h/api/_tasks", mount: "/", served: []string{"/tasks/order"}, unserved: []string{"/api/_tasks/tasks/order"}},
		{name: "MountPath behind a proxy that rewrites it", endpoint: "https://h/api", mount: "/inner/jobs/", pattern: "/inner/jobs/", served: []string{"/inner/jobs/tasks/order"}},
		{name: "TasksPath", endpoint: "https://h", tasksPath: "/jobs/", served: []string{"/jobs/order"}, unserved: []string{"/tasks/order"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ran := 0
			app := dlvApp(t, tasks.Config{Endpoint: c.endpoint, MountPath: c.mount, TasksPath: c.tasksPath},
				dlvTask(func(context.Context, dlvOrder) error { ran++; return nil }, tasks.WithAliases("old-order")))
			var h http.Handler = app
			if c.pattern != "" {
				mux := http.NewServeMux()
				mux.Handle(c.pattern, app)
				h = mux
			}
			for _, path := range c.served {
				dlvWant(t, dlvServe(t, h, dlvPost(path, dlvBody)), http.StatusOK, "executed")
			}
			for _, path := range c.unserved {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, dlvPost(path, dlvBody)); w.Code != http.StatusNotFound {
					t.Errorf("%s is answered %d, want 404", path, w.Code)
				}
			}
			if ran != len(c.served) {
				t.Errorf("ran %d times, want %d", ran, len(c.served))
			}
		})
	}
}

func TestServeHTTP_WhatEnqueueSends_ArrivesWhereItIsMounted(t *testing.T) {
	t.Parallel()
	remote, ran := &dlvRemote{}, 0
	task := dlvTask(func(_ context.Context, o dlvOrder) error { ran += o.ID; return nil })
	app := dlvApp(t, tasks.Config{Endpoint: "https://h/_tasks", Transport: remote}, task)
	if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}); err != nil {
		t.Fatal(err)
	}
	sent := remote.one(t)
	r := httptest.NewRequest(http.MethodPost, sent.URL, bytes.NewReader(sent.Body))
	r.Header = sent.Header
	dlvWant(t, dlvServe(t, app, r), http.StatusOK, "executed")
	if ran != 7 {
		t.Errorf("the function saw %d, want 7", ran)
	}
}

// dlvListen serves app on a loopback port.
func dlvListen(t *testing.T, app *tasks.App) *httptest.Server {
	mux := http.NewServeMux()
	mux.Handle("/_tasks/", app)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func TestServeHTTP_OverNetwork_ManyAtOnce(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Endpoint: "https://h/_tasks"},
		tasks.NewWithResult(func(_ context.Context, o dlvOrder) (string, error) { return fmt.Sprint(o.ID, o.Email), nil }, tasks.WithName("echo")))
	srv := dlvListen(t, app)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				id := 1 + w*1000 + i
				body := io.Reader(strings.NewReader(fmt.Sprintf(`{"id": %d, "email": "%d@example.com"}`, id, id)))
				if i%2 == 0 {
					body = io.MultiReader(body) // chunked
				}
				resp, err := srv.Client().Post(srv.URL+"/_tasks/tasks/echo", "application/json", body)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil {
					t.Error(err)
					return
				}
				got := dlvParse(t, resp.StatusCode, resp.Header, text)
				if want := fmt.Sprintf(`"%d%d@example.com"`, id, id); got.code != http.StatusOK || got.result != want {
					t.Errorf("answered %d %s, want the result %s", got.code, text, want)
				}
			}
		})
	}
	wg.Wait()
}

// dlvRaw writes bytes to a connection, ends its side of it, and returns the answers' status lines.
func dlvRaw(t *testing.T, srv *httptest.Server, text string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var statuses []string
	for in := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Content-Type") == "application/json" {
			dlvParse(t, resp.StatusCode, resp.Header, body)
		}
		statuses = append(statuses, resp.Status)
	}
}

func TestServeHTTP_OverNetwork_OddRequests(t *testing.T) {
	t.Parallel()
	const post = "POST /_tasks/tasks/order HTTP/1.1\r\nHost: h\r\n"
	for _, c := range []struct {
		name, text, want string
	}{
		{"whole", post + "Content-Length: 9\r\n\r\n" + dlvBody, "200 OK"},
		{"chunked", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"id\r\n5\r\n\": 7}\r\n0\r\n\r\n", "200 OK"},
		{"header names in odd case", post + "CONTENT-LENGTH: 9\r\nx-cloudtasks-TASKNAME: odd\r\n\r\n" + dlvBody, "200 OK"},
		{"broken off", post + "Content-Length: 90\r\n\r\n" + dlvBody, "400 Bad Request"},
		{"broken off in a chunk", post + "Transfer-Encoding: chunked\r\n\r\n90\r\n" + dlvBody, "400 Bad Request"},
		{"two on one connection", post + "Content-Length: 9\r\n\r\n" + dlvBody + post + "Content-Length: 2\r\n\r\n{}", "200 OK, 400 Bad Request"},
		{"too large, before the body", post + "Content-Length: 1048577\r\n\r\n", "413 Request Entity Too Large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := dlvApp(t, tasks.Config{Endpoint: "https://h/_tasks"}, dlvTask(func(ctx context.Context, o dlvOrder) error {
				if m, _ := tasks.MetadataFrom(ctx); strings.Contains(c.text, "odd") && m.ID != "odd" {
					return fmt.Errorf("the id is %q", m.ID)
				}
				return nil
			}))
			if got := strings.Join(dlvRaw(t, dlvListen(t, app), c.text), ", "); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
		})
	}
}

func TestServeHTTP_Goexit_LeavesTheAppWorking(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Endpoint: "https://h/_tasks"}, dlvTask(func(_ context.Context, o dlvOrder) error {
		if o.ID == 13 {
			runtime.Goexit()
		}
		return nil
	}))
	srv := dlvListen(t, app)
	const post = "POST /_tasks/tasks/order HTTP/1.1\r\nHost: h\r\nContent-Length: "
	if got := dlvRaw(t, srv, post+"10\r\n\r\n{\"id\": 13}"); len(got) != 0 {
		t.Errorf("answered %q, want nothing: the platform takes that for a failure", got)
	}
	if got := dlvRaw(t, srv, post+"9\r\n\r\n"+dlvBody); len(got) != 1 || got[0] != "200 OK" {
		t.Errorf("the next one is answered %q, want 200", got)
	}
	if err := app.Shutdown(t.Context()); err != nil { // waits for what runs
		t.Error(err)
	}
}
