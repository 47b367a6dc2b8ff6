package tasks_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

func TestServeHTTP_ContentCoding_IsRefusedAndNotDecoded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		taken  bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"identity"}, true},
		{[]string{" Identity , ,IDENTITY\t"}, true},
		{[]string{"identity", "identity"}, true},
		{[]string{"gzip"}, false},
		{[]string{"GZIP"}, false},
		{[]string{"deflate"}, false},
		{[]string{"br"}, false},
		{[]string{"x-gzip"}, false},
		{[]string{"identity, gzip"}, false},
		{[]string{"gzip, identity"}, false},
		{[]string{"identity", "zstd"}, false},
		{[]string{"identityx"}, false},
		{[]string{"*"}, false},
		{[]string{"a\x1b[31m\nb"}, false},
	} {
		for _, path := range []string{"/tasks/order", "/subscriptions/audit"} {
			log, ran := &dlvLog{}, 0
			app := dlvApp(t, tasks.Config{Logger: slog.New(log), Quarantine: func(context.Context, tasks.Quarantined) error { return nil }},
				dlvTask(func(context.Context, dlvOrder) error { ran++; return nil }),
				msgSubscriber("audit", (&msgRuns{}).handle(func(context.Context, msgRun) error { ran++; return nil })))
			body := dlvBody
			if path != "/tasks/order" {
				body = msgBody(dlvBody)
			}
			r := dlvPost(path, body)
			r.Header["Content-Encoding"] = c.values
			got := dlvServe(t, app, r)
			if c.taken {
				if dlvWant(t, got, http.StatusOK, "executed"); ran != 1 {
					t.Errorf("%q: ran %d times", c.values, ran)
				}
				continue
			}
			dlvWant(t, got, http.StatusUnsupportedMediaType, "unsupported_encoding")
			if accepted := got.header.Get("Accept-Encoding"); accepted != "identity" || ran != 0 {
				t.Errorf("%q: Accept-Encoding %q, ran %d times", c.values, accepted, ran)
			}
			if rs := log.taken(); len(rs) != 1 || rs[0].level != slog.LevelWarn || rs[0].attrs["status"] != "415" || strings.ContainsAny(rs[0].attrs["error"], "\n\x1b") {
				t.Errorf("%q: logged %+v", c.values, rs)
			}
		}
	}
}

func TestServeHTTP_HandlerAroundItLimitsTheBody_IsTooLarge(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	dlvWant(t, dlvServe(t, http.MaxBytesHandler(app, 4), dlvPost("/tasks/order", dlvBody)), http.StatusRequestEntityTooLarge, "too_large")
}

func TestServeHTTP_ContentCoding_IsNoHintForStrangers(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Authenticator: dlvAuth{tasks.ErrForbidden}}, dlvTask(dlvReturns(nil)))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "Content-Encoding", "gzip")), http.StatusForbidden, "forbidden")
}

// What a length promises is not what counts: what arrives is.
func TestServeHTTP_LengthThatLies_IsFoundOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		length int64
		body   string
		code   int
	}{
		{"says nothing, sends too much", -1, dlvPadded(dlvMaxBody + 1), 413},
		{"says 0, sends a body", 0, dlvBody, 200},
		{"says 0, sends too much", 0, dlvPadded(dlvMaxBody + 1), 413},
		{"says little, sends too much", 9, dlvPadded(dlvMaxBody + 1), 413},
		{"says much, sends little", dlvMaxBody, dlvBody, 200},
		{"says too much, sends little", dlvMaxBody + 1, dlvBody, 413},
		{"says more than memory holds", 1 << 62, dlvBody, 413},
		{"says the most there is", 1<<63 - 1, dlvBody, 413},
		{"says less than nothing", -1 << 63, dlvBody, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
			r := dlvPost("/tasks/order", c.body)
			r.ContentLength = c.length
			if got := dlvServe(t, app, r); got.code != c.code {
				t.Errorf("answered %d, want %d", got.code, c.code)
			}
		})
	}
}

// Somebody who only says that much will come must not cost much memory.
func TestServeHTTP_LengthWithoutABody_CostsLittleMemory(t *testing.T) {
	app := dlvApp(t, tasks.Config{}, msgSubscriber("audit", (&msgRuns{}).handle(nil)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		r := httptest.NewRequest(http.MethodPost, "/subscriptions/audit", strings.NewReader("{"))
		r.ContentLength = 14 << 20
		app.ServeHTTP(httptest.NewRecorder(), r)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 100; each > 1<<20 {
		t.Errorf("%d bytes for a request that sends 1", each)
	}
}

func TestServeHTTP_OverNetwork_LengthsThatLie(t *testing.T) {
	t.Parallel()
	const post = "POST /_tasks/tasks/order HTTP/1.1\r\nHost: h\r\n"
	chunks := strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat(" ", 64<<10)), 17)
	for name, c := range map[string]struct{ text, want string }{
		"less than is sent: the rest is no request": {post + "Content-Length: 9\r\n\r\n" + dlvBody + "x\r\n\r\n", "200 OK, 400 Bad Request"},
		"both ways to say it":                       {post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" + dlvBody + "\r\n0\r\n\r\n", "200 OK"},
		"two lengths":                               {post + "Content-Length: 9\r\nContent-Length: 1\r\n\r\n" + dlvBody, "400 Bad Request"},
		"no number":                                 {post + "Content-Length: nine\r\n\r\n" + dlvBody, "400 Bad Request"},
		"less than nothing":                         {post + "Content-Length: -9\r\n\r\n" + dlvBody, "400 Bad Request"},
		"too many chunks":                           {post + "Transfer-Encoding: chunked\r\n\r\n" + chunks, "413 Request Entity Too Large"},
		"a chunk that breaks off":                   {post + "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"id\"", "400 Bad Request"},
		"a chunk of no length":                      {post + "Transfer-Encoding: chunked\r\n\r\nx\r\n", "400 Bad Request"},
		"gzip, of the content":                      {post + "Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + dlvBody, "415 Unsupported Media Type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := dlvApp(t, tasks.Config{Endpoint: "https://h/_tasks"}, dlvTask(dlvReturns(nil)))
			if got := strings.Join(dlvRaw(t, dlvListen(t, app), c.text), ", "); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
		})
	}
}

// One connection of HTTP/2 carries many requests; one that is refused must not end the others'.
func TestServeHTTP_OverHTTP2_TooLargeLeavesTheConnectionOpen(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	srv := httptest.NewUnstartedServer(app)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	post := func(body io.Reader) (status int, reused bool) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/tasks/order", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.ProtoMajor != 2 {
			t.Errorf("answered over %s, %v", resp.Proto, err)
		}
		return resp.StatusCode, reused
	}
	if status, _ := post(strings.NewReader(dlvPadded(dlvMaxBody + 1))); status != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", status)
	}
	if status, reused := post(strings.NewReader(dlvBody)); status != http.StatusOK || !reused {
		t.Errorf("the next one is answered %d, on the same connection: %t", status, reused)
	}
}
