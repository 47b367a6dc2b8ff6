package tasks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// dlvFiles reads what a QuarantineDir holds, by file name. Every file must be whole.
func dlvFiles(t *testing.T, dir string) map[string]tasks.Quarantined {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]tasks.Quarantined{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var q tasks.Quarantined
		if err := json.Unmarshal(data, &q); err != nil {
			t.Errorf("%s is not whole: %v", e.Name(), err)
		}
		kept[e.Name()] = q
	}
	return kept
}

func TestQuarantineDir_WritesOneFileEach(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "when needed")
	app := dlvApp(t, tasks.Config{Quarantine: tasks.QuarantineDir(dir)}, dlvTask(dlvReturns(nil)))
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory is made before it is needed")
	}
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", "\xff", "X-CloudTasks-TaskName", "a")), http.StatusAccepted, "quarantined")
	kept := dlvFiles(t, dir)
	if len(kept) != 1 {
		t.Fatalf("holds %v, want one file", kept)
	}
	for name, q := range kept {
		if !regexp.MustCompile(`^\d{8}T\d{6}\.\d{3}-order-[0-9a-f]{12}\.json$`).MatchString(name) {
			t.Errorf("the file is named %s", name)
		}
		if q.Name != "order" || q.ID != "a" || string(q.Body) != "\xff" || q.Reason == nil {
			t.Errorf("it holds %+v", q)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("its mode is %v, %v: others may read it", info.Mode(), err)
		}
	}
}

func TestQuarantineDir_NamesAreSafe(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	keep := tasks.QuarantineDir(dir)
	names := []string{"../../evil", "/etc/passwd", "..", ".hidden", `c:\evil`, "a\x00b", "caf\u00e9", "", strings.Repeat("x", 5000), "same", "same"}
	for _, name := range names {
		if err := keep(t.Context(), tasks.Quarantined{Name: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	kept := dlvFiles(t, dir)
	if len(kept) != len(names) {
		t.Errorf("holds %d files, want %d", len(kept), len(names))
	}
	for name := range kept {
		if !regexp.MustCompile(`^[0-9T]+\.[0-9]{3}-[0-9A-Za-z_-]{0,60}-[0-9a-f]{12}\.json$`).MatchString(name) {
			t.Errorf("a file is named %q", name)
		}
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 {
		t.Errorf("beside it there are %v, %v", entries, err)
	}
}

func TestQuarantineDir_ManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := tasks.QuarantineDir(dir)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				q := tasks.Quarantined{Name: "order", ID: fmt.Sprint(w, "-", i), Body: []byte(strings.Repeat("x", 10000))}
				if err := keep(t.Context(), q); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, q := range dlvFiles(t, dir) {
		ids[q.ID] = true
	}
	if len(ids) != 40 {
		t.Errorf("holds %d deliveries, want 40", len(ids))
	}
}

func TestQuarantineDir_NotWritable_FailsAsWithoutAQuarantine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	app := dlvApp(t, tasks.Config{Quarantine: tasks.QuarantineDir(file)}, dlvTask(dlvReturns(nil)))
	got := dlvServe(t, app, dlvPost("/tasks/order", "{}"))
	dlvWant(t, got, http.StatusBadRequest, "rejected")
	if strings.Contains(got.error, file) {
		t.Errorf("error %s leaks the path", got.error)
	}
}
