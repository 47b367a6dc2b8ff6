package transporttest

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/typedtasks/typedtasks/transport"
)

// Run runs every case as a subtest of t, each on a Driver of its own. newDriver is called once more before
// them, outside any bubble, to read the Driver's fields; nothing is enqueued on that one.
func Run(t *testing.T, newDriver func(testing.TB) Driver) {
	t.Helper()
	each(t, newDriver, func(tb testing.TB, f Failure) {
		tb.Helper()
		tb.Error(f)
	})
}

// Check runs the same cases but returns the failures, in the order of the cases, instead of failing t. It is
// for testing that a bad driver is found out.
func Check(t *testing.T, newDriver func(testing.TB) Driver) []Failure {
	t.Helper()
	var failures []Failure
	each(t, newDriver, func(_ testing.TB, f Failure) { failures = append(failures, f) })
	return failures
}

// Failure is a case that a driver failed.
type Failure struct {
	Case   string   // the case's name, "driver" for a Driver that is not complete
	Law    string   // the law that was broken, in one sentence
	Source string   // where the case is written, file:line
	Seen   []string // what was seen instead, each with the line that saw it
}

// Error quotes the law and lists what was seen.
func (f Failure) Error() string {
	return fmt.Sprintf("%s (%s)\n\tlaw: %s\n\tsaw: %s", f.Case, f.Source, f.Law, strings.Join(f.Seen, "\n\tsaw: "))
}

// lawOf is one case: what must hold, and the function that tries it.
type lawOf[T any] struct {
	name string
	text string
	test func(T)
}

type law = lawOf[*trial]

func (l lawOf[T]) source() string {
	pc := reflect.ValueOf(l.test).Pointer()
	file, line := runtime.FuncForPC(pc).FileLine(pc)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line)
}

func functionName(test any) string {
	return runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
}

func each(t *testing.T, newDriver func(testing.TB) Driver, report func(testing.TB, Failure)) {
	t.Helper()
	first := newDriver(t)
	if problem := first.incomplete(); problem != "" {
		report(t, Failure{
			Case: "driver", Law: "A Driver names a Transport and a way to receive its deliveries.",
			Source: "driver.go", Seen: []string{problem},
		})
		return
	}
	defer shutDown(first.withDefaults())
	runLaws(t, laws(), first.Bubble, report, func(tb testing.TB, l law) *trial {
		tb.Helper()
		return newTrial(tb, l, newDriver(tb).withDefaults())
	})
}

// ended is a trial that can be ended.
type ended interface {
	end() (skipped string, seen []string)
}

// runLaws runs every case as a subtest. begin makes what it runs on, in its bubble where there is one.
func runLaws[T ended](t *testing.T, laws []lawOf[T], bubble bool, report func(testing.TB, Failure), begin func(testing.TB, lawOf[T]) T) {
	t.Helper()
	for _, l := range laws {
		run := func(t *testing.T) { t.Helper(); try(t, l, begin(t, l), report) }
		t.Run(l.name, func(t *testing.T) {
			t.Helper()
			if bubble {
				synctest.Test(t, run)
			} else {
				run(t)
			}
		})
	}
}

// try runs one case. It has a goroutine of its own, so that it can give up anywhere without failing tb.
func try[T ended](tb testing.TB, l lawOf[T], t T, report func(testing.TB, Failure)) {
	tb.Helper()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		l.test(t)
	}()
	<-finished
	skipped, seen := t.end()
	if len(seen) > 0 {
		report(tb, Failure{Case: l.name, Law: l.text, Source: l.source(), Seen: seen})
		return
	}
	if skipped != "" {
		tb.Skip(skipped)
	}
}

// shutDown ends the driver as far as it can be. What Shutdown answers is for the cases about it to judge.
func shutDown(d Driver) {
	s, err := transport.As[transport.Server](d.Transport)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.Patience)
	defer cancel()
	_ = s.Shutdown(ctx)
}
