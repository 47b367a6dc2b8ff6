package cloudpubsub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

func messages(key string, n int) (ms []*transport.Message) {
	for i := range n {
		ms = append(ms, keyed(key, fmt.Sprintf("%s%05d", key, i)))
	}
	return ms
}

func TestPublishBatch_ResultsAreInOrder(t *testing.T) {
	s := newServer("orders", "other")
	ms := slices.Concat(messages("", 2100), messages("a", 3), messages("b", 1500), messages("", 5))
	for i := range ms {
		switch {
		case i%7 == 0:
			ms[i].Topic = "projects/emulator/topics/orders" // the same
		case i%5 == 0 && ms[i].OrderingKey == "":
			ms[i].Topic = "other"
		}
	}
	results := s.dial(t).PublishBatch(t.Context(), ms)
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("%d: %v", i, r.Err)
		}
		var at int
		if _, err := fmt.Sscan(r.Receipt.ID, &at); err != nil || string(s.messages[at-1].Data) != string(ms[i].Data) || s.messages[at-1].OrderingKey != ms[i].OrderingKey {
			t.Fatalf("%d: id %q is that of another message", i, r.Receipt.ID)
		}
	}
	if len(results) != len(ms) || len(s.messages) != len(ms) {
		t.Errorf("%d results and %d messages for %d", len(results), len(s.messages), len(ms))
	}
	for _, r := range s.calls("Publish") {
		r := r.(*pubsubpb.PublishRequest)
		for _, m := range r.Messages {
			if m.OrderingKey != r.Messages[0].OrderingKey {
				t.Fatalf("a request with keys %q and %q", m.OrderingKey, r.Messages[0].OrderingKey)
			}
		}
	}
	if got := s.stored("b"); !slices.IsSorted(got) {
		t.Error("key b is not in order")
	}
}

func TestPublishBatch_Requests_StayBelowTheLimits(t *testing.T) {
	for name, c := range map[string]struct {
		ms   []*transport.Message
		want []int
	}{
		"a thousand messages": {messages("key", 2001), []int{1000, 1000, 1}},
		"10 MB": {func() (ms []*transport.Message) {
			for range 7 {
				ms = append(ms, keyed("key", strings.Repeat("x", 3e6)))
			}
			return ms
		}(), []int{3, 3, 1}},
		"many attributes": {func() (ms []*transport.Message) { // most of their bytes are not their keys' and values'
			for range 900 {
				m := keyed("key", "")
				m.Attributes = map[string]string{}
				for i := range 100 {
					m.Attributes[fmt.Sprintf("%050d", i)] = strings.Repeat("v", 57)
				}
				ms = append(ms, m)
			}
			return ms
		}(), []int{884, 16}},
		"one message of the largest size": {[]*transport.Message{keyed("", strings.Repeat("x", transport.MaxMessageSize)), message("small")}, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer("orders")
			for i, r := range s.dial(t).PublishBatch(t.Context(), c.ms) {
				if r.Err != nil {
					t.Fatalf("%d: %v", i, r.Err)
				}
			}
			if got := s.sizes(); !slices.Equal(got, c.want) {
				t.Errorf("requests of %v messages, want %v", got, c.want)
			}
			for _, r := range s.calls("Publish") {
				if n := proto.Size(r); n > pubsub.MaxPublishRequestBytes && len(r.(*pubsubpb.PublishRequest).Messages) > 1 {
					t.Errorf("a request of %d bytes", n)
				}
			}
		})
	}
}

func TestPublishBatch_SeveralRequestsInFlight_OnePerKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			ms   []*transport.Message
			want int
		}{
			"full requests":  {messages("", 20_000), 16},
			"one key":        {messages("key", 20_000), 1},
			"small requests": {slices.Concat(messages("a", 1), messages("b", 1), messages("c", 1), messages("d", 1), messages("", 1)), 5},
			"many keys": {func() (ms []*transport.Message) {
				for i := range 100 {
					ms = append(ms, keyed(fmt.Sprint(i), "x"))
				}
				return ms
			}(), 64},
		} {
			s, release := gated(1000, "orders")
			b := s.pipe(t)
			var done sync.WaitGroup
			done.Go(func() { b.PublishBatch(t.Context(), c.ms) })
			synctest.Wait()
			if got := len(s.sizes()); got != c.want {
				t.Errorf("%s: %d requests in flight, want %d", name, got, c.want)
			}
			release()
			done.Wait()
			if len(s.messages) != len(c.ms) {
				t.Errorf("%s: %d messages are stored", name, len(s.messages))
			}
		}
	})
}

func TestPublishBatch_FailedRequest_FailsTheRestOfItsKey(t *testing.T) {
	s := newServer("orders")
	s.hook = func(_ context.Context, _ string, req proto.Message, handle func() (any, error)) (any, error) {
		if string(req.(*pubsubpb.PublishRequest).GetMessages()[0].Data) == "a01000" {
			return nil, status.Error(codes.FailedPrecondition, "injected")
		}
		return handle()
	}
	b := s.dial(t)
	results := b.PublishBatch(t.Context(), slices.Concat(messages("a", 3000), messages("b", 2), messages("", 2)))
	for i, r := range results {
		if (r.Err != nil) != (i >= 1000 && i < 3000) {
			t.Fatalf("%d: %v", i, r.Err)
		}
	}
	failed, follows := results[1500].Err, results[2500].Err
	for _, err := range []error{failed, follows} {
		requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindOther)
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("error %v hides its code", err)
		}
	}
	if !strings.Contains(follows.Error(), `an earlier message of ordering key "a" failed`) || strings.Contains(failed.Error(), "earlier") {
		t.Errorf("errors %v and %v", failed, follows)
	}
	if got := len(s.stored("a")); got != 1000 {
		t.Errorf("%d messages of a are stored", got)
	}
	if r := b.PublishBatch(t.Context(), messages("a", 1)); r[0].Err != nil {
		t.Errorf("the next batch: %v", r[0].Err)
	}
}

func TestPublishBatch_UnsoundMessage_FailsThoseAfterItOfItsKey(t *testing.T) {
	s := newServer("orders")
	ms := []*transport.Message{keyed("a", ""), keyed("a", "1"), keyed("b", "2"), keyed("b", ""), keyed("b", "3"), message(""), message("4"), {Topic: "no topic", Data: []byte("x")}}
	results := s.dial(t).PublishBatch(t.Context(), ms)
	for i, want := range []transport.Kind{transport.KindInvalid, transport.KindOther, 0, transport.KindInvalid, transport.KindOther, transport.KindInvalid, 0, transport.KindInvalid} {
		err := results[i].Err
		if sent := i == 2 || i == 6; sent != (err == nil) || transport.KindOf(err) != want {
			t.Errorf("%d: %v, want kind %v", i, err, want)
		}
	}
	// The message itself is sound: who drops what is invalid must not drop it.
	if err := results[4].Err; errors.Is(err, transport.ErrInvalid) || !strings.Contains(err.Error(), "neither data nor attributes") {
		t.Errorf("error %v", err)
	}
	if got := len(s.messages); got != 2 {
		t.Errorf("%d messages are stored", got)
	}
}

func TestPublishBatch_ContextEnds_WhatIsNotSentIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := gated(1000, "orders")
		b := s.pipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		for i, r := range b.PublishBatch(ctx, slices.Concat(messages("", 20_000), messages("key", 3000))) {
			if !errors.Is(r.Err, context.DeadlineExceeded) {
				t.Fatalf("%d: %v", i, r.Err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		if n := len(s.sizes()); n != 16 {
			t.Errorf("%d requests", n)
		}
		for _, r := range b.PublishBatch(ctx, messages("", 2)) {
			requireKind(t, r.Err, transport.OpPublish, `topic "orders"`, transport.KindOther)
		}
	})
}

func TestPublishBatch_TooFewIDs_IsAnError(t *testing.T) {
	s := newServer("orders")
	s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
		return &pubsubpb.PublishResponse{MessageIds: []string{"1"}}, nil
	}
	for _, r := range s.dial(t).PublishBatch(t.Context(), messages("", 2)) {
		if r.Err == nil || !strings.Contains(r.Err.Error(), "1 ids for 2 messages") {
			t.Errorf("error %v", r.Err)
		}
	}
}

func TestPublishBatch_LostAnswer_KeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer("orders")
		lost := 0
		s.hook = func(_ context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
			r, err := handle()
			if lost++; lost%2 == 1 {
				return nil, status.Error(codes.Unavailable, "injected")
			}
			return r, err
		}
		for i, r := range s.pipe(t).PublishBatch(t.Context(), messages("key", 3000)) {
			if r.Err != nil {
				t.Fatalf("%d: %v", i, r.Err)
			}
		}
		got := slices.Compact(s.stored("key")) // each request is there twice, one after the other
		if len(got) != 6000 || !slices.IsSorted(got[:1000]) || got[1000] != "key00000" || got[2000] != "key01000" {
			t.Errorf("%d messages are stored", len(got))
		}
	})
}
