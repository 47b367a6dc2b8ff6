package repo_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// cloudPackages may link what cloudOnly lists; testKits may link what testOnly lists; traced may link what tracedOnly lists.
var (
	traced        = []string{"tasks/taskotel", "internal/gcp/gcptest"}
	cloudPackages = []string{"transport/cloudtasks", "transport/cloudpubsub", "transport/cloudscheduler", "transport/emulator", "transport/emulator/cmd/tasks-emulator", "internal/gcp"}
	testKits      = []string{"tasktest", "transport/transporttest"}
)

// What packages must not link, however deep, and why. An entry covers the packages below it, unless it ends
// in "$".
var (
	cloudOnly = map[string]string{
		"cloud.google.com/go":     "no Google client reaches a program that does not use a cloud driver",
		"google.golang.org/api":   "no Google client reaches a program that does not use a cloud driver",
		"google.golang.org/grpc$": "codes and status are fine, the gRPC client is the cloud drivers' own",
	}
	testOnly = map[string]string{
		"testing":                     "only test kits are made for tests",
		"net/http/httptest":           "only test kits are made for tests; it adds a flag to every program",
		"go.uber.org/goleak":          "leaks are looked for in tests",
		"google.golang.org/grpc/test": "only test kits are made for tests",
		"github.com/stretchr/testify": "tests need the standard library only",
		"github.com/google/go-cmp":    "only for tests",
	}
	tracedOnly = map[string]string{
		"go.opentelemetry.io/otel": "OpenTelemetry reaches a program that asks for it, with tasks/taskotel or a cloud driver",
	}
	nobody = map[string]string{
		"go.opentelemetry.io/otel/sdk": "the SDK is the choice of the program; libraries know its interfaces",
		"github.com/gin-gonic":         "frameworks belong to the examples, a module of its own",
		"github.com/labstack":          "frameworks belong to the examples, a module of its own",
		"github.com/go-chi":            "frameworks belong to the examples, a module of its own",
		"github.com/gofiber":           "frameworks belong to the examples, a module of its own",
		"github.com/valyala":           "frameworks belong to the examples, a module of its own",
	}
)

// arrows say which packages of ours a package may import beside internal ones; the first pattern that fits
// holds. A test kit or an assertion may stand on a driver, other packages on none but what is listed.
var arrows = []struct {
	pattern string
	may     []string
}{
	{"backoff", nil},
	{"transport", nil},
	{"transport/emulator", []string{"transport", "transport/memory"}},
	{"transport/emulator/cmd/...", []string{"transport/emulator"}},
	{"transport/...", []string{"transport"}},
	{"internal/converge", []string{"transport", "tasks/plan"}},
	{"internal/...", []string{"transport", "backoff"}},
	{"tasks", []string{"backoff", "transport", "transport/eager", "tasks/plan"}},
	{"tasks/plan", nil},
	{"tasks/taskotel", []string{"transport", "transport/eager", "tasks"}},
	{"pubsub", []string{"backoff", "transport", "tasks", "tasks/plan"}},
	{"schedule", []string{"backoff", "transport", "tasks", "tasks/plan"}},
	{"tasktest", []string{"backoff", "transport", "transport/memory", "tasks", "pubsub", "schedule"}},
	{"tasks/manage", []string{"backoff", "transport", "tasks", "tasks/plan", "pubsub", "schedule"}},
}

func TestDeps_NothingForbiddenIsLinked(t *testing.T) {
	report(t, findLinked(listPackages(t)))
}

func TestDeps_ArrowsPointOneWay(t *testing.T) {
	report(t, findArrows(listPackages(t)))
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

// dir is the package's directory from the root; ok is false where it is not ours.
func (p pkg) dir() (dir string, ok bool) { return strings.CutPrefix(p.ImportPath, module+"/") }

// listPackages returns our packages with all that they link.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = errors.New(string(exit.Stderr))
		}
		t.Fatalf("%v: %v", cmd, err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case err == io.EOF:
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func findLinked(pkgs []pkg) (findings []string) {
	graph := map[string][]string{}
	for _, p := range pkgs {
		graph[p.ImportPath] = p.Imports
	}
	for _, p := range pkgs {
		dir, ours := p.dir()
		if !ours {
			continue
		}
		lists := []map[string]string{nobody}
		if !slices.Contains(cloudPackages, dir) {
			lists = append(lists, cloudOnly)
		}
		if !slices.Contains(testKits, dir) {
			lists = append(lists, testOnly)
		}
		if !slices.Contains(traced, dir) && !slices.Contains(cloudPackages, dir) {
			lists = append(lists, tracedOnly)
		}
		for _, forbidden := range lists {
			findings = append(findings, findPaths(graph, p.ImportPath, forbidden)...)
		}
	}
	return findings
}

// findPaths walks what from links, breadth first, and reports the shortest way to each forbidden package.
func findPaths(graph map[string][]string, from string, forbidden map[string]string) (findings []string) {
	via := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if why, ok := lookUp(forbidden, at); ok {
			way := at
			for p := via[at]; p != ""; p = via[p] {
				way = p + " -> " + way
			}
			findings = append(findings, way+": "+why+"; remove the import")
			continue // what lies behind it follows from it
		}
		for _, next := range graph[at] {
			if _, seen := via[next]; !seen {
				via[next] = at
				queue = append(queue, next)
			}
		}
	}
	return findings
}

func lookUp(forbidden map[string]string, importPath string) (why string, ok bool) {
	for key, why := range forbidden {
		exact, only := strings.CutSuffix(key, "$")
		if importPath == exact || !only && strings.HasPrefix(importPath, key+"/") {
			return why, true
		}
	}
	return "", false
}

func findArrows(pkgs []pkg) (findings []string) {
	for _, p := range pkgs {
		dir, ours := p.dir()
		if !ours {
			continue
		}
		may, known := allowedImports(dir)
		if !known {
			findings = append(findings, dir+" has no place in the order of packages: add it to arrows, or move it")
			continue
		}
		for _, i := range p.Imports {
			to, ours := pkg{ImportPath: i}.dir()
			if ours && !isInternal(to) && !slices.Contains(may, to) {
				findings = append(findings, dir+" imports "+to+" against the order of packages: it may import internal ones and "+
					strings.Join(may, ", ")+"; move the shared code down or take an interface")
			}
		}
	}
	return findings
}

func allowedImports(dir string) (may []string, known bool) {
	for _, a := range arrows {
		below, tree := strings.CutSuffix(a.pattern, "...")
		if dir == a.pattern || tree && strings.HasPrefix(dir, below) {
			return a.may, true
		}
	}
	return nil, false
}

func TestFindLinked_FindsWhatLiesDeep(t *testing.T) {
	requireFindings(t, findLinked([]pkg{
		{module + "/tasks", []string{"fmt", module + "/transport"}},
		{module + "/transport", []string{"example.com/a", "google.golang.org/grpc/codes"}},
		{"example.com/a", []string{"cloud.google.com/go/compute/metadata", "testing", "testings"}},
		{module + "/transport/cloudtasks", []string{"cloud.google.com/go/cloudtasks", "google.golang.org/grpc"}},
		{module + "/transport/memory", []string{"google.golang.org/grpc"}},
		{module + "/tasktest", []string{"testing", "github.com/go-chi/chi/v5"}},
		{module + "/tasks/taskotel", []string{"go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/sdk/trace"}},
		{module + "/pubsub", []string{"go.opentelemetry.io/otel"}},
	}),
		"/tasks -> "+module+"/transport -> example.com/a -> cloud.google.com/go/compute/metadata: no Google client",
		"/tasks -> "+module+"/transport -> example.com/a -> testing: only test kits",
		"/transport -> example.com/a -> cloud.google.com/go/compute/metadata: no Google client",
		"/transport -> example.com/a -> testing: only test kits",
		"/transport/memory -> google.golang.org/grpc: codes and status are fine",
		"/tasktest -> github.com/go-chi/chi/v5: frameworks",
		"/tasks/taskotel -> go.opentelemetry.io/otel/sdk/trace: the SDK",
		"/pubsub -> go.opentelemetry.io/otel: OpenTelemetry",
	)
}

func TestFindArrows_FindsImportsAgainstTheOrder(t *testing.T) {
	requireFindings(t, findArrows([]pkg{
		{module + "/tasks", []string{"fmt", module + "/transport", module + "/transport/eager", module + "/internal/payload"}},
		{module + "/transport", []string{module + "/backoff", module + "/internal/engine"}},
		{module + "/transport/memory", []string{module + "/transport", module + "/transport/eager"}},
		{module + "/transport/emulator", []string{module + "/transport/memory"}},
		{module + "/internal/engine", []string{module + "/tasks"}},
		{module + "/util", nil},
	}),
		"transport imports backoff", "transport/memory imports transport/eager", "internal/engine imports tasks",
		"util has no place",
	)
}
