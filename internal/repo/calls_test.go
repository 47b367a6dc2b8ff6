package repo_test

import (
	"go/ast"
	"strings"
	"testing"
)

// forbiddenCalls are functions that library code leaves to programs, and what to do instead. A whole package
// is "path.*".
var forbiddenCalls = map[string]string{
	"fmt.Print":       "return the text, or log it to the slog.Logger of the Config",
	"fmt.Printf":      "return the text, or log it to the slog.Logger of the Config",
	"fmt.Println":     "return the text, or log it to the slog.Logger of the Config",
	"log.*":           "log to the slog.Logger of the Config",
	"os.Exit":         "return an error",
	"time.Sleep":      "wait on a timer and on the context",
	"builtin.panic":   "return an error",
	"builtin.print":   "log to the slog.Logger of the Config",
	"builtin.println": "log to the slog.Logger of the Config",

	"log/slog.Debug":        "log to the slog.Logger of the Config",
	"log/slog.DebugContext": "log to the slog.Logger of the Config",
	"log/slog.Info":         "log to the slog.Logger of the Config",
	"log/slog.InfoContext":  "log to the slog.Logger of the Config",
	"log/slog.Warn":         "log to the slog.Logger of the Config",
	"log/slog.WarnContext":  "log to the slog.Logger of the Config",
	"log/slog.Error":        "log to the slog.Logger of the Config",
	"log/slog.ErrorContext": "log to the slog.Logger of the Config",
	"log/slog.SetDefault":   "leave the default logger to the program",
}

// allowedCalls are functions that may call what is forbidden: "dir.Func calls".
var allowedCalls = exceptions{
	"tasks/taskotel.through calls panic":                       "passes on the panic of the function, which it was told of",
	"transport/transporttest.retryPanic calls panic":           "plays a handler that panics",
	"transport/transporttest.eagerSubscriberPanic calls panic": "plays a handler that panics",
	"transport/transporttest.pushPanic calls panic":            "plays a handler that panics",
	"transport/transporttest.receivePanic calls panic":         "plays a handler that panics",
	"transport/transporttest.jobRetryPanic calls panic":        "plays a handler that panics",
}

func TestCalls_LibraryLeavesProcessToProgram(t *testing.T) {
	used := map[string]bool{}
	report(t, findCalls(sources(t), allowedCalls, used))
	report(t, allowedCalls.stale(used))
}

// findCalls finds forbidden calls in library code. A function named Must may panic.
func findCalls(srcs []source, except exceptions, used map[string]bool) (findings []string) {
	for _, s := range srcs {
		if !s.isLibrary() {
			continue
		}
		for _, d := range s.file.Decls {
			in := "a variable"
			if f, ok := d.(*ast.FuncDecl); ok {
				in = f.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name, fix := s.forbidden(call)
				key := s.dir() + "." + in + " calls " + name
				_, excepted := except[key]
				switch {
				case name == "", name == "panic" && strings.HasPrefix(in, "Must"):
				case excepted:
					used[key] = true
				default:
					findings = append(findings, s.at(call)+name+" in library code: "+fix)
				}
				return true
			})
		}
	}
	return findings
}

// forbidden names the forbidden function that is called, with the fix; "" where the call may stand.
func (s source) forbidden(call *ast.CallExpr) (name, fix string) {
	if id, ok := call.Fun.(*ast.Ident); ok && id.Obj == nil {
		fix, ok := forbiddenCalls["builtin."+id.Name]
		if !ok {
			return "", ""
		}
		return id.Name, fix
	}
	pkg, fn := s.qualified(call.Fun)
	for _, key := range []string{pkg + "." + fn, pkg + ".*"} {
		if fix, ok := forbiddenCalls[key]; ok {
			return pkg + "." + fn, fix
		}
	}
	return "", ""
}

func TestCalls_TestsDoNotSleepInRealTime(t *testing.T) {
	report(t, findSleeps(sources(t)))
}

// findSleeps finds sleeps in test files, those of other modules too, that use no bubble: they neither import
// synctest nor call a helper that is named after it.
func findSleeps(srcs []source) (findings []string) {
	for _, s := range srcs {
		if !s.isTest() || s.imports("testing/synctest") || s.callsBubble() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if pkg, name := s.qualified(call.Fun); pkg == "time" && name == "Sleep" {
					findings = append(findings, s.at(call)+
						"a test sleeps in real time: put it in a synctest.Test bubble, or wait for a channel")
				}
			}
			return true
		})
	}
	return findings
}

func (s source) callsBubble() (found bool) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			id, ok := call.Fun.(*ast.Ident)
			found = found || ok && strings.Contains(strings.ToLower(id.Name), "bubble")
		}
		return !found
	})
	return found
}

func TestFindCalls_FindsWhatIsForbidden(t *testing.T) {
	text := `package p
import ("fmt"; "log"; "log/slog"; "os"; exit "os"; "time")
var x = func() int { panic("in a variable") }()
func MustA() { panic("allowed") }
func Excepted() { panic("allowed") }
func b(l *slog.Logger, fmt2 fmt.Stringer) {
	fmt.Println(); fmt.Sprintln()
	log.Fatal()
	slog.Info(""); l.Info(""); slog.Default().Info("")
	os.Exit(1); exit.Exit(1)
	time.Sleep(1)
	println()
	panic := func(string) {}
	panic("a local function")
	var log stub
	log.Print()
}
`
	used := map[string]bool{}
	except := exceptions{"p.Excepted calls panic": "because"}
	findings := findCalls([]source{parse(t, "p/p.go", text)}, except, used)
	requireFindings(t, findings, "panic", "fmt.Println", "log.Fatal", "log/slog.Info", "os.Exit", "os.Exit", "time.Sleep", "println")
	requireFindings(t, except.stale(used))

	requireFindings(t, findCalls([]source{parse(t, "p/p_test.go", text), parse(t, "main.go", "package main\nfunc f() { panic(1) }")}, nil, used))
}

func TestFindSleeps_FindsThoseOutsideBubbles(t *testing.T) {
	bare := parse(t, "p/a_test.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }")
	bubble := parse(t, "p/b_test.go", "package p\nimport (\"testing/synctest\"; \"time\")\nfunc g() { synctest.Wait(); time.Sleep(1) }")
	requireFindings(t, findSleeps([]source{bare, bubble}), "p/a_test.go:3")
}
