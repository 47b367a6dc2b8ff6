package repo_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxLines       = 500
	maxMedianLines = 200
)

func TestFiles_OneSubjectEach(t *testing.T) {
	report(t, findLong(sources(t)))
}

// findLong finds files that are too long, tests excepted, and a median that says that most of them are.
func findLong(srcs []source) (findings []string) {
	var counts []int
	for _, s := range srcs {
		if s.isTest() {
			continue
		}
		n := bytes.Count(s.text, []byte("\n"))
		counts = append(counts, n)
		if n > maxLines {
			findings = append(findings, fmt.Sprintf("%s has %d lines, the most is %d: split it, one subject per file", s.path, n, maxLines))
		}
	}
	if len(counts) == 0 {
		return findings
	}
	slices.Sort(counts)
	if m := counts[len(counts)/2]; m > maxMedianLines {
		findings = append(findings, fmt.Sprintf("the median file has %d lines, the most is %d: split the long ones", m, maxMedianLines))
	}
	return findings
}

func TestFindLong_FindsFileAndMedian(t *testing.T) {
	lines := func(n int) string { return "package p" + strings.Repeat("\n", n) }
	requireFindings(t, findLong([]source{
		parse(t, "p/long.go", lines(maxLines+1)),
		parse(t, "p/most.go", lines(maxLines)),
		parse(t, "p/middle.go", lines(maxMedianLines+1)),
		parse(t, "p/short_test.go", lines(1)),
		parse(t, "p/long_test.go", lines(maxLines+1)),
	}), "p/long.go has 501 lines", "median file has 500 lines")
}

// machinePath matches absolute paths below directories that exist on one machine only; paths inside a URL
// do not count.
var machinePath = regexp.MustCompile(`(^|[\s"'` + "`" + `(=:,])(/(root|home|Users|tmp|work)/[\w.-]+|[A-Z]:\\Users\\)`)

func TestFiles_NameNoPathOfAMachine(t *testing.T) {
	for _, name := range files(t) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		report(t, findMachinePaths(name, text))
	}
}

func findMachinePaths(name string, text []byte) (findings []string) {
	if bytes.IndexByte(text, 0) >= 0 { // not a text
		return nil
	}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if m := machinePath.FindSubmatch(line); m != nil {
			findings = append(findings, fmt.Sprintf("%s:%d: %s is a path of one machine: use a relative one, or t.TempDir", name, i+1, m[2]))
		}
	}
	return findings
}

func TestFindMachinePaths_FindsThemOutsideURLs(t *testing.T) {
	text := strings.Join([]string{
		"see @/root/notes.md",
		`open("@/home/ana/x")`,
		"https://example.com@/home/x",
		"DIR=@/tmp/build",
		`C:@\Users\ana`,
		"/_tasks/ and /homes/x",
	}, "\n")
	requireFindings(t, findMachinePaths("a.md", []byte(strings.ReplaceAll(text, "@", ""))), "a.md:1", "a.md:2", "a.md:4", "a.md:5")
}

func TestChangelog_BeginsWithUnreleased(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatalf("every change is told in CHANGELOG.md, under a heading ## Unreleased: %v", err)
	}
	if head := firstHeading(string(text)); !strings.Contains(head, "Unreleased") {
		t.Errorf("the first heading of CHANGELOG.md is %q: begin it with ## Unreleased, where the next change is told", head)
	}
}

// firstHeading returns the first heading of the second level.
func firstHeading(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "## ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestFirstHeading_SkipsTitle(t *testing.T) {
	if got, want := firstHeading("# Changelog\n\n## Unreleased\n- a\n## 1.0\n"), "## Unreleased"; got != want {
		t.Errorf("firstHeading = %q, want %q", got, want)
	}
}
