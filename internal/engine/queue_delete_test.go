package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

func TestDeleteQueue_Declared_ComesBackAsDeclared(t *testing.T) {
	inBubble(t, engine.Config{}, func(t *testing.T, r *rig) {
		r.must(r.DeclareQueues(map[string]transport.QueueConfig{queue: {MaxConcurrentDispatches: 7}}))
		r.must(r.PutQueue(t.Context(), queue, transport.QueueConfig{MaxConcurrentDispatches: 9}))
		r.enqueue(id("a"), in(time.Hour))
		r.must(r.DeleteQueue(t.Context(), queue))
		if _, err := r.Queue(t.Context(), queue); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("Queue: %v", err)
		}
		r.enqueue(id("a"), in(time.Hour))
		if got, err := r.Queue(t.Context(), queue); err != nil || got.MaxConcurrentDispatches != 7 {
			t.Errorf("it came back as %+v, %v", got, err)
		}
		r.must(r.DeclareQueues(map[string]transport.QueueConfig{queue: {MaxConcurrentDispatches: 11}}))
		if got, _ := r.Queue(t.Context(), queue); got.MaxConcurrentDispatches != 7 {
			t.Errorf("a later declaration changed it: %+v", got)
		}
		r.wantBacklog(1)
	})
}

func TestDeleteQueue_DeclaredOnly_StaysAway(t *testing.T) {
	inBubble(t, engine.Config{DeclaredOnly: true}, func(t *testing.T, r *rig) {
		declared := map[string]transport.QueueConfig{queue: {MaxConcurrentDispatches: 7}}
		r.must(r.DeclareQueues(declared))
		r.must(r.DeleteQueue(t.Context(), queue))
		if _, err := r.try(); !errors.Is(err, transport.ErrQueueMissing) {
			t.Errorf("Enqueue: %v", err)
		}
		r.must(r.DeclareQueues(declared))
		r.enqueue()
	})
}

func TestDeleteQueue_Manual_RunsNothingOfIt(t *testing.T) {
	inBubble(t, engine.Config{Manual: true}, func(t *testing.T, r *rig) {
		r.enqueue(id("a"))
		r.enqueue(id("b"), in(time.Hour))
		r.must(r.DeleteQueue(t.Context(), queue))
		if at, waits := r.Next(); waits {
			t.Errorf("something is due at %s", at)
		}
		r.enqueue(id("a"))
		if ran, ok := r.RunNext(t.Context(), nil); !ok || ran.ID != "a" {
			t.Errorf("ran %+v, %v", ran, ok)
		}
		if _, waits := r.Next(); waits || len(r.seen()) != 1 {
			t.Errorf("calls %v, more waits: %v", r.seen(), waits)
		}
	})
}
