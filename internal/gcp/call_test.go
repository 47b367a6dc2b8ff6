package gcp_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

func TestCapped_TheSoonerEndHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ own, want time.Duration }{{0, time.Minute}, {time.Second, time.Second}, {time.Hour, time.Minute}} {
			ctx, cancel := context.WithCancel(t.Context())
			if c.own > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), c.own)
			}
			defer cancel()
			ctx, cancel = gcp.Capped(ctx, time.Minute)
			defer cancel()
			began := time.Now()
			<-ctx.Done()
			if took := time.Since(began); took != c.want {
				t.Errorf("with %s of its own: ended after %s", c.own, took)
			}
		}
	})
}

func TestPause_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := gcp.Pause(ctx, time.Second); err != nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := gcp.Pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestErrors_TellWhatToDoAndKeepTheirCause(t *testing.T) {
	cause := errors.New("cause")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		err  error
		text string
	}{
		{gcp.Ended(t.Context(), cause), "cause"},
		{gcp.Ended(ended, cause), "context canceled: cause"},
		{gcp.NotAllowed(cause, "roles/x"), "cause (grant the caller roles/x)"},
		{gcp.NotConnected(regional(), cause), "driver: connect: cause (outside Google Cloud: gcloud auth application-default login, or DRIVER_EMULATOR_HOST for an emulator)"},
	} {
		if c.err.Error() != c.text || !errors.Is(c.err, cause) {
			t.Errorf("got %v, want %s", c.err, c.text)
		}
	}
	if err := gcp.Ended(ended, context.Canceled); err != context.Canceled {
		t.Errorf("said twice: %v", err)
	}
	if got := set("localhost:1", "WithEndpoint").AtEmulator(); got != " (from the emulator at localhost:1, as WithEndpoint says; does it run?)" {
		t.Errorf("got %q", got)
	}
	if got := (gcp.Value{}).AtEmulator(); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestHeaders_CanonicalAndJoined(t *testing.T) {
	h := http.Header{"x-a": {"lower"}, "X-A": {"1", "2"}, "x-b": {"3"}, "X-None": {}}
	want := map[string]string{"X-A": "1, 2", "X-B": "3"}
	if got := gcp.HeaderMap(h); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := gcp.Header(want); !reflect.DeepEqual(got, http.Header{"X-A": {"1, 2"}, "X-B": {"3"}}) {
		t.Errorf("got %v", got)
	}
	if gcp.HeaderMap(http.Header{}) != nil || gcp.Header(map[string]string{}) != nil {
		t.Error("nothing becomes something")
	}
}

func TestTime_UnsetIsZero(t *testing.T) {
	now := time.Now()
	if got := gcp.Time(timestamppb.New(now)); !got.Equal(now) || !gcp.Time(nil).IsZero() {
		t.Errorf("got %s, %s", got, gcp.Time(nil))
	}
}
