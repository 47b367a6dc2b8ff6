package emulator_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

const (
	location = "projects/p/locations/l"
	queueA   = location + "/queues/a"
	queueB   = location + "/queues/b"
	missing  = location + "/queues/missing"

	textNoQueue  = "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."
	textNoEntity = "Requested entity was not found."
	textGone     = "The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted."
)

// rig is an emulator with Google's client and a worker.
type rig struct {
	*cloudtasks.Client
	t      testing.TB
	e      *emulator.Emulator
	conn   *grpc.ClientConn
	log    *logs
	worker *worker
}

// start starts an emulator with queueA on a real socket.
func start(t testing.TB, opts ...emulator.Option) *rig {
	t.Helper()
	r := &rig{t: t, log: &logs{}, worker: newWorker()}
	server := httptest.NewServer(r.worker)
	t.Cleanup(server.Close)
	r.worker.url = server.URL
	r.launch(opts)
	address, err := r.e.Start()
	if err != nil {
		t.Fatal(err)
	}
	r.dial(address)
	return r
}

// startHere is start within a bubble: nothing leaves the process.
func startHere(t testing.TB, opts ...emulator.Option) *rig {
	t.Helper()
	r := &rig{t: t, log: &logs{}, worker: newWorker()}
	pipe := newPipeListener()
	server := &http.Server{Handler: r.worker}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(pipe) })
	client := &http.Client{Transport: &http.Transport{DialContext: pipe.dial}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = server.Close()
		serving.Wait()
	})
	r.worker.url = "http://worker.test"
	r.launch(append([]emulator.Option{emulator.WithHTTPClient(client)}, opts...))
	l := bufconn.Listen(1 << 16)
	serving.Go(func() {
		if err := r.e.Serve(l); err != nil {
			t.Error(err)
		}
	})
	r.dial("passthrough:///bufconn", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	return r
}

// inBubble runs f in a synctest bubble.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func (r *rig) launch(opts []emulator.Option) {
	r.t.Helper()
	defaults := []emulator.Option{
		emulator.WithQueues(queueA),
		emulator.WithLogger(slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}
	var err error
	if r.e, err = emulator.New(append(defaults, opts...)...); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		r.worker.release()
		if err := r.e.Close(); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) dial(address string, opts ...grpc.DialOption) {
	r.t.Helper()
	var err error
	r.conn, err = grpc.NewClient(address, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Client, err = cloudtasks.NewClient(r.t.Context(), option.WithGRPCConn(r.conn))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.Client.Close() })
}

// ctx bounds one call.
func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	r.t.Cleanup(cancel)
	return ctx
}

// task is an HTTP task for the worker. An empty id leaves the name to the server.
func (r *rig) task(id string) *cloudtaskspb.Task {
	t := &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
		Url: r.worker.url + "/run", Body: []byte("body"),
	}}}
	if id != "" {
		t.Name = queueA + "/tasks/" + id
	}
	return t
}

// later is task with an hour to go.
func (r *rig) later(id string) *cloudtaskspb.Task {
	t := r.task(id)
	t.ScheduleTime = stamp(time.Now().Add(time.Hour))
	return t
}

func (r *rig) create(t *cloudtaskspb.Task) *cloudtaskspb.Task {
	r.t.Helper()
	made, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: t})
	if err != nil {
		r.t.Fatalf("CreateTask: %v", err)
	}
	return made
}

func (r *rig) get(name string) *cloudtaskspb.Task {
	r.t.Helper()
	t, err := r.GetTask(r.ctx(), &cloudtaskspb.GetTaskRequest{Name: name, ResponseView: cloudtaskspb.Task_FULL})
	if err != nil {
		r.t.Fatalf("GetTask: %v", err)
	}
	return t
}

// eventually waits for what must come.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not so after 20 s: %s", what)
		}
	}
}

// wantStatus fails unless err has the code and, where one is given, the text.
func wantStatus(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code || text != "" && s.Message() != text {
		t.Errorf("got %s %q, want %s %q", s.Code(), s.Message(), code, text)
	}
}

// worker is a web server that keeps what it was sent.
type worker struct {
	url string

	mu     sync.Mutex
	calls  []call
	answer func(w http.ResponseWriter, r *http.Request)
	held   chan struct{}
}

// call is one request that reached the worker.
type call struct {
	*http.Request
	body string
	at   time.Time
}

func newWorker() *worker {
	return &worker{answer: func(http.ResponseWriter, *http.Request) {}, held: make(chan struct{})}
}

func (w *worker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.mu.Lock()
	w.calls = append(w.calls, call{r, string(body), time.Now()})
	answer := w.answer
	w.mu.Unlock()
	answer(rw, r)
}

// answers sets what is answered from now on.
func (w *worker) answers(f func(http.ResponseWriter, *http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// statuses answers with these in turn, the last one for ever.
func (w *worker) statuses(list ...int) {
	var mu sync.Mutex
	w.answers(func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		rw.WriteHeader(list[0])
		if len(list) > 1 {
			list = list[1:]
		}
	})
}

// hold answers nothing until release, or until the client has gone.
func (w *worker) hold() {
	w.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-w.held:
		case <-r.Context().Done():
		}
	})
}

func (w *worker) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.held:
	default:
		close(w.held)
	}
}

func (w *worker) seen() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// await returns the first n calls.
func (r *rig) await(n int) []call {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d calls of the worker", n), func() bool { return len(r.worker.seen()) >= n })
	return r.worker.seen()[:n]
}

// logs is a writer for a logger, read by tests.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// pipeListener is a network of one server, in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "worker"} }
