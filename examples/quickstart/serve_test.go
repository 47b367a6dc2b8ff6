package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/examples/internal/tour"
)

func TestServe_CurlLines_DoWhatTheySay(t *testing.T) {
	out, closeShop := openShop(t)
	curl := regexp.MustCompile(`(?m)curl (\S+) +-d '([^']+)'(.*)$`)
	outcome := regexp.MustCompile(`# .*(executed|rejected|retried|snoozed|duplicate|discarded|quarantined)`)
	var tried []string
	for _, m := range curl.FindAllStringSubmatch(out.await(t, "Ctrl-C"), -1) {
		url, body, rest := m[1], m[2], m[3]
		want := tour.Executed
		if m := outcome.FindStringSubmatch(rest); m != nil {
			want = m[1]
		}
		out.skip()
		status := post(t, url, body)
		if want == tour.Duplicate {
			out.await(t, tour.Executed)
			status = post(t, url, body)
		}
		wantStatus := http.StatusAccepted
		switch {
		case want == tour.Rejected:
			wantStatus = http.StatusBadRequest
		case want == tour.Duplicate, strings.Contains(url, shop.Mount):
			wantStatus = http.StatusOK
		}
		if status != wantStatus {
			t.Errorf("%s was answered with %d, want %d", m[0], status, wantStatus)
		}
		out.await(t, " "+want+" ")
		tried = append(tried, want)
	}
	if got, want := strings.Join(tried, " "), "executed rejected retried snoozed duplicate discarded quarantined executed"; got != want {
		t.Errorf("the lines to try show %s, want %s", got, want)
	}
	if err := closeShop(); err != nil {
		t.Error(err)
	}
}

func TestServe_Interrupted_SaysHowManyTasksAreLeft(t *testing.T) {
	out, closeShop := openShop(t)
	url := regexp.MustCompile(`http://[\d.:]+`).FindString(out.await(t, "Ctrl-C"))
	post(t, url+"/orders", `{"order": 17, "cents": 4200}`)
	out.await(t, tour.Retried)
	if err := closeShop(); err != nil {
		t.Error(err)
	}
	out.await(t, "Closed. Tasks left waiting: 1.")
	out.await(t, "executed=0 rejected=0 ")
}

// openShop runs the program with -serve, until closeShop.
func openShop(t *testing.T) (out *transcript, closeShop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = &transcript{news: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-serve"}, out, io.Discard) }()
	closeShop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = closeShop() })
	return out, closeShop
}

func post(t *testing.T, url, body string) (status int) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// transcript is what a running program writes.
type transcript struct {
	mu   sync.Mutex
	text string
	news chan struct{} // closed and replaced when there is more
}

func (o *transcript) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text += string(b)
	close(o.news)
	o.news = make(chan struct{})
	return len(b), nil
}

// skip forgets what was written so far.
func (o *transcript) skip() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = ""
}

// await returns what was written once it has text.
func (o *transcript) await(t *testing.T, text string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		o.mu.Lock()
		got, news := o.text, o.news
		o.mu.Unlock()
		if strings.Contains(got, text) {
			return got
		}
		select {
		case <-news:
		case <-timeout:
			t.Fatalf("%q was not written, but\n%s", text, got)
		}
	}
}
