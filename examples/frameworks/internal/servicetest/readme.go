package servicetest

import (
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

func (s Service) testREADME(t *testing.T) {
	sh := open(t, s.README, tasks.Config{}, s.Welcome)
	for i, c := range []struct {
		path      string
		status    int
		appStatus string
	}{
		{"/signup", 202, ""},
		{"/_tasks/tasks/Welcome", 200, "executed"},
		{"/signup", 202, ""},
	} {
		sh.post(t, c.path, strings.NewReader(ana), "traceparent", trace(i)).want(t, c.status, c.appStatus)
		if r := receive(t, sh.ran); r.name != "Welcome" || r.header.Get("traceparent") != trace(i) {
			t.Errorf("after POST %s %s ran with %v, want Welcome with %s", c.path, r.name, r.header, trace(i))
		}
	}
	sh.post(t, "/signup", strings.NewReader(`{"email":"ana"}`)).want(t, 422, "")
	sh.post(t, "/_tasks/tasks/Welcome", strings.NewReader(`{"email":"ana"}`)).want(t, 400, "rejected")
}
