package oidc_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
	"github.com/typedtasks/typedtasks/transport/memory"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

// BenchmarkAuthenticate checks tokens with keys that are there: one that was seen before, ever new ones; and beside them
// the library alone, which checks less, and RSA alone.
func BenchmarkAuthenticate(b *testing.B) {
	google := google()
	server := newKeyServer(serves(google))
	auth := newAuth(b, server.client())
	tokens := make([]string, 2048) // more than are remembered
	for i := range tokens {
		tokens[i] = google.token(map[string]any{"n": i})
	}
	r := request()
	b.Run("seen", func(b *testing.B) {
		b.ReportAllocs()
		r.Header["Authorization"] = bearer(tokens[0])
		for b.Loop() {
			if err := auth.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		auth := newAuth(b, server.client()) // which knows no token
		mustLetIn(b, auth, google.token(nil))
		for i := 0; b.Loop(); i++ {
			r.Header["Authorization"] = bearer(tokens[i%len(tokens)])
			if err := auth.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		keys := &gooidc.StaticKeySet{PublicKeys: []crypto.PublicKey{&google.key.PublicKey}}
		v := gooidc.NewVerifier("https://accounts.google.com", keys, &gooidc.Config{ClientID: audience})
		for b.Loop() {
			if _, err := v.Verify(b.Context(), tokens[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rsa", func(b *testing.B) {
		b.ReportAllocs()
		sum := sha256.Sum256([]byte("a text"))
		signature, err := rsa.SignPKCS1v15(nil, google.key, crypto.SHA256, sum[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&google.key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchSide is a way to answer pushes: who may deliver, with what tokens, and whether it is traced. Turns of it have n
// calls.
type benchSide struct {
	name   string
	auth   tasks.Authenticator
	tokens []string // in turns
	traced bool
	n      int
}

// BenchmarkServeHTTP is a push from request to answer: open to all, and with an Authenticator, for tokens that were seen
// before and for ever new ones, without tracing and with it. The sides run in turns, so that what else the machine does
// falls on all alike; what is reported is the median ratio of each one's time to that of the open side.
func BenchmarkServeHTTP(b *testing.B) {
	google := google()
	server := newKeyServer(serves(google))
	unverified, err := oidc.UnverifiedBehindCloudRun(oidc.Audience(audience), oidc.ServiceAccount(account))
	if err != nil {
		b.Fatal(err)
	}
	tokens := make([]string, 1100) // more than are remembered
	for i := range tokens {
		tokens[i] = google.token(map[string]any{"n": i})
	}
	one := tokens[:1]
	sides := []benchSide{
		{"open", nil, one, false, 2000},
		{"authenticated", newAuth(b, server.client()), one, false, 2000},
		{"authenticated_new", newAuth(b, server.client()), tokens, false, 200},
		{"behind_cloud_run", unverified, []string{handedOn(google.header(nil), goodClaims(nil))}, false, 1000},
		{"open_traced", nil, one, true, 1000},
		{"authenticated_traced", newAuth(b, server.client()), one, true, 1000},
	}
	took, calls := map[string][]float64{}, map[string]func(){}
	for _, side := range sides {
		calls[side.name] = prepare(b, side)
		calls[side.name]()
	}
	for b.Loop() {
		for _, side := range sides {
			call, start := calls[side.name], time.Now()
			for range side.n {
				call()
			}
			took[side.name] = append(took[side.name], float64(time.Since(start))/float64(side.n))
		}
	}
	report := func(name, than string) {
		ratios := make([]float64, len(took[name]))
		for i, ns := range took[name] {
			ratios[i] = ns / took[than][i]
		}
		b.ReportMetric(median(ratios), name+"/"+than)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(took["open"]), "open-ns")
	for _, side := range sides[1:] {
		report(side.name, "open")
	}
	report("authenticated_traced", "open_traced")
}

func median(xs []float64) float64 { return slices.Sorted(slices.Values(xs))[len(xs)/2] }

// prepare makes an App, and a push that it executes.
func prepare(b *testing.B, side benchSide) func() {
	b.Helper()
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New(), Endpoint: audience + "/_tasks", Authenticator: side.auth, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	if side.traced {
		err := taskotel.Instrument(app, taskotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(unexported{}))),
			taskotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))))
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := app.Register(tasks.New(func(context.Context, welcome) error { return nil }, tasks.WithName("Welcome"))); err != nil {
		b.Fatal(err)
	}
	body, w := strings.NewReader(""), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/_tasks/tasks/Welcome", body)
	for name, value := range map[string]string{
		"User-Agent": "Google-Cloud-Tasks", "Content-Type": "application/json", "X-CloudTasks-QueueName": "shop", "X-CloudTasks-TaskName": "57462374832847",
		"X-CloudTasks-TaskRetryCount": "0", "X-CloudTasks-TaskExecutionCount": "0", "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		r.Header.Set(name, value)
	}
	authorizations := make([][]string, len(side.tokens))
	for i, token := range side.tokens {
		authorizations[i] = bearer(token)
	}
	i := 0
	return func() {
		body.Reset(`{"user_id":7}`)
		w.Body.Reset()
		r.Header["Authorization"] = authorizations[i%len(authorizations)]
		i++
		app.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), "executed") {
			b.Fatalf("answered with %d: %s", w.Code, w.Body)
		}
	}
}

// unexported is a processor of spans that keeps none.
type unexported struct{}

func (unexported) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (unexported) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (unexported) Shutdown(context.Context) error                  { return nil }
func (unexported) ForceFlush(context.Context) error                { return nil }
