package manage_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/manage"
	"github.com/typedtasks/typedtasks/transport"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The payloads of the shop.
type (
	Welcome struct {
		UserID int64  `json:"user_id" validate:"required"`
		Email  string `json:"email" validate:"required,email"`
	}
	Report struct {
		Days int `json:"days" validate:"min=1"`
	}
	Order struct {
		ID     int    `json:"id" validate:"required"`
		Region string `json:"region,omitempty"`
	}
	Sweep struct{}
	Sum   struct {
		Of []int `json:"of"`
	}
)

// shop is an App with something of every kind, and what its functions were given.
type shop struct {
	*cloud
	app     *tasks.App
	ran     []string
	returns error // of its functions

	welcome *tasks.Task[Welcome]
	nightly *schedule.Periodic[Report]
}

// newShop makes the shop over a cloud that has nothing yet. It runs in a bubble.
func newShop(t testing.TB, set ...func(*tasks.Config)) *shop {
	t.Helper()
	s := &shop{cloud: newCloud()}
	t.Cleanup(func() { s.close(t) })
	s.app = newApp(t, s.cloud, set...)
	s.welcome = tasks.New(func(ctx context.Context, w Welcome) error { return s.did(ctx, w) },
		tasks.OnQueue("mail"), tasks.WithTimeout(30*time.Second), tasks.WithAliases("SendWelcome"))
	s.nightly = schedule.New(func(ctx context.Context, r Report) error { return s.did(ctx, r) },
		schedule.Cron("0 3 * * 1-5"), schedule.TimeZone("America/Sao_Paulo"), schedule.Task(tasks.WithName("Nightly"))).WithPayload(Report{Days: 1})
	register(t, s.app,
		s.welcome,
		tasks.NewWithResult(func(ctx context.Context, sum Sum) (map[string]int, error) {
			total := 0
			for _, n := range sum.Of {
				total += n
			}
			return map[string]int{"total": total}, s.did(ctx, sum)
		}),
		pubsub.NewPublisher[Order](pubsub.Topic("orders")),
		pubsub.NewSubscriber(func(ctx context.Context, m pubsub.Message[Order]) error { return s.did(ctx, m.Data) },
			pubsub.Topic("orders"), pubsub.WithName("audit"), pubsub.Filter(`attributes.region = "emea"`)),
		s.nightly,
		schedule.New(func(ctx context.Context, w Sweep) error { return s.did(ctx, w) }, schedule.Every("every 2 hours")),
	)
	return s
}

func (s *shop) did(ctx context.Context, payload any) error {
	m, _ := tasks.MetadataFrom(ctx)
	s.ran = append(s.ran, fmt.Sprintf("%s %+v", m.Name, payload))
	return s.returns
}

func newApp(t testing.TB, c *cloud, set ...func(*tasks.Config)) *tasks.App {
	t.Helper()
	cfg := tasks.Config{
		Name: "shop", Endpoint: "https://shop.example.com/_tasks", Transport: c, Broker: broker{c}, Scheduler: scheduler{c},
		Queues: map[string]transport.QueueConfig{
			"mail": {MaxDispatchesPerSecond: 10, MaxConcurrentDispatches: 5, Retry: transport.RetryConfig{MaxAttempts: 8, MinBackoff: time.Second, MaxBackoff: 10 * time.Minute, MaxDoublings: 10}},
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range set {
		f(&cfg)
	}
	app, err := tasks.NewApp(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func register(t testing.TB, app *tasks.App, defs ...tasks.Definition) {
	t.Helper()
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
}

// deployed gives the cloud what the shop's code says, and forgets that this was written.
func (s *shop) deployed(t testing.TB) {
	t.Helper()
	if got := run(t, s.app, "sync", "--yes"); got.code != 0 {
		t.Fatalf("sync: %s", got.err)
	}
	s.written()
}

// drifted changes things by hand, so that a sync has something of everything to do.
func (s *shop) drifted(t testing.TB) {
	t.Helper()
	s.deployed(t)
	if err := s.mem.PutQueue(t.Context(), "mail", transport.QueueConfig{MaxDispatchesPerSecond: 20, MaxConcurrentDispatches: 5, Retry: s.app.Config().Queues["mail"].Retry}); err != nil {
		t.Fatal(err)
	}
	s.jobs["shop--Nightly"].Schedule = "0 4 * * 1-5"
	delete(s.jobs, "shop--Sweep")
	s.job("shop--Weekly", "https://shop.example.com/_tasks/tasks/Weekly")
	s.job("shop--Hourly", "https://shop.example.com/_tasks/tasks/Hourly")
	s.job("billing--Invoice", "https://billing.example.com/tasks/Invoice")
}

// ended is how a command ended.
type ended struct {
	out, err string
	code     int
	cause    error
}

// with is how a command is executed.
type with struct {
	ctx       context.Context
	in        io.Reader
	terminals *[3]bool
	root      *cobra.Command // nil: "shop"
}

func onTerminal(answer string) with {
	return with{in: strings.NewReader(answer), terminals: &[3]bool{true, true, true}}
}

func run(t testing.TB, app *tasks.App, args ...string) ended {
	t.Helper()
	return with{}.run(t, app, args...)
}

func (w with) run(t testing.TB, app *tasks.App, args ...string) ended {
	t.Helper()
	var opts []manage.Option
	if w.terminals != nil {
		opts = append(opts, manage.Terminal(w.terminals[0], w.terminals[1], w.terminals[2]))
	}
	root := w.root
	if root == nil {
		root = &cobra.Command{Use: "shop"}
	}
	root.AddCommand(manage.Command(app, opts...))
	root.SetArgs(append([]string{"tasks"}, args...))
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	if w.in == nil {
		w.in = strings.NewReader("")
	}
	root.SetIn(w.in)
	if w.ctx == nil {
		w.ctx = context.Background()
	}
	err := root.ExecuteContext(w.ctx)
	return ended{out.String(), errs.String(), manage.ExitCode(err), err}
}

// golden compares with a file of testdata.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s does not exist: go test -update writes it; it would be\n%s", path, got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew); got\n%s\nwant\n%s", path, got, want)
	}
}

// transcript is a command with all that it printed.
func (e ended) transcript(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ shop tasks %s\n%s", quoted(args), e.out)
	if e.err != "" {
		fmt.Fprintf(&b, "--- standard error\n%s", e.err)
	}
	if e.code != 0 {
		fmt.Fprintf(&b, "--- exit %d\n", e.code)
	}
	return b.String()
}

func quoted(args []string) string {
	var words []string
	for _, a := range args {
		if strings.ContainsAny(a, " {}\"\x1b\n") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// want fails the test unless the command ended with that code and said all that.
func (e ended) want(t testing.TB, code int, texts ...string) {
	t.Helper()
	if e.code != code {
		t.Errorf("ended with %d (%v), want %d", e.code, e.cause, code)
	}
	for _, text := range texts {
		if !strings.Contains(e.out+e.err, text) {
			t.Errorf("it does not say %q:\n%s%s", text, e.out, e.err)
		}
	}
}

// readmeTime lets a bubble come to a Monday, which the README shows.
func readmeTime() { <-time.After(time.Until(time.Date(2026, 11, 2, 14, 30, 0, 0, time.UTC))) }
