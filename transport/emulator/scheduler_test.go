package emulator_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/iterator"
	locationpb "google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// fullJob has every field of an HTTP job set.
func fullJob(name string) *schedulerpb.Job {
	return &schedulerpb.Job{
		Name: name, Description: "every night", Schedule: "30 2 * * MON-FRI", TimeZone: "America/Sao_Paulo",
		Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{
			Uri: "https://shop.example/run?a=b", HttpMethod: schedulerpb.HttpMethod_PUT, Body: []byte{0, 1, 0xff},
			Headers:             map[string]string{"content-type": "application/json", "X-Tenant": "a, b", "User-Agent": "Google-Cloud-Scheduler"},
			AuthorizationHeader: &schedulerpb.HttpTarget_OidcToken{OidcToken: &schedulerpb.OidcToken{ServiceAccountEmail: account, Audience: "aud"}},
		}},
		RetryConfig: &schedulerpb.RetryConfig{
			RetryCount: 5, MaxDoublings: 2, MaxRetryDuration: durationpb.New(time.Hour),
			MinBackoffDuration: durationpb.New(1500 * time.Millisecond), MaxBackoffDuration: durationpb.New(time.Minute),
		},
		AttemptDeadline: durationpb.New(30 * time.Minute),
	}
}

func TestCreateJob_EveryField_IsReadBack(t *testing.T) {
	r := startScheduler(t)
	oauth := fullJob(location + "/jobs/oauth")
	oauth.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OauthToken{
		OauthToken: &schedulerpb.OAuthToken{ServiceAccountEmail: account, Scope: "scope"},
	}
	published := fullJob(location + "/jobs/published")
	publishing(published)
	for _, want := range []*schedulerpb.Job{fullJob(nightly), oauth, published} {
		made, err := r.tryCreate(proto.CloneOf(want))
		if err != nil {
			t.Fatalf("%s: %v", want.Name, err)
		}
		wantProto(t, want.Name, configOf(made), want)
		wantProto(t, want.Name, r.getJob(want.Name), made)
	}
}

func TestCreateJob_UnsetFields_ReadAsTheirDefaults(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		time.Sleep(90*time.Second + 500*time.Millisecond)
		made := r.createJob(func(j *schedulerpb.Job) { // what is output only is ignored
			j.State, j.LastAttemptTime, j.ScheduleTime = schedulerpb.Job_PAUSED, timestamppb.Now(), timestamppb.Now()
		})
		want := r.job()
		want.GetHttpTarget().HttpMethod = schedulerpb.HttpMethod_POST
		want.GetHttpTarget().Headers = map[string]string{"User-Agent": "Google-Cloud-Scheduler"}
		want.AttemptDeadline = durationpb.New(3 * time.Minute)
		want.RetryConfig = &schedulerpb.RetryConfig{
			MaxRetryDuration: durationpb.New(0), MinBackoffDuration: durationpb.New(5 * time.Second),
			MaxBackoffDuration: durationpb.New(time.Hour), MaxDoublings: 5,
		}
		want.State = schedulerpb.Job_ENABLED
		want.UserUpdateTime = timestamppb.New(time.Date(2000, 1, 1, 0, 1, 30, 0, time.UTC))
		want.ScheduleTime = timestamppb.New(time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC))
		wantProto(t, "the new job", made, want)
	})
}

func TestCreateJob_RetryDefaults_FollowWhatIsSet(t *testing.T) {
	r := startScheduler(t)
	sec := func(n int64) *durationpb.Duration { return &durationpb.Duration{Seconds: n} }
	for i, tc := range []struct{ given, want *schedulerpb.RetryConfig }{
		{&schedulerpb.RetryConfig{RetryCount: 2}, &schedulerpb.RetryConfig{RetryCount: 2, MinBackoffDuration: sec(5), MaxBackoffDuration: sec(3600), MaxDoublings: 5}},
		{&schedulerpb.RetryConfig{MinBackoffDuration: sec(10)}, &schedulerpb.RetryConfig{MinBackoffDuration: sec(10), MaxBackoffDuration: sec(3600)}},
		{&schedulerpb.RetryConfig{MaxBackoffDuration: sec(2)}, &schedulerpb.RetryConfig{MinBackoffDuration: sec(2), MaxBackoffDuration: sec(2)}},
		{&schedulerpb.RetryConfig{MinBackoffDuration: sec(7200)}, &schedulerpb.RetryConfig{MinBackoffDuration: sec(7200), MaxBackoffDuration: sec(7200)}},
		{&schedulerpb.RetryConfig{MaxDoublings: 3}, &schedulerpb.RetryConfig{MinBackoffDuration: sec(5), MaxBackoffDuration: sec(3600), MaxDoublings: 3}},
		{&schedulerpb.RetryConfig{MinBackoffDuration: sec(0)}, &schedulerpb.RetryConfig{MinBackoffDuration: sec(0), MaxBackoffDuration: sec(3600)}},
	} {
		tc.want.MaxRetryDuration = sec(0)
		made := r.createJob(func(j *schedulerpb.Job) { j.Name, j.RetryConfig = fmt.Sprint(nightly, i), tc.given })
		wantProto(t, tc.given.String(), made.RetryConfig, tc.want)
		wantProto(t, "updated with what was read", r.updateJob(proto.CloneOf(made)).RetryConfig, tc.want)
	}
}

func TestCreateJob_WithoutName_GetsOne(t *testing.T) {
	r := startScheduler(t)
	unnamed := func(j *schedulerpb.Job) { j.Name = "" }
	a, b := r.createJob(unnamed), r.createJob(unnamed)
	if form := regexp.MustCompile(`^` + location + `/jobs/\d+$`); !form.MatchString(a.Name) || !form.MatchString(b.Name) || a.Name == b.Name {
		t.Errorf("named %q and %q", a.Name, b.Name)
	}
	wantProto(t, "read by that name", r.getJob(a.Name), a)
}

func TestCreateJob_NameTaken_IsAlreadyExists(t *testing.T) {
	r := startScheduler(t)
	r.createJob()
	_, err := r.tryCreate(r.job(every("* * * * *")))
	wantStatus(t, err, codes.AlreadyExists, "Job "+nightly+" already exists.")
	if got := r.getJob(nightly).Schedule; got != "0 3 * * *" {
		t.Errorf("the job has changed: schedule %q", got)
	}
	if err := r.jobs.DeleteJob(r.ctx(), &schedulerpb.DeleteJobRequest{Name: nightly}); err != nil {
		t.Fatal(err)
	}
	r.createJob() // the name can be used again at once
}

func TestJobs_Missing_IsNotFound(t *testing.T) {
	r := startScheduler(t)
	calls := map[string]func(name string) error{
		"GetJob": func(n string) error {
			_, err := r.jobs.GetJob(r.ctx(), &schedulerpb.GetJobRequest{Name: n})
			return err
		},
		"UpdateJob": func(n string) error { j := r.job(); j.Name = n; _, err := r.tryUpdate(j); return err },
		"DeleteJob": func(n string) error { return r.jobs.DeleteJob(r.ctx(), &schedulerpb.DeleteJobRequest{Name: n}) },
		"PauseJob":  func(n string) error { _, err := r.pause(n); return err },
		"ResumeJob": func(n string) error { _, err := r.resume(n); return err },
		"RunJob":    func(n string) error { _, err := r.run(n); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			wantStatus(t, call(noSuchJob), codes.NotFound, textNoJob)
			wantStatus(t, call("nightly"), codes.InvalidArgument, textJobName)
		})
	}
	for range r.list(location, 0) {
		t.Error("an update has created a job")
	}
}

func TestDeleteJob_FiresNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("* * * * *"))
		pass(time.Minute)
		if err := r.jobs.DeleteJob(r.ctx(), &schedulerpb.DeleteJobRequest{Name: nightly}); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts, one of them before the deletion", n)
		}
		_, err := r.jobs.GetJob(r.ctx(), &schedulerpb.GetJobRequest{Name: nightly})
		wantStatus(t, err, codes.NotFound, textNoJob)
	})
}

// list returns the names of the jobs of a location.
func (r *schedulerRig) list(parent string, size int32) (names []string) {
	r.t.Helper()
	for j, err := range r.jobs.ListJobs(r.ctx(), &schedulerpb.ListJobsRequest{Parent: parent, PageSize: size}).All() {
		if err != nil {
			r.t.Fatalf("ListJobs: %v", err)
		}
		names = append(names, j.Name)
	}
	return names
}

// listPage returns a page, and the token of the next.
func (r *schedulerRig) listPage(parent string, size int32, token string) (page []*schedulerpb.Job, next string, err error) {
	it := r.jobs.ListJobs(r.ctx(), &schedulerpb.ListJobsRequest{Parent: parent, PageSize: size, PageToken: token})
	_, err = it.Next()
	if err == iterator.Done {
		err = nil
	}
	answer, _ := it.Response.(*schedulerpb.ListJobsResponse)
	return answer.GetJobs(), answer.GetNextPageToken(), err
}

func TestListJobs_PagesOver500(t *testing.T) {
	r := startScheduler(t)
	var want []string
	for i := range 1200 {
		want = append(want, r.createJob(func(j *schedulerpb.Job) { j.Name = fmt.Sprintf("%s/jobs/j%04d", location, i) }).Name)
	}
	r.must(r.jobs.CreateJob(r.ctx(), &schedulerpb.CreateJobRequest{
		Parent: "projects/p/locations/elsewhere", Job: r.job(func(j *schedulerpb.Job) { j.Name = "projects/p/locations/elsewhere/jobs/x" }),
	}))
	for _, size := range []int32{0, 7, 500, 9999} {
		if got := r.list(location, size); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d names, want %d", size, len(got), len(want))
		}
	}
	for _, tc := range []struct {
		size int32
		want int
	}{{0, 500}, {3, 3}, {501, 500}} {
		page, next, err := r.listPage(location, tc.size, "")
		if err != nil || len(page) != tc.want || next == "" {
			t.Errorf("a page of %d has %d jobs, next %q, %v", tc.size, len(page), next, err)
		}
	}
	page, next, err := r.listPage(location+"-empty", 0, "")
	if err != nil || len(page) != 0 || next != "" {
		t.Errorf("a location without jobs lists %d, next %q, %v", len(page), next, err)
	}
	wantProto(t, "a job that is listed", func() *schedulerpb.Job { p, _, _ := r.listPage(location, 1, ""); return p[0] }(), r.getJob(want[0]))
}

func TestListJobs_LargeJobs_SmallPages(t *testing.T) {
	r := startScheduler(t)
	var want []string
	for i := range 9 {
		want = append(want, r.createJob(func(j *schedulerpb.Job) {
			j.Name = fmt.Sprintf("%s/jobs/j%d", location, i)
			j.GetHttpTarget().Body = make([]byte, 1000<<10)
		}).Name)
	}
	page, next, err := r.listPage(location, 0, "")
	if err != nil || len(page) != 3 || next == "" {
		t.Errorf("a page of %d jobs of 1 MB, next %q, %v", len(page), next, err)
	}
	if got := r.list(location, 0); !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
}

func TestListJobs_Refusals(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		for _, id := range []string{"a", "b"} {
			r.createJob(func(j *schedulerpb.Job) { j.Name = location + "/jobs/" + id })
		}
		_, token, err := r.listPage(location, 1, "")
		if err != nil || token == "" {
			t.Fatalf("token %q, %v", token, err)
		}
		for name, f := range map[string]func() error{
			"no location":     func() error { _, _, err := r.listPage("projects/p", 0, ""); return err },
			"a negative size": func() error { _, _, err := r.listPage(location, -1, ""); return err },
			"no token":        func() error { _, _, err := r.listPage(location, 0, "x"); return err },
			"another's token": func() error { _, _, err := r.listPage(location+"2", 0, token); return err },
			"an old token":    func() error { time.Sleep(2*time.Hour + 1); _, _, err := r.listPage(location, 0, token); return err },
		} {
			if err := f(); !strings.Contains(fmt.Sprint(err), "InvalidArgument") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestLocations_ThoseWithJobsAreListed(t *testing.T) {
	r := startScheduler(t)
	for _, parent := range []string{location, "projects/p/locations/other", "projects/q/locations/l"} {
		r.must(r.jobs.CreateJob(r.ctx(), &schedulerpb.CreateJobRequest{Parent: parent, Job: r.job(func(j *schedulerpb.Job) { j.Name = "" })}))
	}
	var names []string
	for l, err := range r.jobs.ListLocations(r.ctx(), &locationpb.ListLocationsRequest{Name: "projects/p"}).All() {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{location, "projects/p/locations/other"}) { // the first has a queue as well
		t.Errorf("locations %q", names)
	}
	l, err := r.jobs.GetLocation(r.ctx(), &locationpb.GetLocationRequest{Name: "projects/p/locations/other"})
	if err != nil || l.LocationId != "other" {
		t.Errorf("location %v, %v", l, err)
	}
}
