package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	cloudscheduler "cloud.google.com/go/scheduler/apiv1"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

func schedulerClient(t *testing.T, address string) *cloudscheduler.CloudSchedulerClient {
	t.Helper()
	c, err := cloudscheduler.NewCloudSchedulerClient(t.Context(), option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestProgram_JobsOutliveAKill(t *testing.T) {
	const parent = "projects/emulator/locations/local"
	fired := make(chan http.Header, 10)
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fired <- r.Header }))
	defer worker.Close()
	data := filepath.Join(t.TempDir(), "data")
	p := launch(t, "-data", data)
	c := schedulerClient(t, p.ready.GRPC)
	var want []*schedulerpb.Job
	for _, id := range []string{"nightly", "paused"} {
		j, err := c.CreateJob(t.Context(), &schedulerpb.CreateJobRequest{Parent: parent, Job: &schedulerpb.Job{
			Name: parent + "/jobs/" + id, Schedule: "0 3 1 1 *", TimeZone: "America/Sao_Paulo",
			Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{Uri: worker.URL}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, j)
	}
	paused, err := c.PauseJob(t.Context(), &schedulerpb.PauseJobRequest{Name: want[1].Name})
	if err != nil {
		t.Fatal(err)
	}
	want[1] = paused
	p.signal(syscall.SIGKILL)
	_ = p.Wait()

	p = launch(t, "-data", data)
	c = schedulerClient(t, p.ready.GRPC)
	for _, w := range want {
		if got, err := c.GetJob(t.Context(), &schedulerpb.GetJobRequest{Name: w.Name}); err != nil || !proto.Equal(got, w) {
			t.Errorf("after the kill\n%v, before it\n%v; %v", got, w, err)
		}
	}
	if _, err := c.RunJob(t.Context(), &schedulerpb.RunJobRequest{Name: paused.Name}); err != nil {
		t.Fatal(err)
	}
	select {
	case h := <-fired:
		if h.Get("X-CloudScheduler-JobName") != "paused" || !strings.HasSuffix(h.Get("X-CloudScheduler-ScheduleTime"), "-03:00") {
			t.Errorf("fired with %v", h)
		}
	case <-time.After(20 * time.Second):
		t.Error("the job was not fired")
	}
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, standard error: %s", code, p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "export CLOUD_SCHEDULER_EMULATOR_HOST="+p.ready.GRPC+"\n") {
		t.Errorf("standard error does not tell where it is:\n%s", p.stderr)
	}
}

func TestProgram_BringsItsTimeZones(t *testing.T) {
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(program, []byte("America/Argentina/ComodRivadavia")) { // the machine's database would hide it from any call
		t.Error("the program does not hold the tz database")
	}
}
