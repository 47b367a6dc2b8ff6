package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

const dlvMaxBody = 1 << 20

// dlvPadded is a valid body of n bytes.
func dlvPadded(n int) string { return dlvBody + strings.Repeat(" ", n-len(dlvBody)) }

func TestServeHTTP_Body_IsReadWhateverItsLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		body   io.Reader
		code   int
		status string
	}{
		{"length known", strings.NewReader(dlvBody), 200, "executed"},
		{"length unknown", dlvUnsized(dlvBody), 200, "executed"},
		{"byte by byte", iotest.OneByteReader(strings.NewReader(dlvBody)), 200, "executed"},
		{"the end comes with the data", iotest.DataErrReader(strings.NewReader(dlvBody)), 200, "executed"},
		{"largest, length known", strings.NewReader(dlvPadded(dlvMaxBody)), 200, "executed"},
		{"largest, length unknown", dlvUnsized(dlvPadded(dlvMaxBody)), 200, "executed"},
		{"too large, length known", strings.NewReader(dlvPadded(dlvMaxBody + 1)), 413, "too_large"},
		{"too large, length unknown", dlvUnsized(dlvPadded(dlvMaxBody + 1)), 413, "too_large"},
		{"endless", io.MultiReader(strings.NewReader(dlvBody), dlvEndless{}), 413, "too_large"},
		{"none", nil, 400, "rejected"},
		{"empty, length unknown", dlvUnsized(""), 400, "rejected"},
		{"broken off", io.MultiReader(strings.NewReader(dlvBody), iotest.ErrReader(errors.New(dlvSecret))), 400, "rejected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ran := 0
			app := dlvApp(t, tasks.Config{}, dlvTask(func(_ context.Context, o dlvOrder) error { ran += o.ID; return nil }))
			r := httptest.NewRequest(http.MethodPost, "/tasks/order", c.body)
			if c.body == nil {
				r.Body = nil
			}
			got := dlvServe(t, app, r)
			dlvWant(t, got, c.code, c.status)
			if ran == 7 != (c.code == http.StatusOK) {
				t.Errorf("the function saw %d", ran)
			}
			if strings.Contains(got.error, dlvSecret) {
				t.Errorf("error %s leaks the reader's", got.error)
			}
			if closes := got.header.Get("Connection") == "close"; closes != (c.code == http.StatusRequestEntityTooLarge) {
				t.Errorf("the connection closes: %t", closes)
			}
		})
	}
}

// dlvEndless never ends.
type dlvEndless struct{}

func (dlvEndless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestServeHTTP_TooLargeByLength_IsNotRead(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{}, dlvTask(dlvReturns(nil)))
	r := httptest.NewRequest(http.MethodPost, "/tasks/order", iotest.ErrReader(errors.New("read")))
	r.ContentLength = 1 << 40
	dlvWant(t, dlvServe(t, app, r), http.StatusRequestEntityTooLarge, "too_large")
}

func TestServeHTTP_PayloadWithoutFields_NeedsNoBody(t *testing.T) {
	t.Parallel()
	ran := 0
	app := dlvApp(t, tasks.Config{}, tasks.New(func(context.Context, struct{}) error { ran++; return nil }, tasks.WithName("ping")))
	for _, body := range []string{"", "{}", `{"unknown": 1}`} {
		dlvWant(t, dlvServe(t, app, dlvPost("/tasks/ping", body)), http.StatusOK, "executed")
	}
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/ping", "nonsense")), http.StatusBadRequest, "rejected")
	if ran != 3 {
		t.Errorf("ran %d times, want 3", ran)
	}
}

// dlvKept is a payload with all that could refer to the bytes it was decoded from.
type dlvKept struct {
	Text string          `json:"text" validate:"required"`
	Raw  json.RawMessage `json:"raw"`
	Any  any             `json:"any"`
	Map  map[string]any  `json:"map"`
}

func TestServeHTTP_BuffersAreReused_PayloadsStay(t *testing.T) {
	t.Parallel()
	for _, withMiddleware := range []bool{false, true} {
		t.Run(fmt.Sprintf("middleware %t", withMiddleware), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			kept, bodies := map[string]dlvKept{}, map[string][]byte{}
			app := dlvApp(t, tasks.Config{}, tasks.New(func(ctx context.Context, k dlvKept) error {
				m, _ := tasks.MetadataFrom(ctx)
				mu.Lock()
				defer mu.Unlock()
				kept[m.ID] = k
				return nil
			}, tasks.WithName("kept")))
			if withMiddleware {
				app.Use(func(next tasks.Handler) tasks.Handler {
					return func(ctx context.Context, d *transport.Delivery) (any, error) {
						mu.Lock()
						bodies[d.ID] = d.Body // against the contract, and harmless all the same
						mu.Unlock()
						return next(ctx, d)
					}
				})
			}
			text := func(id string) string {
				return fmt.Sprintf(`{"text":"%[1]s-%[2]s","raw":{"id":"%[1]s"},"any":["%[1]s"],"map":{"%[1]s":"%[1]s"}}`, id, strings.Repeat("x", len(id)*50))
			}
			const workers, each = 8, 50
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for i := range each {
						id := fmt.Sprintf("%d-%d", w, i)
						r := dlvPost("/tasks/kept", text(id), "X-CloudTasks-TaskName", id)
						if i%2 == 0 {
							r.ContentLength = -1
						}
						if got := dlvServe(t, app, r); got.code != http.StatusOK {
							t.Errorf("answered %d: %s", got.code, got.error)
						}
					}
				})
			}
			wg.Wait()
			if len(kept) != workers*each {
				t.Fatalf("ran %d payloads, want %d", len(kept), workers*each)
			}
			for id, k := range kept {
				if again, err := json.Marshal(k); err != nil || string(again) != text(id) {
					t.Errorf("payload %s is now %s (%v)", id, again, err)
				}
				if b, ok := bodies[id]; ok != withMiddleware || ok && string(b) != text(id) {
					t.Errorf("body %s is now %q", id, b)
				}
			}
		})
	}
}

// dlvCodec keeps what it decodes, against its contract.
type dlvCodec struct {
	tasks.JSONCodec
	mu   sync.Mutex
	kept [][]byte
}

func (c *dlvCodec) Unmarshal(data []byte, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, data)
	return c.JSONCodec.Unmarshal(data, v)
}

func TestServeHTTP_OtherCodec_HasBodiesOfItsOwn(t *testing.T) {
	t.Parallel()
	codec := &dlvCodec{}
	app := dlvApp(t, tasks.Config{Codec: codec}, dlvTask(dlvReturns(nil)))
	for i := range 20 {
		dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", fmt.Sprintf(`{"id": %d}`, i+1))), 200, "executed")
	}
	for i, b := range codec.kept {
		if want := fmt.Sprintf(`{"id": %d}`, i+1); string(b) != want {
			t.Errorf("body %d is now %s", i+1, b)
		}
	}
}

// dlvBroken panics when it is validated.
type dlvBroken struct {
	ID int `json:"id"`
}

func (dlvBroken) Validate() error { panic(dlvSecret) }

func TestServeHTTP_ValidatePanics_Answers500WithoutText(t *testing.T) {
	t.Parallel()
	log := &dlvLog{}
	app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, tasks.New(func(context.Context, dlvBroken) error { return nil }, tasks.WithName("broken")))
	dlvWant(t, dlvServe(t, app, dlvPost("/tasks/broken", `{"id": 1}`)), http.StatusInternalServerError, "failed")
	records := log.taken()
	if len(records) != 1 || records[0].level != slog.LevelError || !strings.Contains(records[0].attrs["error"], dlvSecret) ||
		!strings.Contains(records[0].attrs["stack"], "dlvBroken.Validate") {
		t.Errorf("logged %+v, want one error with the stack of the panic", records)
	}
}
