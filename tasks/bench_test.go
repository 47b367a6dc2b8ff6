package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/tasks"
)

// order is a payload as services have them.
type benchOrder struct {
	ID       int64       `json:"id" validate:"required"`
	Email    string      `json:"email" validate:"required,email"`
	Currency string      `json:"currency" validate:"len=3"`
	Total    float64     `json:"total" validate:"gte=0"`
	Placed   time.Time   `json:"placed"`
	Items    []benchItem `json:"items,omitempty" validate:"dive"`
}

type benchItem struct {
	SKU      string            `json:"sku" validate:"required"`
	Name     string            `json:"name"`
	Quantity int               `json:"quantity" validate:"min=1"`
	Price    float64           `json:"price"`
	Tags     []string          `json:"tags"`
	Extra    map[string]string `json:"extra"`
}

func benchPayload(items int) benchOrder {
	o := benchOrder{ID: 42, Email: "ana@example.com", Currency: "EUR", Total: 119.90, Placed: time.Unix(1732415400, 123456000).UTC()}
	for i := range items {
		o.Items = append(o.Items, benchItem{
			SKU: "sku-" + strconv.Itoa(i), Name: "a thing with a name of ordinary length", Quantity: 1 + i%3, Price: 9.99,
			Tags: []string{"blue", "large", "sale"}, Extra: map[string]string{"warehouse": "north", "shelf": strconv.Itoa(i)},
		})
	}
	return o
}

// BenchmarkHandle compares the handling of one push, from request to answer, with what one writes by hand:
// read with a limit, decode, validate, call, answer. Metadata is read and headers are propagated on our side.
func BenchmarkHandle(b *testing.B) {
	for _, size := range []struct {
		name  string
		items int
	}{{"small", 0}, {"20KB", 125}} {
		body, err := json.Marshal(benchPayload(size.items))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(size.name+"/typedtasks", func(b *testing.B) {
			task := tasks.New(func(ctx context.Context, o benchOrder) error {
				if m, _ := tasks.MetadataFrom(ctx); m.Attempt != 3 || tasks.HeadersFrom(ctx).Get("traceparent") == "" {
					return io.ErrUnexpectedEOF
				}
				return nil
			}, tasks.WithName("order"))
			app, err := tasks.NewApp(tasks.Config{Name: "shop", Eager: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := app.Register(task); err != nil {
				b.Fatal(err)
			}
			benchServe(b, app, body)
		})
		b.Run(size.name+"/handwritten", func(b *testing.B) {
			validate := validator.New(validator.WithRequiredStructEnabled())
			benchServe(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
				if err != nil {
					http.Error(w, "too large", http.StatusRequestEntityTooLarge)
					return
				}
				var o benchOrder
				if err := json.Unmarshal(data, &o); err != nil {
					http.Error(w, "bad request", http.StatusBadRequest)
					return
				}
				if err := validate.Struct(o); err != nil {
					http.Error(w, "bad request", http.StatusBadRequest)
					return
				}
				if err := handleByHand(r.Context(), o); err != nil {
					http.Error(w, "failed", http.StatusInternalServerError)
					return
				}
				w.WriteHeader(http.StatusOK)
			}), body)
		})
	}
}

func handleByHand(_ context.Context, o benchOrder) error {
	if o.ID == 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// benchServe posts body again and again, with the headers that Cloud Tasks sends.
func benchServe(b *testing.B, h http.Handler, body []byte) {
	header := http.Header{}
	for _, kv := range strings.Split("User-Agent: Google-Cloud-Tasks|Content-Type: application/json|X-CloudTasks-QueueName: tasks|"+
		"X-CloudTasks-TaskName: 57462374832847|X-CloudTasks-TaskRetryCount: 2|X-CloudTasks-TaskExecutionCount: 0|"+
		"X-CloudTasks-TaskETA: 1732415400.123456|X-CloudTasks-TaskPreviousResponse: 503|"+
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "|") {
		k, v, _ := strings.Cut(kv, ": ")
		header.Set(k, v)
	}
	base, err := http.NewRequest(http.MethodPost, "/tasks/order", nil)
	if err != nil {
		b.Fatal(err)
	}
	base.Header = header
	base.ContentLength = int64(len(body))
	w := &discardWriter{header: http.Header{}}
	reader := bytes.NewReader(body)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := *base
		reader.Reset(body)
		r.Body = io.NopCloser(reader)
		clear(w.header)
		w.code = 0
		h.ServeHTTP(w, &r)
		if w.code != http.StatusOK {
			b.Fatalf("answered %d", w.code)
		}
	}
}

type discardWriter struct {
	header http.Header
	code   int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) WriteHeader(code int)        { w.code = code }
func (w *discardWriter) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkLog is what the one line of a delivery costs: where the level is off, no allocation and next to no time.
func BenchmarkLog(b *testing.B) {
	body, err := json.Marshal(benchPayload(0))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		handler slog.Handler
		project string
	}{
		{"off", slog.DiscardHandler, ""},
		{"above", slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}), ""},
		{"on", slog.NewJSONHandler(io.Discard, nil), ""},
		{"on, Cloud Logging", slog.NewJSONHandler(io.Discard, nil), "shop-prod"},
	} {
		b.Run(c.name, func(b *testing.B) {
			app, err := tasks.NewApp(tasks.Config{Name: "shop", Eager: true, Logger: slog.New(c.handler), CloudLoggingProject: c.project})
			if err != nil {
				b.Fatal(err)
			}
			if err := app.Register(tasks.New(func(context.Context, benchOrder) error { return nil }, tasks.WithName("order"))); err != nil {
				b.Fatal(err)
			}
			benchServe(b, app, body)
		})
	}
}
