package pubsub_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// FuzzPush posts anything to anywhere: the App answers, with the status that the path and the content coding ask for,
// and acknowledges just what a function has taken, which is valid then.
func FuzzPush(f *testing.F) {
	const direct, meta = "/subscriptions/direct", "x-goog-pubsub-message-id: 77\nx-goog-pubsub-publish-time: "
	for _, name := range []string{"pubsub-push", "pubsub-empty"} {
		f.Add(evReadVector(f, name).Body, direct, "", "")
	}
	for _, body := range []string{
		evPush(`{"id": 1}`),
		evPush(`{"id": 1, "_http_headers": {"traceparent": "00-1\u0000", "x": 1}}`),
		evPush(`{"id": 1, "_http_headers": {"authorization": "Bearer x", "TRACEPARENT": "00-1", "X_CloudTasks_TaskName": "x"}}`),
		evPush(`{"_http_headers": null, "id": 1, "id": 0}`, `, "attributes": {"a": "b"}`),
		evPush(`{"id": 1}`, `, "attributes": {"http-traceparent": "00-1\n", "http-x-tenant": "acme", "Content-Encoding": "gzip"}`),
		evPush(`{"id": 1}`, `, "publishTime": "2026-13-24T06:00:00Z"`),
		evPush(``, `, "orderingKey": 7`),
		evPush("\xff"),
		`{"message": {"data": "eyJpZCI6MX0"}}`,
		`{"message": {"data": "eyJpZCI6MX0=\n"}, "deliveryAttempt": -1, "subscription": "projects/p/subscriptions/other"}`,
		`{"message": {}}`,
	} {
		f.Add(body, direct, "Traceparent: 00-2", "identity")
	}
	f.Add(`{"id": 1}`, direct, meta+"2026-11-24T06:00:00Z", "")
	f.Add(``, direct, meta+"yesterday", "")
	f.Add(`[`, "/subscriptions/tasks", meta, " IDENTITY,")
	f.Add(`{"id": 1}`, direct, meta+"\nX-CloudTasks-QueueName: q\nTypedtasks-Id: x\nX-CloudScheduler-JobName: j\nregion: emea\nx_cloudtasks_taskname: x", "")
	f.Add(evPush(`{"id": 1}`), direct, "X-CloudTasks-QueueName: q\nX-CloudTasks-TaskRetryCount: 7\nTypedtasks-Attempts: 9\nTypedtasks-Timeout: 1h", "")
	for _, coding := range []string{"gzip", "identity, br", "\x1b[31m\n", "x-gzip", "*"} {
		f.Add(evPush(`{"id": 1}`), direct, "", coding)
	}
	for _, path := range []string{
		"/subscriptions/tasks", "/subscriptions//direct", "/subscriptions/direct/", "/subscriptions%2Fdirect", "/subscriptions/d%69rect", "/subscriptions/./direct", "/subscriptions/x/../direct",
		"/subscriptions/direct?x=1", "/subscriptions/direct.", "/subscriptions/nobody%0A", "/tasks/direct", "//subscriptions/direct", "/", "*", "/subscriptions/direct#x", "http://other/subscriptions/direct",
	} {
		f.Add(evPush(`{"id": 1}`), path, "", "")
	}

	var ran, handed int
	var bad string
	note := func(ctx context.Context, m pubsub.Message[evOrder]) error {
		ran++
		if m.Data.ID == 0 || m.DeliveryAttempt < 0 || m.PublishTime.Location().String() != "UTC" {
			bad = "invalid data has come"
		}
		h := tasks.HeadersFrom(ctx)
		for name, vs := range h {
			if !utf8.ValidString(vs[0]) || transport.CheckHeader(http.Header{name: vs}) != nil || name != "Traceparent" && name != "X-Tenant" {
				bad = "a header that no task can carry"
			}
		}
		if meta, ok := tasks.MetadataFrom(ctx); !ok || meta.Attempt < 1 || meta.Queue == "" && meta.ID != m.ID {
			bad = "metadata that is not the message's"
		}
		return nil
	}
	app := evApp(f, tasks.Config{
		Transport:         &evRemote{fail: func(t *transport.Task) error { handed++; return transport.CheckHeader(t.Header) }},
		PropagatedHeaders: []string{"traceparent", "X-Tenant"},
	}, pubsub.NewSubscriber(note, pubsub.Subscription("audit"), pubsub.WithName("direct")),
		pubsub.NewSubscriber(note, pubsub.WithName("tasks"), pubsub.Topic("orders"), pubsub.ViaTasks()))
	f.Fuzz(func(t *testing.T, body, path, headers, coding string) {
		u, err := url.ParseRequestURI(path) // as a server does
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL, r.RequestURI = u, path
		for line := range strings.SplitSeq(headers, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				r.Header.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
			}
		}
		if coding != "" {
			r.Header.Set("Content-Encoding", coding)
		}
		ran, handed, bad = 0, 0, ""
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		want := []int{http.StatusOK, http.StatusBadRequest}
		switch spelled := u.EscapedPath(); {
		case spelled != "/subscriptions/direct" && spelled != "/subscriptions/tasks":
			want = []int{http.StatusNotFound}
		case slices.ContainsFunc(r.Header.Values("Content-Encoding"), isCoded):
			want = []int{http.StatusUnsupportedMediaType}
		}
		switch taken := ran + handed; {
		case bad != "":
			t.Errorf("%s: %s", path, bad)
		case taken > 1 || (w.Code == http.StatusOK) != (taken == 1):
			t.Errorf("%s: answered %d, ran %d times, handed over %d times", path, w.Code, ran, handed)
		case !slices.Contains(want, w.Code):
			t.Errorf("%s, coding %q: answered %d, want one of %d: %s", path, coding, w.Code, want, w.Body)
		}
	})
}

// isCoded reports whether a Content-Encoding says anything but identity.
func isCoded(v string) bool {
	for c := range strings.SplitSeq(v, ",") {
		if c = strings.Trim(c, " \t"); c != "" && !strings.EqualFold(c, "identity") {
			return true
		}
	}
	return false
}
