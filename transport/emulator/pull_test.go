package emulator_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestPull_ReturnImmediately_DoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		began := time.Now()
		if got := r.pull(audit, 1); len(got) > 0 || time.Since(began) > 0 {
			t.Errorf("pulled %v after %s", got, time.Since(began))
		}
		r.publish(texts("m", 3)...)
		if got := r.pull(audit, 2); len(got) != 2 || string(got[0].Message.Data) != "m0" || string(got[1].Message.Data) != "m1" {
			t.Errorf("pulled %v", got)
		}
		if got := r.pullOne(audit); string(got.Message.Data) != "m2" {
			t.Errorf("pulled %v", got)
		}
	})
}

func TestPull_WaitsForAMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		got := make(chan *pubsubpb.PullResponse, 1)
		go func() {
			answer, err := r.stub.Pull(t.Context(), &pubsubpb.PullRequest{Subscription: audit, MaxMessages: 10})
			if err != nil {
				t.Error(err)
			}
			got <- answer
		}()
		time.Sleep(30 * time.Second)
		r.publish(text("late"))
		if answer := <-got; len(answer.GetReceivedMessages()) != 1 {
			t.Errorf("pulled %v", answer)
		}
	})
}

func TestPull_Nothing_AnswersBeforeTheDeadline(t *testing.T) {
	for _, tc := range []struct{ patience, want time.Duration }{
		{20 * time.Second, 19 * time.Second}, {time.Second, 900 * time.Millisecond}, {10 * time.Minute, 90 * time.Second},
	} {
		t.Run(tc.patience.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := startPubsubHere(t)
				r.subscribe()
				ctx, cancel := context.WithTimeout(t.Context(), tc.patience)
				defer cancel()
				began := time.Now()
				answer, err := r.stub.Pull(ctx, &pubsubpb.PullRequest{Subscription: audit, MaxMessages: 1})
				if err != nil || len(answer.ReceivedMessages) > 0 || time.Since(began).Round(time.Millisecond) != tc.want {
					t.Errorf("%v, %v after %s", answer, err, time.Since(began))
				}
			})
		})
	}
}

func TestPull_CallerGone_LeavesTheMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(deadLettered)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := r.stub.Pull(ctx, &pubsubpb.PullRequest{Subscription: audit, MaxMessages: 1})
			ended <- err
		}()
		synctest.Wait()
		cancel()
		wantStatus(t, <-ended, codes.Canceled, "")
		synctest.Wait()
		r.publish(text("a"))
		if got := r.pullOne(audit); got.DeliveryAttempt != 1 {
			t.Errorf("attempt %d", got.DeliveryAttempt)
		}
	})
}

func TestPull_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	r.subscribe(func(s *pubsubpb.Subscription) { s.Name = burial }, r.pushed)
	for what, tc := range map[string]struct {
		name string
		most int32
		code codes.Code
	}{
		"none asked for": {audit, 0, codes.InvalidArgument},
		"negative":       {audit, -1, codes.InvalidArgument},
		"bad name":       {"audit", 1, codes.InvalidArgument},
		"missing":        {audit + "2", 1, codes.NotFound},
		"pushed":         {burial, 1, codes.FailedPrecondition},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := r.subs.Pull(r.ctx(), &pubsubpb.PullRequest{Subscription: tc.name, MaxMessages: tc.most})
			wantStatus(t, err, tc.code, "")
		})
	}
}

func TestAcknowledge_EndsTheMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe()
		r.publish(texts("m", 2)...)
		got := r.pull(audit, 2)
		if err := r.acknowledge(got[0].AckId); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second + 1)
		again := r.pullOne(audit) // the lease of the other one has ended
		if string(again.Message.Data) != "m1" || again.AckId == got[1].AckId {
			t.Errorf("pulled %v, the first time as %v", again, got[1])
		}
		if err := r.acknowledge(got[0].AckId); err != nil {
			t.Errorf("acknowledged twice: %v", err)
		}
		if err := r.acknowledge(got[1].AckId); err != nil {
			t.Errorf("acknowledged late: %v", err)
		}
		if n := r.backlog(audit); n != 1 {
			t.Errorf("%d messages are left: a late acknowledgment counted", n)
		}
	})
}

func TestModifyAckDeadline_ExtendsAndGivesBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(deadLettered)
		r.publish(text("m"))
		got := r.pullOne(audit)
		if err := r.modify(60, got.AckId); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if early := r.pull(audit, 1); len(early) > 0 {
			t.Errorf("pulled %v although its lease was extended", early)
		}
		if err := r.modify(0, got.AckId); err != nil {
			t.Fatal(err)
		}
		if early := r.pull(audit, 1); len(early) > 0 {
			t.Errorf("pulled %v within the pause of the retry policy", early)
		}
		time.Sleep(time.Second)
		if again := r.pullOne(audit); again.DeliveryAttempt != 2 {
			t.Errorf("attempt %d", again.DeliveryAttempt)
		}
		if err := r.modify(60, got.AckId); err != nil {
			t.Errorf("extended late: %v", err)
		}
	})
}

func TestSettle_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	r.subscribe()
	r.publish(text("m"))
	lease := r.pullOne(audit).AckId
	ack := func(name string, ids ...string) error {
		return r.subs.Acknowledge(r.ctx(), &pubsubpb.AcknowledgeRequest{Subscription: name, AckIds: ids})
	}
	modify := func(name string, seconds int32, ids ...string) error {
		return r.subs.ModifyAckDeadline(r.ctx(), &pubsubpb.ModifyAckDeadlineRequest{Subscription: name, AckDeadlineSeconds: seconds, AckIds: ids})
	}
	for what, tc := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"nothing":           {ack(audit), codes.InvalidArgument, ""},
		"malformed":         {ack(audit, "x"), codes.InvalidArgument, "You have passed an invalid ack ID to the server (ack_id=x)."},
		"missing":           {ack(audit+"2", lease), codes.NotFound, ""},
		"bad name":          {ack("audit", lease), codes.InvalidArgument, ""},
		"modify nothing":    {modify(audit, 10), codes.InvalidArgument, ""},
		"modify malformed":  {modify(audit, 10, "x"), codes.InvalidArgument, ""},
		"modify missing":    {modify(audit+"2", 10, lease), codes.NotFound, ""},
		"negative deadline": {modify(audit, -1, lease), codes.InvalidArgument, ""},
		"long deadline":     {modify(audit, 601, lease), codes.InvalidArgument, ""},
	} {
		t.Run(what, func(t *testing.T) { wantStatus(t, tc.err, tc.code, tc.text) })
	}
	if err := ack(audit, lease); err != nil || r.backlog(audit) != 0 {
		t.Errorf("the lease itself: %v", err)
	}
}

func TestSettle_ExactlyOnce_TellsWhatCameTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(exactlyOnce)
		r.publish(texts("m", 2)...)
		late := r.pull(audit, 2)
		time.Sleep(11 * time.Second)
		fresh := r.pull(audit, 2)
		for what, call := range map[string]func(...string) error{
			"acknowledge": r.acknowledge, "modify": func(ids ...string) error { return r.modify(20, ids...) },
		} {
			err := call(fresh[0].AckId, late[0].AckId, "malformed")
			s := status.Convert(err)
			if s.Code() != codes.InvalidArgument || len(s.Details()) != 1 {
				t.Fatalf("%s: %v, details %v", what, err, s.Details())
			}
			info, ok := s.Details()[0].(*errdetails.ErrorInfo)
			if !ok || info.Reason != "EXACTLY_ONCE_ACKID_FAILURE" || len(info.Metadata) != 2 ||
				info.Metadata[late[0].AckId] != "PERMANENT_FAILURE_INVALID_ACK_ID" || info.Metadata["malformed"] != "PERMANENT_FAILURE_INVALID_ACK_ID" {
				t.Errorf("%s: details %v", what, s.Details())
			}
			fresh = fresh[1:] // the valid one was settled all the same
		}
		if n := r.backlog(audit); n != 1 {
			t.Errorf("%d messages are left, want the one whose lease was extended", n)
		}
	})
}

func TestSeek_ToATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(func(s *pubsubpb.Subscription) { s.RetainAckedMessages = true })
		r.publish(text("old"))
		time.Sleep(time.Minute)
		between := time.Now()
		time.Sleep(time.Minute)
		r.publish(text("new"))
		if got := r.pull(audit, 10); len(got) != 2 {
			t.Fatalf("pulled %v", got)
		} else if err := r.acknowledge(got[0].AckId, got[1].AckId); err != nil {
			t.Fatal(err)
		}
		if err := r.seek(between); err != nil {
			t.Fatal(err)
		}
		if got := r.pullOne(audit); string(got.Message.Data) != "new" {
			t.Errorf("pulled %v", got)
		}
		if err := r.seek(time.Now().Add(time.Hour)); err != nil || r.backlog(audit) != 0 {
			t.Errorf("to the future: %v, %d messages wait", err, r.backlog(audit))
		}
		for what, req := range map[string]*pubsubpb.SeekRequest{
			"no target": {Subscription: audit},
			"bad time":  {Subscription: audit, Target: &pubsubpb.SeekRequest_Time{Time: &timestamppb.Timestamp{Nanos: -1}}},
			"bad name":  {Subscription: "audit"},
		} {
			_, err := r.subs.Seek(r.ctx(), req)
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err := r.subs.Seek(r.ctx(), &pubsubpb.SeekRequest{Subscription: audit + "2"})
		wantStatus(t, err, codes.NotFound, "")
	})
}
