package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// escHostile are what must not reach a line as it is.
var escHostile = []string{
	"a\nlevel=ERROR msg=forged", "a\r\nb", "\x1b[31mred\x1b[0m", "\u009b31mred", "a\x00b", "\x7f", "\xff\xfe", "\u202egnp.exe", "a\u2028b", strings.Repeat("\n", 1000),
}

// escNaive is a handler that escapes nothing.
type escNaive struct{ b *bytes.Buffer }

func (h escNaive) Enabled(context.Context, slog.Level) bool { return true }
func (h escNaive) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h escNaive) WithGroup(string) slog.Handler            { return h }

func (h escNaive) Handle(_ context.Context, r slog.Record) error {
	fmt.Fprintf(h.b, "%v %v", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(h.b, " %v=%v", a.Key, a.Value); return true })
	h.b.WriteByte('\n')
	return nil
}

// escPlain reports why text is not fit for one line of a log.
func escPlain(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return fmt.Errorf("%q has %q in it", text, r)
		}
	}
	return nil
}

// escWays are the ways of text from outside to the log, each of which writes one line.
var escWays = map[string]func(app *tasks.App, local transport.Handler, s string){
	"a path":                func(app *tasks.App, _ transport.Handler, s string) { escServe(app, "/"+s, dlvBody) },
	"a task's path":         func(app *tasks.App, _ transport.Handler, s string) { escServe(app, "/tasks/"+s, dlvBody) },
	"a subscription's path": func(app *tasks.App, _ transport.Handler, s string) { escServe(app, "/subscriptions/"+s, dlvBody) },
	"a path with too large a body": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/"+s, dlvPadded(dlvMaxBody+1))
	},
	"the path of who is refused": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/"+s, dlvBody, "X-Who", "stranger")
	},
	"a task's name": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/order", dlvBody, "X-Cloudtasks-Taskname", s)
	},
	"a queue's name": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/order", dlvBody, "X-Cloudtasks-Queuename", s)
	},
	"a first id": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/order", dlvBody, "Typedtasks-Id", s)
	},
	"a job's name": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/order", dlvBody, "X-Cloudscheduler-Jobname", "jobs/"+s)
	},
	"a trace": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/order", dlvBody, "Traceparent", s)
	},
	"a coding": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/order", dlvBody, "Content-Encoding", s)
	},
	"a body that is no payload": func(app *tasks.App, _ transport.Handler, s string) { escServe(app, "/tasks/order", s) },
	"a body that is no push":    func(app *tasks.App, _ transport.Handler, s string) { escServe(app, "/subscriptions/audit", s) },
	"a member of a map": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/map", escJSON(map[string]string{s: "no number"}))
	},
	"an invalid member of a map": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/tasks/valid", escJSON(map[string]any{"by_name": map[string]any{s: 0}}))
	},
	"a message's id": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/subscriptions/audit", msgPushed(&transport.Message{ID: s, Subscription: "audit"}))
	},
	"a message's subscription": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/subscriptions/audit", msgPushed(&transport.Message{ID: "1", Subscription: s}))
	},
	"the headers of an unwrapped push": func(app *tasks.App, _ transport.Handler, s string) {
		escServe(app, "/subscriptions/audit", dlvBody, "X-Goog-Pubsub-Message-Id", s, "X-Goog-Pubsub-Subscription-Name", s, "X-Goog-Pubsub-Publish-Time", s)
	},
	"a task in this process": func(app *tasks.App, local transport.Handler, s string) {
		_, _, _ = local(context.Background(), &transport.Delivery{Attempt: 1, Task: transport.Task{ID: s, Queue: s, URL: app.Config().Endpoint + "/tasks/" + s}})
	},
	"a propagated header": func(app *tasks.App, _ transport.Handler, s string) {
		app.Carried(tasks.ContextWithHeaders(context.Background(), http.Header{"Traceparent": {s + "\x00"}}))
	},
}

func escJSON(v any) string {
	b, _ := json.Marshal(v) // maps of numbers and strings always encode
	return string(b)
}

// escServe posts to a path as it is, whatever a server would say of it.
func escServe(app *tasks.App, path, body string, headers ...string) {
	r := dlvPost("/", body)
	r.URL.Path = path
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]}
	}
	app.ServeHTTP(&discardWriter{header: http.Header{}}, r)
}

func TestLog_TextFromOutside_IsEscaped(t *testing.T) {
	t.Parallel()
	type valid struct {
		ByName map[string]int `json:"by_name" validate:"dive,min=1"`
	}
	for way, try := range escWays {
		for _, quarantine := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/quarantine %t", way, quarantine), func(t *testing.T) {
				t.Parallel()
				for _, s := range escHostile {
					var b bytes.Buffer
					for name, h := range map[string]slog.Handler{"text": slog.NewTextHandler(&b, nil), "JSON": slog.NewJSONHandler(&b, nil), "naive": escNaive{&b}} {
						local := &dlvLocal{}
						cfg := tasks.Config{Transport: local, Authenticator: slowDoor{}, Logger: slog.New(h)}
						if quarantine {
							cfg.Quarantine = func(context.Context, tasks.Quarantined) error { return nil }
						}
						app := dlvApp(t, cfg, dlvTask(dlvReturns(errDlv)),
							tasks.New(func(context.Context, map[string]int) error { return nil }, tasks.WithName("map")),
							tasks.New(func(context.Context, valid) error { return nil }, tasks.WithName("valid")),
							msgSubscriber("audit", (&msgRuns{}).returns(errDlv), func(s *tasks.Spec) { s.Subscription = "audit" }))
						b.Reset()
						try(app, local.handler, s)
						lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
						if len(lines) != 1 || lines[0] == "" {
							t.Errorf("%s, %.20q: logged %d lines:\n%.500q", name, s, len(lines), b.String())
							continue
						}
						if err := escPlain(lines[0]); err != nil {
							t.Errorf("%s, %.20q: %v", name, s, err)
						}
						if len(lines[0]) > 4<<10 {
							t.Errorf("%s, %.20q: a line of %d bytes", name, s, len(lines[0]))
						}
					}
				}
			})
		}
	}
}

func TestErrors_TextFromOutside_IsEscaped(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	fails := func(*transport.Task) error {
		return &transport.Error{Op: transport.OpEnqueue, Kind: transport.KindClosed}
	}
	for way, try := range map[string]func(app *tasks.App, task *tasks.Task[dlvOrder], s string) error{
		"WithHeader's name": func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			_, err := task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.WithHeader(s, "1"))
			return err
		},
		"WithHeader's value": func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			_, err := task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.WithHeader("X-A", s+"\x00"))
			return err
		},
		"WithID": func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			_, err := task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.WithID(s))
			return err
		},
		"OnQueue": func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			_, err := task.Enqueue(ctx, dlvOrder{ID: 7}, tasks.OnQueue(s))
			return err
		},
		"Delete": func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error { return task.Delete(ctx, "q/"+s) },
		"Debug":  func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error { return task.Debug(ctx, s) },
		"a name of a task that is not registered": func(_ *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			_, err := dlvTask(dlvReturns(nil), tasks.WithName(s)).Enqueue(ctx, dlvOrder{ID: 7})
			return err
		},
		"a name that is registered": func(app *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			return app.Register(dlvTask(dlvReturns(nil), tasks.WithName("x"+s)))
		},
		"an alias": func(app *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			return app.Register(dlvTask(dlvReturns(nil), tasks.WithName("x"), tasks.WithAliases(s)))
		},
		"middleware's header": func(app *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			app.UseEnqueue(wayMiddleware(s, "1"))
			_, err := task.Enqueue(ctx, dlvOrder{ID: 7})
			return err
		},
		"middleware's id and queue": func(app *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			app.UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
				return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
					ts[0].ID, ts[0].Queue = s, s
					return next(ctx, ts)
				}
			})
			_, err := task.Enqueue(ctx, dlvOrder{ID: 7})
			return err
		},
		"a payload": func(app *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			return app.Decode(tasks.JSONCodec{}, []byte(escJSON(map[string]string{s: "no number"})), &map[string]int{})
		},
		"Config.Queue": func(_ *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			_, err := tasks.NewApp(tasks.Config{Eager: true, Queue: s})
			return err
		},
		"Config.Endpoint": func(_ *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			_, err := tasks.NewApp(tasks.Config{Eager: true, Endpoint: "ftp://" + s})
			return err
		},
		"Config.MountPath": func(_ *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			_, err := tasks.NewApp(tasks.Config{Eager: true, MountPath: "x" + s})
			return err
		},
		"Config.TasksPath": func(_ *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			_, err := tasks.NewApp(tasks.Config{Eager: true, TasksPath: "x" + s})
			return err
		},
		"Config.PropagatedHeaders": func(_ *tasks.App, _ *tasks.Task[dlvOrder], s string) error {
			_, err := tasks.NewApp(tasks.Config{Eager: true, PropagatedHeaders: []string{s}})
			return err
		},
		"an App's name": func(_ *tasks.App, task *tasks.Task[dlvOrder], s string) error {
			other, err := tasks.NewApp(tasks.Config{Eager: true, Name: s})
			if err != nil {
				return err
			}
			_, err = task.Enqueue(other.Context(ctx), dlvOrder{ID: 7})
			return err
		},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			for _, s := range escHostile {
				task := dlvTask(dlvReturns(nil))
				app := dlvApp(t, tasks.Config{Transport: enqInspected{&enqFake{fault: func(_ int, t *transport.Task) enqFault { return enqFault{before: fails(t)} }}}}, task)
				err := try(app, task, s)
				if err == nil {
					t.Fatalf("%.20q: no error", s)
				}
				if err := escPlain(err.Error()); err != nil {
					t.Errorf("%.20q: %v", s, err)
				}
			}
		})
	}
}
