package tasktest_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

func TestRequireEnqueued_One_ReturnsItTyped(t *testing.T) {
	t.Parallel()
	welcome := tasks.New(nothing[Welcome])
	rec := tasktest.New(t, welcome)
	r := enqueue(t, rec.Context(), welcome, ana(), tasks.OnQueue("mail"), tasks.In(time.Hour), tasks.WithHeader("X-Tenant", "acme"), tasks.WithTimeout(time.Minute))

	got := tasktest.RequireEnqueued(t, rec, welcome)
	if got.Args != ana() || got.ID != r.ID || got.Queue != "mail" || got.Timeout != time.Minute {
		t.Errorf("got %+v", got)
	}
	if !got.ETA.Equal(rec.Now().Add(time.Hour)) {
		t.Errorf("ETA %s, want an hour after %s", got.ETA, rec.Now())
	}
	if h := got.Header.Get("X-Tenant"); h != "acme" {
		t.Errorf("X-Tenant %q, want acme", h)
	}
}

func TestRequireEnqueued_DueAtOnce_HasZeroETA(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	enqueue(t, rec.Context(), order, Order{1})
	enqueue(t, rec.Context(), order, Order{2}, tasks.In(-time.Hour))
	enqueue(t, rec.Context(), order, Order{3}, tasks.At(rec.Now().Add(time.Minute)))

	var zero []bool
	for _, e := range tasktest.Enqueued(rec, order) {
		zero = append(zero, e.ETA.IsZero())
	}
	if want := []bool{true, true, false}; !slices.Equal(zero, want) {
		t.Errorf("zero ETAs %v, want %v", zero, want)
	}
}

func TestRequireEnqueued_NoneMatches_ShowsNearestAndRecorded(t *testing.T) {
	t.Parallel()
	welcome, order := tasks.New(nothing[Welcome]), tasks.New(nothing[Order])
	rec := tasktest.New(t, welcome, order)
	enqueue(t, rec.Context(), welcome, Welcome{UserID: 8, Email: "bob@example.com"}, tasks.WithID("w1"))
	enqueue(t, rec.Context(), order, Order{1}, tasks.In(90*time.Minute), tasks.WithID("o1"))
	enqueue(t, rec.Context(), welcome, Welcome{UserID: 8, Email: "ana@example.com"}, tasks.OnQueue("mail"), tasks.WithID("w2"))

	got := mustFail(t, func(t testing.TB) {
		tasktest.RequireEnqueued(t, rec, welcome, tasktest.Args(ana()), tasktest.OnQueue("mail"))
	})
	equalText(t, got, `
		tasktest: no Welcome was enqueued
		with
		    Args({"user_id":7,"email":"ana@example.com"})
		    OnQueue("mail")
		nearest
		    #3 UserID  got 8, want 7
		    #1 UserID  got 8, want 7
		       Email   got "bob@example.com", want "ana@example.com"
		       queue   got "tasks", want "mail"
		recorded
		    #1 Welcome {"user_id":8,"email":"bob@example.com"} on "tasks", id w1
		    #2 Order {"id":1} on "tasks", due in 1h30m, id o1
		    #3 Welcome {"user_id":8,"email":"ana@example.com"} on "mail", id w2
	`)
}

func TestRequireEnqueued_EveryMatcherMisses_SaysWhatEachWants(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("o1"), tasks.In(time.Minute), tasks.WithHeader("X-Tenant", "acme"))

	got := mustFail(t, func(t testing.TB) {
		tasktest.RequireEnqueued(t, rec, order, tasktest.WithID("o2"), tasktest.DueIn(time.Hour, time.Second),
			tasktest.WithHeader("x-tenant", "umbrella"), tasktest.WithHeader("X-Region", "emea"), tasktest.OnQueue("mail"))
	})
	equalText(t, got, `
		tasktest: no Order was enqueued
		with
		    WithID("o2")
		    DueIn(1h, 1s)
		    WithHeader("x-tenant", "umbrella")
		    WithHeader("X-Region", "emea")
		    OnQueue("mail")
		nearest
		    #1 id               got "o1", want "o2"
		       due in           got 1m, want 1h, give or take 1s
		       header x-tenant  got "acme", want "umbrella"
		       header X-Region  got none, want "emea"
		       queue            got "tasks", want "mail"
		recorded
		    #1 Order {"id":1} on "tasks", due in 1m, id o1
	`)
}

func TestRequireEnqueued_NothingRecorded_SaysWhatCounts(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, order) })
	equalText(t, got, `
		tasktest: no Order was enqueued
		recorded
		    nothing (what counts is enqueued or published under rec.Context())
	`)
}

func TestRequireEnqueued_OnlyOthers_ListsThem(t *testing.T) {
	t.Parallel()
	welcome, order := tasks.New(nothing[Welcome]), tasks.New(nothing[Order])
	rec := tasktest.New(t, welcome, order)
	enqueue(t, rec.Context(), order, Order{1})
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, welcome, tasktest.OnQueue("mail")) })
	equalText(t, got, `
		tasktest: no Welcome was enqueued
		with
		    OnQueue("mail")
		recorded
		    #1 Order {"id":1} on "tasks", id 1
	`)
}

func TestRequireEnqueued_SeveralMatch_FailsAsAmbiguous(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	for i := range 3 {
		enqueue(t, rec.Context(), order, Order{i})
	}
	got := mustFail(t, func(t testing.TB) {
		tasktest.RequireEnqueued(t, rec, order, tasktest.Where(func(o Order) bool { return o.ID > 0 }))
	})
	_, rest, _ := strings.Cut(got, ")")
	equalText(t, got[:strings.Index(got, "Where")]+rest, `
		tasktest: ambiguous: 2 of Order were enqueued, want one: add matchers, or use RequireEnqueuedN
		with
		    
		found
		    #2, #3
		recorded
		    #1 Order {"id":0} on "tasks", id 1
		    #2 Order {"id":1} on "tasks", id 1
		    #3 Order {"id":2} on "tasks", id 1
	`)
	contains(t, got, "    Where(func at assert_test.go:")

	mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }) // a failure claims nothing
}

func TestRequireEnqueuedN_Counts(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	for i := range 3 {
		enqueue(t, rec.Context(), order, Order{i}, tasks.OnQueue([]string{"a", "b"}[i%2]))
	}
	for _, c := range []struct {
		name string
		n    int
		ms   []tasktest.Matcher
		want []int
		fail string
	}{
		{name: "all", n: 3, want: []int{0, 1, 2}},
		{name: "those on a", n: 2, ms: []tasktest.Matcher{tasktest.OnQueue("a")}, want: []int{0, 2}},
		{name: "none on c", n: 0, ms: []tasktest.Matcher{tasktest.OnQueue("c")}},
		{name: "too few", n: 4, fail: "tasktest: 3 of Order were enqueued, want 4\nfound\n    #1, #2, #3\nrecorded\n    #1 "},
		{name: "too many", n: 2, fail: "tasktest: 3 of Order were enqueued, want 2\n"},
		{name: "one", n: 2, ms: []tasktest.Matcher{tasktest.OnQueue("b")}, fail: "tasktest: 1 of Order was enqueued, want 2\nwith\n    OnQueue(\"b\")\nfound\n    #2\n"},
		{
			name: "none", n: 1, ms: []tasktest.Matcher{tasktest.OnQueue("c")},
			fail: "tasktest: 0 of Order were enqueued, want 1\nwith\n    OnQueue(\"c\")\nnearest\n    #1 queue  got \"a\", want \"c\"\n    #2 ",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ids []int
			f := func(t testing.TB) {
				for _, e := range tasktest.RequireEnqueuedN(t, rec, order, c.n, c.ms...) {
					ids = append(ids, e.Args.ID)
				}
			}
			if c.fail != "" {
				contains(t, mustFail(t, f), c.fail)
				return
			}
			mustPass(t, f)
			if !slices.Equal(ids, c.want) {
				t.Errorf("got %v, want %v", ids, c.want)
			}
		})
	}
}

func TestRequireNotEnqueued(t *testing.T) {
	t.Parallel()
	order, welcome := tasks.New(nothing[Order]), tasks.New(nothing[Welcome])
	rec := tasktest.New(t, order, welcome)
	enqueue(t, rec.Context(), order, Order{1})
	mustPass(t, func(t testing.TB) {
		tasktest.RequireNotEnqueued(t, rec, welcome)
		tasktest.RequireNotEnqueued(t, rec, order, tasktest.Args(Order{2}))
	})
	equalText(t, mustFail(t, func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, tasktest.Args(Order{1})) }), `
		tasktest: 1 of Order was enqueued, want none
		with
		    Args({"id":1})
		found
		    #1
		recorded
		    #1 Order {"id":1} on "tasks", id 1
	`)
}

func TestRequireNothingElse_TellsWhatNoAssertionReturned(t *testing.T) {
	t.Parallel()
	order, welcome := tasks.New(nothing[Order]), tasks.New(nothing[Welcome])
	rec := tasktest.New(t, order, welcome)
	mustPass(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) })

	for i := range 3 {
		enqueue(t, rec.Context(), order, Order{i})
	}
	enqueue(t, rec.Context(), welcome, ana())
	tasktest.RequireEnqueued(t, rec, order, tasktest.Args(Order{1}))
	tasktest.RequireNotEnqueued(t, rec, welcome, tasktest.OnQueue("mail")) // asks for nothing
	tasktest.Enqueued(rec, welcome)                                        // nor does this
	equalText(t, mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }), `
		tasktest: something was enqueued that no assertion asked for: #1, #3, #4
		recorded
		    #1 Order {"id":0} on "tasks", id 1
		    #2 Order {"id":1} on "tasks", id 1
		    #3 Order {"id":2} on "tasks", id 1
		    #4 Welcome {"user_id":7,"email":"ana@example.com"} on "tasks", id 1
	`)

	tasktest.RequireEnqueuedN(t, rec, order, 3)
	tasktest.RequireEnqueued(t, rec, welcome)
	mustPass(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) })
}

func TestFailures_ManyRecords_AreCut(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	for i := range 60 {
		enqueue(t, rec.Context(), order, Order{i})
	}
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, order) })
	contains(t, got, "ambiguous: 60 of Order", "#19, #20, and 40 more\n", "\n    #20 Order", "\n    ... and 40 more")
	if strings.Contains(got, "#21 ") {
		t.Errorf("more than 20 records are shown:\n%s", got)
	}

	got = mustFail(t, func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, tasktest.Args(Order{57})) })
	contains(t, got, "found\n    #58\n", "\n    #20 Order", "\n    #58 Order {\"id\":57}", "\n    ... and 39 more")
}

func TestFailures_LongPayloads_AreCut(t *testing.T) {
	t.Parallel()
	texts := tasks.New(nothing[[]string], tasks.WithName("Texts"))
	rec := tasktest.New(t, texts)
	enqueue(t, rec.Context(), texts, []string{strings.Repeat("é", 5000)})
	got := mustFail(t, func(t testing.TB) {
		tasktest.RequireEnqueued(t, rec, texts, tasktest.Args(slices.Repeat([]string{"x"}, 50)))
	})
	contains(t, got, "... (10004 bytes) on", "... (201 bytes))", "... and 41 more differences", `#1 payload  got len 1, want len 50`)
	if n := len(got); n > 2000 {
		t.Errorf("the failure is %d bytes long:\n%s", n, got)
	}
}

func TestAssertions_UnregisteredTask_NameIt(t *testing.T) {
	t.Parallel()
	order, welcome := tasks.New(nothing[Order]), tasks.New(nothing[Welcome])
	want := "tasktest: task Welcome is not registered with this recorder: pass it to tasktest.New"
	rec := tasktest.New(t, order)
	for name, f := range map[string]func(t testing.TB){
		"RequireEnqueued":    func(t testing.TB) { tasktest.RequireEnqueued(t, rec, welcome) },
		"RequireEnqueuedN":   func(t testing.TB) { tasktest.RequireEnqueuedN(t, rec, welcome, 0) },
		"RequireNotEnqueued": func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, welcome) },
		"Enqueued":           func(t testing.TB) { tasktest.Enqueued(tasktest.New(t, order), welcome) },
		"Run":                func(t testing.TB) { tasktest.Run(t, welcome, ana(), tasktest.With(rec)) },
		"Request":            func(t testing.TB) { tasktest.Request(t, welcome, ana(), tasktest.With(rec)) },
	} {
		if got := mustFail(t, f); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// An assertion of a subtest fails that subtest, not the one that the recorder belongs to.
func TestAssertions_InSubtest_FailTheSubtest(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	owner := try(t, func(owner testing.TB) {
		rec := tasktest.New(owner, order)
		sub := try(owner, func(sub testing.TB) { tasktest.RequireEnqueued(sub, rec, tasks.New(nothing[Welcome])) })
		if len(sub.fatals) != 1 {
			t.Errorf("the subtest has not failed")
		}
	})
	if len(owner.fatals) != 0 {
		t.Errorf("the owner has failed: %q", owner.fatals)
	}
}

func TestAssertions_Aliases_CountAsTheTask(t *testing.T) {
	t.Parallel()
	old := tasks.New(nothing[Order], tasks.WithName("Purchase"))
	before := tasktest.New(t, old)
	enqueue(t, before.Context(), old, Order{1})

	var seen []int
	renamed := tasks.New(collect(&seen), tasks.WithAliases("Purchase"))
	rec := tasktest.New(t, renamed)
	task := before.Recorded()[0]
	waiting := oldTask(rec, "Purchase", task.Body)
	if _, err := rec.App().Config().Transport.Enqueue(rec.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	got := tasktest.RequireEnqueued(t, rec, renamed)
	if got.Args.ID != 1 {
		t.Errorf("got %+v", got)
	}
	if name := rec.Recorded()[0].Task; name != "Order" {
		t.Errorf("it is recorded as %s, want the definition's name, Order", name)
	}
	rec.Drain()
	if !slices.Equal(seen, []int{1}) {
		t.Errorf("ran %v, want [1]", seen)
	}
}

func TestAssertions_TaskWithResult(t *testing.T) {
	t.Parallel()
	double := tasks.NewWithResult(func(_ context.Context, o Order) (int, error) { return 2 * o.ID, nil })
	rec := tasktest.New(t, double)
	if _, err := double.Enqueue(rec.Context(), Order{4}); err != nil {
		t.Fatal(err)
	}
	if got := tasktest.RequireEnqueued(t, rec, double, tasktest.Args(Order{4})); got.Args.ID != 4 {
		t.Errorf("got %+v", got)
	}
	rec.Drain()
}

func TestRecorded_ListsAllTypes_AsCopies(t *testing.T) {
	t.Parallel()
	order, welcome := tasks.New(nothing[Order]), tasks.New(nothing[Welcome])
	rec := tasktest.New(t, order, welcome)
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("o1"))
	enqueue(t, rec.Context(), welcome, ana(), tasks.WithID("w1"), tasks.In(1500*time.Microsecond))

	all := rec.Recorded()
	all[0].Body[0], all[0].Header["Content-Type"] = 'X', nil
	tasktest.RequireEnqueued(t, rec, order).Header.Set("Content-Type", "text/plain")
	var got []string
	for _, r := range rec.Recorded() {
		got = append(got, r.String()+" "+r.Header.Get("Content-Type"))
	}
	want := []string{
		`Order {"id":1} on "tasks", id o1 application/json`,
		`Welcome {"user_id":7,"email":"ana@example.com"} on "tasks", due in 1.5ms, id w1 application/json`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRecorded_UniqueDuplicate_IsNotRecorded(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order], tasks.Unique())
	rec := tasktest.New(t, order)
	first := enqueue(t, rec.Context(), order, Order{1})
	if second := enqueue(t, rec.Context(), order, Order{1}); !second.Duplicate || second.ID != first.ID {
		t.Errorf("got %+v, want a duplicate of %s", second, first.ID)
	}
	tasktest.RequireEnqueued(t, rec, order, tasktest.WithID(first.ID))
	rec.Drain()
	if again := enqueue(t, rec.Context(), order, Order{1}); !again.Duplicate || !again.Finished {
		t.Errorf("got %+v, want a duplicate that has finished", again)
	}
	tasktest.RequireEnqueued(t, rec, order)
}

func TestRecorded_TaskThatNobodyServes_IsNamedByItsURL(t *testing.T) {
	t.Parallel()
	rec := tasktest.New(t, tasks.New(nothing[Order]))
	if _, err := rec.App().Config().Transport.Enqueue(rec.Context(), oldTask(rec, "Gone", []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	if got := rec.Recorded()[0].Task; got != "http://localhost/tasks/Gone" {
		t.Errorf("got %q", got)
	}
}
