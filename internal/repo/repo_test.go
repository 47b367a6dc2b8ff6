// Package repo_test holds the rules of the house as tests: what every package of this repository keeps to,
// read from the source itself. A failure names the place, the rule and the fix. Exceptions stand in a list
// beside their rule, each with its reason; one that is no longer needed fails too.
package repo_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/typedtasks/typedtasks"
)

// source is one Go file of the repository.
type source struct {
	path    string // from the repository's root, with slashes
	text    []byte
	fset    *token.FileSet
	file    *ast.File
	foreign bool // of another module than the library's
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// isLibrary tells what users link from what only runs here: tests, programs, other modules.
func (s source) isLibrary() bool { return !s.foreign && !s.isTest() && s.file.Name.Name != "main" }

// isPublic tells what users import.
func (s source) isPublic() bool { return s.isLibrary() && !isInternal(s.dir()) }

func (s source) imports(importPath string) bool {
	return slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool { return unquote(i.Path) == importPath })
}

// qualified returns the import path and name of an expression pkg.Name, "" where it is something else.
func (s source) qualified(e ast.Expr) (importPath, name string) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok || x.Obj != nil { // Obj: declared in this file, hence no package
		return "", ""
	}
	for _, i := range s.file.Imports {
		p := unquote(i.Path)
		if i.Name != nil && i.Name.Name == x.Name || i.Name == nil && path.Base(p) == x.Name {
			return p, sel.Sel.Name
		}
	}
	return "", ""
}

// at begins a finding: where it is.
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line) + ": "
}

// sources reads every Go file of the repository, testdata excepted.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	var foreign []string
	for _, name := range files(t) {
		switch {
		case path.Base(name) == "go.mod" && name != "go.mod":
			foreign = append(foreign, path.Dir(name)+"/")
		case path.Ext(name) == ".go" && !slices.Contains(strings.Split(name, "/"), "testdata"):
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parse(t, name, string(text)))
		}
	}
	for i, s := range all {
		all[i].foreign = slices.ContainsFunc(foreign, func(dir string) bool { return strings.HasPrefix(s.path, dir) })
	}
	return all
}

func parse(t *testing.T, name, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	return source{path: name, text: []byte(text), fset: fset, file: parseInto(t, fset, name, text)}
}

func parseInto(t *testing.T, fset *token.FileSet, name, text string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// files lists the repository's files from its root, with slashes. What git and editors keep in directories
// with a dot is left out, .ci excepted.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(name, ".") && name != "." && name != ".ci" {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// report fails the test with each finding.
func report(t *testing.T, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}

// exceptions is a list of what a rule lets pass, each with the reason.
type exceptions map[string]string

// stale finds the exceptions that nothing made use of.
func (e exceptions) stale(used map[string]bool) (findings []string) {
	for key := range e {
		if !used[key] {
			findings = append(findings, "exception "+key+" is not needed any more: remove it from its list")
		}
	}
	return findings
}

// requireFindings checks that a rule finds what it is for: one finding for each of the words, in order, that
// contains it.
func requireFindings(t *testing.T, got []string, words ...string) {
	t.Helper()
	if len(got) != len(words) {
		t.Fatalf("got %d findings, want %d: %q", len(got), len(words), got)
	}
	for i, word := range words {
		if !strings.Contains(got[i], word) {
			t.Errorf("finding %d is %q, want it to contain %q", i, got[i], word)
		}
	}
}

func isInternal(dir string) bool { return slices.Contains(strings.Split(dir, "/"), "internal") }

func unquote(lit *ast.BasicLit) string {
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return lit.Value
	}
	return s
}
