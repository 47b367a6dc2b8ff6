package schedule_test

import (
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// Names that come out alike would make one App's jobs obsolete for the other.
func TestSync_AppsWhoseNamesLookAlike_LeaveEachOthersJobs(t *testing.T) {
	t.Parallel()
	s := &schScheduler{}
	configs := []tasks.Config{
		{Name: "my.shop"}, {Name: "my-shop"}, {Name: "my shop"}, {Name: "my·shop"}, {Name: "my\xffshop"},
		{Name: "my-shop-38792826"}, // as the first one comes out
		{Name: "my-shop", Delimiter: "::"}, {Name: "my.shop", Delimiter: "::"},
	}
	var apps []*tasks.App
	for i, cfg := range configs {
		cfg.Scheduler = s
		app := schApp(t, cfg)
		schRegister(t, app, schNamed("common"), schNamed("of"+string(rune('A'+i))))
		schSync(t, app)
		apps = append(apps, app)
	}
	if len(s.jobs) != 2*len(configs) {
		t.Errorf("%d jobs: %s", len(s.jobs), s.names())
	}
	for i, app := range apps {
		if p := schSync(t, app); p.Changed() || len(p.Changes) != 2 {
			t.Errorf("%q once more:\n%s", configs[i].Name, p)
		}
	}
}

func TestJobName_OfTheAppsName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  tasks.Config
		want string
	}{
		{tasks.Config{Name: "my-shop"}, "my-shop--n"},
		{tasks.Config{Name: "my.shop"}, "my-shop-38792826--n"},
		{tasks.Config{Name: "my-shop-38792826"}, "my-shop-38792826-HASH--n"},
		{tasks.Config{Name: "-0123abcd"}, "-0123abcd-HASH--n"},
		{tasks.Config{Name: "my-shop-3879282"}, "my-shop-3879282--n"},
		{tasks.Config{Name: "my-shop-38792826a"}, "my-shop-38792826a--n"},
		{tasks.Config{Name: "my-shop-3879282G"}, "my-shop-3879282G--n"},
		{tasks.Config{Name: "38792826"}, "38792826--n"},
		{tasks.Config{Name: "shop", Delimiter: "::"}, "shop-HASH--n"},
		{tasks.Config{Name: "-"}, "n"},
	} {
		before, after, hashed := strings.Cut(c.want, "HASH")
		got := schDescribe(t, schApp(t, c.cfg), schNamed("n")).Name
		if hashed && strings.HasPrefix(got, before) && len(got) == len(c.want)+4 {
			got = before + "HASH" + got[len(before)+8:]
		}
		if got != before+strings.Repeat("HASH", strings.Count(c.want, "HASH"))+after {
			t.Errorf("%q: %s, want %s", c.cfg.Name, got, c.want)
		}
	}
}
