package emulator

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

const testJob = "projects/p/locations/l/jobs/j"

func newTestJob(t testing.TB, name string) *schedulerpb.Job {
	t.Helper()
	j := &schedulerpb.Job{Name: name, Schedule: "0 3 * * *", Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{Uri: "http://x.test/"}}}
	if err := completeJob(j, time.Now()); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestNew_DataWithAJobThatCannotBe_IsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	s, err := openStore(file, slog.Default(), newSaved(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.job(newTestJob(t, testJob)) // which must not go on running
	odd := newTestJob(t, testJob+"-odd")
	odd.TimeZone = "Europe/Atlantis"
	s.job(odd)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the file is closed again
		e, err := New(WithData(file))
		if err == nil {
			e.Close()
			t.Fatal("no error")
		}
		if !strings.Contains(err.Error(), odd.Name) || !strings.Contains(err.Error(), "Atlantis") {
			t.Errorf("the error does not say what is wrong: %v", err)
		}
	}
}

func TestFire_DeletedMeanwhile_SendsNothing(t *testing.T) {
	r := &jobRunner{book: newJobBook()} // without a client: sending would panic
	if err := r.fire(t.Context(), &transport.Job{Name: testJob}, jobs.Run{}); err != nil {
		t.Error(err)
	}
}

func TestScheduler_CoreHasEnded_IsUnavailable(t *testing.T) {
	s := newScheduler(slog.Default(), nil, &jobRunner{})
	if _, err := s.createJob(newTestJob(t, testJob)); err != nil {
		t.Fatal(err)
	}
	if err := s.shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"create": func() error { _, err := s.createJob(newTestJob(t, testJob+"2")); return err },
		"update": func() error { _, err := s.updateJob(newTestJob(t, testJob), nil); return err },
		"delete": func() error { return s.deleteJob(testJob) },
		"get": func() error {
			_, err := s.GetJob(t.Context(), &schedulerpb.GetJobRequest{Name: testJob})
			return err
		},
		"list": func() error {
			_, err := s.ListJobs(t.Context(), &schedulerpb.ListJobsRequest{Parent: "projects/p/locations/l"})
			return err
		},
		"run": func() error { _, err := s.RunJob(t.Context(), &schedulerpb.RunJobRequest{Name: testJob}); return err },
	}
	for name, call := range calls {
		if err := call(); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
