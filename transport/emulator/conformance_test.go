package emulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(tb testing.TB) transporttest.Driver {
		e, err := emulator.New()
		if err != nil {
			tb.Fatal(err)
		}
		address, err := e.Start()
		if err != nil {
			tb.Fatal(err)
		}
		tr, err := cloudtasks.New(tb.Context(), cloudtasks.WithEndpoint(address), cloudtasks.WithProject("p"), cloudtasks.WithLocation("l"))
		if err != nil {
			tb.Fatal(err)
		}
		var h atomic.Pointer[transport.Handler]
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { push(w, r, h.Load()) }))
		tb.Cleanup(func() {
			tr.Close()
			e.Close()
			srv.Close()
		})
		return transporttest.Driver{
			Transport: tr, Endpoint: srv.URL + "/run",
			Serve: func(_ string, handler transport.Handler) error { h.Store(&handler); return nil },
		}
	})
}

func push(w http.ResponseWriter, r *http.Request, h *transport.Handler) {
	if h == nil {
		w.WriteHeader(500)
		return
	}
	body, _ := io.ReadAll(r.Body)
	get := func(name string) string { return r.Header.Get("X-CloudTasks-" + name) }
	num := func(name string) int { n, _ := strconv.Atoi(get(name)); return n }
	sec, frac, _ := strings.Cut(get("TaskETA"), ".")
	s, _ := strconv.ParseInt(sec, 10, 64)
	us, _ := strconv.ParseInt(frac, 10, 64)
	header := r.Header.Clone()
	for k := range header {
		if strings.HasPrefix(k, "X-Cloudtasks") || k == "User-Agent" || k == "Content-Length" {
			header.Del(k)
		}
	}
	d := &transport.Delivery{
		Task: transport.Task{ID: get("TaskName"), Queue: get("QueueName"), URL: "http://" + r.Host + r.URL.RequestURI(), Header: header, Body: body,
			ETA: time.Unix(s, us*1000)},
		Attempt: num("TaskRetryCount") + 1, Executions: num("TaskExecutionCount"), PreviousResponse: num("TaskPreviousResponse"),
	}
	status, after, _ := (*h)(r.Context(), d)
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	w.WriteHeader(status)
}
