package tasks_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

type (
	enqKeyed struct {
		Key  string `json:"key"`
		Rest int    `json:"rest"`
	}
	enqKeyedByPointer struct {
		Key  string `json:"key"`
		Rest int    `json:"rest"`
	}
)

func (k enqKeyed) UniqueKey() string           { return k.Key }
func (k *enqKeyedByPointer) UniqueKey() string { return k.Key }

func TestEnqueue_WithID_IsUsedAsItIs(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithID("7f3a-order_1")))(t)
	if got := fake.only(t).ID; got != "7f3a-order_1" || r != (tasks.Receipt{ID: got, Queue: "tasks"}) {
		t.Errorf("id is %q, receipt %+v", got, r)
	}
}

func TestEnqueue_WithoutID_LeavesItToTheDriver(t *testing.T) {
	t.Parallel()
	var given string
	fake := &enqFake{fault: func(_ int, x *transport.Task) enqFault { given = x.ID; return enqFault{} }}
	task := tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
	if given != "" || r.ID == "" || r.ID != fake.only(t).ID {
		t.Errorf("sent with id %q; the receipt says %q, the driver %q", given, r.ID, fake.only(t).ID)
	}
}

func TestEnqueue_TakenID_IsADuplicateAndNoError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		opts []tasks.Option
		call []tasks.EnqueueOption
	}{
		{"WithID", nil, []tasks.EnqueueOption{tasks.WithID("one")}},
		{"Unique", []tasks.Option{tasks.Unique()}, nil},
		{"UniqueFor", []tasks.Option{tasks.UniqueFor(24 * time.Hour)}, nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, task := &enqFake{}, tasks.New(enqDone[enqMail], c.opts...)
				enqApp(t, tasks.Config{Transport: fake}, task)
				first := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, c.call...))(t)
				if first.Duplicate || first.Finished {
					t.Errorf("the first is %+v", first)
				}
				want := tasks.Receipt{ID: first.ID, Queue: "tasks", Duplicate: true}
				if got := enqMust(task.Enqueue(t.Context(), enqMail{To: "ben"}, c.call...))(t); got != want {
					t.Errorf("while the holder waits: %+v, want %+v", got, want)
				}
				fake.finish()
				want.Finished = true
				if got := enqMust(task.Enqueue(t.Context(), enqMail{To: "ben"}, c.call...))(t); got != want {
					t.Errorf("after the holder: %+v, want %+v", got, want)
				}
				fake.only(t)
			})
		})
	}
}

func TestEnqueue_Unique_GoesByTheKey(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	byValue := tasks.New(enqDone[enqKeyed], tasks.WithName("by.value"), tasks.Unique())
	ofPointer := tasks.New(enqDone[*enqKeyed], tasks.WithName("of-pointer"), tasks.Unique())
	byPointer := tasks.New(enqDone[enqKeyedByPointer], tasks.WithName("by-pointer"), tasks.Unique())
	without := tasks.New(enqDone[enqMail], tasks.WithName("without"), tasks.Unique())
	enqApp(t, tasks.Config{Transport: fake}, byValue, ofPointer, byPointer, without)
	kinds := []struct {
		why     string
		enqueue func(key string, rest int) (tasks.Receipt, error)
		all     bool // every payload is the same
		name    string
	}{
		{"value receiver", func(k string, n int) (tasks.Receipt, error) { return byValue.Enqueue(t.Context(), enqKeyed{k, n}) }, false, "by-value"},
		{"pointer payload", func(k string, n int) (tasks.Receipt, error) { return ofPointer.Enqueue(t.Context(), &enqKeyed{k, n}) }, false, "of-pointer"},
		{"pointer receiver", func(k string, n int) (tasks.Receipt, error) {
			return byPointer.Enqueue(t.Context(), enqKeyedByPointer{k, n})
		}, false, "by-pointer"},
		{"no key", func(k string, n int) (tasks.Receipt, error) {
			return without.Enqueue(t.Context(), enqMail{To: k + "x"})
		}, true, "without"},
	}
	ids := map[string]string{}
	for _, c := range kinds {
		a := enqMust(c.enqueue("a", 1))(t)
		again := enqMust(c.enqueue("a", 2))(t)
		other := enqMust(c.enqueue("b", 1))(t)
		if a.Duplicate || !again.Duplicate || again.ID != a.ID {
			t.Errorf("%s: the same key twice gives %+v and %+v", c.why, a, again)
		}
		if other.Duplicate != c.all {
			t.Errorf("%s: another key gives %+v", c.why, other)
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}-` + c.name + `$`).MatchString(a.ID) {
			t.Errorf("%s: the id %q is not a hash and the name", c.why, a.ID)
		}
		if of := ids[a.ID]; of != "" {
			t.Errorf("%s: has the id of %s", c.why, of)
		}
		ids[a.ID] = c.why
	}
}

func TestEnqueue_Unique_KeyAndNameDoNotRunTogether(t *testing.T) {
	t.Parallel()
	fake := &enqFake{}
	one := tasks.New(enqDone[enqKeyed], tasks.WithName("ab"), tasks.Unique())
	two := tasks.New(enqDone[enqKeyed], tasks.WithName("a"), tasks.Unique())
	enqApp(t, tasks.Config{Transport: fake}, one, two)
	a := enqMust(one.Enqueue(t.Context(), enqKeyed{Key: "c"}))(t)
	b := enqMust(two.Enqueue(t.Context(), enqKeyed{Key: "bc"}))(t)
	if strings.TrimSuffix(a.ID, "-ab") == strings.TrimSuffix(b.ID, "-a") {
		t.Errorf("both hash to %q", a.ID)
	}
}

func TestEnqueue_UniqueFor_WindowsAreAligned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC, a boundary of any whole window
		fake := &enqFake{}
		task := tasks.New(enqDone[enqKeyed], tasks.UniqueFor(time.Hour))
		enqApp(t, tasks.Config{Transport: fake}, task)
		enqueue := func() tasks.Receipt { return enqMust(task.Enqueue(t.Context(), enqKeyed{Key: "a"}))(t) }
		time.Sleep(time.Minute)
		first := enqueue()
		time.Sleep(59*time.Minute - time.Nanosecond)
		if r := enqueue(); !r.Duplicate || r.ID != first.ID {
			t.Errorf("a nanosecond before the boundary: %+v, want a duplicate of %s", r, first.ID)
		}
		time.Sleep(time.Nanosecond)
		if r := enqueue(); r.Duplicate || r.ID == first.ID {
			t.Errorf("at the boundary: %+v, want a new task", r)
		}
		if r := enqueue(); !r.Duplicate {
			t.Errorf("within the next window: %+v, want a duplicate", r)
		}
	})
}

func TestEnqueue_Unique_TheCallsIDWins(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail], tasks.Unique())
	enqApp(t, tasks.Config{Transport: fake}, task)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithID("mine")))(t)
	if got := fake.only(t).ID; got != "mine" {
		t.Errorf("id is %q, want %q", got, "mine")
	}
}

func TestNew_UniqueGivenTwice_TheLastCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, task := &enqFake{}, tasks.New(enqDone[enqMail], tasks.UniqueFor(time.Hour), tasks.Unique())
		enqApp(t, tasks.Config{Transport: fake}, task)
		enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
		time.Sleep(2 * time.Hour)
		if r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t); !r.Duplicate {
			t.Errorf("two hours later: %+v, want a duplicate", r)
		}
	})
}
