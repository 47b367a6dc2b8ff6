package eager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

var (
	_ transport.Broker               = (*eager.Transport)(nil)
	_ transport.SubscriptionDeclarer = (*eager.Transport)(nil)
)

const base = "https://shop.example.com/_tasks"

// declare declares a subscription to orders whose endpoint is its name's.
func declare(t *testing.T, tr *eager.Transport, name string, changes ...func(*transport.Subscription)) {
	t.Helper()
	s := &transport.Subscription{Name: name, Topic: "orders", Push: &transport.PushConfig{Endpoint: base + "/" + name}}
	for _, f := range changes {
		f(s)
	}
	if err := tr.DeclareSubscription(s); err != nil {
		t.Fatal(err)
	}
}

func order(attrs map[string]string) *transport.Message {
	return &transport.Message{Topic: "orders", Data: []byte("data"), Attributes: attrs}
}

func TestPublish_RunsTheSubscribersInOrder(t *testing.T) {
	var got []string
	tr := setup(t, func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		got = append(got, d.Message.Subscription)
		return 204, 0, nil
	})
	declare(t, tr, "second")
	declare(t, tr, "first")
	declare(t, tr, "pulled", func(s *transport.Subscription) { s.Push = nil })
	declare(t, tr, "emea", func(s *transport.Subscription) { s.Filter = `attributes.region = "emea"` })
	declare(t, tr, "elsewhere", func(s *transport.Subscription) { s.Topic = "others" })
	declare(t, tr, "full", func(s *transport.Subscription) {
		s.Name, s.Topic = "projects/p/subscriptions/full", "projects/p/topics/orders"
	})
	declare(t, tr, "second", func(s *transport.Subscription) { s.AckDeadline = time.Minute }) // keeps its place

	for _, tc := range []struct {
		m    *transport.Message
		want []string
	}{
		{order(nil), []string{"second", "first", "full"}},
		{order(map[string]string{"region": "emea"}), []string{"second", "first", "emea", "full"}},
		{&transport.Message{Topic: "projects/p/topics/others", Data: []byte("x")}, []string{"elsewhere"}},
		{&transport.Message{Topic: "nobody", Data: []byte("x")}, nil},
	} {
		got = nil
		id, err := tr.Publish(t.Context(), tc.m)
		if err != nil || id == "" || !slices.Equal(got, tc.want) {
			t.Errorf("%s: ran %v, want %v; %q, %v", tc.m.Topic, got, tc.want, id, err)
		}
	}
}

func TestPublish_Delivery(t *testing.T) {
	type key struct{}
	var got []transport.Delivery
	tr := setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		got = append(got, *d)
		m := *d.Message
		got[len(got)-1].Message = &m
		if deadline, ok := ctx.Deadline(); ctx.Value(key{}) != "mine" || !ok || time.Until(deadline) > d.Timeout {
			t.Errorf("context of %v with deadline %v", ctx.Value(key{}), deadline)
		}
		if string(d.Message.Data) != "data" || d.Message.Attributes["a"] != "b" {
			t.Errorf("got %+v", d.Message)
		}
		d.Message.Data[0], d.Message.Attributes["a"] = 'X', "X" // its own
		return 200, 0, nil
	})
	declare(t, tr, "plain")
	declare(t, tr, "dead", func(s *transport.Subscription) {
		s.AckDeadline, s.DeadLetter = time.Minute, &transport.DeadLetterPolicy{Topic: "orders-dead"}
	})
	in := &transport.Message{Topic: "orders", OrderingKey: "k", Data: []byte("data"), Attributes: map[string]string{"a": "b"}, ID: "ignored"}
	start := time.Now()
	id, err := tr.Publish(context.WithValue(t.Context(), key{}, "mine"), in)
	if err != nil || string(in.Data) != "data" {
		t.Fatalf("%v; the caller has %q", err, in.Data)
	}
	for i, want := range []struct {
		name    string
		timeout time.Duration
		attempt int
	}{{"plain", 10 * time.Second, 0}, {"dead", time.Minute, 1}} {
		d := got[i]
		m := d.Message
		if d.ID != id || d.URL != base+"/"+want.name || d.Timeout != want.timeout || d.Attempt != 1 || d.Body != nil || d.FirstAttempt.Before(start) ||
			m.ID != id || m.Subscription != want.name || m.OrderingKey != "k" || m.DeliveryAttempt != want.attempt || m.Topic != "" ||
			m.PublishTime.Before(start) || m.PublishTime.Location() != time.UTC {
			t.Errorf("delivery %d: %+v with %+v", i, d, m)
		}
	}
}

func TestPublish_IDsAreDecimalAndRise(t *testing.T) {
	tr := eager.New()
	last := uint64(0)
	for range 3 {
		id, err := tr.Publish(t.Context(), order(nil))
		n, perr := strconv.ParseUint(id, 10, 64)
		if err != nil || perr != nil || n <= last {
			t.Errorf("id %q after %d: %v", id, last, err)
		}
		last = n
	}
}

func TestPublish_AllRunEvenIfOneFails(t *testing.T) {
	sick := errors.New("sick")
	var ran []string
	tr := setup(t, func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		name := d.Message.Subscription
		ran = append(ran, name)
		switch name {
		case "error":
			return 500, 0, sick
		case "panic":
			panic("boom")
		}
		status, _ := strconv.Atoi(strings.TrimPrefix(name, "answers-"))
		return status, 0, nil
	})
	names := []string{"error", "panic", "nobody", "answers-102", "answers-200", "answers-203", "answers-204", "answers-206", "answers-429"}
	for _, name := range names {
		declare(t, tr, name, func(s *transport.Subscription) {
			if name == "nobody" {
				s.Push.Endpoint = "https://elsewhere.example.com"
			}
		})
	}
	id, err := tr.Publish(t.Context(), order(nil))
	if id == "" || len(ran) != len(names)-1 {
		t.Errorf("id %q, ran %v", id, ran)
	}
	if !errors.Is(err, sick) || !errors.Is(err, transport.ErrUnsupported) {
		t.Errorf("its causes cannot be reached: %v", err)
	}
	for _, name := range names {
		acknowledged := name == "answers-102" || name == "answers-200" || name == "answers-204"
		if named := strings.Contains(err.Error(), fmt.Sprintf("subscription %q: ", name)); named == acknowledged {
			t.Errorf("%s is named: %v, in %v", name, named, err)
		}
	}
	for _, text := range []string{"boom", "answered 429", "call Serve first"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in %v", text, err)
		}
	}
}

func TestPublish_Refused(t *testing.T) {
	tr := eager.New()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Publish(ended, order(nil)); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `topic "orders"`) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if _, err := tr.Publish(t.Context(), &transport.Message{Topic: "orders"}); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("empty: %v", err)
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Publish(t.Context(), order(nil)); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("after Shutdown: %v", err)
	}
}

func TestDeclareSubscription_Refused(t *testing.T) {
	tr := eager.New()
	for _, s := range []transport.Subscription{
		{Name: "audit", Topic: "orders", Filter: "attributes.a ="},
		{Name: "audit", Topic: "orders", AckDeadline: time.Second},
		{Name: "a", Topic: "orders"},
		{Name: "audit", Topic: ""},
	} {
		err := tr.DeclareSubscription(&s)
		if !errors.Is(err, transport.ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("subscription %q", s.Name)) {
			t.Errorf("%+v: %v", s, err)
		}
		if e, ok := errors.AsType[*filter.Error](err); (s.Filter != "") != (ok && e.Pos == 14) {
			t.Errorf("%+v: %v has no position", s, err)
		}
	}
}

func TestPublish_FromAHandler_Nests(t *testing.T) {
	var depth, deepest int
	var tr *eager.Transport
	tr = setup(t, func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
		depth++
		defer func() { depth-- }()
		if deepest = max(deepest, depth); depth < 5 {
			_, err := tr.Publish(ctx, order(nil))
			if err != nil {
				return 500, 0, err
			}
		}
		return 200, 0, nil
	})
	declare(t, tr, "audit")
	if _, err := tr.Publish(t.Context(), order(nil)); err != nil || deepest != 5 {
		t.Errorf("%d deep, %v", deepest, err)
	}
}

func TestShutdown_WaitsForMessages_WhoseHandlersMayPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr *eager.Transport
		ran := 0
		tr = setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			time.Sleep(5 * time.Second)
			ran++
			if d.Message.Subscription == "first" {
				if _, err := tr.Publish(ctx, &transport.Message{Topic: "nobody", Data: []byte("x")}); err != nil {
					t.Error(err)
				}
			}
			return 200, 0, nil
		})
		declare(t, tr, "first")
		declare(t, tr, "second") // begins after Shutdown, as the message was published before it
		published := make(chan error, 1)
		go func() {
			_, err := tr.Publish(context.Background(), order(nil))
			published <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := tr.Shutdown(t.Context()); err != nil || time.Since(start) != 10*time.Second || ran != 2 {
			t.Errorf("%v after %v, %d ran", err, time.Since(start), ran)
		}
		if err := <-published; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdown_ContextEndsFirst_CancelsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := setup(t, func(ctx context.Context, _ *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			return 500, 0, ctx.Err()
		})
		declare(t, tr, "audit", func(s *transport.Subscription) { s.AckDeadline = time.Minute })
		published := make(chan error, 1)
		go func() {
			_, err := tr.Publish(context.Background(), order(nil))
			published <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tr.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-published; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func ExampleTransport_Publish() {
	t := eager.New()
	err := t.Serve("https://shop.example.com", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		fmt.Printf("%s got %s\n", d.Message.Subscription, d.Message.Data)
		return 204, 0, nil
	})
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"audit", "mail"} {
		err := t.DeclareSubscription(&transport.Subscription{
			Name: name, Topic: "orders", Push: &transport.PushConfig{Endpoint: "https://shop.example.com/" + name},
		})
		if err != nil {
			panic(err)
		}
	}
	id, err := t.Publish(context.Background(), &transport.Message{Topic: "orders", Data: []byte("a table")})
	fmt.Println(id, err)
	// Output:
	// audit got a table
	// mail got a table
	// 1 <nil>
}
