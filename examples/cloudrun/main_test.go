package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	emulatorProgram = "github.com/typedtasks/typedtasks/transport/emulator/cmd/tasks-emulator"
	account         = "shop-tasks@shop-project.iam.gserviceaccount.com"
)

// build compiles programs into a directory of the test's.
func build(t *testing.T, packages ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("go", append([]string{"build", "-o", dir + string(filepath.Separator)}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return dir
}

// process is a program that runs and writes lines of JSON.
type process struct {
	*exec.Cmd
	lines chan map[string]any // closed at the end of its output
	notes bytes.Buffer        // standard error, to be read once it has ended
}

// start runs a program. Of this environment it sees what has nothing to do with it.
func start(t *testing.T, program string, env []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, args...), lines: make(chan map[string]any)}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CLOUD_TASKS_") && !strings.HasPrefix(v, "SHOP_") {
			p.Env = append(p.Env, v)
		}
	}
	p.Env = append(p.Env, env...)
	p.Stderr = &p.notes
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			var line map[string]any
			if err := json.Unmarshal(in.Bytes(), &line); err != nil {
				line = map[string]any{"malformed": in.Text()}
			}
			p.lines <- line
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		for range p.lines {
		}
		<-read
		_ = p.Wait()
	})
	return p
}

// await returns the first line of which ok holds.
func (p *process) await(t *testing.T, what string, ok func(map[string]any) bool) map[string]any {
	t.Helper()
	var seen []string
	timeout := time.After(20 * time.Second)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				_ = p.Wait()
				t.Fatalf("%s ended without %s, after\n%s\n%s", p.Path, what, strings.Join(seen, "\n"), &p.notes)
			}
			if ok(line) {
				return line
			}
			seen = append(seen, fmt.Sprint(line))
		case <-timeout:
			t.Fatalf("%s did not tell %s, but\n%s", p.Path, what, strings.Join(seen, "\n"))
		}
	}
}

func says(message string) func(map[string]any) bool {
	return func(line map[string]any) bool { return line["message"] == message }
}

// end waits for the end and returns the exit code.
func (p *process) end() int {
	for range p.lines {
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestProgram_Environment_PushEndToEnd_SIGTERM(t *testing.T) {
	dir := build(t, ".", emulatorProgram)
	emulator := start(t, filepath.Join(dir, "tasks-emulator"), nil, "-port", "0", "-http-port", "0", "-project", "shop-project", "-location", "europe-west1", "-queue", "shop")
	ready := emulator.await(t, "that it is ready", func(line map[string]any) bool { return line["ready"] == true })

	port := freePort(t)
	url := "http://127.0.0.1:" + port
	env := []string{
		"PORT=" + port,
		"CLOUD_TASKS_ENDPOINT=" + url + "/_tasks",
		"CLOUD_TASKS_SERVICE_ACCOUNT=" + account,
		"CLOUD_TASKS_PROJECT=shop-project",
		"CLOUD_TASKS_LOCATION=europe-west1",
		"CLOUD_TASKS_EMULATOR_HOST=" + ready["grpc"].(string),
		"CLOUD_SCHEDULER_EMULATOR_HOST=" + ready["grpc"].(string),
		"SHOP_CERTS_URL=" + ready["http"].(string) + "/oauth2/v3/certs",
	}
	shop := start(t, filepath.Join(dir, "cloudrun"), env)
	if line := shop.await(t, "that it serves", says("serving")); line["queue"] != "shop" || line["audience"] != url || line["severity"] != "INFO" {
		t.Errorf("it serves as %v", line)
	}

	if status := post(t, url+"/signup", `{"user_id":7,"email":"ana@example.com"}`); status != http.StatusAccepted {
		t.Errorf("a customer was answered with %d", status)
	}
	if line := shop.await(t, "that the task was executed", says("task executed")); line["task"] != "Welcome" || line["attempt"] != 1.0 {
		t.Errorf("executed %v", line)
	}
	if status := post(t, url+"/_tasks/tasks/Welcome", `{"user_id":7,"email":"ana@example.com"}`); status != http.StatusUnauthorized {
		t.Errorf("a push without a token was answered with %d", status)
	}

	for _, c := range []struct {
		args, out, errs string
		code            int
	}{
		{"tasks sync --dry-run --exit-code", "[~] queue shop: updated: rate: 500/s -> 100/s", "cloudrun: the cloud is not what the code says", 4},
		{"tasks sync", "[+] schedule shop--Stocktaking: created", "", 0},
		{"tasks sync", "[=] queue shop\n[=] schedule shop--Stocktaking\n2 unchanged", "", 0},
		{"tasks list", "shop--Stocktaking  0 3 * * MON-FRI", "", 0},
		{"tasks enqueue Welcome --data {}", "", "cloudrun: Welcome: payload is not valid", 2},
		{"tasks schedules run Stocktaking", "schedule shop--Stocktaking: started", "", 0},
	} {
		out, errs, code := command(filepath.Join(dir, "cloudrun"), env, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) || c.errs == "" && errs != "" {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.args, code, c.code, out, errs)
		}
	}
	if line := shop.await(t, "that the periodic task was executed", says("task executed")); line["task"] != "Stocktaking" {
		t.Errorf("executed %v", line)
	}

	for _, p := range []*process{shop, emulator} {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := p.end(); code != 0 {
			t.Errorf("%s ended with exit code %d:\n%s", p.Path, code, &p.notes)
		}
	}
	if shop.notes.Len() > 0 {
		t.Errorf("the shop wrote to standard error:\n%s", &shop.notes)
	}

	t.Run("without its environment it fails, naming what is missing", func(t *testing.T) {
		shop := start(t, filepath.Join(dir, "cloudrun"), nil)
		line := shop.await(t, "why it fails", says("the service failed"))
		if why := fmt.Sprint(line["error"]); line["severity"] != "ERROR" || !strings.Contains(why, "CLOUD_TASKS_ENDPOINT") || !strings.Contains(why, "CLOUD_TASKS_SERVICE_ACCOUNT") {
			t.Errorf("it says %v", line)
		}
		if code := shop.end(); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
	})
}

// command runs a program to its end.
func command(program string, env []string, args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the exit code tells
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func post(t *testing.T, url, body string) (status int) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}
