package cloudscheduler_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	apiv1 "cloud.google.com/go/scheduler/apiv1"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudscheduler"
	"github.com/typedtasks/typedtasks/transport/emulator"
)

// emulated is a scheduler for an emulator of its own, and Google's own client beside it.
func emulated(t *testing.T) (*cloudscheduler.Scheduler, *apiv1.CloudSchedulerClient) {
	t.Helper()
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	client, err := apiv1.NewCloudSchedulerClient(t.Context(), plaintext(addr)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return connect(t, cloudscheduler.WithEndpoint(addr)), client
}

func TestEmulator_ReadsBackEverySetting(t *testing.T) {
	sched, _ := emulated(t)
	for name, change := range map[string]func(*transport.Job){
		"all":              func(*transport.Job) {},
		"description":      func(j *transport.Job) { j.Description = "" },
		"schedule":         func(j *transport.Job) { j.Schedule = "every 2 hours" },
		"another schedule": func(j *transport.Job) { j.Schedule = "1st friday of month 09:00" },
		"zone":             func(j *transport.Job) { j.TimeZone = "Europe/Berlin" },
		"url":              func(j *transport.Job) { j.URL += "?a=b" },
		"method":           func(j *transport.Job) { j.Method = http.MethodPatch },
		"no token":         func(j *transport.Job) { j.Audience, j.ServiceAccount = "", "" },
		"headers":          func(j *transport.Job) { j.Header = http.Header{"Content-Type": {"text/plain"}} },
		"body":             func(j *transport.Job) { j.Body = []byte{0, 255} },
		"deadline":         func(j *transport.Job) { j.Deadline = 30 * time.Minute },
		"retries":          func(j *transport.Job) { j.Retry.MaxAttempts, j.Retry.MaxRetryDuration = 6, 0 },
		"backoff":          func(j *transport.Job) { j.Retry.MinBackoff, j.Retry.MaxBackoff = time.Second, time.Minute },
	} {
		want := full()
		change(want)
		put(t, sched, want) // over what the one before left
		got := get(t, sched, want.Name)
		if got.State != transport.JobEnabled || got.Next.IsZero() || !got.LastRun.IsZero() || got.LastErr != nil {
			t.Errorf("%s: state %+v", name, got)
		}
		got.State, got.Next = "", time.Time{}
		if len(want.Header["X-Kind"]) > 0 {
			want.Header["X-Kind"] = []string{"a, b"} // as the wire carries it
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
		}
	}
}

func TestEmulator_DriftMadeByHand_IsSeenAndPutRight(t *testing.T) {
	sched, client := emulated(t)
	put(t, sched, full())
	want := get(t, sched, full().Name)
	p, err := client.GetJob(t.Context(), &schedulerpb.GetJobRequest{Name: parent + "/jobs/" + want.Name})
	if err != nil {
		t.Fatal(err)
	}
	p.Description, p.Schedule, p.TimeZone = "by hand", "0 4 * * *", "Asia/Tokyo"
	p.AttemptDeadline = durationpb.New(20 * time.Second)
	p.RetryConfig = &schedulerpb.RetryConfig{RetryCount: 1}
	p.GetHttpTarget().Uri = "https://elsewhere.example.com/"
	p.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OauthToken{OauthToken: &schedulerpb.OAuthToken{ServiceAccountEmail: "hand@p.iam.gserviceaccount.com"}}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"description", "schedule", "time_zone", "attempt_deadline", "retry_config", "http_target"}}
	if _, err := client.UpdateJob(t.Context(), &schedulerpb.UpdateJobRequest{Job: p, UpdateMask: mask}); err != nil {
		t.Fatal(err)
	}
	got := get(t, sched, want.Name)
	if got.Description != "by hand" || got.Schedule != "0 4 * * *" || got.TimeZone != "Asia/Tokyo" || got.Deadline != 20*time.Second || got.Retry.ForJob().MaxAttempts != 2 ||
		got.URL != "https://elsewhere.example.com/" || got.Audience != "" || got.ServiceAccount != "hand@p.iam.gserviceaccount.com" {
		t.Errorf("the drift reads %+v", got)
	}
	put(t, sched, full())
	if got := get(t, sched, want.Name); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEmulator_Many_InPages(t *testing.T) {
	sched, _ := emulated(t)
	const n = 502
	for i := range n {
		j := nightly()
		j.Name = fmt.Sprintf("job-%d", i)
		put(t, sched, j)
	}
	seen := map[string]bool{}
	for j, err := range sched.Jobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seen[j.Name] = true
	}
	if len(seen) != n {
		t.Errorf("%d jobs", len(seen))
	}
}

func TestEmulator_FiresWithTheHeadersOfThePlatform(t *testing.T) {
	requests := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"id":1}` || r.Method != http.MethodPut {
			t.Errorf("%s %s, %v", r.Method, body, err)
		}
		w.WriteHeader(http.StatusTeapot)
		requests <- r
	}))
	defer srv.Close()
	sched, _ := emulated(t)
	j := full()
	j.URL = srv.URL
	put(t, sched, j)
	if err := sched.PauseJob(t.Context(), j.Name); err != nil {
		t.Fatal(err)
	}
	if err := sched.RunJob(t.Context(), j.Name); err != nil {
		t.Fatal(err)
	}
	r := <-requests
	for name, want := range map[string]string{"User-Agent": "Google-Cloud-Scheduler", "X-CloudScheduler": "true", "X-CloudScheduler-JobName": j.Name, "Content-Type": "application/json", "X-Kind": "a, b"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if r.Header.Get("Authorization") == "" {
		t.Error("no token")
	}
	if got := get(t, sched, j.Name); got.State != transport.JobPaused || got.LastRun.IsZero() {
		t.Errorf("got %+v", got)
	}
}

func TestEmulator_Stopped_SaysWhereItWas(t *testing.T) {
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	sched := connect(t, cloudscheduler.WithEndpoint(addr), cloudscheduler.WithRetryTime(0))
	put(t, sched, nightly())
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = sched.PutJob(ctx, nightly())
	requireKind(t, err, transport.OpPutJob, `job "shop--Nightly"`, transport.KindOther)
	if want := " (from the emulator at " + addr + ", as WithEndpoint says; does it run?)"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}
