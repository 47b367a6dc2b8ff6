package manage_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

const ana = `{"user_id": 7, "email": "ana@example.com"}`

func TestData_ComesFromAnywhere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "welcome.json")
	if err := os.WriteFile(file, []byte(ana), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large.json")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, c := range []struct {
			how  with
			data string
			code int
			says string
		}{
			{with{}, ana, 0, "done"},
			{with{}, "@" + file, 0, "done"},
			{with{in: strings.NewReader(ana)}, "-", 0, "done"},
			{onTerminal(ana), "-", 0, "reading the payload from the terminal: end it with Ctrl-D"},
			{with{}, "-", 2, "--data is empty"},
			{with{}, "@", 2, "--data: open : "},
			{with{}, "@" + file + ".not", 2, "no such file"},
			{with{}, "@" + dir, 1, "is a directory"},
			{with{}, "@" + large, 2, "large.json has more than "},
			{with{in: readerFunc(func([]byte) (int, error) { return 0, errCloud })}, "-", 1, "--data: standard input: the cloud says no"},
		} {
			s.ran = nil
			c.how.run(t, s.app, "run", "Welcome", "--data", c.data).want(t, c.code, c.says)
			if want := c.code == 0; slices.Equal(s.ran, []string{"Welcome {UserID:7 Email:ana@example.com}"}) != want || !want && len(s.ran) > 0 {
				t.Errorf("--data %s: ran %q", c.data, s.ran)
			}
		}
	})
}

func TestData_ReadingIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, w := io.Pipe()
		e := with{ctx: ctx, in: r}.run(t, s.app, "run", "Welcome", "--data", "-")
		if e.want(t, 1); !errors.Is(e.cause, context.DeadlineExceeded) {
			t.Errorf("the error is %v", e.cause)
		}
		w.Close()
	})
}

// secretive has methods that do not stand a zero value.
type secretive struct{ Name string }

func (s *secretive) MarshalJSON() ([]byte, error) { return []byte(`"` + s.Name[:1] + `"`), nil }

// reverse is a codec that is not JSON.
type reverse struct{}

func (reverse) Name() string { return "reverse" }
func (reverse) Marshal(v any) ([]byte, error) {
	b, err := tasks.JSONCodec{}.Marshal(v)
	slices.Reverse(b)
	return b, err
}
func (reverse) Unmarshal(data []byte, v any) error {
	data = slices.Clone(data)
	slices.Reverse(data)
	return tasks.JSONCodec{}.Unmarshal(data, v)
}

func TestEnqueue_OtherCodecs_AndPayloadsOfAllKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		t.Cleanup(func() { c.close(t) })
		app := newApp(t, c, func(cfg *tasks.Config) {
			cfg.Codec, cfg.Queues = reverse{}, map[string]transport.QueueConfig{"shop": {}}
		})
		register(t, app,
			tasks.New(func(context.Context, *Welcome) error { return nil }),
			tasks.New(func(context.Context, int) error { return nil }, tasks.WithName("number")),
			tasks.New(func(context.Context, []string) error { return nil }, tasks.WithName("list")),
			tasks.New(func(context.Context, secretive) error { return nil }, tasks.WithName("secret")),
		)
		for _, x := range []struct {
			args []string
			code int
			says string
		}{
			{[]string{"Welcome", "--data", ana}, 0, `"body": "}\"moc.elpmaxe@ana\":\"liame\",7:\"di_resu\"{"`},
			{[]string{"number", "--data", "42"}, 0, `"body": 24`},
			{[]string{"list", "--data", `["a"]`}, 0, `"body": "]\"a\"["`},
			{[]string{"number"}, 2, "number needs a payload: pass it with --data, like '0'"},
			{[]string{"secret"}, 2, "secret needs a payload: pass it with --data\n"},
			{[]string{"secret", "--data", `{"Name":""}`}, 1, "reverse codec: panic: "},
			{[]string{"Welcome", "--data", "null"}, 2, "payload is not valid"},
		} {
			run(t, app, append([]string{"enqueue", "--dry-run", "--output", "json"}, x.args...)...).want(t, x.code, x.says)
		}
		if got := c.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
		if err := c.mem.PutQueue(t.Context(), "shop", transport.QueueConfig{}); err != nil {
			t.Fatal(err)
		}
		run(t, app, "enqueue", "number", "--data", "42", "--id", "n", "--in", "1h").want(t, 0)
		if w, err := c.mem.Get(t.Context(), "shop", "n"); err != nil || string(w.Body) != "24" {
			t.Errorf("enqueued %+v, %v", w, err)
		}
		run(t, app, "run", "number", "--data", "42").want(t, 0, "number: done")
	})
}

func TestEnqueue_Flags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		e := run(t, s.app, "enqueue", "Welcome", "--data", ana, "--id", "w7", "--in", "1h", "--header", "X-A=1=2", "--header", "X-B=", "--task-timeout", "45s")
		e.want(t, 0, "enqueued Welcome w7 on queue mail, due ", "(in 1h)")
		w, err := s.mem.Get(t.Context(), "mail", "w7")
		if err != nil || w.Header.Get("X-A") != "1=2" || w.Header["X-B"] == nil || w.Timeout != 45*time.Second || time.Until(w.ETA) != time.Hour {
			t.Errorf("enqueued %+v, %v", w, err)
		}
		s.written()
		for _, c := range []struct{ args, says string }{
			{"--in 1h --at 2030-01-01T00:00:00Z", "--in and --at exclude each other"},
			{"--at 2030-01-01T00:00:00Z --within 1h", "--at and --within exclude each other"},
			{"--at tomorrow", `--at "tomorrow" is no time like`},
			{"--at=", `--at "" is no time like`},
			{"--in soon", `invalid argument "soon"`},
			{"--in 1000h", "at most 720h"},
			{"--header X-A", `--header "X-A" is not of the form key=value`},
			{"--header =1", `--header "=1" is not of the form key=value`},
			{"--header X-A=1 --header X-A=2", `--header: "X-A" is given twice`},
			{"--header Host=x", "reserved"},
			{"--queue no_queue", "OnQueue"},
			{"--id a/b", "WithID"},
			{"--id=", "WithID"},
			{"--task-timeout 1s", "WithTimeout"},
		} {
			run(t, s.app, append([]string{"enqueue", "Welcome", "--data", ana}, strings.Fields(c.args)...)...).want(t, 2, c.says)
		}
		if got := s.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
		s.faults["enqueue"] = errCloud
		run(t, s.app, "enqueue", "Welcome", "--data", ana).want(t, 1, "Error: Welcome: ", "the cloud says no")
	})
}

func TestEnqueue_FinishedDuplicate_SaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memory.New()
		app := newApp(t, nil, func(cfg *tasks.Config) { cfg.Transport, cfg.Broker, cfg.Scheduler, cfg.Endpoint = mem, mem, nil, "" })
		ran := 0
		register(t, app, tasks.New(func(context.Context, Sweep) error { ran++; return nil }), pubsub.NewPublisher[Order]())
		const note = "note: it is kept in this process, and lost where that ends before it has run\n"
		run(t, app, "enqueue", "Sweep", "--id", "s").want(t, 0, "enqueued Sweep s on queue shop\n", note)
		synctest.Wait()
		run(t, app, "enqueue", "Sweep", "--id", "s").want(t, 0, "not enqueued: Sweep s has run on queue shop already\n")
		run(t, app, "publish", "Order", "--data", `{"id": 7}`).want(t, 0, "published Order to topic shop--order as ", note)
		if ran != 1 {
			t.Errorf("ran %d times", ran)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestEnqueue_Eager_NotesNothing(t *testing.T) {
	s := &shop{}
	app := newApp(t, nil, func(cfg *tasks.Config) {
		cfg.Transport, cfg.Broker, cfg.Scheduler, cfg.Queues, cfg.Eager = nil, nil, nil, nil, true
	})
	register(t, app, tasks.New(s.did0))
	e := run(t, app, "enqueue", "Sweep")
	if e.want(t, 0, "enqueued Sweep"); e.err != "" || len(s.ran) != 1 {
		t.Errorf("ran %q, standard error has %q", s.ran, e.err)
	}
	s.returns = errCloud
	run(t, app, "enqueue", "Sweep").want(t, 1, "the cloud says no")
	run(t, app, "debug", "Sweep", "x").want(t, 1, "not supported")
	run(t, app, "queues", "pause", "shop").want(t, 1, "not supported")
}

func (s *shop) did0(ctx context.Context, w Sweep) error { return s.did(ctx, w) }

func TestRun_Outcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, c := range []struct {
			returns error
			code    int
			says    string
		}{
			{nil, 0, "Sweep: done"},
			{tasks.Discard(errCloud), 0, "Sweep: discarded: the cloud says no\n"},
			{tasks.Discard(nil), 0, "Sweep: discarded\n"},
			{errCloud, 1, "Error: Sweep: the cloud says no\n"},
			{tasks.Snooze(time.Minute), 1, "Error: Sweep: snoozed for 1m0s, but it ran in its caller\n"},
			{tasks.RetryAfter(time.Minute, errCloud), 1, "it ran in its caller"},
			{&tasks.ValidationError{Err: errCloud}, 1, "the cloud says no"}, // of what it enqueued, say
		} {
			s.ran, s.returns = nil, c.returns
			e := run(t, s.app, "run", "Sweep")
			if e.want(t, c.code, c.says); !slices.Equal(s.ran, []string{"Sweep {}"}) || c.code != 0 && e.out != "" {
				t.Errorf("ran %q, printed %q", s.ran, e.out)
			}
		}
		s.returns = tasks.Discard(errCloud)
		run(t, s.app, "run", "Sweep", "--output", "json").want(t, 0, `"outcome": "discarded"`, `"why": "discarded: the cloud says no"`)
		s.ran, s.returns = nil, nil
		run(t, s.app, "run", "Nightly").want(t, 0)
		run(t, s.app, "run", "Nightly", "--data", `{"days": 7}`).want(t, 0)
		run(t, s.app, "run", "Nightly", "--data", `{"days": 0}`).want(t, 2, "days fails rule min=1")
		run(t, s.app, "run", "Sweep", "--dry-run").want(t, 0)
		if want := []string{"Nightly {Days:1}", "Nightly {Days:7}"}; !slices.Equal(s.ran, want) {
			t.Errorf("ran %q, want %q", s.ran, want)
		}
	})
}

func TestRun_Result(t *testing.T) {
	app := newApp(t, newCloud())
	register(t, app,
		tasks.NewWithResult(func(context.Context, Sweep) (func(), error) { return func() {}, nil }, tasks.WithName("function")),
		tasks.NewWithResult(func(context.Context, Sweep) (string, error) { return "<a>\x1b[2J", nil }, tasks.WithName("text")),
	)
	run(t, app, "run", "function").want(t, 0, `"0x`)
	if e := run(t, app, "run", "text"); e.out != `"<a>\u001b[2J"`+"\n" {
		t.Errorf("printed %q", e.out)
	}
}

func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud()
		t.Cleanup(func() { c.close(t) })
		app := newApp(t, c)
		register(t, app,
			pubsub.NewPublisher[Order](pubsub.Topic("orders"), pubsub.Ordered()),
			pubsub.NewPublisher[keyed](pubsub.Topic("keyed"), pubsub.Ordered()),
			pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw")),
			pubsub.NewModelPublisher(func(context.Context, int) (pubsub.Draft[Order], error) { return pubsub.Draft[Order]{}, nil }, pubsub.WithName("dynamic")),
			pubsub.NewModelPublisher(func(context.Context, int) (pubsub.Draft[map[string]int], error) {
				return pubsub.Draft[map[string]int]{}, nil
			}, pubsub.WithName("anywhere")),
		)
		var got []*transport.Message
		app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc {
			return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
				got = append(got, ms...)
				return next(ctx, ms)
			}
		})
		for _, x := range []struct {
			args []string
			code int
			says string
		}{
			{[]string{"orders", "--data", `{"id": 7}`, "--key", "k", "--attribute", "region=emea"}, 0, "published orders to topic orders as "},
			{[]string{"orders", "--data", `{"id": 7}`}, 2, "orders is ordered, and the message has no ordering key: pass --key"},
			{[]string{"keyed", "--data", `{"id": 7}`}, 0, "published keyed"},
			{[]string{"raw", "--data", "\x00 anything"}, 0, "published raw"},
			{[]string{"anywhere", "--data", `{"a": 7}`}, 2, "anywhere: each of its messages brings a topic of its own"},
			{[]string{"raw"}, 2, "raw needs data: pass it with --data\n"},
			{[]string{"raw", "--data", ""}, 2, "message"},
			{[]string{"dynamic", "--data", `{"id": 7}`}, 0, "published dynamic to topic shop--order"},
			{[]string{"orders", "--data", `{"id": 7}`, "--key", "k", "--attribute", "=1"}, 2, "not of the form key=value"},
			{[]string{"orders", "--data", `{"id": 7, "nope": 1}`, "--key", "k"}, 2, "nope: there is no such field"},
			{[]string{"orders", "--data", `{"id": 7}`, "--key", strings.Repeat("k", 2000)}, 2, "ordering key"},
			{[]string{"raw", "--data", "@/nowhere/at/all"}, 2, "no such file"},
		} {
			run(t, app, append([]string{"publish"}, x.args...)...).want(t, x.code, x.says)
		}
		if len(got) != 4 || string(got[0].Data) != `{"id":7}` || got[0].OrderingKey != "k" || got[0].Attributes["region"] != "emea" ||
			got[1].OrderingKey != "of 7" || string(got[2].Data) != "\x00 anything" {
			t.Errorf("published %+v", got)
		}
		c.faults["publish to raw"] = errCloud
		run(t, app, "publish", "raw", "--data", "x").want(t, 1, "Error: raw: ", "the cloud says no")

		none := newApp(t, c, func(cfg *tasks.Config) { cfg.Broker = nil })
		register(t, none, pubsub.NewPublisher[Order]())
		run(t, none, "publish", "Order", "--data", `{"id": 7}`).want(t, 1, "set Config.Broker")
	})
}

type keyed struct {
	ID int `json:"id"`
}

func (k keyed) OrderingKey() string { return "of " + strings.Repeat("7", k.ID/7) }

func TestDelete_AsksWithTheCount(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		for _, id := range []string{"a", "b", "c"} {
			run(t, s.app, "enqueue", "Welcome", "--data", ana, "--id", id, "--in", "1h").want(t, 0)
		}
		s.written()
		onTerminal("n\n").run(t, s.app, "delete", "Welcome").want(t, 3, "delete all tasks of Welcome that wait on queue mail (3 now)? [y/N] ")
		onTerminal("n\n").run(t, s.app, "delete", "Welcome", "a").want(t, 3, "delete task a of Welcome? [y/N] ")
		if got := s.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
		onTerminal("y\n").run(t, s.app, "delete", "SendWelcome", "mail/a").want(t, 0, "deleted Welcome mail/a\n")
		onTerminal("y\n").run(t, s.app, "delete", "Welcome").want(t, 0, "(2 now)", "deleted 2 tasks of Welcome on queue mail\n")
		s.faults["list tasks of mail"] = errCloud
		run(t, s.app, "delete", "Welcome").want(t, 1, "the cloud says no")
		e := run(t, s.app, "delete", "Welcome", "--yes")
		e.want(t, 1, "deleted 0 tasks", "the cloud says no")
	})
}

func TestQueues_Purge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		run(t, s.app, "enqueue", "Welcome", "--data", ana, "--in", "1h").want(t, 0)
		s.written()
		onTerminal("n\n").run(t, s.app, "queues", "purge", "mail").want(t, 3, "delete all that waits in queue mail? [y/N] ")
		run(t, s.app, "queues", "purge", "mail", "--dry-run").want(t, 0, "queue mail: would be purged")
		if got := s.written(); len(got) > 0 || s.mem.Backlog() != 1 {
			t.Errorf("wrote %q, %d tasks are left", got, s.mem.Backlog())
		}
		onTerminal("y\n").run(t, s.app, "queues", "purge", "mail").want(t, 0, "queue mail: purged")
		if s.mem.Backlog() != 0 {
			t.Errorf("%d tasks are left", s.mem.Backlog())
		}
	})
}

func TestOperate_FailureHindersNoOther_CancelDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		s.faults["pause job shop--Nightly"] = errCloud
		run(t, s.app, "schedules", "pause", "Nightly", "Sweep").want(t, 1, "schedule shop--Nightly: failed\n", "schedule shop--Sweep: paused\n", "Error: the cloud says no")
		if s.jobs["shop--Sweep"].State != transport.JobPaused {
			t.Error("shop--Sweep is not paused")
		}
		run(t, s.app, "schedules", "resume", "Sweep").want(t, 0)
		s.written()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		with{ctx: ctx}.run(t, s.app, "schedules", "run", "Nightly", "Sweep").want(t, 1, "schedule shop--Nightly was not begun: context canceled")
		if got := s.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
		none := newShop(t, func(cfg *tasks.Config) { cfg.Scheduler = nil })
		run(t, none.app, "schedules", "run", "Nightly").want(t, 1, "Config.Scheduler")
		less := newShop(t, func(cfg *tasks.Config) { cfg.Scheduler = onlyScheduler{cfg.Scheduler} })
		run(t, less.app, "schedules", "run", "Nightly").want(t, 1, "not supported")
	})
}

// handmade is a task that is not made by package tasks.
type handmade struct{ tasks.Binding }

func (*handmade) Spec() tasks.Spec {
	return tasks.Spec{Kind: tasks.KindTask, Name: "hand.made", Path: "hand.made", Payload: reflect.TypeFor[Sweep](), Handle: func(context.Context, *transport.Delivery) (any, error) {
		return nil, nil
	}}
}

func TestHandmadeTask_IsEnqueuedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		register(t, s.app, &handmade{})
		run(t, s.app, "list", "hand.made").want(t, 0, "Sweep")
		run(t, s.app, "enqueue", "hand.made", "--queue", "mail", "--in", "1h").want(t, 0, "enqueued hand.made")
		run(t, s.app, "run", "hand.made").want(t, 1, `task "hand.made" is no task`)
		run(t, s.app, "debug", "hand.made", "x").want(t, 1, "it is no task of package tasks or schedule")
		run(t, s.app, "delete", "hand.made", "--yes").want(t, 1, "it is no task of package tasks or schedule")
	})
}

// onlyScheduler has no abilities beside.
type onlyScheduler struct{ transport.Scheduler }
