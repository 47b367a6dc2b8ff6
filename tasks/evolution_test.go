package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// evoRenamed takes a renamed field by its old name too.
type evoRenamed struct {
	FullName string `json:"full_name" validate:"required"`
}

func (r *evoRenamed) UnmarshalJSON(b []byte) error {
	type plain evoRenamed // without this method
	old := struct {
		*plain
		Name string `json:"name"`
	}{plain: (*plain)(r)}
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if r.FullName == "" {
		r.FullName = old.Name
	}
	return nil
}

// evoDefault is what a field is where an old body has none.
type evoDefault struct {
	ID    int    `json:"id" validate:"required"`
	Lang  string `json:"lang" validate:"required"`
	Tries *int   `json:"tries"`
}

func (d *evoDefault) UnmarshalJSON(b []byte) error {
	type plain evoDefault
	d.Lang = "en"
	return json.Unmarshal(b, (*plain)(d))
}

// evoDefined is a version of a program: one task, which notes what it ran with.
func evoDefined[T any](into *[]string, opts ...tasks.Option) *tasks.Task[T] {
	return tasks.New(func(_ context.Context, p T) error { *into = append(*into, fmt.Sprintf("%+v", p)); return nil }, opts...)
}

// evoEnqueued is what an old version enqueues, as the wire carries it.
func evoEnqueued[T any](p T, opts ...tasks.Option) func(t *testing.T) *transport.Task {
	return func(t *testing.T) *transport.Task {
		remote, task := &dlvRemote{}, evoDefined[T](new([]string), opts...)
		dlvApp(t, tasks.Config{Transport: remote}, task)
		enqMust(task.Enqueue(t.Context(), p))(t)
		return remote.one(t)
	}
}

func TestEvolution_OldBodiesThatWait_AreServedByTheNewVersion(t *testing.T) {
	t.Parallel()
	named := tasks.WithName("work")
	type (
		first struct {
			ID   int    `json:"id" validate:"required"`
			Note string `json:"note,omitempty"`
		}
		added struct {
			first
			Lang string `json:"lang,omitempty"`
		}
		addedRequired struct {
			first
			Lang string `json:"lang" validate:"required"`
		}
		removed struct {
			ID int `json:"id" validate:"required"`
		}
		retyped struct {
			ID string `json:"id" validate:"required"`
		}
		name struct {
			Name string `json:"name" validate:"required"`
		}
		fullName struct {
			FullName string `json:"full_name" validate:"required"`
		}
		fullNameOptional struct {
			FullName string `json:"full_name"`
		}
		cents struct {
			Amount int `json:"amount" validate:"required"`
		}
		euros struct {
			Amount int `json:"amount" validate:"required"`
		}
		eurosNamed struct {
			Euros int `json:"euros" validate:"required"`
		}
	)
	old := first{ID: 7, Note: "hi"}
	for _, c := range []struct {
		name    string
		old     func(*testing.T) *transport.Task
		new     func(into *[]string) tasks.Definition
		runs    string // with which payload; empty: it does not
		refused string // why not
	}{
		{"unchanged", evoEnqueued(old, named), func(into *[]string) tasks.Definition { return evoDefined[first](into, named) }, "{ID:7 Note:hi}", ""},
		{"a field added", evoEnqueued(old, named), func(into *[]string) tasks.Definition { return evoDefined[added](into, named) }, "{first:{ID:7 Note:hi} Lang:}", ""},
		{"a field added that is required", evoEnqueued(old, named), func(into *[]string) tasks.Definition { return evoDefined[addedRequired](into, named) }, "", "lang fails rule required"},
		{"a field added that is required, with a default", evoEnqueued(old, named), func(into *[]string) tasks.Definition { return evoDefined[evoDefault](into, named) }, "{ID:7 Lang:en Tries:<nil>}", ""},
		{"a field added that is required, upgraded", evoEnqueued(old, named), func(into *[]string) tasks.Definition {
			return evoDefined[addedRequired](into, named, tasks.UpgradeFrom(func(_ context.Context, o first) (addedRequired, error) { return addedRequired{o, "en"}, nil }))
		}, "{first:{ID:7 Note:hi} Lang:en}", ""},
		{"a field removed", evoEnqueued(old, named), func(into *[]string) tasks.Definition { return evoDefined[removed](into, named) }, "{ID:7}", ""},
		{"a field of another type", evoEnqueued(old, named), func(into *[]string) tasks.Definition { return evoDefined[retyped](into, named) }, "", "id: want string, got number"},
		{"a field of another type, upgraded", evoEnqueued(old, named), func(into *[]string) tasks.Definition {
			return evoDefined[retyped](into, named, tasks.UpgradeFrom(func(_ context.Context, o first) (retyped, error) { return retyped{fmt.Sprint("n", o.ID)}, nil }))
		}, "{ID:n7}", ""},
		{"a field renamed", evoEnqueued(name{"Ana"}, named), func(into *[]string) tasks.Definition { return evoDefined[fullName](into, named) }, "", "full_name fails rule required"},
		{"a field renamed that is not required: lost without a word", evoEnqueued(name{"Ana"}, named), func(into *[]string) tasks.Definition { return evoDefined[fullNameOptional](into, named) }, "{FullName:}", ""},
		{"a field renamed, by UnmarshalJSON", evoEnqueued(name{"Ana"}, named), func(into *[]string) tasks.Definition { return evoDefined[evoRenamed](into, named) }, "{FullName:Ana}", ""},
		{"a field renamed, upgraded", evoEnqueued(name{"Ana"}, named), func(into *[]string) tasks.Definition {
			return evoDefined[fullName](into, named, tasks.UpgradeFrom(func(_ context.Context, o name) (fullName, error) { return fullName{o.Name}, nil }))
		}, "{FullName:Ana}", ""},
		{"a field of another meaning: nobody can tell", evoEnqueued(cents{4200}, named), func(into *[]string) tasks.Definition {
			return evoDefined[euros](into, named, tasks.UpgradeFrom(func(_ context.Context, o cents) (euros, error) { return euros{o.Amount / 100}, nil }))
		}, "{Amount:4200}", ""},
		{"a field of another meaning, under a new name, upgraded", evoEnqueued(cents{4200}, named), func(into *[]string) tasks.Definition {
			return evoDefined[eurosNamed](into, named, tasks.UpgradeFrom(func(_ context.Context, o cents) (eurosNamed, error) { return eurosNamed{o.Amount / 100}, nil }))
		}, "{Euros:42}", ""},
		{"the task renamed", evoEnqueued(old, tasks.WithName("old-work")), func(into *[]string) tasks.Definition { return evoDefined[first](into, named) }, "", `no task "old-work" is registered`},
		{"the task renamed, with an alias", evoEnqueued(old, tasks.WithName("old-work")), func(into *[]string) tasks.Definition {
			return evoDefined[first](into, named, tasks.WithAliases("old-work"))
		}, "{ID:7 Note:hi}", ""},
		{"the type renamed, from whose name the task's came", evoEnqueued(old), func(into *[]string) tasks.Definition { return evoDefined[removed](into) }, "", `no task "first" is registered`},
		{"the task renamed and its payload, too", evoEnqueued(name{"Ana"}), func(into *[]string) tasks.Definition {
			return evoDefined[fullName](into, tasks.WithAliases("name"), tasks.UpgradeFrom(func(_ context.Context, o name) (fullName, error) { return fullName{o.Name}, nil }))
		}, "{FullName:Ana}", ""},
	} {
		check := func(t *testing.T, runs []string, kept []tasks.Quarantined, body []byte) {
			t.Helper()
			if c.runs != "" && (len(runs) != 1 || runs[0] != c.runs || len(kept) != 0) {
				t.Errorf("ran with %q, kept %+v, want %q", runs, kept, c.runs)
			}
			if c.runs == "" && (len(runs) != 0 || len(kept) != 1 || !strings.Contains(kept[0].Reason.Error(), c.refused) || !bytes.Equal(kept[0].Body, body)) {
				t.Errorf("ran with %q, kept %+v, want it kept because %q", runs, kept, c.refused)
			}
		}
		t.Run(c.name+"/over HTTP", func(t *testing.T) {
			t.Parallel()
			var runs []string
			var kept []tasks.Quarantined
			waits := c.old(t)
			app := dlvApp(t, tasks.Config{Quarantine: dlvKeep(&kept)}, c.new(&runs))
			r := dlvPost(strings.TrimPrefix(waits.URL, app.Config().Endpoint), string(waits.Body))
			r.Header = waits.Header
			if got := dlvServe(t, app, r); got.code != http.StatusOK != (c.runs == "") {
				t.Errorf("answered %d", got.code)
			}
			check(t, runs, kept, waits.Body)
		})
		t.Run(c.name+"/over memory", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var runs []string
				var kept []tasks.Quarantined
				waits := c.old(t)
				_, m := dlvMemory(t, tasks.Config{Quarantine: dlvKeep(&kept)}, c.new(&runs))
				waits.ETA = time.Now().Add(time.Hour)
				if _, err := m.Enqueue(t.Context(), waits); err != nil {
					t.Fatal(err)
				}
				dlvPass(2 * time.Hour)
				check(t, runs, kept, waits.Body)
			})
		})
	}
}
