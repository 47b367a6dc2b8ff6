package tasks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// enqUnavailable is an error as Cloud Tasks answers it.
var enqUnavailable = status.Error(codes.Unavailable, "the service is unavailable")

// enqPolicy retries enqUnavailable.
func enqPolicy() backoff.Policy {
	return backoff.Policy{On: backoff.Codes(codes.Unavailable), Initial: 100 * time.Millisecond, Maximum: time.Second, Deadline: 10 * time.Second}
}

// enqScript makes calls end as the script says, one word for each: ok, before, after (the answer is lost).
func enqScript(script string) func(int, *transport.Task) enqFault {
	words := strings.Fields(script)
	return func(call int, _ *transport.Task) enqFault {
		switch {
		case call > len(words) || words[call-1] == "ok":
			return enqFault{}
		case words[call-1] == "before":
			return enqFault{before: enqUnavailable}
		default:
			return enqFault{after: enqUnavailable}
		}
	}
}

func TestEnqueueRetry_UnnamedTask_IsMadeOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script string
		calls  int
		took   time.Duration
	}{
		{"ok", 1, 0},
		{"before ok", 2, 100 * time.Millisecond},
		{"after ok", 2, 100 * time.Millisecond},
		{"before after before after ok", 5, 1500 * time.Millisecond}, // 100 + 200 + 400 + 800 ms
	} {
		for _, many := range []bool{false, true} {
			t.Run(c.script, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := &enqFake{fault: enqScript(c.script)}
					task := tasks.New(enqDone[enqMail], tasks.WithEnqueueRetry(enqPolicy()))
					enqApp(t, tasks.Config{Transport: fake}, task)
					began := time.Now()
					r := enqEither(t, task, many, enqMail{To: "ana"})
					if r.Err != nil {
						t.Fatal(r.Err)
					}
					sent := fake.only(t)
					if want := (tasks.Receipt{ID: sent.ID, Queue: "tasks"}); r.Receipt != want {
						t.Errorf("receipt is %+v, want %+v", r.Receipt, want)
					}
					if took := time.Since(began); fake.calls != c.calls || took != c.took {
						t.Errorf("%d calls in %s, want %d in %s", fake.calls, took, c.calls, c.took)
					}
					if !strings.HasSuffix(sent.ID, "-enqMail") || len(sent.ID) != 32+len("-enqMail") {
						t.Errorf("the id %q is not random and the name", sent.ID)
					}
				})
			})
		}
	}
}

// enqEither enqueues p by Enqueue or by EnqueueAll.
func enqEither[T any](t *testing.T, task *tasks.Task[T], many bool, p T, opts ...tasks.EnqueueOption) tasks.Result {
	t.Helper()
	if many {
		return task.EnqueueAll(t.Context(), []T{p}, opts...)[0]
	}
	r, err := task.Enqueue(t.Context(), p, opts...)
	return tasks.Result{Receipt: r, Err: err}
}

func TestEnqueueRetry_NamedTask_IsToldFromATrueDuplicate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why       string
		taken     bool // by another task, beforehand
		blind     bool // the transport cannot show what waits
		script    string
		duplicate bool
	}{
		{"ours, at the first attempt", false, false, "ok", false},
		{"ours, after a lost answer", false, false, "after ok", false},
		{"ours, after several", false, false, "before after after ok", false},
		{"another's, at the first attempt", true, false, "ok", true},
		{"another's, after a failed attempt", true, false, "before ok", true},
		{"another's, after a lost answer", true, false, "after ok", true},
		{"unknown whose, counts as another's", false, true, "after ok", true},
	} {
		for _, many := range []bool{false, true} {
			t.Run(c.why, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := &enqFake{}
					cfg := tasks.Config{Transport: enqInspected{fake}, EnqueueRetry: enqPolicy()}
					if c.blind {
						cfg.Transport = fake
					}
					task := tasks.New(enqDone[enqKeyed], tasks.Unique())
					enqApp(t, cfg, task)
					if c.taken {
						enqMust(task.Enqueue(t.Context(), enqKeyed{Key: "a", Rest: 1}))(t)
						fake.calls = 0
					}
					fake.fault = enqScript(c.script)
					r := enqEither(t, task, many, enqKeyed{Key: "a", Rest: 2})
					if r.Err != nil || r.Receipt.Duplicate != c.duplicate || r.Receipt.Finished || r.Receipt.ID != fake.only(t).ID {
						t.Errorf("got %+v, want Duplicate %t", r, c.duplicate)
					}
				})
			})
		}
	}
}

func TestEnqueueRetry_NamedTaskHasRunMeanwhile_SaysDuplicateAndFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := &enqFake{fault: enqScript("after ok")}
		task := tasks.New(enqDone[enqMail], tasks.WithEnqueueRetry(enqPolicy()))
		enqApp(t, tasks.Config{Transport: enqInspected{fake}}, task)
		go func() {
			time.Sleep(50 * time.Millisecond) // between the two attempts
			fake.finish()
		}()
		r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.WithID("one")))(t)
		if !r.Duplicate || !r.Finished || r.ID != "one" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestEnqueueRetry_Duplicates_Allow_SendsNoID(t *testing.T) {
	t.Parallel()
	for _, many := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var ids []string
			script := enqScript("after ok")
			fake := &enqFake{fault: func(call int, x *transport.Task) enqFault {
				ids = append(ids, x.ID)
				return script(call, x)
			}}
			p := enqPolicy()
			p.Duplicates = backoff.Allow
			task := tasks.New(enqDone[enqMail], tasks.WithEnqueueRetry(p))
			enqApp(t, tasks.Config{Transport: fake}, task)
			if r := enqEither(t, task, many, enqMail{To: "ana"}); r.Err != nil || r.Receipt.Duplicate {
				t.Errorf("got %+v", r)
			}
			if strings.Join(ids, "") != "" || len(fake.all()) != 2 {
				t.Errorf("ids %q, %d tasks; want none, and two tasks of one", ids, len(fake.all()))
			}
		})
	}
}

func TestEnqueueRetry_PolicyOfCallOverTaskOverApp(t *testing.T) {
	t.Parallel()
	on := enqPolicy()
	for _, c := range []struct {
		why   string
		app   backoff.Policy
		def   []tasks.Option
		call  []tasks.EnqueueOption
		calls int
		took  time.Duration
	}{
		{"none anywhere", backoff.Policy{}, nil, nil, 1, 0},
		{"the App's", on, nil, nil, 2, 100 * time.Millisecond},
		{"the task's over the App's", on, []tasks.Option{tasks.WithEnqueueRetry(backoff.Policy{Initial: 500 * time.Millisecond})}, nil, 2, 500 * time.Millisecond},
		{"the call's over the task's", on, []tasks.Option{tasks.WithEnqueueRetry(backoff.Policy{Initial: 500 * time.Millisecond})},
			[]tasks.EnqueueOption{tasks.WithEnqueueRetry(backoff.Policy{Initial: 700 * time.Millisecond})}, 2, 700 * time.Millisecond},
		{"the call's alone", backoff.Policy{}, nil, []tasks.EnqueueOption{tasks.WithEnqueueRetry(on)}, 2, 100 * time.Millisecond},
		{"Never at the task", on, []tasks.Option{tasks.WithEnqueueRetry(backoff.Policy{On: backoff.Never})}, nil, 1, 0},
		{"Never at the call", on, nil, []tasks.EnqueueOption{tasks.WithEnqueueRetry(backoff.Policy{On: backoff.Never})}, 1, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var id string
				fake := &enqFake{}
				fake.fault = func(call int, x *transport.Task) enqFault {
					id = x.ID
					if call == 1 {
						return enqFault{before: enqUnavailable}
					}
					return enqFault{}
				}
				task := tasks.New(enqDone[enqMail], c.def...)
				enqApp(t, tasks.Config{Transport: fake, EnqueueRetry: c.app}, task)
				began := time.Now()
				_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, c.call...)
				if took := time.Since(began); fake.calls != c.calls || took != c.took {
					t.Errorf("%d calls in %s, want %d in %s", fake.calls, took, c.calls, c.took)
				}
				if (err != nil) != (c.calls == 1) || (id == "") != (c.calls == 1) {
					t.Errorf("error %v, id %q", err, id)
				}
			})
		})
	}
}

func TestEnqueueRetry_PolicyThatDoesNotFit_IsRefusedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake, EnqueueRetry: enqPolicy()}, task)
	for _, p := range []backoff.Policy{{Initial: time.Minute}, {Jitter: 2}} {
		for _, many := range []bool{false, true} {
			r := enqEither(t, task, many, enqMail{To: "ana"}, tasks.WithEnqueueRetry(p))
			if !errors.Is(r.Err, tasks.ErrInvalid) || fake.calls != 0 {
				t.Errorf("%v after %d calls, want ErrInvalid", r.Err, fake.calls)
			}
			enqSays(t, r.Err, "WithEnqueueRetry")
		}
	}
}

func TestEnqueueRetry_GivingUp_KeepsTheTransportsError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why     string
		fault   error
		cancel  time.Duration // of the context; 0: never
		calls   int
		is      []error
		says    []string
		saysNot string
	}{
		{"not worth a retry", errEnqDown, 0, 1, []error{errEnqDown}, nil, "gave up"},
		{"until the deadline", enqUnavailable, 0, 13, []error{enqUnavailable}, []string{"gave up after 13 attempts", "Deadline of 10s"}, ""},
		{"until the context ends", enqUnavailable, 200 * time.Millisecond, 2, []error{enqUnavailable, context.Canceled}, []string{"gave up after 2 attempts"}, ""},
	} {
		for _, many := range []bool{false, true} {
			t.Run(c.why, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := &enqFake{fault: func(int, *transport.Task) enqFault { return enqFault{before: c.fault} }}
					task := tasks.New(enqDone[enqMail], tasks.WithEnqueueRetry(enqPolicy()))
					enqApp(t, tasks.Config{Transport: fake}, task)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if c.cancel > 0 {
						time.AfterFunc(c.cancel, cancel)
					}
					var err error
					if many {
						err = task.EnqueueAll(ctx, enqMails(1))[0].Err
					} else {
						_, err = task.Enqueue(ctx, enqMail{To: "0"})
					}
					enqSays(t, err, append(c.says, "tasks: enqMail: ")...)
					for _, want := range c.is {
						if !errors.Is(err, want) {
							t.Errorf("%v does not match %v", err, want)
						}
					}
					if c.saysNot != "" && strings.Contains(err.Error(), c.saysNot) {
						t.Errorf("%v says %q", err, c.saysNot)
					}
					if fake.calls != c.calls {
						t.Errorf("%d calls, want %d", fake.calls, c.calls)
					}
				})
			})
		}
	}
}

// enqQuota is an error type of a driver's.
type enqQuota struct{ project string }

func (e *enqQuota) Error() string { return "out of quota in " + e.project }

func TestEnqueue_WithoutPolicy_TheErrorIsTheTransports(t *testing.T) {
	t.Parallel()
	cause := &enqQuota{"shop"}
	fault := &transport.Error{Op: transport.OpEnqueue, Queue: "mail", Kind: transport.KindCapacity, Err: cause}
	fake := &enqFake{fault: func(int, *transport.Task) enqFault { return enqFault{before: fault} }}
	task := tasks.New(enqDone[enqMail], tasks.OnQueue("mail"))
	enqApp(t, tasks.Config{Transport: fake}, task)
	for _, many := range []bool{false, true} {
		fake.calls = 0
		err := enqEither(t, task, many, enqMail{To: "ana"}).Err
		if !errors.Is(err, transport.ErrCapacity) || !errors.Is(err, fault) || transport.KindOf(err) != transport.KindCapacity {
			t.Errorf("%v does not match the transport's", err)
		}
		if q, ok := errors.AsType[*enqQuota](err); !ok || q != cause {
			t.Errorf("the cause is %v, want %v", q, cause)
		}
		enqSays(t, err, "tasks: enqMail: ", `queue "mail"`, "out of quota in shop")
		if fake.calls != 1 {
			t.Errorf("%d calls, want 1", fake.calls)
		}
	}
}

func TestEnqueue_BareErrorOfATransport_IsWrappedWithTaskAndQueue(t *testing.T) {
	t.Parallel()
	fake := &enqFake{fault: func(int, *transport.Task) enqFault { return enqFault{before: errEnqDown} }}
	task := tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	for _, many := range []bool{false, true} {
		err := enqEither(t, task, many, enqMail{To: "ana"}, tasks.OnQueue("slow")).Err
		if !errors.Is(err, errEnqDown) {
			t.Errorf("%v does not match %v", err, errEnqDown)
		}
		enqSays(t, err, "tasks: enqMail: ", `queue "slow"`)
	}
}

func TestEnqueue_Eager_TheFunctionsErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	runs := 0
	task := tasks.New(func(context.Context, enqMail) error { runs++; return enqUnavailable }, tasks.Unique())
	enqApp(t, tasks.Config{Eager: true, EnqueueRetry: enqPolicy()}, task)
	for _, opts := range [][]tasks.EnqueueOption{nil, {tasks.WithEnqueueRetry(enqPolicy())}} {
		runs = 0
		for _, many := range []bool{false, true} {
			if r := enqEither(t, task, many, enqMail{To: "ana"}, opts...); !errors.Is(r.Err, enqUnavailable) {
				t.Errorf("got %v, want the function's error", r.Err)
			}
		}
		if runs != 2 {
			t.Errorf("it ran %d times for two enqueues", runs)
		}
	}
}

func TestEnqueue_Eager_TheFunctionsErrorIsNoDuplicate(t *testing.T) {
	t.Parallel()
	task := tasks.New(func(context.Context, enqMail) error { return transport.ErrGone }, tasks.Unique())
	enqApp(t, tasks.Config{Eager: true}, task)
	if r, err := task.Enqueue(t.Context(), enqMail{To: "ana"}); !errors.Is(err, transport.ErrGone) {
		t.Errorf("got %+v and %v, want the function's error", r, err)
	}
}

func TestEnqueueRetry_IDMakesTheTaskTooLarge_IsRefusedBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	room := 0
	fake := &enqFake{fault: func(_ int, x *transport.Task) enqFault { room = transport.MaxTaskSize - x.Size(); return enqFault{} }}
	task := tasks.New(enqDone[string], tasks.WithName("text"))
	enqApp(t, tasks.Config{Transport: fake}, task)
	enqMust(task.Enqueue(t.Context(), ""))(t)
	full := strings.Repeat("x", room)
	enqMust(task.Enqueue(t.Context(), full))(t)
	if room != 0 {
		t.Fatalf("%d bytes of room are left", room)
	}
	fake.calls = 0
	for _, many := range []bool{false, true} {
		r := enqEither(t, task, many, full, tasks.WithEnqueueRetry(enqPolicy()))
		if !errors.Is(r.Err, tasks.ErrTooLarge) || fake.calls != 0 {
			t.Errorf("%v after %d calls, want ErrTooLarge", r.Err, fake.calls)
		}
	}
}
