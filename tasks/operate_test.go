package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

func TestDebug_RunsAWaitingTaskHere_AndLeavesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var payload dlvOrder
		var m tasks.Metadata
		var limit time.Duration
		var result error
		task := dlvTask(func(ctx context.Context, o dlvOrder) error {
			mu.Lock()
			defer mu.Unlock()
			payload = o
			m, _ = tasks.MetadataFrom(ctx)
			d, _ := ctx.Deadline()
			limit = time.Until(d)
			return result
		}, tasks.WithTimeout(time.Minute))
		_, mem := dlvMemory(t, tasks.Config{}, task)
		due := time.Now().Add(time.Hour)
		receipt, err := task.Enqueue(t.Context(), dlvOrder{ID: 42}, tasks.At(due), tasks.WithHeader("X-Tenant", "acme"), tasks.WithTimeout(20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for _, result = range []error{nil, errDlv, tasks.Discard(errDlv), tasks.Snooze(time.Hour)} {
			err := task.Debug(t.Context(), receipt.ID)
			if done := result == nil || strings.HasPrefix(result.Error(), "discarded"); done != (err == nil) {
				t.Errorf("returned %v, Debug %v", result, err)
			}
			if payload.ID != 42 || m.ID != receipt.ID || m.Queue != "shop" || m.Attempt != 1 || !m.ETA.Equal(due) || !m.Eager || m.Header.Get("X-Tenant") != "acme" || limit != 20*time.Second {
				t.Errorf("ran %+v with %+v, %s", payload, m, limit)
			}
			if n := mem.Backlog(); n != 1 {
				t.Errorf("%d tasks wait, want the one", n)
			}
		}
		mu.Lock()
		result = errDlv
		mu.Unlock()
		time.Sleep(time.Until(due)) // two attempts at it
		dlvPass(150 * time.Millisecond)
		if err := task.Debug(t.Context(), receipt.ID); !errors.Is(err, errDlv) || m.Attempt != 3 || !m.Eager {
			t.Errorf("after two attempts: %v, %+v", err, m)
		}
	})
}

func TestDebug_UndecodablePayload_IsNotQuarantined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kept []tasks.Quarantined
		task := dlvTask(dlvReturns(nil))
		app, mem := dlvMemory(t, tasks.Config{Quarantine: dlvKeep(&kept)}, task)
		_, err := mem.Enqueue(t.Context(), &transport.Task{ID: "a", Queue: "shop", URL: app.Config().Endpoint + "/tasks/order", Body: []byte("x"), ETA: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		var undecodable *tasks.DecodeError
		if err := task.Debug(t.Context(), "a"); !errors.As(err, &undecodable) || len(kept) != 0 {
			t.Errorf("Debug: %v, kept %+v: it still waits in its queue", err, kept)
		}
	})
}

// dlvTwoTasks are two definitions over one memory, with tasks due in an hour.
func dlvTwoTasks(t *testing.T) (order, other *tasks.Task[dlvOrder], waiting func(queue string) []string) {
	order = dlvTask(dlvReturns(errDlv), tasks.WithAliases("old-order"))
	other = tasks.New(dlvReturns(nil), tasks.WithName("other"))
	app, mem := dlvMemory(t, tasks.Config{}, order, other)
	enqueue := func(task *tasks.Task[dlvOrder], id string, opts ...tasks.EnqueueOption) {
		opts = append(opts, tasks.WithID(id), tasks.In(time.Hour))
		if _, err := task.Enqueue(t.Context(), dlvOrder{ID: 7}, opts...); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(order, "a")
	enqueue(order, "b")
	enqueue(order, "c", tasks.OnQueue("mail"))
	enqueue(other, "x")
	old := &transport.Task{ID: "old", Queue: "shop", URL: app.Config().Endpoint + "/tasks/old-order", ETA: time.Now().Add(time.Hour)}
	strange := &transport.Task{ID: "strange", Queue: "shop", URL: app.Config().Endpoint + "/tasks/order/x", ETA: time.Now().Add(time.Hour)}
	for _, task := range []*transport.Task{old, strange} {
		if _, err := mem.Enqueue(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	return order, other, func(queue string) []string {
		var ids []string
		for w, err := range mem.All(t.Context(), queue) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, w.ID)
		}
		slices.Sort(ids)
		return ids
	}
}

func TestDelete_AWaitingTaskOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order, other, waiting := dlvTwoTasks(t)
		for _, c := range []struct {
			task *tasks.Task[dlvOrder]
			id   string
			err  error
		}{
			{order, "nobody", transport.ErrNotFound},
			{order, "x", tasks.ErrNotOurs},
			{order, "strange", tasks.ErrNotOurs},
			{other, "a", tasks.ErrNotOurs},
			{order, "c", transport.ErrNotFound}, // it waits on another queue
			{order, "nowhere/a", transport.ErrQueueMissing},
			{order, "a", nil},
			{order, "a", transport.ErrNotFound},
			{order, "shop/b", nil},
			{order, "old", nil}, // under an old name
			{order, "projects/p/locations/l/queues/mail/tasks/c", nil},
			{other, "projects/p/locations/l/queues/shop/tasks/x", nil},
		} {
			if err := c.task.Delete(t.Context(), c.id); !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("Delete(%q) of %s: %v, want %v", c.id, c.task.Spec().Name, err, c.err)
			}
			if err := c.task.Debug(t.Context(), c.id); err == nil {
				t.Errorf("Debug(%q) of %s runs what is not there", c.id, c.task.Spec().Name)
			}
		}
		if got := append(waiting("shop"), waiting("mail")...); !slices.Equal(got, []string{"strange"}) {
			t.Errorf("%q wait, want strange alone", got)
		}
	})
}

func TestDelete_QueueNamedTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := dlvTask(dlvReturns(nil))
		dlvMemory(t, tasks.Config{}, order)
		for _, id := range []string{"tasks/a", "projects/p/locations/l/queues/tasks/tasks/a"} {
			if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithID("a"), tasks.OnQueue("tasks"), tasks.In(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if err := order.Delete(t.Context(), id); err != nil {
				t.Errorf("Delete(%q): %v", id, err)
			}
			time.Sleep(2 * transport.TombstoneTTL)
		}
	})
}

func TestDeleteAll_DeletesItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts []tasks.DeleteOption
		n    int
		left string // of both queues
	}{
		{"its queue", nil, 3, "strange x / c"},
		{"nil option", []tasks.DeleteOption{nil}, 3, "strange x / c"},
		{"OnQueue", []tasks.DeleteOption{tasks.OnQueue("mail")}, 1, "a b old strange x / "},
		{"a queue that never was", []tasks.DeleteOption{tasks.OnQueue("nowhere")}, 0, "a b old strange x / c"},
		{"MinRetries of tasks that wait for their first attempt", []tasks.DeleteOption{tasks.MinRetries(1)}, 0, "a b old strange x / c"},
		{"MinRetries(0)", []tasks.DeleteOption{tasks.MinRetries(0)}, 3, "strange x / c"},
		{"CountOnly", []tasks.DeleteOption{tasks.CountOnly()}, 3, "a b old strange x / c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				order, _, waiting := dlvTwoTasks(t)
				n, err := order.DeleteAll(t.Context(), c.opts...)
				left := strings.Join(waiting("shop"), " ") + " / " + strings.Join(waiting("mail"), " ")
				if n != c.n || err != nil || left != c.left {
					t.Errorf("deleted %d, %v, left %s, want %d, left %s", n, err, left, c.n, c.left)
				}
			})
		})
	}
}

func TestDeleteAll_MinRetries_CountsRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := dlvTask(dlvReturns(errDlv), tasks.WithRetryConfig(transport.RetryConfig{MaxAttempts: 10, MinBackoff: time.Hour, MaxBackoff: time.Hour}))
		_, mem := dlvMemory(t, tasks.Config{}, order)
		for i := range 4 { // attempted 4, 3, 2 and 1 times, then once more each hour
			if _, err := order.Enqueue(t.Context(), dlvOrder{ID: 7}, tasks.WithID(fmt.Sprint("t", i))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if i < 3 {
				dlvPass(time.Hour)
			}
		}
		for _, c := range []struct{ least, n, left int }{{4, 0, 4}, {3, 1, 3}, {1, 2, 1}, {0, 1, 0}} {
			if n, err := order.DeleteAll(t.Context(), tasks.MinRetries(c.least)); n != c.n || err != nil || mem.Backlog() != c.left {
				t.Errorf("MinRetries(%d) deleted %d, %v, left %d; want %d, left %d", c.least, n, err, mem.Backlog(), c.n, c.left)
			}
		}
	})
}

func TestDeleteAll_ThousandsOfTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := dlvTask(dlvReturns(nil))
		_, mem := dlvMemory(t, tasks.Config{}, order)
		payloads := slices.Repeat([]dlvOrder{{ID: 7}}, 2500)
		order.EnqueueAll(t.Context(), payloads, tasks.In(time.Hour))
		if n, err := order.DeleteAll(t.Context()); n != 2500 || err != nil || mem.Backlog() != 0 {
			t.Errorf("deleted %d, %v, left %d", n, err, mem.Backlog())
		}
	})
}

// dlvQueue is a transport with one queue whose tasks are listed, and whose deletions end as the test says.
type dlvQueue struct {
	dlvRemote
	n      int // tasks t0, t1, ...
	list   error
	delete func(ids []string) error
}

func (q *dlvQueue) Get(context.Context, string, string) (*transport.Waiting, error) {
	return nil, errors.New("not asked for")
}

func (q *dlvQueue) All(context.Context, string) iter.Seq2[*transport.Waiting, error] {
	return func(yield func(*transport.Waiting, error) bool) {
		for i := range q.n {
			w := &transport.Waiting{Task: transport.Task{ID: fmt.Sprint("t", i), URL: "https://shop.example.com/tasks/order"}}
			if !yield(w, nil) {
				return
			}
		}
		if q.list != nil {
			yield(nil, q.list)
		}
	}
}

func (q *dlvQueue) Delete(_ context.Context, _ string, ids ...string) error { return q.delete(ids) }

func TestDeleteAll_Failures(t *testing.T) {
	t.Parallel()
	gone := &transport.Error{Op: transport.OpDelete, Kind: transport.KindNotFound}
	each := func(errs ...error) func([]string) error {
		return func([]string) error { return errors.Join(errs...) }
	}
	for _, c := range []struct {
		name   string
		tasks  int
		list   error
		delete func([]string) error
		n      int
		is     error
	}{
		{"some have vanished", 5, nil, each(gone, gone), 3, nil},
		{"the only one has vanished", 1, nil, func([]string) error { return gone }, 0, nil},
		{"some cannot be deleted", 5, nil, each(gone, errDlv), 3, errDlv},
		{"all fail", 2, nil, each(errDlv, errDlv), 0, errDlv},
		{"the call fails as a whole", 5, nil, func([]string) error { return errDlv }, 0, errDlv},
		{"one call of two fails", 10_500, nil, func(ids []string) error {
			if len(ids) > 5000 {
				return errDlv
			}
			return nil
		}, 500, errDlv},
		{"the list breaks off", 5, errDlv, each(), 5, errDlv},
		{"the queue never was", 0, transport.ErrQueueMissing, each(), 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			order := dlvTask(dlvReturns(nil))
			dlvApp(t, tasks.Config{Transport: &dlvQueue{n: c.tasks, list: c.list, delete: c.delete}}, order)
			if n, err := order.DeleteAll(t.Context()); n != c.n || !errors.Is(err, c.is) || c.is == nil && err != nil {
				t.Errorf("deleted %d, %v, want %d, %v", n, err, c.n, c.is)
			}
		})
	}
}

func TestDeleteAll_TellsProgress(t *testing.T) {
	t.Parallel()
	order := dlvTask(dlvReturns(nil))
	dlvApp(t, tasks.Config{Transport: &dlvQueue{n: 10_500, delete: func([]string) error { return nil }}}, order)
	var heard [][2]int
	ctx := plan.WithProgress(t.Context(), func(done, total int, kind string) {
		if heard = append(heard, [2]int{done, total}); kind != "task" {
			t.Errorf("it is about a %s", kind)
		}
	})
	if n, err := order.DeleteAll(ctx); n != 10_500 || err != nil || !slices.Equal(heard, [][2]int{{10_000, 0}, {10_500, 0}}) {
		t.Errorf("deleted %d, %v, heard %v", n, err, heard)
	}
	heard = nil
	if n, err := order.DeleteAll(ctx, tasks.CountOnly()); n != 10_500 || err != nil || len(heard) < n || heard[0] != [2]int{1, 0} || heard[len(heard)-1] != [2]int{n, 0} {
		t.Errorf("counted %d, %v, heard %d times", n, err, len(heard))
	}
}

func TestOperate_TransportWithoutInspector_ReturnsErrUnsupported(t *testing.T) {
	t.Parallel()
	order := dlvTask(dlvReturns(nil))
	dlvApp(t, tasks.Config{}, order)
	_, err := order.DeleteAll(t.Context())
	for _, err := range []error{err, order.Delete(t.Context(), "a"), order.Debug(t.Context(), "a")} {
		if !errors.Is(err, transport.ErrUnsupported) || !strings.Contains(err.Error(), "order") {
			t.Errorf("error %v, want ErrUnsupported, with the task's name", err)
		}
	}
}
