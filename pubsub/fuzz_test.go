package pubsub_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// FuzzPush posts anything to a subscriber: it answers, and acknowledges just what its function has taken, which is
// valid then.
func FuzzPush(f *testing.F) {
	for _, name := range []string{"pubsub-push", "pubsub-empty"} {
		f.Add(evReadVector(f, name).Body, "", "")
	}
	f.Add(evPush(`{"id": 1}`), "", "")
	f.Add(evPush(`{"id": 1, "_http_headers": {"traceparent": "00-1\u0000", "x": 1}}`), "", "")
	f.Add(evPush(`{"_http_headers": null, "id": 1, "id": 0}`, `, "attributes": {"a": "b"}`), "", "")
	f.Add(evPush(`{"id": 1}`, `, "publishTime": "2026-13-24T06:00:00Z"`), "", "")
	f.Add(evPush(``, `, "orderingKey": 7`), "", "")
	f.Add(evPush("\xff"), "", "")
	f.Add(`{"message": {"data": "eyJpZCI6MX0"}}`, "", "")
	f.Add(`{"message": {"data": "eyJpZCI6MX0=\n"}, "deliveryAttempt": -1, "subscription": "projects/p/subscriptions/other"}`, "", "")
	f.Add(`{"message": {}}`, "", "")
	f.Add(`{"id": 1}`, "77", "2026-11-24T06:00:00Z")
	f.Add(``, "77", "yesterday")
	f.Add(`[`, "77", "")

	var ran, handed int
	var bad string
	note := func(ctx context.Context, m pubsub.Message[evOrder]) error {
		ran++
		if m.Data.ID == 0 || m.DeliveryAttempt < 0 || m.PublishTime.Location().String() != "UTC" {
			bad = "invalid data has come"
		}
		for name, vs := range tasks.HeadersFrom(ctx) {
			if !utf8.ValidString(vs[0]) || transport.CheckHeader(http.Header{name: vs}) != nil {
				bad = "a header that no task can carry"
			}
		}
		return nil
	}
	app := evApp(f, tasks.Config{Transport: &evRemote{fail: func(*transport.Task) error { handed++; return nil }}},
		pubsub.NewSubscriber(note, pubsub.Subscription("audit"), pubsub.WithName("direct")),
		pubsub.NewSubscriber(note, pubsub.WithName("tasks"), pubsub.Topic("orders"), pubsub.ViaTasks()))
	f.Fuzz(func(t *testing.T, body, id, published string) {
		for _, name := range []string{"direct", "tasks"} {
			r := httptest.NewRequest(http.MethodPost, "/subscriptions/"+name, strings.NewReader(body))
			if id != "" {
				r.Header.Set("x-goog-pubsub-message-id", id)
				r.Header.Set("x-goog-pubsub-publish-time", published)
			}
			ran, handed, bad = 0, 0, ""
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			switch taken := ran + handed; {
			case bad != "":
				t.Errorf("%s: %s", name, bad)
			case taken > 1 || (w.Code == http.StatusOK) != (taken == 1):
				t.Errorf("%s: answered %d, ran %d times, handed over %d times", name, w.Code, ran, handed)
			case w.Code != http.StatusOK && w.Code != http.StatusBadRequest:
				t.Errorf("%s: answered %d: %s", name, w.Code, w.Body)
			}
		}
	})
}
