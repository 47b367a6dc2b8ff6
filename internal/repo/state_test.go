package repo_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// fixedVariables are package variables that nothing changes and that cannot be constants.
var fixedVariables = exceptions{
	"internal/payload.lenient": "options of the JSON package, a value that has no setters",
	"internal/payload.strict":  "options of the JSON package, a value that has no setters",
	"transport.NoRateLimit":    "an infinity; Go has no constant for it",
	"transport.kinds":          "table of the closed set of kinds, only read",
}

func TestState_PackagesHoldNoneThatChanges(t *testing.T) {
	used := map[string]bool{}
	report(t, findState(sources(t), fixedVariables, used))
	report(t, fixedVariables.stale(used))
}

// findState finds init functions and package variables that are neither blank, nor sentinel errors, nor
// compiled patterns, nor excepted.
func findState(srcs []source, except exceptions, used map[string]bool) (findings []string) {
	for _, s := range srcs {
		if !s.isLibrary() {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					findings = append(findings, s.at(d)+"func init runs for whoever imports the package: do it in a constructor")
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					findings = append(findings, findVariables(s, d, except, used)...)
				}
			}
		}
	}
	return findings
}

func findVariables(s source, d *ast.GenDecl, except exceptions, used map[string]bool) (findings []string) {
	for _, spec := range d.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, name := range spec.Names {
			if name.Name == "_" || i < len(spec.Values) && s.isFixed(spec.Values[i]) {
				continue
			}
			key := s.dir() + "." + name.Name
			if _, ok := except[key]; ok {
				used[key] = true
				continue
			}
			findings = append(findings, s.at(name)+"package variable "+name.Name+
				" is state that all users share: make it a constant, a field or a function's result; a table that nothing"+
				" changes goes into fixedVariables as "+key+" with its reason")
		}
	}
	return findings
}

// isFixed recognizes the values that need no exception: sentinel errors, other packages' too, compiled
// patterns, types.
func (s source) isFixed(value ast.Expr) bool {
	if _, name := s.qualified(value); strings.HasPrefix(name, "Err") {
		return true
	}
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	fun := call.Fun
	if generic, ok := fun.(*ast.IndexExpr); ok {
		fun = generic.X
	}
	switch pkg, name := s.qualified(fun); pkg + "." + name {
	case "errors.New", "fmt.Errorf", "regexp.MustCompile", "reflect.TypeFor":
		return true
	default:
		return false
	}
}

func TestFindState_FindsInitAndVariables(t *testing.T) {
	text := `package p
import ("errors"; "io"; "reflect"; "regexp")
var ErrA, errB = errors.New("a"), errors.New("b")
var typ = reflect.TypeFor[int]()
var ErrC = io.ErrUnexpectedEOF
var pattern = regexp.MustCompile("a")
var _ io.Reader = (*r)(nil)
var table = [2]int{1, 2}
var cache = map[string]int{}
var counter, other int
func init() {}
func (r) init() { var local int; _ = local }
type r struct{}
`
	used := map[string]bool{}
	except := exceptions{"p.table": "fixed", "p.gone": "stale"}
	findings := findState([]source{parse(t, "p/p.go", text)}, except, used)
	requireFindings(t, findings, "variable cache", "variable counter", "variable other", "func init")
	requireFindings(t, except.stale(used), "p.gone")

	requireFindings(t, findState([]source{parse(t, "p/p_test.go", text), parse(t, "main.go", "package main\nvar x int")}, nil, used))
}
