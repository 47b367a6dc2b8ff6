package tasks_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestQueuesInUse(t *testing.T) {
	t.Parallel()
	work := func(name string, opts ...tasks.Option) tasks.Definition {
		return dlvTask(func(context.Context, dlvOrder) error { return nil }, append(opts, tasks.WithName(name))...)
	}
	handle := func(context.Context, *transport.Delivery) (any, error) { return nil, nil }
	read := func(context.Context, *transport.Delivery) error { return nil }
	viaTasks := func(s *tasks.Spec) { s.ViaTasks = true }
	app := sqApp(t, newSqFake(nil), map[string]transport.QueueConfig{"idle": {}},
		work("a"),
		work("b", tasks.OnQueue("mail")),
		work("c", tasks.OnQueueFunc(func(context.Context) string { return "anywhere" })),
		msgSubscriber("reads", read),
		msgSubscriber("hands-over", read, viaTasks),
		msgSubscriber("over-to-mail", read, viaTasks, msgOptions(tasks.OnQueue("mail"))),
		&enqHandmade{spec: tasks.Spec{Kind: tasks.KindPeriodic, Name: "nightly", Path: "nightly", Queue: "nights", Handle: handle}},
		&enqHandmade{spec: tasks.Spec{Kind: tasks.KindPublisher, Name: "orders"}},
	)
	want := map[string][]string{"shop": {"a", "c", "hands-over"}, "mail": {"b", "over-to-mail"}, "nights": {"nightly"}}
	got := app.QueuesInUse()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	clear(got)
	if got := app.QueuesInUse(); !reflect.DeepEqual(got, want) {
		t.Errorf("after the caller's was changed: %q", got)
	}
	if got := sqApp(t, newSqFake(nil), nil).QueuesInUse(); got == nil || len(got) > 0 {
		t.Errorf("an App without definitions: %q", got)
	}
}
