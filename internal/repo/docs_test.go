package repo_test

import (
	"go/ast"
	"go/doc"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestDocs_EveryExportedNameIsDocumented(t *testing.T) {
	report(t, findUndocumented(t, sources(t)))
}

// findUndocumented finds exported names of public packages whose doc comment is missing or begins with
// something else. Constants and variables in a group may share the group's comment or that of the line above,
// the methods of an interface its comment, where it names them.
func findUndocumented(t *testing.T, srcs []source) (findings []string) {
	packages := map[string][]source{}
	for _, s := range srcs {
		if s.isPublic() {
			packages[s.dir()] = append(packages[s.dir()], s)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		d := docCheck{fset: token.NewFileSet(), dir: dir}
		var files []*ast.File
		for _, s := range packages[dir] {
			files = append(files, parseInto(t, d.fset, s.path, string(s.text))) // doc changes what it reads
		}
		p, err := doc.NewFromFiles(d.fset, files, module+"/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		findings = append(findings, d.check(p)...)
	}
	return findings
}

// docCheck collects findings on one package.
type docCheck struct {
	fset     *token.FileSet
	dir      string
	findings []string
}

func (d *docCheck) check(p *doc.Package) []string {
	if !begins(p.Doc, "Package "+p.Name) {
		d.findings = append(d.findings, d.dir+": the package comment does not begin with \"Package "+p.Name+"\": say what the package is for")
	}
	d.values(p.Consts, p.Vars)
	d.funcs(p.Funcs)
	for _, t := range p.Types {
		d.want(t.Decl, t.Name, t.Doc)
		d.values(t.Consts, t.Vars)
		d.funcs(t.Funcs)
		d.funcs(t.Methods)
		d.methods(t)
	}
	return d.findings
}

func (d *docCheck) want(n ast.Node, name, text string) {
	if begins(text, name) {
		return
	}
	at := d.fset.Position(n.Pos())
	at.Column = 0
	why := "has no doc comment: say in 2-4 lines what it does, with units, defaults, limits and errors"
	if text != "" {
		why = "has a doc comment that does not begin with its name: begin it with " + name
	}
	d.findings = append(d.findings, at.String()+": "+name+" "+why)
}

func (d *docCheck) funcs(fs []*doc.Func) {
	for _, f := range fs {
		if f.Level == 0 { // above 0: promoted, documented where it is declared
			d.want(f.Decl, f.Name, f.Doc)
		}
	}
}

func (d *docCheck) values(lists ...[]*doc.Value) {
	for _, v := range slices.Concat(lists...) {
		if !v.Decl.Lparen.IsValid() {
			d.want(v.Decl, v.Names[0], v.Doc)
			continue
		}
		last := -1 // the line of the last documented specification
		for _, spec := range v.Decl.Specs {
			spec := spec.(*ast.ValueSpec)
			line := d.fset.Position(spec.Pos()).Line
			if spec.Doc == nil && (spec.Comment != nil || v.Doc != "" || line == last+1) {
				last = line
				continue
			}
			if i := slices.IndexFunc(spec.Names, func(id *ast.Ident) bool { return id.IsExported() }); i >= 0 {
				d.want(spec, spec.Names[i].Name, spec.Doc.Text())
				last = line
			}
		}
	}
}

// methods checks those of an interface; what a single one does may be what its interface is.
func (d *docCheck) methods(t *doc.Type) {
	it, ok := t.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.InterfaceType)
	if !ok || it.Methods.NumFields() < 2 {
		return
	}
	for _, m := range it.Methods.List {
		for _, id := range m.Names { // none: embedded
			if id.IsExported() && m.Comment == nil && !strings.Contains(t.Doc, id.Name) {
				d.want(m, id.Name, m.Doc.Text())
			}
		}
	}
}

func TestDocs_EveryExampleHasOutput(t *testing.T) {
	report(t, findSilentExamples(sources(t)))
}

// findSilentExamples finds examples that compile but never run, since they name no output.
func findSilentExamples(srcs []source) (findings []string) {
	for _, s := range srcs {
		if !s.isTest() {
			continue
		}
		for _, e := range doc.Examples(s.file) {
			if e.Output == "" && !e.EmptyOutput {
				findings = append(findings, s.path+": Example"+e.Name+" names no output and so never runs: end it with // Output:")
			}
		}
	}
	return findings
}

// begins tells whether text begins with name as a word of its own.
func begins(text, name string) bool {
	rest, ok := strings.CutPrefix(text, name)
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && next != '_' && !unicode.IsLetter(next) && !unicode.IsDigit(next)
}

func TestFindUndocumented_FindsMissingAndMisnamed(t *testing.T) {
	text := `// Package p is for tests.
package p

// A, B and C are numbers.
const (
	A = 1
	B = 2
)

const (
	// C and D are numbers.
	C = 3
	D = 4

	E = 5
	F = 6 // F is a number
)

// The number of all.
const G = 7

// Thing is a thing.
type Thing struct{}

// Does it.
func (Thing) Do() {}

func (Thing) undocumented() {}

type Bare interface {
	// First is first.
	First()
	Second()
	hidden()
}

// Told has Third.
type Told interface {
	Third()
	error
}

// Things makes two.
func Thin() {}

func none() {}
`
	srcs := []source{parse(t, "p/p.go", text), parse(t, "q/q.go", "package q"), parse(t, "p/internal/i.go", "package i\nfunc F() {}")}
	requireFindings(t, findUndocumented(t, srcs),
		"p/p.go:15: E has no doc", "p/p.go:20: G has a doc", "p/p.go:44: Thin has a doc", "p/p.go:30: Bare has no doc",
		"p/p.go:33: Second has no doc", "p/p.go:26: Do has a doc", "q: the package comment")
}

func TestFindSilentExamples_FindsThoseWithoutOutput(t *testing.T) {
	text := `package p
func ExampleA() {
	// Output: a
}
func ExampleB() {
	// Output:
}
func ExampleC() {}
`
	requireFindings(t, findSilentExamples([]source{parse(t, "p/p_test.go", text)}), "ExampleC")
}
