package eager_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

var (
	_ transport.Transport = (*eager.Transport)(nil)
	_ transport.Server    = (*eager.Transport)(nil)
	_ transport.Sharer    = (*eager.Transport)(nil)
)

const url = "https://shop.example.com/_tasks/Welcome"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func setup(t *testing.T, h transport.Handler) *eager.Transport {
	t.Helper()
	tr := eager.New()
	if err := tr.Serve("https://shop.example.com/_tasks", h); err != nil {
		t.Fatal(err)
	}
	return tr
}

func task() *transport.Task { return &transport.Task{Queue: "mail", URL: url} }

func TestEnqueue_RunsTheHandlerBeforeItReturns(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	var got transport.Delivery
	var value any
	tr := setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		got, value = *d, ctx.Value(key{})
		d.Body[0] = 'X'
		d.Header.Set("A", "changed")
		return 200, 0, nil
	})
	in := task()
	in.Body, in.Header = []byte("body"), http.Header{"A": {"b"}, "traceparent": {"c"}}
	in.ETA = time.Now().Add(time.Hour)
	r, err := tr.Enqueue(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if r.ID == "" || r.ID != got.ID || r.Queue != "mail" || r.Duplicate {
		t.Errorf("Receipt = %+v, delivered %q", r, got.ID)
	}
	if got.Attempt != 1 || got.Timeout != transport.DefaultTimeout || got.FirstAttempt.IsZero() || got.URL != url {
		t.Errorf("Delivery = %+v", got)
	}
	if got.Header.Get("Traceparent") != "c" {
		t.Errorf("Header = %v, want canonical names", got.Header)
	}
	if value != "mine" {
		t.Errorf("the handler's context has %v, want the caller's value", value)
	}
	if string(in.Body) != "body" || in.Header.Get("A") != "b" || in.ID != "" {
		t.Errorf("the handler changed the caller's task: %+v", in)
	}
}

func TestEnqueue_Outcome(t *testing.T) {
	sick := errors.New("sick")
	for _, tc := range []struct {
		name   string
		status int
		err    error
		want   func(error) bool
	}{
		{"done", 200, nil, func(err error) bool { return err == nil }},
		{"done, whatever the error says", 202, sick, func(err error) bool { return err == nil }},
		{"failed with an error", 500, sick, func(err error) bool { return err == sick }},
		{"failed without one", 503, nil, func(err error) bool {
			return err != nil && strings.Contains(err.Error(), `task "w-1" on queue "mail"`) && strings.Contains(err.Error(), "503")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := setup(t, func(context.Context, *transport.Delivery) (int, time.Duration, error) { return tc.status, 0, tc.err })
			in := task()
			in.ID = "w-1"
			if _, err := tr.Enqueue(t.Context(), in); !tc.want(err) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestEnqueue_SameIDTwice_RunsTwice(t *testing.T) {
	n := 0
	tr := setup(t, func(context.Context, *transport.Delivery) (int, time.Duration, error) { n++; return 200, 0, nil })
	in := task()
	in.ID = "w-1"
	for range 2 {
		if _, err := tr.Enqueue(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Errorf("ran %d times, want 2", n)
	}
}

func TestEnqueue_Panic_IsAnError(t *testing.T) {
	tr := setup(t, func(context.Context, *transport.Delivery) (int, time.Duration, error) { panic("boom") })
	if _, err := tr.Enqueue(t.Context(), task()); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("err = %v", err)
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Errorf("the task still counts as running: %v", err)
	}
}

func TestEnqueue_Refused(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		task transport.Task
		want error
	}{
		{"nobody serves the URL", t.Context(), transport.Task{Queue: "mail", URL: "https://elsewhere.example"}, transport.ErrUnsupported},
		{"not a queue", t.Context(), transport.Task{Queue: "no_queue", URL: url}, transport.ErrInvalid},
		{"context has ended", ended, transport.Task{Queue: "mail", URL: url}, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := setup(t, func(context.Context, *transport.Delivery) (int, time.Duration, error) {
				t.Error("the handler ran")
				return 200, 0, nil
			})
			if _, err := tr.Enqueue(tc.ctx, &tc.task); !errors.Is(err, tc.want) {
				t.Errorf("err = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestEnqueue_Timeout_EndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			return 500, 0, ctx.Err()
		})
		in := task()
		in.Timeout = 20 * time.Second
		start := time.Now()
		if _, err := tr.Enqueue(t.Context(), in); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestEnqueue_FromAHandler_Nests(t *testing.T) {
	var tr *eager.Transport
	depth := 0
	tr = setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
		if depth++; depth < 3 {
			if _, err := tr.Enqueue(ctx, task()); err != nil {
				return 500, 0, err
			}
		}
		return 200, 0, nil
	})
	if _, err := tr.Enqueue(t.Context(), task()); err != nil || depth != 3 {
		t.Errorf("depth %d, err %v", depth, err)
	}
}

func TestServe_LongestEndpointWins_AndMayBeWithdrawn(t *testing.T) {
	ran := ""
	named := func(name string) transport.Handler {
		return func(context.Context, *transport.Delivery) (int, time.Duration, error) { ran = name; return 200, 0, nil }
	}
	tr := eager.New(nil)
	if err := errors.Join(tr.Serve("", named("all")), tr.Serve(url, named("one"))); err != nil {
		t.Fatal(err)
	}
	if err := tr.Serve(url, named("again")); !errors.Is(err, transport.ErrExists) {
		t.Errorf("serving twice: %v", err)
	}
	for _, want := range []string{"one", "all"} {
		if _, err := tr.Enqueue(t.Context(), task()); err != nil || ran != want {
			t.Errorf("ran %q, want %q (%v)", ran, want, err)
		}
		tr.Withdraw(url)
	}
	if left := tr.Withdraw(""); left != 0 {
		t.Errorf("%d left", left)
	}
}

func TestShutdown_WaitsForRunningTasks_WhichMayEnqueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr *eager.Transport
		nested := false
		tr = setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			if d.ID == "nested" {
				nested = true
				return 200, 0, nil
			}
			time.Sleep(time.Second)
			in := task()
			in.ID = "nested"
			_, err := tr.Enqueue(ctx, in)
			return 200, 0, err
		})
		go tr.Enqueue(t.Context(), task())
		synctest.Wait()
		if err := tr.Shutdown(t.Context()); err != nil || !nested {
			t.Errorf("Shutdown: %v, nested task ran: %v", err, nested)
		}
		if _, err := tr.Enqueue(t.Context(), task()); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Enqueue afterwards: %v", err)
		}
		if err := tr.Serve("https://b.example", func(context.Context, *transport.Delivery) (int, time.Duration, error) { return 200, 0, nil }); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Serve afterwards: %v", err)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown again: %v", err)
		}
	})
}

func TestShutdown_ContextEndsFirst_CancelsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := setup(t, func(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
			<-ctx.Done()
			return 500, 0, ctx.Err()
		})
		result := make(chan error, 1)
		go func() {
			_, err := tr.Enqueue(t.Context(), task())
			result <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := tr.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 tasks") {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("the task: %v", err)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown again: %v", err)
		}
	})
}

func Example() {
	t := eager.New()
	err := t.Serve("", func(_ context.Context, d *transport.Delivery) (int, time.Duration, error) {
		fmt.Printf("%s on %s: %s\n", d.URL, d.Queue, d.Body)
		return http.StatusOK, 0, nil
	})
	if err != nil {
		panic(err)
	}
	_, err = t.Enqueue(context.Background(), &transport.Task{Queue: "mail", URL: "/welcome", Body: []byte("ana")})
	fmt.Println("done:", err)
	// Output:
	// /welcome on mail: ana
	// done: <nil>
}
