package emulator

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

func TestBrokerError_EveryKind_HasItsCode(t *testing.T) {
	cause := errors.New("the cause")
	for kind, want := range map[transport.Kind]struct {
		code codes.Code
		text string
	}{
		transport.KindNotFound: {codes.NotFound, "Resource not found (resource=orders)."},
		transport.KindExists:   {codes.AlreadyExists, "Resource already exists in the project (resource=orders)."},
		transport.KindInvalid:  {codes.InvalidArgument, "the cause"},
		transport.KindTooLarge: {codes.InvalidArgument, "the cause"},
		transport.KindCapacity: {codes.ResourceExhausted, "the emulator is full: the cause"},
		transport.KindClosed:   {codes.Unavailable, "the emulator is shutting down"},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			err := brokerError(&transport.Error{Op: transport.OpPublish, Kind: kind, Err: cause}, fuzzTopic)
			if s := status.Convert(err); s.Code() != want.code || s.Message() != want.text {
				t.Errorf("%s %q, want %s %q", s.Code(), s.Message(), want.code, want.text)
			}
		})
	}
	if err := brokerError(context.Canceled, fuzzTopic); status.Code(err) != codes.Canceled {
		t.Errorf("another error: %v", err)
	}
	if got := causeOf(transport.ErrInvalid); got != transport.ErrInvalid.Error() {
		t.Errorf("an error without a cause is %q", got)
	}
}

func TestRewrite_KeepsTopicsAndSubscriptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	e, err := New(WithData(file), WithTopics(fuzzTopic))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var want []*pubsubpb.Subscription
	for i := range 20 {
		s := &pubsubpb.Subscription{Name: fmt.Sprint(fuzzSubscription, i), Topic: fuzzTopic, Filter: "attributes:x"}
		if _, err := e.pubsub.CreateSubscription(ctx, s); err != nil {
			t.Fatal(err)
		}
		want = append(want, s)
	}
	policies := &pubsubPolicies{pubsub: e.pubsub}
	if _, err := policies.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: want[0].Name, Policy: &iampb.Policy{Version: 3}}); err != nil {
		t.Fatal(err)
	}
	if err := e.server.store.log.Rewrite(e.save); err != nil {
		t.Fatal(err)
	}
	if _, err := e.pubsub.DeleteSubscription(ctx, &pubsubpb.DeleteSubscriptionRequest{Subscription: want[19].Name}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err = New(WithData(file)); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got := e.pubsub.catalog.subscribers(fuzzTopic, "")
	slices.SortFunc(want, func(a, b *pubsubpb.Subscription) int { return strings.Compare(a.Name, b.Name) })
	for i, s := range slices.DeleteFunc(want, func(s *pubsubpb.Subscription) bool { return s.Name == fuzzSubscription+"19" }) {
		if i >= len(got) || !proto.Equal(got[i].Subscription, s) {
			t.Fatalf("%d subscriptions are there, not %v", len(got), s)
		}
	}
	if len(got) != 19 || got[0].policy.GetVersion() != 3 {
		t.Errorf("%d subscriptions, the first with policy %v", len(got), got[0].policy)
	}
	full := errors.New("the disk is full")
	if err := e.save(func([]byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("saved although nothing can be: %v", err)
	}
	if err := e.pubsub.save(func(b []byte) error {
		if recordKind(b[0]) == subscriptionRecord {
			return full
		}
		return nil
	}); !errors.Is(err, full) {
		t.Errorf("saved although half of it could not be: %v", err)
	}
}

func TestCrew_Stopped_StartsNothing(t *testing.T) {
	c := newCrew()
	ended := make(chan struct{})
	if !c.start(func() { <-c.stopping; close(ended) }) {
		t.Fatal("not started")
	}
	for range 2 {
		c.stop()
	}
	<-ended
	if c.start(func() { t.Error("started") }) {
		t.Error("started after its end")
	}
}

func TestFlows_Ended_EndThoseThatCome(t *testing.T) {
	all := newFlows()
	stopping := errors.New("stopping")
	all.endAll(stopping)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := newFlow(nil, 0, 0, cancel)
	all.enter(fuzzSubscription, f)
	if cause := context.Cause(ctx); cause != stopping {
		t.Errorf("its end is %v", cause)
	}
	all.leave(fuzzSubscription, f)
	if len(all.open) > 0 {
		t.Errorf("%v are left", all.open)
	}
}
