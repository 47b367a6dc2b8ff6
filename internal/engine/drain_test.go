package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func TestDrain_LetsRunningTasksEndAndTakesNewOnes(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.respond(func(context.Context, *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(time.Minute)
			return 200, 0, nil
		})
		r.enqueue()
		synctest.Wait()
		drained := r.Drain()
		r.enqueue() // still taken, not run
		<-drained
		if took := time.Since(r.start); took != time.Minute {
			t.Errorf("drained after %v", took)
		}
		r.wantBacklog(1)
		if n := len(r.seen()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		r.enqueue()
	})
}

func TestHandler_IsWhoServesTheURL(t *testing.T) {
	e := engine.New(engine.Config{})
	h := func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 201, 0, nil }
	if err := e.Serve("https://a.example/_tasks", h); err != nil {
		t.Fatal(err)
	}
	if e.Handler("https://b.example/_tasks") != nil {
		t.Error("somebody serves what nobody does")
	}
	found := e.Handler("https://a.example/_tasks/subscriptions/audit")
	if found == nil {
		t.Fatal("nobody serves it")
	}
	if status, _, _ := found(t.Context(), nil); status != 201 {
		t.Errorf("another one serves it, and answers %d", status)
	}
}
