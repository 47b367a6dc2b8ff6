package memory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// of is a subscription of an App, pushed to url unless that is empty.
func of(app, url string) *transport.Subscription {
	s := &transport.Subscription{Name: audit, Topic: topic}
	if app != "" {
		s.Labels = map[string]string{"managed-by": "typedtasks", "typedtasks-app": app}
	}
	if url != "" {
		s.Push = &transport.PushConfig{Endpoint: url}
	}
	return s
}

func TestDeclareSubscription_OfAnotherApp_IsRefused(t *testing.T) {
	const one, two = "http://one", "http://two"
	for _, tc := range []struct {
		name          string
		first, second *transport.Subscription
		withdraw      bool // the first App has been shut down
		refused       bool
	}{
		{"the same App", of("one", one), of("one", two), false, false},
		{"another App", of("one", one), of("two", two), false, true},
		{"another App that pulls", of("one", one), of("two", ""), false, true},
		{"another App, both pull", of("one", ""), of("two", ""), false, true},
		{"another App, the first pulls and was shut down", of("one", ""), of("two", two), true, true},
		{"another App, the first was shut down", of("one", one), of("two", two), true, false},
		{"another App that pulls, the first was shut down", of("one", one), of("two", ""), true, false},
		{"another App under the first one's endpoint", of("one", one), of("two", one), false, false},
		{"the first is nobody's", of("", one), of("two", two), false, false},
		{"the second is nobody's", of("one", one), of("", two), false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := memory.New()
			for _, endpoint := range []string{one, two} {
				if err := tr.Serve(endpoint, status(200)); err != nil {
					t.Fatal(err)
				}
			}
			declare(t, tr, *tc.first)
			if tc.withdraw {
				tr.Withdraw(one)
			}
			err := tr.DeclareSubscription(tc.second)
			want := tc.second
			if tc.refused {
				want = tc.first
				if !errors.Is(err, transport.ErrExists) || !strings.Contains(err.Error(), `"one"`) || !strings.Contains(err.Error(), `"two"`) || !strings.Contains(err.Error(), `subscription "audit"`) {
					t.Errorf("declared again: %v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			got, err := tr.Subscription(t.Context(), audit)
			if err != nil || got.Labels["typedtasks-app"] != want.Labels["typedtasks-app"] || (got.Push == nil) != (want.Push == nil) || got.Push != nil && got.Push.Endpoint != want.Push.Endpoint {
				t.Errorf("it is %+v, %v", got, err)
			}
			if err := tr.DeleteSubscription(t.Context(), audit); err != nil {
				t.Fatal(err)
			}
			declare(t, tr, *tc.second)
		})
	}
}

// notTaken is the error of an App that shuts down.
type notTaken struct{}

func (notTaken) Error() string  { return "shut down" }
func (notTaken) NotTaken() bool { return true }

func TestPush_NotTaken_CountsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New()
		s := *of("", endpoint)
		s.DeadLetter = &transport.DeadLetterPolicy{Topic: "orders-dead"}
		declare(t, tr, s)
		var at []time.Duration
		start := time.Now()
		err := tr.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
			at = append(at, time.Since(start))
			if d.Attempt != 1 || d.Message.DeliveryAttempt != 1 {
				t.Errorf("delivery %d is attempt %d", len(at), d.Attempt)
			}
			if len(at) < 8 {
				return 503, 0, notTaken{}
			}
			return 200, 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, tr, "one")
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 8 || at[7] != 700*time.Millisecond {
			t.Errorf("delivered at %v", at)
		}
		wantSubscriptionBacklog(t, tr, audit, 0)
		wantSubscriptionBacklog(t, tr, "orders-dead", 0)
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// status answers every delivery with code.
func status(code int) transport.Handler {
	return func(context.Context, *transport.Delivery) (int, time.Duration, error) { return code, 0, nil }
}
