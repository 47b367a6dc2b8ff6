package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// schReport is a payload that is valid without a value.
type schReport struct {
	Region string `json:"region,omitempty"`
	Days   int    `json:"days,omitempty" validate:"max=31"`
}

// schBill is one that is not.
type schBill struct {
	Customer string `json:"customer" validate:"required"`
}

func schNothing[T any](context.Context, T) error { return nil }

// schNowhere is a transport that nothing arrives from.
type schNowhere struct{}

func (schNowhere) Enqueue(context.Context, *transport.Task) (transport.Receipt, error) {
	return transport.Receipt{}, errors.New("nothing is enqueued here")
}

// schApp is an App of the shop's, unless c says otherwise. It is shut down with the test.
func schApp(t testing.TB, c tasks.Config) *tasks.App {
	t.Helper()
	if c.Transport == nil && !c.Eager {
		c.Transport = schNowhere{}
	}
	switch c.Name {
	case "":
		c.Name = "shop"
	case "-":
		c.Name = ""
	}
	switch c.Endpoint {
	case "":
		c.Endpoint = "https://shop.example.com/_tasks"
	case "-":
		c.Endpoint = ""
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	app, err := tasks.NewApp(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return app
}

func schRegister(t testing.TB, app *tasks.App, defs ...tasks.Definition) {
	t.Helper()
	if err := app.Register(defs...); err != nil {
		t.Fatal(err)
	}
}

// schNamed is a periodic task of that name, each night unless opts say otherwise.
func schNamed(name string, opts ...schedule.Option) *schedule.Periodic[schReport] {
	opts = append([]schedule.Option{schedule.Task(tasks.WithName(name))}, opts...)
	return schedule.New(schNothing[schReport], schedule.Cron("0 3 * * *"), opts...)
}

// schDescribe is the job of a definition under an App.
func schDescribe(t testing.TB, app *tasks.App, d tasks.Definition) *transport.Job {
	t.Helper()
	job, err := schedule.Describe(app.Config(), d)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// schSays fails unless err says all of texts.
func schSays(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q:\n%v", text, err)
		}
	}
}
