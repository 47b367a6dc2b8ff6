package tasktest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// updateEnv, set to 1, lets Golden write what it would complain about.
const updateEnv = "TASKTEST_UPDATE"

// Golden pins the name and the payload's shape of everything registered with app, one file each in dir. A change
// fails the test and says whether it strands queued work: a name that is no longer served, a field that is gone,
// changed its type, or has become required. A missing file is written: commit it. After a change that is meant,
// run the test once with TASKTEST_UPDATE=1.
func Golden(t testing.TB, app *tasks.App, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("tasktest: golden: %v", err)
	}
	current := map[string]string{} // file -> content
	served := map[string]string{}  // file of an alias -> file of its definition
	for d := range app.Definitions() {
		s := d.Spec()
		current[goldenFile(s.Kind, s.Name)] = describe(s)
		for _, alias := range s.Aliases {
			served[goldenFile(s.Kind, alias)] = goldenFile(s.Kind, s.Name)
		}
	}
	for _, file := range goldenFiles(t, dir) {
		if _, ok := current[file]; ok {
			continue
		}
		if now, ok := served[file]; ok {
			compare(t, dir, file, current[now])
			continue
		}
		t.Errorf("tasktest: golden: %s is no longer registered: what waits under its name is stranded.\n"+
			"Keep the name served with tasks.WithAliases, or delete %s once its queue is empty.",
			strings.TrimSuffix(file, goldenSuffix), filepath.Join(dir, file))
	}
	for _, file := range sorted(current) {
		path := filepath.Join(dir, file)
		if _, err := os.Stat(path); os.IsNotExist(err) || os.Getenv(updateEnv) == "1" {
			if err := os.WriteFile(path, []byte(current[file]), 0o644); err != nil {
				t.Fatalf("tasktest: golden: %v", err)
			}
			t.Logf("tasktest: golden: wrote %s: commit it", path)
			continue
		}
		compare(t, dir, file, current[file])
	}
}

const goldenSuffix = ".golden"

func goldenFile(kind, name string) string { return kind + "." + name + goldenSuffix }

func goldenFiles(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("tasktest: golden: %v", err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), goldenSuffix) {
			files = append(files, e.Name())
		}
	}
	return files
}

// compare reports every line that differs between the file and what is now.
func compare(t testing.TB, dir, file, now string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatalf("tasktest: golden: %v", err)
	}
	was, is := goldenLines(string(data)), goldenLines(now)
	var lines []string
	for _, path := range sorted(was) {
		switch shape, kept := is[path]; {
		case !kept && path == "type":
		case !kept:
			lines = append(lines, fmt.Sprintf("- %s %s   strands queued work: the field is gone, and its data is dropped", path, was[path]))
		case shape != was[path]:
			lines = append(lines, fmt.Sprintf("~ %s %s, was %s   %s", path, shape, was[path], consequence(was[path], shape)))
		}
	}
	for _, path := range sorted(is) {
		if _, had := was[path]; !had {
			lines = append(lines, fmt.Sprintf("+ %s %s   %s", path, is[path], consequence("", is[path])))
		}
	}
	if len(lines) > 0 {
		t.Errorf("tasktest: golden: %s has changed:\n  %s\nIf that is meant, run the test once with %s=1 and commit %s.",
			strings.TrimSuffix(file, goldenSuffix), strings.Join(lines, "\n  "), updateEnv, filepath.Join(dir, file))
	}
}

func consequence(was, is string) string {
	wasType, wasRules, _ := strings.Cut(was, " ")
	isType, isRules, _ := strings.Cut(is, " ")
	switch {
	case was != "" && wasType != isType:
		return "strands queued work: the type differs"
	case isRules != wasRules && isRules != "":
		return "may strand queued work: payloads without it do not validate"
	default:
		return "harmless"
	}
}

func goldenLines(s string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		path, shape, _ := strings.Cut(line, " ")
		lines[path] = shape
	}
	return lines
}

// describe writes a definition as its golden file holds it.
func describe(s tasks.Spec) string {
	fields := map[string]string{}
	if s.Payload != nil {
		shape(fields, "", s.Payload, "", nil)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s: path, type, validation rules\n", s.Kind, s.Name)
	for _, path := range sorted(fields) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(path+" "+fields[path], " "))
	}
	return b.String()
}

// shape collects the leaves of a type by their JSON path, each with its type and its rules.
func shape(out map[string]string, path string, t reflect.Type, rules string, above []reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	leaf := func(kind string) { out[or(path, "payload")] = strings.TrimRight(kind+" "+rules, " ") }
	for _, seen := range above {
		if seen == t {
			leaf("recursive")
			return
		}
	}
	above = append(above[:len(above):len(above)], t)
	if t == reflect.TypeFor[time.Time]() {
		leaf("time")
		return
	}
	if custom(t) {
		leaf("custom:" + t.String())
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		if path != "" && rules != "" {
			leaf("object")
		}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "-", !f.IsExported() && !f.Anonymous:
			case f.Anonymous && name == "":
				shape(out, path, f.Type, f.Tag.Get("validate"), above)
			default:
				shape(out, join(path, or(name, f.Name)), f.Type, f.Tag.Get("validate"), above)
			}
		}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			leaf("bytes")
			return
		}
		if rules != "" {
			leaf("list")
		}
		shape(out, path+"[]", t.Elem(), "", above)
	case reflect.Map:
		if rules != "" {
			leaf("map")
		}
		shape(out, path+"{"+t.Key().Kind().String()+"}", t.Elem(), "", above)
	case reflect.Interface:
		leaf("any")
	default:
		leaf(t.Kind().String())
	}
}

// custom reports a type that writes itself.
func custom(t reflect.Type) bool {
	for _, w := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(w) || reflect.PointerTo(t).Implements(w) {
			return true
		}
	}
	return false
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
