package repo_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors are the least percentages of statements that all tests together run, for each package that a pattern
// matches; the first pattern that fits holds.
var floors = []struct {
	pattern string
	percent float64
}{
	{"backoff", 90},
	{"internal/...", 90},
	{"pubsub", 90},
	{"schedule", 90},
	{"tasks/...", 90},
	{"tasks", 90},
	{"tasks/...", 90},
	{"tasktest", 90},
	{"transport", 90},
	{"transport/...", 90},
}

// TestCoverage_KeepsFloors reads the profile that COVERPROFILE names, one of all packages by the tests of all:
// go test -coverpkg=./... -coverprofile=... ./...
func TestCoverage_KeepsFloors(t *testing.T) {
	name := os.Getenv("COVERPROFILE")
	if name == "" {
		t.Skip("COVERPROFILE names no profile: run make cover")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	covered, err := readProfile(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, dir := range codeDirs(sources(t)) {
		c := covered[dir]
		t.Logf("%5.1f %%  of %4d  %s", c.percent(), c.all, dir)
	}
	report(t, findUncovered(codeDirs(sources(t)), covered))
}

// coverage counts statements.
type coverage struct{ run, all int }

func (c coverage) percent() float64 {
	if c.all == 0 {
		return 0
	}
	return 100 * float64(c.run) / float64(c.all)
}

// readProfile sums a profile up by directory. A block stands in it once for each test binary; it is run if
// any of them ran it.
func readProfile(r io.Reader) (map[string]coverage, error) {
	statements, run := map[string]int{}, map[string]bool{}
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, err
			}
			break
		}
		line := lines.Text()
		if strings.HasPrefix(line, "mode: ") {
			continue
		}
		f := strings.Fields(line) // file:line.column,line.column statements count
		if len(f) != 3 {
			return nil, fmt.Errorf("not a line of a coverage profile: %q", line)
		}
		n, err := strconv.Atoi(f[1])
		if err != nil {
			return nil, fmt.Errorf("statements of %q: %w", line, err)
		}
		statements[f[0]] = n
		run[f[0]] = run[f[0]] || f[2] != "0"
	}
	byDir := map[string]coverage{}
	for block, n := range statements {
		file, _, _ := strings.Cut(block, ":")
		dir := strings.TrimPrefix(path.Dir(file), module+"/")
		c := byDir[dir]
		c.all += n
		if run[block] {
			c.run += n
		}
		byDir[dir] = c
	}
	return byDir, nil
}

// codeDirs lists the packages that have statements.
func codeDirs(srcs []source) []string {
	dirs := map[string]bool{}
	for _, s := range srcs {
		if s.isLibrary() && slices.ContainsFunc(s.file.Decls, hasStatements) {
			dirs[s.dir()] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs))
}

func hasStatements(d ast.Decl) bool {
	f, ok := d.(*ast.FuncDecl)
	return ok && f.Body != nil && len(f.Body.List) > 0
}

func findUncovered(dirs []string, covered map[string]coverage) (findings []string) {
	for _, dir := range dirs {
		least, got := floorOf(dir), covered[dir]
		if got.percent() < least {
			findings = append(findings, fmt.Sprintf("%s: tests run %.1f %% of %d statements, the floor is %.0f %%: test what it does"+
				" (go tool cover -html shows what they leave out)", dir, got.percent(), got.all, least))
		}
	}
	return findings
}

func floorOf(dir string) float64 {
	for _, f := range floors {
		below, tree := strings.CutSuffix(f.pattern, "...")
		if dir == f.pattern || tree && strings.HasPrefix(dir, below) {
			return f.percent
		}
	}
	return 0
}

func TestReadProfile_CountsABlockOnce(t *testing.T) {
	profile := "mode: atomic\n" +
		module + "/tasks/a.go:1.1,2.2 9 0\n" +
		module + "/tasks/a.go:3.1,4.2 1 0\n" +
		module + "/tasks/a.go:1.1,2.2 9 7\n" +
		module + "/transport/memory/m.go:1.1,2.2 2 1\n" +
		module + "/transport/memory/m.go:3.1,4.2 1 0\n"
	got, err := readProfile(strings.NewReader(profile))
	want := map[string]coverage{"tasks": {9, 10}, "transport/memory": {2, 3}}
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("readProfile = %v, %v, want %v", got, err, want)
	}
	requireFindings(t, findUncovered([]string{"backoff", "examples", "tasks", "transport/memory"}, got),
		"backoff: tests run 0.0 %", "transport/memory: tests run 66.7 %")
}

func TestReadProfile_NotAProfile_ReturnsError(t *testing.T) {
	for _, text := range []string{"nonsense\n", "a.go:1.1,2.2 many 1\n"} {
		if _, err := readProfile(strings.NewReader(text)); err == nil {
			t.Errorf("readProfile(%q) gave no error", text)
		}
	}
}

func TestCodeDirs_ListsLibraryPackagesWithStatements(t *testing.T) {
	srcs := []source{
		parse(t, "a/a.go", "package a\nfunc F() { println() }"),
		parse(t, "b/b.go", "package b\ntype T interface{ M() }\nfunc (S) seal() {}\ntype S struct{}"),
		parse(t, "c/c_test.go", "package c\nfunc F() { println() }"),
	}
	if got := codeDirs(srcs); !slices.Equal(got, []string{"a"}) {
		t.Errorf("codeDirs = %q, want [a]", got)
	}
}
