package serving_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

func answer(status int) transport.Handler {
	return func(context.Context, *transport.Delivery) (int, time.Duration, error) { return status, 0, nil }
}

func TestTable_Find_LongestEndpointOnABoundaryWins(t *testing.T) {
	table := &serving.Table{}
	for i, endpoint := range []string{"https://a.example/_tasks", "https://a.example", "https://a.example/_tasks/mail", "https://b.example/x"} {
		var err error
		if table, err = table.With(endpoint, answer(201+i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		url  string
		want int // 0: nobody
	}{
		{"https://a.example/_tasks", 201},
		{"https://a.example/_tasks/welcome", 201},
		{"https://a.example/_tasks?x=1", 201},
		{"https://a.example/_tasksy", 202},
		{"https://a.example", 202},
		{"https://a.example.com", 0},
		{"https://a.example/_tasks/mail/send", 203},
		{"https://b.example/x/y", 204},
		{"https://b.example/", 0},
		{"", 0},
	} {
		t.Run(tc.url, func(t *testing.T) {
			h := table.Find(tc.url)
			if (h == nil) != (tc.want == 0) {
				t.Fatalf("found %v, want %d", h != nil, tc.want)
			}
			if h == nil {
				return
			}
			if got, _, _ := h(t.Context(), nil); got != tc.want {
				t.Errorf("served by %d, want %d", got, tc.want)
			}
		})
	}
}

func TestTable_Find_EmptyEndpointMatchesAll(t *testing.T) {
	table, err := (&serving.Table{}).With("", answer(200))
	if err != nil {
		t.Fatal(err)
	}
	if table.Find("anything") == nil || table.Find("") == nil {
		t.Error("not matched")
	}
}

func TestTable_With_RefusesTwiceAndNil(t *testing.T) {
	table, err := (&serving.Table{}).With("https://a.example", answer(200))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.With("https://a.example", answer(200)); !errors.Is(err, transport.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if _, err := table.With("https://b.example", nil); !errors.Is(err, transport.ErrInvalid) {
		t.Errorf("nil handler: %v", err)
	}
	without := table.Without("https://a.example")
	if table.Len() != 1 || without.Len() != 0 {
		t.Errorf("Len = %d and %d, want 1 and 0", table.Len(), without.Len())
	}
	if _, err := without.With("https://a.example", answer(200)); err != nil {
		t.Errorf("after Without: %v", err)
	}
}

func TestCall_Outcomes(t *testing.T) {
	sick := errors.New("sick")
	for _, tc := range []struct {
		name     string
		h        transport.Handler
		status   int
		is       error
		contains []string
	}{
		{name: "an answer is passed on", h: func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 503, time.Second, sick }, status: 503, is: sick},
		{name: "a panic is a failure", h: func(context.Context, *transport.Delivery) (int, time.Duration, error) { panic("boom") }, status: 500, contains: []string{"boom", "serving_test.go"}},
		{name: "a panic with an error keeps it", h: func(context.Context, *transport.Delivery) (int, time.Duration, error) { panic(sick) }, status: 500, is: sick},
		{name: "no HTTP status is a failure", h: answer(0), status: 500, contains: []string{"answered 0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, _, err := serving.Call(t.Context(), tc.h, &transport.Delivery{})
			if status != tc.status {
				t.Errorf("status = %d, want %d", status, tc.status)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("err = %v, want %v", err, tc.is)
			}
			for _, s := range tc.contains {
				if err == nil || !strings.Contains(err.Error(), s) {
					t.Errorf("err = %v, want it to name %q", err, s)
				}
			}
		})
	}
	for status := 100; status < 600; status++ {
		want := status == 102 || status == 200 || status == 201 || status == 202 || status == 204
		if serving.Acknowledges(status) != want {
			t.Errorf("Acknowledges(%d) = %v", status, !want)
		}
	}
	if serving.OK(199) || !serving.OK(200) || !serving.OK(299) || serving.OK(300) {
		t.Error("OK is not 200 to 299")
	}
}
