package main

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// fetch returns what a URL answers with.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return string(body)
}

func TestRun_HTTPPort_KeysURLIsToldAsItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		args    []string
		host    string
		written func(url string) string // in the log
	}{
		"text":          {nil, "127.0.0.1", func(url string) string { return "\n# the key of the OIDC tokens, for oidc.KeysURL: " + url + "\n" }},
		"all addresses": {[]string{"-host", "0.0.0.0"}, "localhost", func(url string) string { return "oidc.KeysURL: " + url + "\n" }},
		"JSON":          {[]string{"-log", "json"}, "127.0.0.1", func(url string) string { return `"keys_url":"` + url + `"` }},
	} {
		t.Run(name, func(t *testing.T) {
			ready, log, end := start(t, append(tc.args, "-http-port", "0")...)
			defer end()
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(ready.HTTP, "http://"))
			want := "http://" + net.JoinHostPort(tc.host, port) + emulator.CertsPath
			if ready.KeysURL != want || !strings.Contains(log.String(), tc.written(want)) {
				t.Errorf("told of %q, want %s; the log:\n%s", ready.KeysURL, want, log)
			}
			if keys := fetch(t, ready.KeysURL); !strings.Contains(keys, `"RS256"`) {
				t.Errorf("keys: %s", keys)
			}
			if root := fetch(t, "http://"+net.JoinHostPort(tc.host, port)+"/"); !strings.Contains(root, want) {
				t.Errorf("the root does not lead to %s: %s", want, root)
			}
		})
	}
}

func TestRun_NoHTTPPort_FirstTokenTellsOfIt(t *testing.T) {
	for _, served := range []bool{false, true} {
		arrived := make(chan struct{}, 2)
		worker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{} }))
		defer worker.Close()
		args := []string{"-queue", "mail"}
		if served {
			args = append(args, "-http-port", "0")
		}
		ready, log, end := start(t, args...)
		if !served && (ready.KeysURL != "" || strings.Contains(log.String(), "oidc.KeysURL")) {
			t.Errorf("a URL of keys without a port for them: %+v, %s", ready, log)
		}
		c := connect(t, ready.GRPC)
		for range 2 {
			task := taskFor(queue, "", worker.URL, time.Time{})
			task.GetHttpRequest().AuthorizationHeader = &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: "a@p.iam.gserviceaccount.com"}}
			if _, err := c.CreateTask(t.Context(), &cloudtaskspb.CreateTaskRequest{Parent: queue, Task: task}); err != nil {
				t.Fatal(err)
			}
			<-arrived
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		end()
		if told := strings.Count(log.String(), "tasks-emulator -http-port 8124"); told != map[bool]int{false: 1, true: 0}[served] {
			t.Errorf("with a port for keys: %t, told %d times of the flag:\n%s", served, told, log)
		}
	}
}

func TestReadiness_WithoutHTTP_IsAsItWas(t *testing.T) {
	b, err := json.Marshal(readiness{Ready: true, GRPC: "127.0.0.1:8123"})
	if want := `{"ready":true,"grpc":"127.0.0.1:8123"}`; err != nil || string(b) != want {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}

func TestPackageDoc_NamesEveryFlag(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Fields(f.Doc.Text())
	var help bytes.Buffer
	if code := run(t.Context(), []string{"-help"}, io.Discard, &help); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	flags := regexp.MustCompile(`(?m)^  (-[a-z-]+)`).FindAllStringSubmatch(help.String(), -1)
	if len(flags) < 10 {
		t.Fatalf("%d flags in:\n%s", len(flags), &help)
	}
	for _, flag := range flags {
		if !slices.Contains(doc, flag[1]) {
			t.Errorf("the package's doc does not name %s", flag[1])
		}
	}
}
