// Package readme_test holds README's program as an example, so that it runs.
package readme_test

import (
	"os"
	"strings"
	"testing"
)

func TestREADME_ProgramIsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```go\n")
	program, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README has no Go program")
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("package readme_test\n", "package main\n", "func Example() {", "func main() {").Replace(string(example))
	if program != want {
		t.Errorf("README's first program differs from internal/readme/example_test.go: copy one to the other.\nREADME:\n%s\nexample:\n%s", program, want)
	}
}

func TestREADME_ShowsWhatTheCommandLinePrints(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"list", "sync"} {
		printed, err := os.ReadFile("../../tasks/manage/testdata/readme-" + name + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(readme), string(printed)) {
			t.Errorf("README does not show tasks/manage/testdata/readme-%s.golden as it is: copy it there:\n%s", name, printed)
		}
	}
}
