package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a service that serves, on an emulator of Cloud Tasks.
type running struct {
	service  *service.Service
	emulator *emulator.Emulator
	url      string
	logs     *buffer
	signer   *tasktest.Signer
	stop     context.CancelFunc
	ended    chan error
}

func run(t *testing.T, drain time.Duration) *running {
	t.Helper()
	r := &running{logs: &buffer{}, ended: make(chan error, 1), signer: tasktest.NewSigner(t)}
	var err error
	r.emulator, err = emulator.New(emulator.WithQueues("projects/emulator/locations/local/queues/shop"), emulator.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.emulator.Close() })
	address, err := r.emulator.Start()
	if err != nil {
		t.Fatal(err)
	}
	r.service, err = service.New(t.Context(), service.Config{
		Tasks:     tasks.Config{Name: "shop", Endpoint: endpoint},
		Transport: []cloudtasks.Option{cloudtasks.WithEndpoint(address)},
		Auth:      authBy(t, r.signer),
		Logger:    service.NewLogger(r.logs),
		Drain:     drain,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- r.service.Run(ctx, listener) }()
	return r
}

func (r *running) do(method, path, body string, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res, err
}

// push delivers a payment in its third attempt, which enqueues a shipment.
func (r *running) push() (*http.Response, error) {
	return r.do(http.MethodPost, "/_tasks/tasks/Payment", `{"order":17,"cents":4200}`, map[string]string{
		"Authorization":               "Bearer " + r.signer.Token(good()),
		"X-CloudTasks-TaskName":       "payment-17",
		"X-CloudTasks-QueueName":      "shop",
		"X-CloudTasks-TaskRetryCount": "2",
	})
}

// closed waits until nobody listens any more.
func (r *running) closed(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Fatal("the service still listens")
}

func TestService_Stop_WaitsForPushes_WhichMayStillEnqueue(t *testing.T) {
	r := run(t, 0)
	arrived, release := make(chan struct{}), make(chan struct{})
	r.service.App.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			close(arrived)
			<-release
			return next(ctx, d)
		}
	})
	status := make(chan int, 1)
	go func() {
		res, err := r.push()
		if err != nil {
			t.Error(err)
			res = &http.Response{}
		}
		status <- res.StatusCode
	}()
	<-arrived
	r.stop()
	r.closed(t)
	close(release)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the push was answered with %d", got)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if n := r.emulator.Backlog(); n != 1 {
		t.Errorf("%d tasks wait, want the shipment", n)
	}
	if _, err := r.service.App.Config().Transport.Enqueue(t.Context(), &transport.Task{Queue: "shop", URL: endpoint}); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("after Run, Enqueue = %v, want %v", err, transport.ErrClosed)
	}
	for _, want := range []string{"serving", "task executed", "stopped"} {
		if !strings.Contains(r.logs.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, r.logs)
		}
	}
}

func TestService_Stop_BreaksOffWhatTakesTooLong(t *testing.T) {
	r := run(t, 20*time.Millisecond)
	arrived := make(chan struct{})
	r.service.App.Use(func(next tasks.Handler) tasks.Handler {
		return func(ctx context.Context, d *transport.Delivery) (any, error) {
			close(arrived)
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	pushed := make(chan error, 1)
	go func() {
		_, err := r.push()
		pushed <- err
	}()
	<-arrived
	r.stop()
	if err := <-r.ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v, want %v", err, context.DeadlineExceeded)
	}
	if err := <-pushed; err == nil {
		t.Error("the push was answered")
	}
}

func TestService_Pages(t *testing.T) {
	r := run(t, 0)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		logs                     string
	}{
		{"it is up", "GET", "/health", "", 200, ""},
		{"a customer's order is enqueued", "POST", "/signup", `{"user_id":7,"email":"ana@example.com"}`, 202, ""},
		{"one that breaks the rules is not, and the log says so", "POST", "/signup", `{}`, 400, `"severity":"INFO","message":"task not enqueued","task":"Welcome"`},
		{"nobody delivers without a token", "POST", "/_tasks/tasks/Welcome", `{}`, 401, `"severity":"WARNING","message":"tasks: caller refused"`},
		{"there is nothing else", "GET", "/nothing", "", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := r.do(c.method, c.path, c.body, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status || !strings.Contains(r.logs.String(), c.logs) {
				t.Errorf("answered with %s, logged\n%s, want %d and %s", res.Status, r.logs, c.status, c.logs)
			}
		})
	}
	t.Run("what the platform refuses is logged as an error", func(t *testing.T) {
		if err := r.emulator.Close(); err != nil {
			t.Error(err)
		}
		res, err := r.do(http.MethodPost, "/carts", `{"cart":9}`, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := `"severity":"ERROR","message":"task not enqueued","task":"Reminder"`; res.StatusCode != 500 || !strings.Contains(r.logs.String(), want) {
			t.Errorf("answered with %s, logged\n%s", res.Status, r.logs)
		}
	})
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestService_Quarantine_GoesToTheLog(t *testing.T) {
	signer := tasktest.NewSigner(t)
	d := newDoor(t, authBy(t, signer))
	d.service.App.Use(func(next tasks.Handler) tasks.Handler {
		return func(context.Context, *transport.Delivery) (any, error) {
			return nil, tasks.Reject(errors.New("unheard of"))
		}
	})
	status, logged := d.try("Bearer " + signer.Token(good()))
	var line struct {
		Severity, Message string
		Delivery          struct{ Name, ID, Body, Reason string }
	}
	if err := json.Unmarshal([]byte(logged[:strings.IndexByte(logged, '\n')+1]), &line); err != nil {
		t.Fatalf("%v in %s", err, logged)
	}
	if q := line.Delivery; status != 202 || line.Severity != "ERROR" || q.Name != "Welcome" || q.ID != "forged" || !strings.Contains(q.Body, "ana@") || q.Reason != "unheard of" {
		t.Errorf("answered with %d, logged %s", status, logged)
	}
	if strings.Contains(logged, "Bearer") {
		t.Errorf("the log holds the token: %s", logged)
	}
}

func TestNew_Wrong_SaysWhat(t *testing.T) {
	here, auth := cloudtasks.WithEndpoint("127.0.0.1:1"), authBy(t, tasktest.NewSigner(t))
	for _, c := range []struct {
		name string
		cfg  service.Config
		want string
	}{
		{"nobody who may deliver", service.Config{Transport: []cloudtasks.Option{here}}, "Config.Auth is nil"},
		{"driver", service.Config{Transport: []cloudtasks.Option{here, cloudtasks.WithConnectionPool(-1)}, Auth: auth}, "WithConnectionPool"},
		{"App", service.Config{Transport: []cloudtasks.Option{here}, Auth: auth}, "Config.Endpoint is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := service.New(t.Context(), c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestNewLogger_SpeaksCloudLoggingsWords(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR", slog.LevelError + 4: "ERROR",
	} {
		var out bytes.Buffer
		service.NewLogger(&out).Log(t.Context(), level, "hello", slog.Group("request", "msg", "kept"))
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		group, _ := line["request"].(map[string]any)
		if line["severity"] != want || line["message"] != "hello" || line["time"] == nil || group["msg"] != "kept" {
			t.Errorf("level %v: %s", level, &out)
		}
	}
}

// buffer is written to by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
