package servicetest

import (
	"net"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// testSlowBodies sends half of a body and no more.
func (s Service) testSlowBodies(t *testing.T) {
	appStatus := "timeout"
	if s.Buffers {
		appStatus = "" // the App has not seen the request
	}
	for _, c := range []struct {
		name             string
		serve            Serve
		head, half, rest string
	}{
		{"of known length", s.Serve, "Content-Length: 8", `{"id`, `":1}`},
		{"in chunks", s.Serve, "Transfer-Encoding: chunked", "8\r\n" + `{"id`, `":1}` + "\r\n0\r\n\r\n"},
		{"as README has it", s.README, "Content-Length: 8", `{"id`, `":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hurried := func(t *testing.T, l net.Listener, app *tasks.App) *Server { return c.serve(t, hurriedListener{l}, app) }
			sh := open(t, hurried, tasks.Config{}, orders(ignore))
			half := "POST " + pushPath + " HTTP/1.1\r\nHost: h\r\n" + c.head + "\r\n\r\n" + c.half
			switch got := sh.raw(t, half, 1); {
			case len(got) == 0:
				t.Error("half a body is not answered")
			case !got[0].closes:
				t.Error("the connection is not said to close, and has half a request on it")
			default:
				got[0].want(t, 408, appStatus)
			}
			if len(sh.ran) > 0 {
				t.Error("half a body ran")
			}
			sh.raw(t, half+c.rest, 1)[0].want(t, 200, "executed")
		})
	}
}

// hurriedListener's connections wait a second where they are told to wait half a minute, so that a service is
// tested with the limits that it has.
type hurriedListener struct{ net.Listener }

func (l hurriedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return hurriedConn{c}, err
}

type hurriedConn struct{ net.Conn }

func (c hurriedConn) SetReadDeadline(at time.Time) error {
	if wait := time.Until(at); wait > 0 {
		at = time.Now().Add(wait / 30)
	}
	return c.Conn.SetReadDeadline(at)
}
