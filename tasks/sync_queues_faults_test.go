package tasks_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

func TestSyncQueues_NothingToGoOn_IsAnError(t *testing.T) {
	t.Parallel()
	one := map[string]transport.QueueConfig{"mail": {}}
	shut := sqApp(t, newSqFake(nil), one)
	if err := shut.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := newSqFake(map[string]transport.QueueConfig{"old": {}})
	for name, c := range map[string]struct {
		app  *tasks.App
		opts []tasks.QueueSyncOption
		err  error
		text string
	}{
		"no queues":             {app: sqApp(t, newSqFake(nil), nil), err: tasks.ErrNothingToSync, text: `Config.Queues of the App "shop" declares none`},
		"no queues, no options": {app: sqApp(t, newSqFake(nil), nil), opts: []tasks.QueueSyncOption{nil, tasks.DeleteQueues()}, err: tasks.ErrNothingToSync},
		"eager":                 {app: enqApp(t, tasks.Config{Eager: true, Queues: one}), err: transport.ErrUnsupported, text: "eager.Transport is no transport.QueueAdmin"},
		"eager by hand":         {app: enqApp(t, tasks.Config{Transport: eager.New(), Queues: one}), err: transport.ErrUnsupported},
		"no QueueDeleter":       {app: sqApp(t, kept, one), opts: []tasks.QueueSyncOption{tasks.DeleteQueues("old")}, err: transport.ErrUnsupported, text: "is no transport.QueueDeleter"},
		"shut down":             {app: shut, err: tasks.ErrShutdown},
		"no App":                {err: tasks.ErrInvalid, text: "the App is nil"},
		"names that no queue may have": {
			app: sqApp(t, sqDeleting{kept}, one), opts: []tasks.QueueSyncOption{tasks.DeleteQueues("old", "bad name", "a_b")},
			err: tasks.ErrInvalid, text: "nothing was changed: the request is not valid: ",
		},
	} {
		for _, opts := range [][]tasks.QueueSyncOption{c.opts, append(slices.Clone(c.opts), tasks.QueuesDryRun())} {
			p, err := tasks.SyncQueues(t.Context(), c.app, opts...)
			if !errors.Is(err, c.err) || !reflect.DeepEqual(p, plan.Plan{}) {
				t.Errorf("%s: %v, %+v", name, err, p)
			}
			enqSays(t, err, "tasks: sync queues: ", c.text)
		}
	}
	kept.wantWrites(t)
	if kept.reads > 0 {
		t.Error("asked for something")
	}
}

func TestSyncQueues_Failure_HindersNothingElse(t *testing.T) {
	t.Parallel()
	declared := map[string]transport.QueueConfig{"a": {}, "b": {MaxConcurrentDispatches: 9}, "c": {}, "d": {MaxConcurrentDispatches: 9}, "e": {}}
	f := sqDeleting{newSqFake(map[string]transport.QueueConfig{"b": {}, "d": {}, "e": {}, "x": {}, "y": {}, "z": {}})}
	f.fault = func(call, queue string) error {
		if slices.Contains([]string{"read a", "put b", "put c", "read x", "delete y"}, call+" "+queue) {
			return errSqDown
		}
		return nil
	}
	app := sqApp(t, f, declared)
	opt := tasks.DeleteQueues("x", "y", "z")
	p, err := tasks.SyncQueues(t.Context(), app, opt)
	if !errors.Is(err, errSqDown) {
		t.Errorf("error %v", err)
	}
	enqSays(t, err, "tasks: sync queues: ", `queue "a": the service is down`, `queue "b"`, `queue "c"`, `queue "x"`, `queue "y"`)
	if strings.Contains(err.Error(), `"d"`) || strings.Contains(err.Error(), `"z"`) {
		t.Errorf("error %v", err)
	}
	sqPlan(t, p,
		"[!] queue a: failed: the service is down",
		"[!] queue b: failed: the service is down",
		"[!] queue c: failed: the service is down",
		"[~] queue d: updated: concurrent: 1000 -> 9",
		"[=] queue e",
		"[!] queue x: failed: the service is down",
		"[!] queue y: failed: the service is down",
		"[-] queue z: deleted: what waits in it is lost",
	)
	f.wantWrites(t, "delete y", "delete z", "put b", "put c", "put d") // a is not put, nor x deleted: nothing is known of them
	f.fault = nil
	sqPlan(t, sqMust(t, app, opt),
		"[+] queue a: created", "[~] queue b: updated: concurrent: 1000 -> 9", "[+] queue c: created", "[=] queue d", "[=] queue e",
		"[-] queue x: deleted: what waits in it is lost", "[-] queue y: deleted: what waits in it is lost", "[=] queue z: gone")
	f.wrote()
	sqSame(t, app, opt)
	f.wantWrites(t)
}

// Whatever fails, a dry run writes nothing and says what the real run then says.
func TestSyncQueues_DryRun_NeverWrites(t *testing.T) {
	t.Parallel()
	declared := map[string]transport.QueueConfig{"a": {MaxDispatchesPerSecond: 5}, "b": {}, "c": {}}
	for _, fails := range []string{"", "read a", "read b", "read c", "read x", "read gone"} {
		f := sqDeleting{newSqFake(map[string]transport.QueueConfig{"b": {MaxConcurrentDispatches: 3}, "c": {}, "x": {}})}
		f.fault = func(call, queue string) error {
			if call+" "+queue == fails {
				return errSqDown
			}
			return nil
		}
		app := sqApp(t, f, declared)
		opt := tasks.DeleteQueues("x", "gone", "c")
		planned, plannedErr := tasks.SyncQueues(t.Context(), app, opt, tasks.QueuesDryRun())
		f.wantWrites(t)
		done, doneErr := tasks.SyncQueues(t.Context(), app, opt)
		if !planned.DryRun || done.DryRun || !reflect.DeepEqual(planned.Changes, done.Changes) {
			t.Errorf("%s fails: planned\n%s\ndone\n%s", fails, planned, done)
		}
		if plannedErr == nil || doneErr == nil || plannedErr.Error() != doneErr.Error() {
			t.Errorf("%s fails: planned with %v, done with %v", fails, plannedErr, doneErr)
		}
	}
}

func TestSyncQueues_ContextEnds_BeginsNothingFurther(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := sqDeleting{newSqFake(map[string]transport.QueueConfig{"x": {}})}
	p, err := tasks.SyncQueues(ctx, sqApp(t, f, map[string]transport.QueueConfig{"a": {}, "b": {}}), tasks.DeleteQueues("x"))
	if !errors.Is(err, context.Canceled) || len(p.Changes) > 0 {
		t.Errorf("%v\n%s", err, p)
	}
	enqSays(t, err, "2 of 2 queues were not begun", "1 of 1 queues were not begun")
	f.wantWrites(t)
}

func TestSyncQueues_DeleteQueues_TellsWhatIsLost(t *testing.T) {
	t.Parallel()
	fake := func() sqDeleting { return sqDeleting{newSqFake(map[string]transport.QueueConfig{"old": {}})} }
	listed := 0
	inspected := func(n int) transport.Transport {
		return sqInspected{fake(), map[string]int{"old": n, "other": 99}, &listed}
	}
	for _, c := range []struct {
		name string
		tr   transport.Transport
		text string
	}{
		{"nothing is known", fake(), "what waits in it is lost"},
		{"an empty backlog", sqBacklog{fake(), 0}, "nothing waits in it"},
		{"a backlog of all queues", sqBacklog{fake(), 3}, "what waits in it is lost"},
		{"none", inspected(0), "nothing waits in it"},
		{"one", inspected(1), "1 task that waits in it is lost"},
		{"some", inspected(999), "999 tasks that wait in it are lost"},
		{"many", inspected(5000), "1000 or more tasks that wait in it are lost"},
		{"not to be listed", inspected(-1), "what waits in it is lost"},
		{"not to be listed to the end", inspected(-3), "what waits in it is lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			listed = 0
			app := sqApp(t, c.tr, nil)
			line := "[-] queue old: deleted: " + c.text
			sqPlan(t, sqMust(t, app, tasks.DeleteQueues("old"), tasks.QueuesDryRun()), line)
			sqPlan(t, sqMust(t, app, tasks.DeleteQueues("old")), line)
			sqPlan(t, sqMust(t, app, tasks.DeleteQueues("old")), "[=] queue old: gone")
			if listed > 2*1000 {
				t.Errorf("listed %d tasks", listed)
			}
		})
	}
}

func TestSyncQueues_DeleteQueues_NoneThatIsInUse(t *testing.T) {
	t.Parallel()
	f := sqDeleting{newSqFake(nil)}
	names := []string{"declared", "elsewhere", "messages", "obsolete", "periodic", "shop", "works"}
	for _, name := range names {
		f.queues[name] = sqKept(transport.QueueConfig{})
	}
	app := sqApp(t, f, map[string]transport.QueueConfig{"declared": {}},
		dlvTask(func(context.Context, dlvOrder) error { return nil }, tasks.OnQueue("works"), tasks.WithName("work")),
		dlvTask(func(context.Context, dlvOrder) error { return nil }, tasks.OnQueue("works"), tasks.WithName("more")),
		dlvTask(func(context.Context, dlvOrder) error { return nil }, tasks.OnQueue("declared"), tasks.WithName("plain")),
		dlvTask(func(context.Context, dlvOrder) error { return nil }, tasks.WithName("default")),
		msgSubscriber("audit", func(context.Context, *transport.Delivery) error { return nil }, msgOptions(tasks.OnQueue("messages"))),
		&enqHandmade{spec: tasks.Spec{Kind: tasks.KindPeriodic, Name: "nightly", Path: "nightly", Queue: "periodic", Handle: func(context.Context, *transport.Delivery) (any, error) { return nil, nil }}},
	)
	opts := []tasks.QueueSyncOption{tasks.DeleteQueues(names...), tasks.DeleteQueues("elsewhere")}
	for _, dry := range [][]tasks.QueueSyncOption{{tasks.QueuesDryRun()}, nil} {
		p, err := tasks.SyncQueues(t.Context(), app, append(dry, opts...)...)
		if !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("error %v", err)
		}
		enqSays(t, err, "tasks: sync queues: ", `queue "declared" is not deleted: the request is not valid: Config.Queues declares it`, `queue "works"`)
		sqPlan(t, p,
			"[=] queue declared",
			"[!] queue declared: blocked: Config.Queues declares it: remove it there first",
			"[-] queue elsewhere: deleted: what waits in it is lost",
			`[!] queue messages: blocked: subscriber "audit" uses it: choose another queue with OnQueue first`,
			"[-] queue obsolete: deleted: what waits in it is lost",
			`[!] queue periodic: blocked: periodic "nightly" uses it: choose another queue with OnQueue first`,
			"[!] queue shop: blocked: it is Config.Queue, where tasks go that choose no other",
			`[!] queue works: blocked: task "work" uses it: choose another queue with OnQueue first`,
		)
	}
	f.wantWrites(t, "delete elsewhere", "delete obsolete")
}

// A queue that is gone by the time it is deleted is deleted all the same.
func TestSyncQueues_DeleteQueues_SomebodyIsFaster(t *testing.T) {
	t.Parallel()
	f := sqDeleting{newSqFake(map[string]transport.QueueConfig{"old": {}})}
	f.fault = func(call, queue string) error {
		if call == "delete" {
			delete(f.queues, queue)
		}
		return nil
	}
	sqPlan(t, sqMust(t, sqApp(t, f, nil), tasks.DeleteQueues("old")), "[-] queue old: deleted: what waits in it is lost")
}

// What somebody has confirmed is an older look at the queues.
func TestSyncQueues_DeleteQueues_OnlyWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	f := sqDeleting{newSqFake(map[string]transport.QueueConfig{"old": {}})}
	app := sqApp(t, f, nil)
	opt := tasks.DeleteQueues("old", "older")
	planned := sqMust(t, app, opt, tasks.QueuesDryRun())
	sqPlan(t, planned, "[-] queue old: deleted: what waits in it is lost", "[=] queue older: gone")
	f.queues["older"] = sqKept(transport.QueueConfig{})
	p, err := tasks.SyncQueues(converge.WithConfirmed(t.Context(), planned), app, opt)
	if !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	enqSays(t, err, `queue "older"`, "not in the plan that was confirmed: sync again")
	sqPlan(t, p, "[-] queue old: deleted: what waits in it is lost", "[!] queue older: blocked: not in the plan that was confirmed: sync again")
	f.wantWrites(t, "delete old")
}
