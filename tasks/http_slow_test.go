package tasks_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// slowListener is a listener in a bubble.
type slowListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *slowListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *slowListener) Close() error   { close(l.closed); return nil }
func (l *slowListener) Addr() net.Addr { return &net.UnixAddr{Name: "bubble", Net: "pipe"} }

// slowServe serves h by a server of net/http in a bubble, and returns the client's end of a connection to it.
func slowServe(t *testing.T, srv *http.Server) net.Conn {
	t.Helper()
	l := &slowListener{make(chan net.Conn), make(chan struct{})}
	ended := make(chan error)
	go func() { ended <- srv.Serve(l) }()
	client, server := net.Pipe()
	l.conns <- server
	t.Cleanup(func() {
		_ = client.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

// slowAnswer reads an answer, and tells when its status came.
func slowAnswer(t *testing.T, conn net.Conn, began time.Time) (status int, after time.Duration, closes bool) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	after = time.Since(began).Truncate(time.Second) // a small body has little more than its grace
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, after, resp.Close
}

// slowSend writes n pieces, each after a pause. The server may have gone.
func slowSend(conn net.Conn, pieces int, piece string, pause time.Duration) {
	for range pieces {
		time.Sleep(pause)
		if _, err := io.WriteString(conn, piece); err != nil {
			return
		}
	}
}

func TestServeHTTP_SlowBody_IsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		head   string // beside the first two lines
		pieces int
		piece  string
		pause  time.Duration
		server time.Duration // its ReadTimeout
		code   int
		after  time.Duration
	}{
		{name: "at once", head: "Content-Length: 9", pieces: 1, piece: dlvBody, code: 200},
		{name: "just in time", head: "Content-Length: 9", pieces: 1, piece: dlvBody, pause: 29 * time.Second, code: 200, after: 29 * time.Second},
		{name: "never", head: "Content-Length: 9", code: 408, after: 30 * time.Second},
		{name: "breaks off", head: "Content-Length: 9", pieces: 1, piece: "{", code: 408, after: 30 * time.Second},
		{name: "drop by drop", head: "Content-Length: 1000", pieces: 1000, piece: " ", pause: 10 * time.Second, code: 408, after: 30 * time.Second},
		{name: "drop by drop, no length", head: "Transfer-Encoding: chunked", pieces: 1000, piece: "1\r\n \r\n", pause: 10 * time.Second, code: 408, after: 46 * time.Second},
		{name: "large, over a slow line", head: "Content-Length: 1048576", pieces: 16, piece: strings.Repeat(" ", 64<<10-9) + dlvBody, pause: 2 * time.Second, code: 400, after: 32 * time.Second},
		{name: "large, over a line that is too slow", head: "Content-Length: 1048576", pieces: 16, piece: strings.Repeat(" ", 64<<10), pause: 3 * time.Second, code: 408, after: 46 * time.Second},
		{name: "the server allows less", head: "Content-Length: 9", server: 10 * time.Second, code: 408, after: 10 * time.Second},
		{name: "the server allows more", head: "Content-Length: 9", server: time.Hour, code: 408, after: 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
				conn, began := slowServe(t, &http.Server{Handler: app, ReadTimeout: c.server}), time.Now()
				if _, err := io.WriteString(conn, "POST /tasks/order HTTP/1.1\r\nHost: h\r\n"+c.head+"\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				var sender sync.WaitGroup
				sender.Go(func() { slowSend(conn, c.pieces, c.piece, c.pause) })
				status, after, closes := slowAnswer(t, conn, began)
				if status != c.code || after != c.after || closes != (c.code == http.StatusRequestTimeout) {
					t.Errorf("answered %d after %s, connection closed: %t; want %d after %s", status, after, closes, c.code, c.after)
				}
				if err := app.Shutdown(t.Context()); err != nil { // nothing is held up by it
					t.Error(err)
				}
				_ = conn.Close()
				sender.Wait()
			})
		})
	}
}

// What is refused without its body being read must not wait for the body either.
func TestServeHTTP_SlowBodyOfARefusedRequest_IsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line, head string
		shut             bool
		code             int
	}{
		{name: "not POST", line: "PUT /tasks/order", code: 405},
		{name: "unknown path", line: "POST /nowhere", code: 404},
		{name: "caller refused", line: "POST /tasks/order", head: "X-Who: stranger\r\n", code: 401},
		{name: "coded", line: "POST /tasks/order", head: "Content-Encoding: gzip\r\n", code: 415},
		{name: "shut down", line: "POST /tasks/order", shut: true, code: 503},
	} {
		for _, length := range []string{"Content-Length: 9", "Transfer-Encoding: chunked"} {
			t.Run(c.name+"/"+length, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					app := dlvApp(t, tasks.Config{Authenticator: slowDoor{}}, dlvTask(dlvReturns(nil)))
					if c.shut {
						if err := app.Shutdown(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					conn, began := slowServe(t, &http.Server{Handler: app}), time.Now()
					if _, err := io.WriteString(conn, c.line+" HTTP/1.1\r\nHost: h\r\n"+c.head+length+"\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
					if status, after, _ := slowAnswer(t, conn, began); status != c.code || after > 5*time.Second {
						t.Errorf("answered %d after %s, want %d", status, after, c.code)
					}
				})
			})
		}
	}
}

// Nothing of it has begun, and the platform will send it again.
func TestShutdown_SlowBody_IsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
		conn, began := slowServe(t, &http.Server{Handler: app}), time.Now()
		if _, err := io.WriteString(conn, "POST /tasks/order HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := app.Shutdown(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
		go slowSend(conn, 1, dlvBody[1:], time.Second)
		if status, after, _ := slowAnswer(t, conn, began); status != http.StatusServiceUnavailable || after != time.Second {
			t.Errorf("answered %d after %s", status, after)
		}
	})
}

// slowDoor refuses strangers.
type slowDoor struct{}

func (slowDoor) Authenticate(r *http.Request) error {
	if r.Header.Get("X-Who") != "" {
		return errors.New("a stranger")
	}
	return nil
}

// The bound is on the body. A function that takes long must not see its context end by it.
func TestServeHTTP_LongFunctionAfterASlowBody_IsNotCutShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		timeout time.Duration // the server's ReadTimeout
		wrap    func(http.Handler) http.Handler
	}{
		{name: "a plain server"},
		{name: "a server with a ReadTimeout", timeout: 25 * time.Second},
		{name: "a wrapped writer", wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(slowWrapper{w}, r) })
		}},
		{name: "a wrapper that hides the server", wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				app := dlvApp(t, tasks.Config{}, dlvTask(func(ctx context.Context, _ dlvOrder) error {
					runs++
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(29 * time.Minute):
						return nil
					}
				}, tasks.WithTimeout(30*time.Minute)))
				var h http.Handler = app
				if c.wrap != nil {
					h = c.wrap(h)
				}
				conn := slowServe(t, &http.Server{Handler: h, ReadTimeout: c.timeout})
				for range 2 { // the connection is used again
					began := time.Now()
					if _, err := io.WriteString(conn, "POST /tasks/order HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
					go slowSend(conn, 1, dlvBody, 20*time.Second)
					if status, after, _ := slowAnswer(t, conn, began); status != http.StatusOK || after != 29*time.Minute+20*time.Second {
						t.Errorf("answered %d after %s", status, after)
					}
				}
				if runs != 2 {
					t.Errorf("ran %d times", runs)
				}
			})
		})
	}
}

// slowWrapper is middleware's.
type slowWrapper struct{ w http.ResponseWriter }

func (s slowWrapper) Header() http.Header         { return s.w.Header() }
func (s slowWrapper) Write(b []byte) (int, error) { return s.w.Write(b) }
func (s slowWrapper) WriteHeader(code int)        { s.w.WriteHeader(code) }
func (s slowWrapper) Unwrap() http.ResponseWriter { return s.w }

// slowRefusing is a server that knows deadlines and sets none.
type slowRefusing struct{ slowWrapper }

func (slowRefusing) SetReadDeadline(time.Time) error { return http.ErrNotSupported }

func TestServeHTTP_ServerWithoutDeadlines_IsServedAllTheSame(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.ServeHTTP(slowRefusing{slowWrapper{w}}, r) })
	dlvWant(t, dlvServe(t, h, dlvPost("/tasks/order", dlvBody)), http.StatusOK, "executed")
}
