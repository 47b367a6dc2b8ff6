package tasks_test

import (
	"errors"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Brokers in this process count no attempt for what says that it was not taken.
func TestShutdown_WhatComesAfterwards_SaysThatItWasNotTaken(t *testing.T) {
	t.Parallel()
	local := &dlvLocal{}
	sub := msgSubscriber("audit", (&msgRuns{}).returns(tasks.ErrShutdown))
	app := dlvApp(t, tasks.Config{Transport: local}, sub)
	for _, want := range []bool{false, true} { // the first is the handler's own trouble
		pulled := app.Deliver(t.Context(), sub, &transport.Message{ID: "1"})
		_, _, pushed := local.handler(t.Context(), &transport.Delivery{
			Task: transport.Task{URL: app.Config().Endpoint + "/subscriptions/audit"}, Attempt: 1, Message: &transport.Message{ID: "1"},
		})
		for how, err := range map[string]error{"pulled": pulled, "pushed": pushed} {
			e, ok := err.(interface{ NotTaken() bool })
			if !errors.Is(err, tasks.ErrShutdown) || (ok && e.NotTaken()) != want {
				t.Errorf("%s: %v says so: %t, want %t", how, err, ok, want)
			}
			if want {
				enqSays(t, err, "tasks: the App is shut down")
			}
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
