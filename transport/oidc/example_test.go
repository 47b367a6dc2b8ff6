package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

// A push without a token runs nothing.
func ExampleNew() {
	auth, err := oidc.New(oidc.Audience("https://shop.example.com"),
		oidc.ServiceAccount("tasks@my-project.iam.gserviceaccount.com"))
	if err != nil {
		fmt.Println(err)
		return
	}
	app, err := tasks.NewApp(tasks.Config{
		Endpoint: "https://shop.example.com/_tasks", Transport: memory.New(), Authenticator: auth, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()

	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/_tasks/tasks/Welcome", strings.NewReader(`{"user_id":7}`)))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer
}

// Why somebody was refused is a word, for a log or a metric.
func ExampleError() {
	auth, err := oidc.New(oidc.Audience("https://shop.example.com"), oidc.ServiceAccount("tasks@my-project.iam.gserviceaccount.com"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/_tasks/tasks/Welcome", nil)
	r.Header.Set("Authorization", "Bearer open sesame")
	err = auth.Authenticate(r)
	if refused, ok := errors.AsType[*oidc.Error](err); ok {
		fmt.Println(refused.Reason)
	}
	fmt.Println(err)
	// Output:
	// malformed
	// oidc: malformed: want a token of three parts in base64url, as its signer wrote them
}
