package nodetest

import (
	"context"
	"encoding/base64"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// TestNodeClients runs client.js, pubsub.js and scheduler.js, which use Google's clients for Node.js, against an emulator.
func TestNodeClients(t *testing.T) {
	if testing.Short() {
		t.Skip("installs packages of npm")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	dir := install(t, ctx)
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	// run runs a program to its end; it sees only what it asks the emulator for.
	run := func(t *testing.T, args ...string) {
		t.Helper()
		client := exec.CommandContext(ctx, "node", args...)
		client.Dir = dir
		client.Env = append(os.Environ(), "METADATA_SERVER_DETECTION=none", "PUBSUB_EMULATOR_HOST="+address) // it need not look for Google's
		if out, err := client.CombinedOutput(); err != nil || !strings.Contains(string(out), "done") {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("tasks", func(t *testing.T) {
		w := newWorker(t)
		run(t, "client.js", port, w.url)
		arrived := w.await(2)
		for path, body := range map[string]string{"/now": `{"n":2}`, "/later": `{"n":1}`} {
			r := arrived[path]
			if r == nil || r.text != body || r.Header.Get("X-CloudTasks-QueueName") != "node" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s arrived as %+v", path, r)
			}
		}
		if len(arrived) != 2 || !strings.HasPrefix(arrived["/now"].Header.Get("Authorization"), "Bearer ey") {
			t.Errorf("%d requests arrived, the one with a token as %v", len(arrived), arrived["/now"])
		}
	})
	t.Run("pubsub", func(t *testing.T) {
		w := newWorker(t)
		run(t, "pubsub.js", w.url+"/push")
		r := w.await(1)["/push"]
		data := base64.StdEncoding.EncodeToString([]byte("to the endpoint"))
		if r == nil || !strings.Contains(r.text, `"data":"`+data+`"`) || !strings.Contains(r.text, `"subscription":"projects/p/subscriptions/pushed"`) {
			t.Errorf("pushed as %+v", r)
		}
	})
	t.Run("scheduler", func(t *testing.T) {
		w := newWorker(t)
		run(t, "scheduler.js", port, w.url)
		r := w.await(1)["/report"]
		if r == nil || r.text != `{"n":1}` || r.URL.RawQuery != "full=1" || r.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("fired as %+v", r)
		}
		if h := r.Header; h.Get("X-CloudScheduler-JobName") != "report" || !strings.HasSuffix(h.Get("X-CloudScheduler-ScheduleTime"), "-03:00") ||
			!strings.HasPrefix(h.Get("Authorization"), "Bearer ey") || h.Get("User-Agent") != "Google-Cloud-Scheduler" {
			t.Errorf("fired with %v", h)
		}
	})
}

// install makes a directory with the programs and the packages that they use.
func install(t *testing.T, ctx context.Context) (dir string) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed, so Google's Node.js clients cannot be tried: %v", tool, err)
		}
	}
	dir = t.TempDir()
	for _, name := range []string{"package.json", "client.js", "pubsub.js", "scheduler.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		view := exec.CommandContext(ctx, "npm", "view", "@google-cloud/tasks", "version")
		view.Dir = dir
		if view.Run() == nil {
			t.Fatalf("npm reaches its registry, and cannot install what package.json names: %v\n%s", err, out)
		}
		t.Skipf("npm cannot install Google's clients (no network?): %v\n%s", err, out)
	}
	return dir
}

// worker keeps the requests that it gets, by path.
type worker struct {
	url string

	mu      sync.Mutex
	arrived map[string]*request
}

type request struct {
	*http.Request
	text string
}

func newWorker(t *testing.T) *worker {
	w := &worker{arrived: map[string]*request{}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *worker) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived[r.URL.Path] = &request{r, string(body)}
}

// await returns the requests once there are n, or after ten seconds.
func (w *worker) await(n int) map[string]*request {
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		w.mu.Lock()
		arrived := maps.Clone(w.arrived)
		w.mu.Unlock()
		if len(arrived) >= n || time.Now().After(deadline) {
			return arrived
		}
	}
}
