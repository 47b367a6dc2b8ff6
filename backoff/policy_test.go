package backoff_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"google.golang.org/grpc/codes"
)

var errTemporary = errors.New("temporary")

func always(error) bool { return true }

func TestOr_UnsetFields_TakeTheFallback(t *testing.T) {
	t.Parallel()
	full := backoff.Policy{
		On: always, Initial: 1, Maximum: 2, Deadline: 3, Multiplier: 4, Jitter: 0.5, Duplicates: backoff.Allow,
	}
	other := backoff.Policy{
		On: backoff.Never, Initial: 10, Maximum: 20, Deadline: 30, Multiplier: 40, Jitter: 0.1, Duplicates: backoff.Allow,
	}
	tests := []struct {
		name         string
		policy, from backoff.Policy
		enabled      bool
		want         backoff.Policy
	}{
		{"nothing set takes all", backoff.Policy{}, full, true, full},
		{"all set takes nothing", full, other, true, full},
		{"nothing to take", full, backoff.Policy{}, true, full},
		{"both empty", backoff.Policy{}, backoff.Policy{}, false, backoff.Policy{}},
		{"Never stays", backoff.Policy{On: backoff.Never}, full, false, full},
		{
			"each field alone", backoff.Policy{Maximum: 7, Jitter: 0.7}, full, true,
			backoff.Policy{Initial: 1, Maximum: 7, Deadline: 3, Multiplier: 4, Jitter: 0.7, Duplicates: backoff.Allow},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.policy.Or(tt.from)
			if got.Enabled() != tt.enabled {
				t.Errorf("Enabled = %v, want %v", got.Enabled(), tt.enabled)
			}
			if got.Initial != tt.want.Initial || got.Maximum != tt.want.Maximum || got.Deadline != tt.want.Deadline ||
				got.Multiplier != tt.want.Multiplier || got.Jitter != tt.want.Jitter || got.Duplicates != tt.want.Duplicates {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestEnabled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		on   func(error) bool
		want bool
	}{
		{"without On nothing is retried", nil, false},
		{"Never is recognised", backoff.Never, false},
		{"no codes are Never", backoff.Codes(), false},
		{"codes", backoff.Codes(codes.Unavailable), true},
		{"a function of one's own", always, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (backoff.Policy{On: tt.on}).Enabled(); got != tt.want {
				t.Errorf("Enabled() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy backoff.Policy
		fields []string // each named by one problem; none: valid
	}{
		{"the zero policy", backoff.Policy{}, nil},
		{"everything at its bounds", backoff.Policy{Initial: 5, Maximum: 5, Multiplier: 1, Jitter: 1, Duplicates: backoff.Allow}, nil},
		{"an Initial whose Maximum is still to come", backoff.Policy{Initial: time.Hour}, nil},
		{"a Deadline before the first delay", backoff.Policy{Initial: time.Minute, Deadline: time.Second}, nil},
		{"negative Initial", backoff.Policy{Initial: -1}, []string{"Initial -1ns"}},
		{"negative Maximum", backoff.Policy{Initial: 1, Maximum: -1}, []string{"Maximum -1ns"}},
		{"negative Deadline", backoff.Policy{Deadline: -time.Second}, []string{"Deadline -1s"}},
		{"Initial above Maximum", backoff.Policy{Initial: 2, Maximum: 1}, []string{"Initial 2ns is greater than Maximum 1ns"}},
		{"Multiplier below 1", backoff.Policy{Multiplier: 0.99}, []string{"Multiplier 0.99"}},
		{"negative Multiplier", backoff.Policy{Multiplier: -2}, []string{"Multiplier -2"}},
		{"Multiplier no number", backoff.Policy{Multiplier: math.NaN()}, []string{"Multiplier NaN"}},
		{"infinite Multiplier", backoff.Policy{Multiplier: math.Inf(1)}, []string{"Multiplier +Inf"}},
		{"negative Jitter", backoff.Policy{Jitter: -0.1}, []string{"Jitter -0.1"}},
		{"Jitter above 1", backoff.Policy{Jitter: 1.1}, []string{"Jitter 1.1"}},
		{"Jitter no number", backoff.Policy{Jitter: math.NaN()}, []string{"Jitter NaN"}},
		{"infinite Jitter", backoff.Policy{Jitter: math.Inf(1)}, []string{"Jitter +Inf"}},
		{"unknown Duplicates", backoff.Policy{Duplicates: 2}, []string{"Duplicates 2"}},
		{
			"all at once", backoff.Policy{Initial: -1, Maximum: -1, Deadline: -1, Multiplier: -1, Jitter: -1, Duplicates: 9},
			[]string{"Initial", "Maximum", "Deadline", "Multiplier", "Jitter", "Duplicates"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.policy.Validate()
			if len(tt.fields) == 0 {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				return
			}
			if err == nil {
				t.Fatal("got no error")
			}
			problems := strings.Split(err.Error(), "\n")
			if len(problems) != len(tt.fields) {
				t.Fatalf("got %d problems, want %d:\n%v", len(problems), len(tt.fields), err)
			}
			for i, field := range tt.fields {
				if !strings.HasPrefix(problems[i], "backoff.Policy."+field) {
					t.Errorf("problem %q does not name %s", problems[i], field)
				}
			}
		})
	}
}
