package servicetest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// caller sends requests over one connection, as long as it is kept alive. It follows no redirects.
type caller struct {
	url    string
	client *http.Client
}

func newCaller(t *testing.T, url string) caller {
	transport := &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1}
	t.Cleanup(transport.CloseIdleConnections)
	return caller{url, &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what a request is answered with.
type answer struct {
	status int
	header http.Header
	closes bool // the server closes the connection after it
	body   string
}

// appStatus is the status in the App's own JSON; empty where it has not answered.
func (a answer) appStatus() string {
	var own struct{ Status string }
	_ = json.Unmarshal([]byte(a.body), &own)
	return own.Status
}

// appError is the error in the App's own JSON.
func (a answer) appError() string {
	var own struct{ Error string }
	_ = json.Unmarshal([]byte(a.body), &own)
	return own.Error
}

// want checks the status, and the one in the App's own JSON unless that is empty.
func (a answer) want(t *testing.T, status int, appStatus string) {
	t.Helper()
	if a.status != status || appStatus != "" && a.appStatus() != appStatus {
		t.Errorf("answered with %d %.200s, want %d %s", a.status, a.body, status, appStatus)
	}
}

func (c caller) post(t *testing.T, path string, body io.Reader, header ...string) answer {
	t.Helper()
	return c.send(t, request(t, http.MethodPost, c.url+path, body, header...))
}

// push sends the request of a platform, which has a path only.
func (c caller) push(t *testing.T, r *http.Request) answer {
	t.Helper()
	out := request(t, r.Method, c.url+r.URL.Path, r.Body)
	out.ContentLength = r.ContentLength
	out.Header = r.Header
	return c.send(t, out)
}

func (c caller) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	a, err := c.try(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (c caller) try(r *http.Request) (answer, error) {
	resp, err := c.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	return read(resp)
}

func read(resp *http.Response) (answer, error) {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return answer{resp.StatusCode, resp.Header, resp.Close, string(body)}, err
}

// request makes a request with pairs of header names and values.
func request(t *testing.T, method, url string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// patience is for what has to happen soon.
const patience = 30 * time.Second

// receive fails the test where nothing comes.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("it did not happen")
	}
	return v
}

// chunked hides the length of a body.
func chunked(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

// raw writes bytes to a connection of its own and reads up to n answers; fewer where the server has closed it, or
// answers no more.
func (c caller) raw(t *testing.T, text string, n int) (answers []answer) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(conn, bytes.NewReader([]byte(text))) // the server may not want all of it
	}()
	defer func() { _ = conn.Close(); <-written }()
	in := bufio.NewReader(conn)
	for range n {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		a, err := read(resp)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}
