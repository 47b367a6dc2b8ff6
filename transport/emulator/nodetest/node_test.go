package nodetest

import (
	"context"
	"io"
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

// TestNodeClient runs client.js, which uses Google's client for Node.js, against an emulator.
func TestNodeClient(t *testing.T) {
	if testing.Short() {
		t.Skip("installs a package of npm")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed, so Google's Node.js client cannot be tried: %v", tool, err)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "client.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		view := exec.CommandContext(ctx, "npm", "view", "@google-cloud/tasks", "version")
		view.Dir = dir
		if view.Run() == nil {
			t.Fatalf("npm reaches its registry, and cannot install what package.json names: %v\n%s", err, out)
		}
		t.Skipf("npm cannot install Google's client (no network?): %v\n%s", err, out)
	}

	var mu sync.Mutex
	arrived := map[string]*http.Request{}
	bodies := map[string]string{}
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		arrived[r.URL.Path], bodies[r.URL.Path] = r, string(body)
	}))
	defer worker.Close()
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	client := exec.CommandContext(ctx, "node", "client.js", port, worker.URL)
	client.Dir = dir
	client.Env = append(os.Environ(), "METADATA_SERVER_DETECTION=none") // it need not look for Google's
	if out, err := client.CombinedOutput(); err != nil || !strings.Contains(string(out), "done") {
		t.Fatalf("client.js: %v\n%s", err, out)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		mu.Lock()
		n := len(arrived)
		mu.Unlock()
		if n >= 2 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for path, body := range map[string]string{"/now": `{"n":2}`, "/later": `{"n":1}`} {
		r := arrived[path]
		if r == nil || bodies[path] != body || r.Header.Get("X-CloudTasks-QueueName") != "node" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s arrived as %+v with body %q", path, r, bodies[path])
		}
	}
	if len(arrived) != 2 || !strings.HasPrefix(arrived["/now"].Header.Get("Authorization"), "Bearer ey") {
		t.Errorf("%d requests arrived, the one with a token as %v", len(arrived), arrived["/now"])
	}
}
