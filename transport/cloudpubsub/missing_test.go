package cloudpubsub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

func TestMissingTopic_ManyAtOnce_IsCreatedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		var log bytes.Buffer
		b := s.pipe(t, cloudpubsub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), cloudpubsub.WithPublishSettings(pubsub.PublishSettings{CountThreshold: 2}))
		all := newCallers(t, b)
		for i := range 20 {
			all.publish(keyed([]string{"", "a", "b"}[i%3], fmt.Sprint(i)))
		}
		all.wait(s)
		created := s.calls("CreateTopic")
		if len(created) != 1 || !proto.Equal(created[0], &pubsubpb.Topic{Name: project + "/topics/orders"}) {
			t.Errorf("created %v", created)
		}
		if n := strings.Count(log.String(), "level=WARN msg=\"cloudpubsub: topic created by a publish: messages reach only subscriptions that exist; pubsub.Sync makes those that the code declares\" topic=projects/emulator/topics/orders"); n != 1 {
			t.Errorf("the log tells of it %d times: %s", n, log.String())
		}
	})
}

func TestMissingTopic_Batch_KeepsOrder(t *testing.T) {
	s := newServer()
	var ms []*transport.Message
	var want []string
	for i := range 2500 {
		ms = append(ms, keyed([]string{"a", "b"}[i%2], fmt.Sprint(i)))
		if i%2 == 0 {
			want = append(want, fmt.Sprint(i))
		}
	}
	for i, r := range s.dial(t).PublishBatch(t.Context(), ms) {
		if r.Err != nil {
			t.Fatalf("%d: %v", i, r.Err)
		}
	}
	if got := s.stored("a"); !slices.Equal(got, want) {
		t.Errorf("stored %d messages of a, not in order", len(got))
	}
	if n := len(s.calls("CreateTopic")); n != 1 {
		t.Errorf("the topic was created %d times", n)
	}
}

func TestMissingTopic_OfAnotherProject_IsCreatedThere(t *testing.T) {
	s := newServer()
	publish(t, s.dial(t), &transport.Message{Topic: "projects/other/topics/orders", Data: []byte("x")})
	if s.topics["projects/other/topics/orders"] == nil {
		t.Errorf("topics: %v", s.topics)
	}
}

func TestMissingTopic_SomebodyElseIsFaster_IsFine(t *testing.T) {
	s := newServer()
	s.hook = func(ctx context.Context, method string, req proto.Message, handle func() (any, error)) (any, error) {
		if method == "CreateTopic" {
			if _, err := s.CreateTopic(ctx, proto.CloneOf(req.(*pubsubpb.Topic))); err != nil {
				return nil, err
			}
		}
		return handle()
	}
	publish(t, s.dial(t), message("one"))
}

func TestMissingTopic_NotKnownEverywhereAtOnce_IsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		s.settling = 5
		var log bytes.Buffer
		b := s.pipe(t, cloudpubsub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		publish(t, b, message("one"))
		if n := len(s.calls("CreateTopic")); n != 1 {
			t.Errorf("the topic was created %d times", n)
		}
		delete(s.topics, project+"/topics/orders")
		<-time.After(time.Minute)
		publish(t, b, message("two")) // created again
		if n := strings.Count(log.String(), "created by a publish"); n != 1 {
			t.Errorf("the log tells of it %d times: %s", n, log.String())
		}
	})
}

func TestMissingTopic_NeverComes_IsNotFoundInTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		s.settling = 1e9
		b := s.pipe(t)
		_, err := b.Publish(t.Context(), message("one"))
		requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindNotFound)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := b.PublishBatch(ctx, []*transport.Message{message("one")})
		if !errors.Is(r[0].Err, context.DeadlineExceeded) || !errors.Is(r[0].Err, transport.ErrNotFound) {
			t.Errorf("error %v", r[0].Err)
		}
	})
}

func TestMissingTopic_MayNotBeCreated_SaysWhoMay(t *testing.T) {
	s := newServer()
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		if method == "CreateTopic" {
			return nil, status.Error(codes.PermissionDenied, "User not authorized to perform this action.")
		}
		return handle()
	}
	b := s.dial(t)
	for range 2 {
		_, err := b.Publish(t.Context(), message("one"))
		requireKind(t, err, transport.OpPublish, `topic "orders"`, transport.KindNotFound)
		for _, part := range []string{"pubsub.topics.create", "roles/pubsub.editor", "not authorized", "Resource not found"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %v does not say %q", err, part)
			}
		}
	}
	s.topics[project+"/topics/orders"] = &pubsubpb.Topic{} // somebody who may did
	publish(t, b, message("two"))
}

func TestMissingTopic_ContextEndsWhileItIsCreated_OthersGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		open := make(chan struct{})
		s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
			if method == "CreateTopic" {
				<-open
			}
			return handle()
		}
		b := s.pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		var one, other sync.WaitGroup
		one.Go(func() { publish(t, b, keyed("key", "one")) })
		synctest.Wait()
		other.Go(func() {
			r := b.PublishBatch(ctx, []*transport.Message{message("other")})
			if !errors.Is(r[0].Err, context.Canceled) {
				t.Errorf("error %v", r[0].Err)
			}
		})
		synctest.Wait()
		cancel()
		other.Wait()
		close(open)
		one.Wait()
	})
}
