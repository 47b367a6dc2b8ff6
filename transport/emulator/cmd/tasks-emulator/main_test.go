package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

const queue = "projects/emulator/locations/local/queues/mail"

func TestMain(m *testing.M) {
	// Google's client for Pub/Sub links opencensus, whose package begins with a goroutine, and one of its own goes on
	// for 10 seconds after Receive.
	opencensus := goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start")
	keepAlive := goleak.IgnoreAnyFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler")
	goleak.VerifyTestMain(m, opencensus, keepAlive, goleak.Cleanup(func(code int) {
		if file, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(file))
		}
		os.Exit(code)
	}))
}

// build compiles the program, once for all tests that run it.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tasks-emulator")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "tasks-emulator")
	out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return file, nil
})

// process is the program while it runs.
type process struct {
	*exec.Cmd
	t      testing.TB
	ready  readiness
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

// launch starts the program and waits for its readiness.
func launch(t testing.TB, args ...string) *process {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return await(t, exec.Command(file, append([]string{"-port", "0"}, args...)...))
}

// launchLimited is launch where no file may grow beyond a few hundred kilobytes.
func launchLimited(t testing.TB, args ...string) *process {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return await(t, exec.Command("sh", append([]string{"-c", `ulimit -f 500 && exec "$0" -port 0 "$@"`, file}, args...)...))
}

func await(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, t: t, stderr: &bytes.Buffer{}}
	p.Cmd.Stderr = p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	p.stdout = bufio.NewReader(out)
	line, err := p.stdout.ReadBytes('\n')
	if err != nil {
		t.Fatalf("no readiness line: %v; standard error: %s", err, p.stderr)
	}
	if err := json.Unmarshal(line, &p.ready); err != nil || !p.ready.Ready {
		t.Fatalf("readiness line %q: %v", line, err)
	}
	return p
}

// end waits for the end and returns the exit code.
func (p *process) end() int {
	p.t.Helper()
	if rest, err := io.ReadAll(p.stdout); err != nil || len(rest) > 0 {
		p.t.Errorf("more on standard output: %q, %v", rest, err)
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// connect is Google's client for the program.
func connect(t testing.TB, address string) *cloudtasks.Client {
	t.Helper()
	c, err := cloudtasks.NewClient(context.Background(), option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func create(ctx context.Context, c *cloudtasks.Client, parent, id, url string, at time.Time) (*cloudtaskspb.Task, error) {
	return c.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{Parent: parent, Task: taskFor(parent, id, url, at)})
}

func TestProgram_Signals_EndItGracefully(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			arrived, answer := make(chan struct{}), make(chan struct{})
			finished := make(chan struct{})
			worker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				close(arrived)
				<-answer
				close(finished)
			}))
			defer worker.Close()
			p := launch(t, "-queue", "mail")
			if _, err := create(t.Context(), connect(t, p.ready.GRPC), queue, "a", worker.URL, time.Time{}); err != nil {
				t.Fatal(err)
			}
			<-arrived
			p.signal(sig)
			close(answer)
			if code := p.end(); code != 0 {
				t.Errorf("exit code %d, standard error: %s", code, p.stderr)
			}
			select {
			case <-finished:
			default:
				t.Error("the attempt in flight was not waited for")
			}
		})
	}
}

// stuckWorker answers nothing until its caller has gone.
func stuckWorker(t *testing.T) (_ *httptest.Server, arrived chan struct{}) {
	arrived = make(chan struct{})
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice
		close(arrived)
		<-r.Context().Done()
	}))
	t.Cleanup(worker.Close)
	return worker, arrived
}

func TestProgram_SecondSignal_EndsItAtOnce(t *testing.T) {
	worker, arrived := stuckWorker(t)
	p := launch(t, "-queue", "mail", "-grace", "1h")
	if _, err := create(t.Context(), connect(t, p.ready.GRPC), queue, "a", worker.URL, time.Time{}); err != nil {
		t.Fatal(err)
	}
	<-arrived
	go func() {
		for p.Process.Signal(syscall.SIGTERM) == nil { // the second counts once the first has been seen
			<-time.After(10 * time.Millisecond)
		}
	}()
	if code := p.end(); code != -1 {
		t.Errorf("exit code %d, want death by a signal", code)
	}
}

// start runs the program in this process, until the test ends it.
func start(t *testing.T, args ...string) (ready readiness, log *lockedBuffer, end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	log = &lockedBuffer{}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"-port", "0"}, args...), in, log)
		in.Close()
	}()
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		cancel()
		t.Fatalf("readiness: %v, log: %s", err, log)
	}
	go io.Copy(io.Discard, out)
	return ready, log, func() int { cancel(); return <-code }
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestRun_ServesQueuesAndKeys(t *testing.T) {
	ready, log, end := start(t, "--queue", "mail", "-queue=projects/p/locations/l/queues/full", "-http-port", "0", "-log", "json", "-verbose", "-on-demand")
	c := connect(t, ready.GRPC)
	for _, name := range []string{queue, "projects/p/locations/l/queues/full"} {
		if _, err := c.GetQueue(t.Context(), &cloudtaskspb.GetQueueRequest{Name: name}); err != nil {
			t.Error(err)
		}
	}
	worker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer worker.Close()
	req := &cloudtaskspb.CreateTaskRequest{Parent: queue + "-2", Task: taskFor(queue, "", worker.URL, time.Time{})}
	if _, err := c.CreateTask(t.Context(), req); err != nil {
		t.Errorf("on demand: %v", err)
	}
	res, err := http.Get(ready.HTTP + emulator.CertsPath)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || !strings.Contains(string(body), `"RS256"`) {
		t.Errorf("keys: %s, %v", body, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if code := end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for line := range strings.Lines(log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
	if !strings.Contains(log.String(), "queue created") {
		t.Errorf("the log does not speak of the new queue: %s", log)
	}
}

func TestRun_Grace_IsNoFailure(t *testing.T) {
	worker, arrived := stuckWorker(t)
	ready, log, end := start(t, "-queue", "mail", "-grace", "10ms")
	if _, err := create(t.Context(), connect(t, ready.GRPC), queue, "a", worker.URL, time.Time{}); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if code := end(); code != 0 || !strings.Contains(log.String(), "1 attempts were still running") {
		t.Errorf("exit code %d, log: %s", code, log)
	}
}

func TestRun_CommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-help"}, 0, "CLOUD_TASKS_EMULATOR_HOST"},
		{[]string{"-help"}, 0, "PUBSUB_EMULATOR_HOST"},
		{[]string{"-help"}, 0, "CLOUD_SCHEDULER_EMULATOR_HOST"},
		{[]string{"-help"}, 0, "messages of\nPub/Sub do not"},
		{[]string{"-no-such-flag"}, 2, "no-such-flag"},
		{[]string{"mail"}, 2, `"mail"`},
		{[]string{"-log", "xml"}, 2, "text or json"},
		{[]string{"-port", "0", "-queue", "a_b"}, 1, "a_b"},
		{[]string{"-port", "0", "-topic", "a b"}, 1, "a b"},
		{[]string{"-port", port}, 1, port},
		{[]string{"-port", "0", "-http-port", port}, 1, port},
		{[]string{"-port", "0", "-data", t.TempDir()}, 1, "journal"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tc.args, &stdout, &stderr); code != tc.code || !strings.Contains(stderr.String(), tc.says) || stdout.Len() > 0 {
				t.Errorf("exit code %d, standard output %q, standard error:\n%s", code, &stdout, &stderr)
			}
		})
	}
}
