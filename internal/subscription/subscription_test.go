package subscription_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

const day = 24 * time.Hour

func TestResolve_Defaults(t *testing.T) {
	got, f, err := subscription.Resolve(&transport.Subscription{
		Name: "audit", Topic: "orders", DeadLetter: &transport.DeadLetterPolicy{Topic: "dead"}, Retry: &transport.BackoffRange{},
	})
	want := &transport.Subscription{
		Name: "audit", Topic: "orders", AckDeadline: 10 * time.Second, Retention: 7 * day, Expiration: 31 * day,
		DeadLetter: &transport.DeadLetterPolicy{Topic: "dead", MaxAttempts: 5}, Retry: &transport.BackoffRange{Min: 10 * time.Second, Max: 600 * time.Second},
	}
	if err != nil || !reflect.DeepEqual(got, want) || !f.Match(nil) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	got, _, err = subscription.Resolve(&transport.Subscription{Retry: &transport.BackoffRange{Max: 3 * time.Second}})
	if err != nil || got.Retry.Min != 3*time.Second {
		t.Errorf("the default minimum is not capped by the maximum: %+v, %v", got.Retry, err)
	}
}

func TestResolve_KeepsNothing(t *testing.T) {
	s := &transport.Subscription{
		Labels: map[string]string{"a": "b"}, Push: &transport.PushConfig{Endpoint: "x"},
		Retry: &transport.BackoffRange{Min: 1, Max: 2}, DeadLetter: &transport.DeadLetterPolicy{Topic: "dead"},
	}
	got, _, err := subscription.Resolve(s)
	if err != nil {
		t.Fatal(err)
	}
	if s.AckDeadline != 0 || s.DeadLetter.MaxAttempts != 0 {
		t.Errorf("it was changed: %+v", s)
	}
	s.Labels["a"], s.Push.Endpoint, s.Retry.Min, s.DeadLetter.Topic = "changed", "changed", 2, "changed"
	if got.Labels["a"] != "b" || got.Push.Endpoint != "x" || got.Retry.Min != 1 || got.DeadLetter.Topic != "dead" {
		t.Errorf("it is shared: %+v", got)
	}
}

func TestResolve_Ranges(t *testing.T) {
	retry := func(lo, hi time.Duration) transport.Subscription {
		return transport.Subscription{Retry: &transport.BackoffRange{Min: lo, Max: hi}}
	}
	dead := func(topic string, attempts int) transport.Subscription {
		return transport.Subscription{DeadLetter: &transport.DeadLetterPolicy{Topic: topic, MaxAttempts: attempts}}
	}
	for _, tc := range []struct {
		name string
		s    transport.Subscription
		want string // in the error; empty: it is good
	}{
		{"ack deadline", transport.Subscription{AckDeadline: 10*time.Second - 1}, "ack deadline 9.999999999s"},
		{"ack deadline", transport.Subscription{AckDeadline: 10 * time.Second}, ""},
		{"ack deadline", transport.Subscription{AckDeadline: 600 * time.Second}, ""},
		{"ack deadline", transport.Subscription{AckDeadline: 600*time.Second + 1}, "not between 10s and 10m0s"},
		{"retention", transport.Subscription{Retention: 10*time.Minute - 1}, "retention"},
		{"retention", transport.Subscription{Retention: 10 * time.Minute}, ""},
		{"retention", transport.Subscription{Retention: 31 * day}, ""},
		{"retention", transport.Subscription{Retention: 31*day + 1}, "retention"},
		{"expiration", transport.Subscription{Expiration: day - 1}, "expiration"},
		{"expiration", transport.Subscription{Expiration: day}, ""},
		{"expiration", transport.Subscription{Expiration: transport.NeverExpires}, ""},
		{"expiration", transport.Subscription{Expiration: -2}, "expiration"},
		{"retry", retry(-1, 0), "minimum backoff"},
		{"retry", retry(601*time.Second, 0), "minimum backoff"},
		{"retry", retry(0, 601*time.Second), "maximum backoff"},
		{"retry", retry(1, -1), "maximum backoff"},
		{"retry", retry(2, 1), "more than the maximum"},
		{"retry", retry(600*time.Second, 600*time.Second), ""},
		{"dead letter", dead("", 5), "names no topic"},
		{"dead letter", dead("dead", 4), "4 delivery attempts"},
		{"dead letter", dead("dead", 100), ""},
		{"dead letter", dead("dead", 101), "101 delivery attempts"},
		{"push", transport.Subscription{Push: &transport.PushConfig{}}, "no endpoint"},
		{"push", transport.Subscription{Push: &transport.PushConfig{Endpoint: "x"}, ExactlyOnceDelivery: true}, "pull subscriptions only"},
		{"pull", transport.Subscription{ExactlyOnceDelivery: true}, ""},
		{"filter", transport.Subscription{Filter: "attributes"}, "filter"},
	} {
		_, _, err := subscription.Resolve(&tc.s)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestResolve_ReportsEverythingAtOnce(t *testing.T) {
	_, _, err := subscription.Resolve(&transport.Subscription{AckDeadline: 1, Retention: 1, Filter: "attributes."})
	if e, ok := errors.AsType[*filter.Error](err); !ok || e.Pos != 11 || !strings.Contains(err.Error(), "ack deadline") || !strings.Contains(err.Error(), "retention") {
		t.Errorf("got %v", err)
	}
}

func TestPause_DoublesUpToTheMaximum(t *testing.T) {
	push := &transport.PushConfig{Endpoint: "x"}
	policy := &transport.BackoffRange{Min: 10 * time.Second, Max: 600 * time.Second}
	for _, tc := range []struct {
		s    transport.Subscription
		n    int
		want time.Duration
	}{
		{transport.Subscription{}, 1, 0},
		{transport.Subscription{}, 1000, 0},
		{transport.Subscription{Push: push}, 1, 100 * time.Millisecond},
		{transport.Subscription{Push: push}, 2, 200 * time.Millisecond},
		{transport.Subscription{Push: push}, 10, 51200 * time.Millisecond},
		{transport.Subscription{Push: push}, 11, time.Minute},
		{transport.Subscription{Push: push}, 1 << 40, time.Minute},
		{transport.Subscription{Push: push, Retry: policy}, 1, 10 * time.Second},
		{transport.Subscription{Retry: policy}, 6, 320 * time.Second},
		{transport.Subscription{Retry: policy}, 7, 600 * time.Second},
		{transport.Subscription{Retry: &transport.BackoffRange{Max: time.Second}}, 64, time.Second},
	} {
		if got := subscription.Pause(&tc.s, tc.n); got != tc.want {
			t.Errorf("pause %d of %+v = %v, want %v", tc.n, tc.s, got, tc.want)
		}
	}
}
