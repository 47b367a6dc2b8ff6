package servicetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// panicking is an authenticator that is broken.
type panicking struct{}

func (panicking) Authenticate(r *http.Request) error {
	if r.Header.Get("Authorization") == "" {
		panic("a secret")
	}
	return nil
}

func (s Service) testPanics(t *testing.T) {
	sh := s.open(t, tasks.Config{Authenticator: panicking{}}, orders(func(_ context.Context, o Order) error {
		switch o.ID {
		case 1:
			panic("a secret")
		case 2:
			runtime.Goexit() // as FailNow of a test does
		}
		return nil
	}))
	push := func(body string, header ...string) (answer, error) {
		return sh.try(request(t, http.MethodPost, sh.url+pushPath, strings.NewReader(body), header...))
	}
	t.Run("in a function", func(t *testing.T) {
		got, err := push(`{"id":1}`, "Authorization", "x")
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 500, "failed")
	})
	t.Run("a function ends its goroutine", func(t *testing.T) {
		if got, err := push(`{"id":2}`, "Authorization", "x"); err == nil && got.status != 500 {
			t.Errorf("answered with %d %s, want 500 or nothing", got.status, got.body)
		}
	})
	t.Run("elsewhere", func(t *testing.T) {
		switch got, err := push(`{"id":3}`); {
		case (err != nil) != (s.Panic == 0):
			t.Errorf("answered with %d, %v, want %d", got.status, err, s.Panic)
		case got.status != s.Panic || strings.Contains(got.body, "secret"):
			t.Errorf("answered with %d %s, want %d", got.status, got.body, s.Panic)
		}
	})
	got, err := push(`{"id":4}`, "Authorization", "x")
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 200, "executed")
}

// gate is a task that stays in its function until it is let go.
type gate struct {
	entered chan context.Context
	leave   chan struct{}
	left    chan error // what its context said at the end
}

func newGate() *gate {
	return &gate{make(chan context.Context, 1), make(chan struct{}), make(chan error, 1)}
}

// run stays for order 1 only.
func (g *gate) run(ctx context.Context, o Order) error {
	if o.ID != 1 {
		return nil
	}
	g.entered <- ctx
	select {
	case <-g.leave:
	case <-ctx.Done():
	}
	g.left <- ctx.Err()
	return nil
}

// hold pushes order 1 and returns once its function runs; await tells how the push was answered.
func (g *gate) hold(ctx context.Context, t *testing.T, url string) (await func() (answer, error)) {
	t.Helper()
	c := newCaller(t, url)
	type result struct {
		a   answer
		err error
	}
	done := make(chan result, 1)
	r := request(t, http.MethodPost, url+pushPath, strings.NewReader(`{"id":1}`)).WithContext(ctx)
	go func() {
		a, err := c.try(r)
		done <- result{a, err}
	}()
	if _, ok := receive(t, g.entered).Deadline(); !ok {
		t.Error("the function's context has no deadline")
	}
	return func() (answer, error) {
		r := receive(t, done)
		return r.a, r.err
	}
}

func (s Service) testCallerGone(t *testing.T) {
	g := newGate()
	sh := s.open(t, tasks.Config{}, orders(g.run))
	ctx, hangUp := context.WithCancel(t.Context())
	await := g.hold(ctx, t, sh.url)
	hangUp()
	if _, err := await(); !errors.Is(err, context.Canceled) {
		t.Fatalf("the push = %v, want %v", err, context.Canceled)
	}
	if s.Deaf {
		sh.post(t, pushPath, strings.NewReader(`{"id":2}`)).want(t, 200, "executed")
		close(g.leave)
	}
	if err := receive(t, g.left); (err == nil) != s.Deaf {
		t.Errorf("the function's context ended with %v, and the caller is gone", err)
	}
}

func (s Service) testAppShutsDown(t *testing.T) {
	sh := s.open(t, tasks.Config{})
	if err := sh.app.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh.post(t, "/_tasks/tasks/Welcome", strings.NewReader(ana)).want(t, 503, "shutting_down")
	sh.post(t, "/_tasks/tasks/Nothing", strings.NewReader(ana)).want(t, 503, "shutting_down")
	got := sh.post(t, "/signup", strings.NewReader(ana))
	if got.status != 500 || strings.Contains(got.body, "tasks:") {
		t.Errorf("a signup is answered with %d %s, want 500 and no reason", got.status, got.body)
	}
}

func (s Service) testServerShutsDown(t *testing.T) {
	g := newGate()
	sh := s.open(t, tasks.Config{}, orders(g.run))
	await := g.hold(t.Context(), t, sh.url)
	down := make(chan error, 1)
	go func() { down <- sh.Shutdown(t.Context()) }()
	awaitClosed(t, sh.url)
	close(g.leave)
	if err := receive(t, g.left); err != nil {
		t.Errorf("the function's context ended with the server: %v", err)
	}
	got, err := await()
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 200, "executed")
	if err := receive(t, down); err != nil {
		t.Error(err)
	}
}

// testProgram interrupts the program while a signup is on its way: it is still enqueued, for the App is the last to go.
func (s Service) testProgram(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()

	url := "http://" + listener.Addr().String()
	c := newCaller(t, url)
	c.post(t, "/signup", strings.NewReader(ana)).want(t, 202, "")
	c.post(t, "/_tasks/tasks/Welcome", strings.NewReader(ana)).want(t, 200, "executed")

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	converse := func(text string, status int) {
		t.Helper()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != status {
			t.Errorf("answered with %v, %v, want %d", resp, err, status)
		}
	}
	converse(fmt.Sprintf("POST /signup HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Expect: 100-continue\r\n\r\n", len(ana)), 100)
	interrupt()
	awaitClosed(t, url)
	converse(ana, 202)
	if err := receive(t, ended); err != nil {
		t.Errorf("the program ended with %v", err)
	}
	// Its App has let go of the task: with two that have it, an enqueue would not know which.
	s.open(t, tasks.Config{}).post(t, "/signup", strings.NewReader(ana)).want(t, 202, "")
}

// awaitClosed returns once nothing listens at url any more.
func awaitClosed(t *testing.T, url string) {
	t.Helper()
	for begun := time.Now(); ; {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Since(begun) > patience {
			t.Fatal("the server still listens")
		}
	}
}
