package tasktest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// updateEnv, set to 1, lets Golden write what it would complain about.
const updateEnv = "TASKTEST_UPDATE"

// Golden pins the name and the payload's shape of everything registered with app, one file each in dir, and of
// publishers and subscribers the topic, subscription, filter, ordering and codec. A change fails the test and says
// whether it strands queued work or breaks subscribers: a name that is no longer served, a field that is gone, changed
// its type, or has become required. A missing file is written: commit it.
//
// What strands is harmless where tasks.UpgradeFrom or pubsub.UpgradeFrom takes what has the shape in the file: from a
// type that this shape could become without harm, or from one that takes anything, as json.RawMessage does. The new
// payload must refuse the old one or lose nothing of it, as far as shapes tell, since what it takes is never upgraded.
// The files pin these types, too: one that is gone, or no longer takes what it took, strands what may still wait.
//
// After a change that is meant, run the test once with TASKTEST_UPDATE=1. The file of a name that is no longer
// served is never removed that way: delete it once nothing waits under that name.
func Golden(t testing.TB, app *tasks.App, dir string) {
	t.Helper()
	g := &golden{t: t, dir: dir, update: os.Getenv(updateEnv) == "1"}
	current := map[string]described{} // by file
	served := map[string]string{}     // file of an alias -> file of its definition
	cfg := app.Config()
	for d := range app.Definitions() {
		s := d.Spec()
		current[goldenFile(s.Kind, s.Name)] = describe(cfg, d)
		for _, alias := range s.Aliases {
			served[goldenFile(s.Kind, alias)] = goldenFile(s.Kind, s.Name)
		}
	}
	if len(current) == 0 {
		t.Fatalf("tasktest: golden: nothing is registered with the App: register before calling Golden")
	}
	for _, file := range g.files() {
		if _, ok := current[file]; ok {
			continue
		}
		if now, ok := served[file]; ok {
			g.pin(file, current[now])
			continue
		}
		g.missing(file)
	}
	for _, file := range slices.Sorted(maps.Keys(current)) {
		g.pin(file, current[file])
	}
}

const goldenSuffix = ".golden"

func goldenFile(kind, name string) string { return kind + "." + name + goldenSuffix }

// title is the kind and the name that a file stands for.
func title(file string) string {
	return strings.Replace(strings.TrimSuffix(file, goldenSuffix), ".", " ", 1)
}

func kindOf(file string) string {
	kind, _, _ := strings.Cut(file, ".")
	return kind
}

type golden struct {
	t      testing.TB
	dir    string
	update bool
}

// missing tells of a file that nothing is registered for.
func (g *golden) missing(file string) {
	g.t.Helper()
	what, cure := "what waits under its name is stranded", "Keep the name served with tasks.WithAliases, and tasks.UpgradeFrom if the payload is another now, or delete"
	switch kindOf(file) {
	case tasks.KindSubscriber:
		cure = "Keep the name served with pubsub.WithAliases, and pubsub.UpgradeFrom if the data is another now, or delete"
	case tasks.KindPublisher:
		what, cure = "its subscribers get nothing any more, and what it enqueued is stranded", "If that is meant, delete"
	}
	g.t.Errorf("tasktest: golden: %s is no longer registered: %s.\n%s %s once nothing waits under it.", title(file), what, cure, filepath.Join(g.dir, file))
}

func (g *golden) files() []string {
	g.t.Helper()
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		g.t.Fatalf("tasktest: golden: %v", err)
	}
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		g.t.Fatalf("tasktest: golden: %v", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), goldenSuffix) {
			files = append(files, e.Name())
		}
	}
	return files
}

// pin compares a file with what is now, or writes it.
func (g *golden) pin(file string, now described) {
	g.t.Helper()
	path := filepath.Join(g.dir, file)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Fatalf("tasktest: golden: %v", err)
	}
	rows, hints := compare(kindOf(file), string(data), now)
	switch missing := err != nil; {
	case !missing && len(rows) == 0:
		return
	case missing || g.update:
		if err := os.WriteFile(path, []byte(now.text), 0o644); err != nil {
			g.t.Fatalf("tasktest: golden: %v", err)
		}
		g.t.Logf("tasktest: golden: wrote %s: commit it", path)
	default:
		g.t.Errorf("tasktest: golden: %s has changed:\n%s\n%sIf that is meant, run the test once with %s=1 and commit %s.",
			title(file), columns(rows), strings.Join(append(hints, ""), "\n"), updateEnv, path)
	}
}
