package emulator_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// pullStream is a StreamingPull whose answers arrive on a channel.
type pullStream struct {
	pubsubpb.Subscriber_StreamingPullClient
	answers chan *pubsubpb.StreamingPullResponse
	ended   chan error
	cancel  context.CancelFunc
}

// stream opens a stream to audit, of leases of a minute unless set up otherwise.
func (r *pubsubRig) stream(set ...func(*pubsubpb.StreamingPullRequest)) *pullStream {
	r.t.Helper()
	first := &pubsubpb.StreamingPullRequest{Subscription: audit, StreamAckDeadlineSeconds: 60}
	for _, f := range set {
		f(first)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	grpc, err := r.stub.StreamingPull(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	s := &pullStream{grpc, make(chan *pubsubpb.StreamingPullResponse, 1000), make(chan error, 1), cancel}
	go func() {
		for {
			answer, err := grpc.Recv()
			if err != nil {
				s.ended <- err
				return
			}
			s.answers <- answer
		}
	}()
	if err := s.Send(first); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// arrived returns the messages that have come so far. It is for bubbles.
func (s *pullStream) arrived() (ms []*pubsubpb.ReceivedMessage) {
	synctest.Wait()
	for {
		select {
		case answer := <-s.answers:
			ms = append(ms, answer.ReceivedMessages...)
		default:
			return ms
		}
	}
}

func (s *pullStream) request(t *testing.T, r *pubsubpb.StreamingPullRequest) {
	t.Helper()
	if err := s.Send(r); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func idsOf(ms []*pubsubpb.ReceivedMessage) (ids []string) {
	for _, m := range ms {
		ids = append(ids, m.AckId)
	}
	return ids
}

func TestStreamingPull_MaxOutstandingMessages_BoundsWhatIsOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		r.publish(texts("m", 10)...)
		s := r.stream(func(first *pubsubpb.StreamingPullRequest) { first.MaxOutstandingMessages = 3 })
		first := s.arrived()
		if len(first) != 3 {
			t.Fatalf("%d messages, want 3", len(first))
		}
		s.request(t, &pubsubpb.StreamingPullRequest{AckIds: idsOf(first[:1])})
		second := s.arrived()
		if len(second) != 1 {
			t.Errorf("%d more after an acknowledgment on the stream, want 1", len(second))
		}
		if err := r.acknowledge(first[1].AckId); err != nil {
			t.Fatal(err)
		}
		if got := s.arrived(); len(got) != 1 {
			t.Errorf("%d more after one by another call, want 1", len(got))
		}
		if err := r.modify(0, first[2].AckId); err != nil {
			t.Fatal(err)
		}
		if got := s.arrived(); len(got) != 1 {
			t.Errorf("%d more after one was given back, want 1", len(got))
		}
		if err := r.modify(600, second[0].AckId); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := s.arrived(); len(got) != 2 {
			t.Errorf("%d more after two of three leases have ended, want 2", len(got))
		}
	})
}

func TestStreamingPull_MaxOutstandingBytes_BoundsWhatIsOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		s := r.stream(func(first *pubsubpb.StreamingPullRequest) { first.MaxOutstandingBytes = 250 })
		for range 5 {
			r.publish(&pubsubpb.PubsubMessage{Data: make([]byte, 100)})
		}
		got := s.arrived()
		if len(got) != 3 { // as many as it takes to pass the bound
			t.Fatalf("%d messages, want 3", len(got))
		}
		s.request(t, &pubsubpb.StreamingPullRequest{AckIds: idsOf(got[:2])})
		if got := s.arrived(); len(got) != 2 {
			t.Errorf("%d more, want 2", len(got))
		}
	})
}

func TestStreamingPull_AckDeadline_IsTheStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		r.publish(text("m"))
		s := r.stream(func(first *pubsubpb.StreamingPullRequest) { first.StreamAckDeadlineSeconds = 30 })
		if got := s.arrived(); len(got) != 1 {
			t.Fatalf("%d messages", len(got))
		}
		time.Sleep(29 * time.Second)
		if got := s.arrived(); len(got) != 0 {
			t.Errorf("it came again within its lease")
		}
		s.request(t, &pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 10})
		time.Sleep(time.Second)
		if got := s.arrived(); len(got) != 1 {
			t.Errorf("%d messages after the lease", len(got))
		}
		time.Sleep(10 * time.Second)
		got := s.arrived()
		if len(got) != 1 {
			t.Errorf("%d messages after the shorter lease", len(got))
		}
		s.request(t, &pubsubpb.StreamingPullRequest{ModifyDeadlineAckIds: idsOf(got), ModifyDeadlineSeconds: []int32{0}})
		if got := s.arrived(); len(got) != 1 {
			t.Errorf("%d messages after it was given back", len(got))
		}
	})
}

func TestStreamingPull_ExactlyOnce_Confirms(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(exactlyOnce, ordered)
		r.publish(texts("m", 2)...)
		late := r.pull(audit, 2)
		time.Sleep(11 * time.Second)
		s := r.stream()
		answer := <-s.answers
		if p := answer.SubscriptionProperties; !p.GetExactlyOnceDeliveryEnabled() || !p.GetMessageOrderingEnabled() {
			t.Errorf("properties %v", p)
		}
		got := answer.ReceivedMessages
		s.request(t, &pubsubpb.StreamingPullRequest{
			AckIds:               []string{got[0].AckId, late[0].AckId, "malformed"},
			ModifyDeadlineAckIds: []string{got[1].AckId, late[1].AckId}, ModifyDeadlineSeconds: []int32{30, 40},
		})
		answer = <-s.answers
		acked, modified := answer.AcknowledgeConfirmation, answer.ModifyAckDeadlineConfirmation
		if !slices.Equal(acked.GetAckIds(), idsOf(got[:1])) || !slices.Equal(acked.GetInvalidAckIds(), []string{late[0].AckId, "malformed"}) {
			t.Errorf("acknowledgments: %v", acked)
		}
		if !slices.Equal(modified.GetAckIds(), idsOf(got[1:])) || !slices.Equal(modified.GetInvalidAckIds(), []string{late[1].AckId}) {
			t.Errorf("deadlines: %v", modified)
		}
	})
}

func TestStreamingPull_Pings_AreAnsweredWhereAsked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(ordered)
		for version, want := range map[int64]int{0: 0, 1: 1} {
			s := r.stream(func(first *pubsubpb.StreamingPullRequest) { first.ProtocolVersion = version })
			s.request(t, &pubsubpb.StreamingPullRequest{})
			if n := len(s.answers); n != want {
				t.Errorf("version %d: %d answers", version, n)
			} else if n > 0 && !(<-s.answers).SubscriptionProperties.GetMessageOrderingEnabled() {
				t.Error("the answer does not tell of the subscription")
			}
			s.cancel()
			<-s.ended
		}
	})
}

func TestStreamingPull_ClientThatPings_GetsSignsOfLife(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		for version, want := range map[int64]int{0: 0, 1: 6} {
			for _, full := range []bool{false, true} {
				s := r.stream(func(first *pubsubpb.StreamingPullRequest) {
					first.ProtocolVersion, first.MaxOutstandingMessages, first.StreamAckDeadlineSeconds = version, 1, 600
				})
				if full {
					r.publish(text("m"))
					s.arrived()
				}
				time.Sleep(time.Minute + time.Second)
				if n := len(s.answers); n != want {
					t.Errorf("version %d: %d answers in a minute, want %d", version, n, want)
				}
				s.cancel()
				<-s.ended
				if err := r.seek(time.Now()); err != nil { // nothing is left for the next
					t.Fatal(err)
				}
			}
		}
	})
}

// TestStreamingPull_Unreceived is about messages that were sent to a client that has gone without a word.
func TestStreamingPull_Unreceived_ComesAgainSoonAfterTheEnd(t *testing.T) {
	for what, tc := range map[string]struct {
		set   []func(*pubsubpb.Subscription)
		do    func(r *pubsubRig, id string) error
		again time.Duration
	}{
		"nothing heard": {nil, nil, time.Second},
		"extended":      {nil, func(r *pubsubRig, id string) error { return r.modify(60, id) }, time.Minute},
		"exactly once":  {[]func(*pubsubpb.Subscription){exactlyOnce}, nil, time.Minute},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := startPubsubHere(t)
				r.subscribe(append(tc.set, func(s *pubsubpb.Subscription) { s.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead} })...)
				r.publish(text("m"))
				s := r.stream()
				got := s.arrived()
				s.cancel()
				if tc.do != nil {
					if err := tc.do(r, got[0].AckId); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(tc.again - time.Millisecond)
				if early := r.pull(audit, 1); len(early) > 0 {
					t.Errorf("it came again before %s", tc.again)
				}
				time.Sleep(2 * time.Millisecond)
				attempt := int32(2)
				if tc.again == time.Second { // it has not counted
					attempt = 1
				}
				if again := r.pullOne(audit); again.DeliveryAttempt != attempt {
					t.Errorf("it came again as attempt %d, want %d", again.DeliveryAttempt, attempt)
				}
			})
		})
	}
}

func TestStreamingPull_Ends(t *testing.T) {
	for what, tc := range map[string]struct {
		do   func(r *pubsubRig, s *pullStream) error
		code codes.Code
	}{
		"closed by the client": {func(_ *pubsubRig, s *pullStream) error { return s.CloseSend() }, codes.OK},
		"canceled":             {func(_ *pubsubRig, s *pullStream) error { s.cancel(); return nil }, codes.Canceled},
		"deleted": {func(r *pubsubRig, _ *pullStream) error {
			return r.subs.DeleteSubscription(r.ctx(), &pubsubpb.DeleteSubscriptionRequest{Subscription: audit})
		}, codes.NotFound},
		"detached": {func(r *pubsubRig, _ *pullStream) error {
			_, err := r.topics.DetachSubscription(r.ctx(), &pubsubpb.DetachSubscriptionRequest{Subscription: audit})
			return err
		}, codes.FailedPrecondition},
		"pushed": {func(r *pubsubRig, _ *pullStream) error {
			return r.subs.ModifyPushConfig(r.ctx(), &pubsubpb.ModifyPushConfigRequest{
				Subscription: audit, PushConfig: &pubsubpb.PushConfig{PushEndpoint: r.worker.url},
			})
		}, codes.FailedPrecondition},
		"time is up": {func(*pubsubRig, *pullStream) error { time.Sleep(time.Hour); return nil }, codes.Unavailable},
		"two flows": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{MaxOutstandingMessages: 1})
		}, codes.InvalidArgument},
		"two subscriptions": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{Subscription: burial})
		}, codes.InvalidArgument},
		"two versions": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{ProtocolVersion: 1})
		}, codes.InvalidArgument},
		"malformed ack id": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{AckIds: []string{"x"}})
		}, codes.InvalidArgument},
		"malformed modification": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{ModifyDeadlineAckIds: []string{"x"}, ModifyDeadlineSeconds: []int32{5}})
		}, codes.InvalidArgument},
		"deadline missing": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{ModifyDeadlineAckIds: []string{"x"}})
		}, codes.InvalidArgument},
		"bad deadline": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{ModifyDeadlineAckIds: []string{"x"}, ModifyDeadlineSeconds: []int32{601}})
		}, codes.InvalidArgument},
		"bad stream deadline": {func(_ *pubsubRig, s *pullStream) error {
			return s.Send(&pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 9})
		}, codes.InvalidArgument},
	} {
		for _, full := range []bool{false, true} { // it waits for messages, or for room
			t.Run(what+map[bool]string{true: ", full"}[full], func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					r := startPubsubHere(t, emulator.WithStreamTime(time.Hour))
					r.subscribe()
					if full {
						r.publish(text("m"))
					}
					s := r.stream(func(first *pubsubpb.StreamingPullRequest) {
						first.MaxOutstandingMessages, first.StreamAckDeadlineSeconds = 1, 600
					})
					synctest.Wait()
					if err := tc.do(r, s); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					err := <-s.ended
					if errors.Is(err, io.EOF) {
						err = nil
					}
					wantStatus(t, err, tc.code, "")
				})
			})
		}
	}
}

func TestStreamingPull_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	r.subscribe(func(s *pubsubpb.Subscription) { s.Name = burial }, r.pushed)
	for what, tc := range map[string]struct {
		first *pubsubpb.StreamingPullRequest
		code  codes.Code
	}{
		"no subscription": {&pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 60}, codes.InvalidArgument},
		"missing":         {&pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 60, Subscription: audit + "2"}, codes.NotFound},
		"pushed":          {&pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 60, Subscription: burial}, codes.FailedPrecondition},
		"no deadline":     {&pubsubpb.StreamingPullRequest{Subscription: audit}, codes.InvalidArgument},
		"short deadline":  {&pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 9, Subscription: audit}, codes.InvalidArgument},
		"long deadline":   {&pubsubpb.StreamingPullRequest{StreamAckDeadlineSeconds: 601, Subscription: audit}, codes.InvalidArgument},
	} {
		t.Run(what, func(t *testing.T) {
			s, err := r.stub.StreamingPull(r.ctx())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(tc.first); err != nil {
				t.Fatal(err)
			}
			_, err = s.Recv()
			wantStatus(t, err, tc.code, "")
		})
	}
	s, err := r.stub.StreamingPull(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err == nil {
		t.Error("a stream without a request is one")
	}
}

func TestStreamingPull_SeveralStreams_ShareTheMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		most := func(first *pubsubpb.StreamingPullRequest) { first.MaxOutstandingMessages = 600 }
		one, two := r.stream(most), r.stream(most)
		synctest.Wait()
		if _, err := r.topics.Publish(r.ctx(), &pubsubpb.PublishRequest{Topic: orders, Messages: texts("m", 1000)}); err != nil {
			t.Fatal(err)
		}
		a, b := len(one.arrived()), len(two.arrived())
		if a+b != 1000 || a > 600 || b > 600 {
			t.Errorf("%d and %d messages of 1000, at most 600 each", a, b)
		}
	})
}
