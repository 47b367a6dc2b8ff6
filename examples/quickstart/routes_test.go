package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/examples/internal/tour"
)

func TestRoutes_Answers(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		shut             bool
		status           int
		answer           string
	}{
		{
			name: "a payload is accepted", path: "/carts", body: `{"cart":9,"items":1}`,
			status: 202, answer: `{"id":"`,
		}, {
			name: "one that breaks its rules is told which", path: "/signup", body: `{"email":"ana"}`,
			status: 400, answer: `{"error":"not valid","fields":[{"field":"email","rule":"email"},{"field":"user_id","rule":"required"}]}`,
		}, {
			name: "so is one that is no JSON", path: "/signup", body: `{"email":`,
			status: 400, answer: `{"error":"unexpected EOF"}`,
		}, {
			name: "one that is too large is refused", path: "/stock", body: `{"item":"` + strings.Repeat("x", shop.MaxBody) + `"}`,
			status: 400, answer: `{"error":"http: request body too large"}`,
		}, {
			name: "why the shop cannot enqueue is not told", path: "/carts", body: `{"cart":9,"items":1}`, shut: true,
			status: 500, answer: `{"error":"try again later"}`,
		}, {
			name: "a push of what is no task is quarantined", path: "/_tasks/tasks/Nothing", body: `{}`,
			status: 202, answer: `{"status":"quarantined"`,
		}, {
			name: "a push that breaks its rules is too", path: "/_tasks/tasks/Welcome", body: `{}`,
			status: 202, answer: `{"status":"quarantined"`,
		}, {
			name: "there is nothing else", path: "/nothing", body: `{}`,
			status: 404, answer: `404 page not found`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := tour.NewJournal(func(tour.Event) {})
			app, err := newApp("http://shop.test"+shop.Mount, j, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			closeApp := func() {
				if err := app.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if c.shut {
				closeApp()
			} else {
				defer closeApp()
			}
			w := httptest.NewRecorder()
			routes(app, j).ServeHTTP(w, httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body)))
			if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.answer) {
				t.Errorf("answered with %d %s, want %d %s", w.Code, w.Body, c.status, c.answer)
			}
		})
	}
}
