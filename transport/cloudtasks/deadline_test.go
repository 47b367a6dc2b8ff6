package cloudtasks_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

// bubble connects within the process, so that a synctest bubble's clock moves both ends.
func (s *server) bubble(t *testing.T, opts ...cloudtasks.Option) *cloudtasks.Transport {
	t.Helper()
	p := gcptest.NewPipes()
	s.serve(t, p)
	return connect(t, append(opts, cloudtasks.WithEndpoint("127.0.0.1:1"),
		cloudtasks.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(p.Dial))))...)
}

func TestCalls_AreCappedWhateverTheirContext(t *testing.T) {
	for name, c := range map[string]struct {
		deadline, least, most time.Duration
	}{
		"none":    {0, cloudtasks.CallTimeout - time.Second, cloudtasks.CallTimeout},
		"longer":  {10 * time.Minute, cloudtasks.CallTimeout - time.Second, cloudtasks.CallTimeout},
		"shorter": {5 * time.Second, 4 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer("mail")
			seen := map[string]time.Duration{}
			s.hook = func(ctx context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
				d, _ := ctx.Deadline()
				seen[method] = time.Until(d)
				return handle()
			}
			s.polls = 1
			tr := s.dial(t)
			ctx := t.Context()
			if c.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.deadline)
				defer cancel()
			}
			everyCall(ctx, t, tr)
			if len(seen) != 14 {
				t.Errorf("%d methods were called: %v", len(seen), seen)
			}
			for method, left := range seen {
				if left < c.least || left > c.most {
					t.Errorf("%s had %s left, want %s to %s", method, left, c.least, c.most)
				}
			}
		})
	}
}

// everyCall makes each call there is, successfully.
func everyCall(ctx context.Context, t *testing.T, tr *cloudtasks.Transport) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := task("one")
	elsewhere.Queue = "new"
	_, err := tr.Enqueue(ctx, elsewhere) // CreateTask, CreateQueue
	must(err)
	for _, r := range tr.EnqueueBatch(ctx, []*transport.Task{task("a"), task("b"), task("c")}) { // BatchCreateTasks, GetOperation
		must(r.Err)
	}
	_, err = tr.Get(ctx, "mail", "a")
	must(err)
	for _, err := range tr.All(ctx, "mail") {
		must(err)
	}
	must(tr.RunNow(ctx, "mail", "a"))
	must(tr.Delete(ctx, "mail", "a"))
	must(tr.Delete(ctx, "mail", "b", "c"))
	_, err = tr.Queue(ctx, "mail")
	must(err)
	must(tr.PutQueue(ctx, "mail", transport.QueueConfig{}))
	must(tr.Pause(ctx, "mail"))
	must(tr.Resume(ctx, "mail"))
	must(tr.Purge(ctx, "mail"))
}

func TestEnqueue_ServerNeverAnswers_FailsAfterCallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer("mail")
		s.hook = func(ctx context.Context, _ string, _ proto.Message, _ func() (any, error)) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		tr := s.bubble(t)
		began := time.Now()
		_, err := tr.Enqueue(t.Context(), task("a"))
		if took := time.Since(began); took != cloudtasks.CallTimeout || status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("after %s: %v, want DeadlineExceeded after %s", took, err, cloudtasks.CallTimeout)
		}
	})
}
