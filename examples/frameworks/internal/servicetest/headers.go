package servicetest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// testHeaders is about what becomes of headers on their way in: those of a push here, those of a signup with traces.
func (s Service) testHeaders(t *testing.T) {
	type kept struct {
		meta   tasks.Metadata
		header http.Header
	}
	var all []kept // only read between pushes
	task := orders(func(ctx context.Context, o Order) error {
		m, _ := tasks.MetadataFrom(ctx)
		all = append(all, kept{m, tasks.HeadersFrom(ctx)})
		return nil
	})
	sh := s.open(t, tasks.Config{PropagatedHeaders: []string{"traceparent", "baggage"}}, task)
	push := func(header ...string) {
		t.Helper()
		sh.post(t, "/_tasks/tasks/Order", strings.NewReader(`{"id":1}`), header...).want(t, 200, "executed")
	}
	last := func() kept { return all[len(all)-1] }

	t.Run("stay as they were when the connection is used again", func(t *testing.T) {
		all = nil
		for i := range 5 {
			push("traceparent", trace(i), "X-CloudTasks-TaskName", fmt.Sprintf("%010d", i), "X-Mine", fmt.Sprintf("%010d", i))
		}
		for i, k := range all {
			if id := fmt.Sprintf("%010d", i); k.meta.ID != id || k.meta.Header.Get("X-Mine") != id || k.header.Get("traceparent") != trace(i) {
				t.Errorf("push %d is remembered as %s, %s, %v", i, k.meta.ID, k.meta.Header.Get("X-Mine"), k.header)
			}
		}
	})
	t.Run("come in any case", func(t *testing.T) {
		sh.raw(t, "POST /_tasks/tasks/Order HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\nTRACEPARENT: "+trace(1)+
			"\r\nx-cloudtasks-TASKNAME: odd\r\n\r\n"+`{"id":1}`, 1)[0].want(t, 200, "executed")
		if k := last(); k.meta.ID != "odd" || k.header.Get("traceparent") != trace(1) {
			t.Errorf("the id is %q, the propagated headers are %v", k.meta.ID, k.header)
		}
	})
	t.Run("may be long", func(t *testing.T) {
		baggage := strings.Repeat("k=v,", 8<<10/4-1) + "k=v"
		push("baggage", baggage, "Authorization", "Bearer "+strings.Repeat("x", 4<<10))
		if got := last().header.Get("baggage"); got != baggage {
			t.Errorf("%d bytes of %d arrived", len(got), len(baggage))
		}
	})
	t.Run("may come twice", func(t *testing.T) {
		push("baggage", "a=1", "baggage", "b=2")
		if k := last(); k.header.Get("baggage") != "a=1,b=2" || len(k.meta.Header["Baggage"]) != 2 {
			t.Errorf("the propagated headers are %v, the raw ones %v", k.header, k.meta.Header)
		}
	})
}

// trace is the i-th of many traces.
func trace(i int) string { return fmt.Sprintf("00-%032x-00f067aa0ba902b7-01", i+1) }
