// Package frameworks_test holds README's section on mounting to the code of the examples, which run it.
package frameworks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestREADME_MountsAsTheExamplesDo(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Mounting\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, code, _ := strings.Cut(section, "```go\n")
	code, _, ok := strings.Cut(code, "```")
	if !ok {
		t.Fatal("README has no section Mounting with Go code")
	}
	shown := strings.Split(code, "\n\n")
	examples, err := filepath.Glob("*/main_test.go")
	if err != nil || len(examples) != len(shown) {
		t.Errorf("README mounts in %d ways, want one for each of %v, %v", len(shown), examples, err)
	}
	for _, lines := range shown {
		// The first line ends with the name, and the major version where that is part of the import: "chi v5; more".
		first, _, _ := strings.Cut(lines, "\n")
		_, name, _ := strings.Cut(first, "// ")
		name, _, _ = strings.Cut(name, ";")
		framework, version, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(strings.ReplaceAll(framework, "/", ""), "main_test.go")
			example, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if imported := strings.TrimSuffix(framework+"/"+version, "/") + "\"\n"; !strings.Contains(string(example), imported) {
				t.Errorf("%s does not import a package that ends in %s", path, imported)
			}
			if whole := " { " + spaced(lines) + " return "; !strings.Contains(spaced(string(example)), whole) {
				t.Errorf("the function readme in %s differs from README: copy one to the other:\n%s", path, lines)
			}
		})
	}
}

// spaced makes one space of each white space.
func spaced(code string) string { return strings.Join(strings.Fields(code), " ") }
