package emulator_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// aTarget is where httpJob goes to.
const aTarget = "https://shop.example/run"

// jobRefusals are jobs that cannot be created, and what the answer says.
var jobRefusals = []struct {
	name   string
	change func(j *schedulerpb.Job)
	says   string
}{
	{"a short name", func(j *schedulerpb.Job) { j.Name = "nightly" }, textJobName},
	{"a queue's name", func(j *schedulerpb.Job) { j.Name = queueA }, textJobName},
	{"a name with more behind it", func(j *schedulerpb.Job) { j.Name += "/x" }, textJobName},
	{"no project", func(j *schedulerpb.Job) { j.Name = "projects//locations/l/jobs/x" }, textJobName},
	{"a dot in the id", func(j *schedulerpb.Job) { j.Name += ".x" }, `Job ID "nightly.x" can contain only`},
	{"no id", func(j *schedulerpb.Job) { j.Name = location + "/jobs/" }, `Job ID "" can contain only`},
	{"a long id", func(j *schedulerpb.Job) { j.Name = location + "/jobs/" + strings.Repeat("x", 501) }, "between 1 and 500 characters"},
	{"another location", func(j *schedulerpb.Job) { j.Name = location + "2/jobs/x" },
		"The location name from request ('projects/p/locations/l') must be the same as the location name in the named job ('projects/p/locations/l2')."},
	{"a long description", func(j *schedulerpb.Job) { j.Description = strings.Repeat("é", 501) }, "Job.description must be at most 500 characters long, not 501."},

	{"no schedule", every(""), "Schedule or time zone is invalid. Job.schedule is required."},
	{"a minute that does not exist", every("60 * * * *"), "60"},
	{"a day that does not exist", every("* * 0 0 *"), "Schedule or time zone is invalid. "},
	{"an @ form", every("@hourly"), `"0 * * * *"`},
	{"seconds", every("every 30 seconds"), "jobs run once a minute at most"},
	{"no sense", every("now and then"), "Schedule or time zone is invalid. "},
	{"a time zone that does not exist", func(j *schedulerpb.Job) { j.TimeZone = "Europe/Atlantis" }, "Europe/Atlantis"},
	{"the machine's time zone", func(j *schedulerpb.Job) { j.TimeZone = "Local" }, "Local"},

	{"no target", func(j *schedulerpb.Job) { j.Target = nil }, "Job must have a target"},
	{"no uri", func(j *schedulerpb.Job) { j.GetHttpTarget().Uri = "" }, "HttpTarget.uri is required."},
	{"another scheme", func(j *schedulerpb.Job) { j.GetHttpTarget().Uri = "ftp://x/" }, "HttpTarget.uri must start with 'http://' or 'https://'."},
	{"a long uri", func(j *schedulerpb.Job) { j.GetHttpTarget().Uri += strings.Repeat("x", 2083) }, "HttpTarget.uri must be at most 2083 characters long, after encoding."},
	{"a uri that is long once it is encoded", func(j *schedulerpb.Job) { j.GetHttpTarget().Uri += strings.Repeat(" ", 700) }, "at most 2083"},
	{"no host", func(j *schedulerpb.Job) { j.GetHttpTarget().Uri = "http:///x" }, "HttpTarget.uri is not a valid URL."},
	{"no method", func(j *schedulerpb.Job) { j.GetHttpTarget().HttpMethod = 99 }, "HttpTarget.httpMethod 99 is not valid."},
	{"a GET with a body", func(j *schedulerpb.Job) { j.GetHttpTarget().HttpMethod = schedulerpb.HttpMethod_GET }, "HttpTarget.body is allowed only if"},
	{"a DELETE with a body", func(j *schedulerpb.Job) { j.GetHttpTarget().HttpMethod = schedulerpb.HttpMethod_DELETE }, "HttpTarget.body is allowed only if"},
	{"a bad header name", func(j *schedulerpb.Job) { j.GetHttpTarget().Headers = map[string]string{"a b": ""} }, `HttpTarget.headers: "a b" is not a valid header name.`},
	{"a header on two lines", func(j *schedulerpb.Job) { j.GetHttpTarget().Headers = map[string]string{"a": "b\r\nc"} }, "control character"},
	{"80 KB of headers", func(j *schedulerpb.Job) {
		j.GetHttpTarget().Headers = map[string]string{"a": strings.Repeat("x", 80<<10-1)}
	}, "HttpTarget.headers must be less than 80KB in size."},
	{"a token of nobody", func(j *schedulerpb.Job) {
		j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OidcToken{OidcToken: &schedulerpb.OidcToken{Audience: "a"}}
	}, "HttpTarget.oidcToken.serviceAccountEmail is required."},
	{"an access token of nobody", func(j *schedulerpb.Job) {
		j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OauthToken{OauthToken: &schedulerpb.OAuthToken{}}
	}, "HttpTarget.oauthToken.serviceAccountEmail is required."},

	{"no topic", publishes(func(p *schedulerpb.PubsubTarget) { p.TopicName = "" }), "PubsubTarget.topicName is required."},
	{"a short topic", publishes(func(p *schedulerpb.PubsubTarget) { p.TopicName = "orders" }), "PubsubTarget.topicName must be formatted"},
	{"a topic elsewhere", publishes(func(p *schedulerpb.PubsubTarget) { p.TopicName = "projects/q/topics/orders" }), "must be in the project of the job, projects/p, not in projects/q"},
	{"an empty message", publishes(func(p *schedulerpb.PubsubTarget) { p.Data, p.Attributes = nil, nil }), "PubsubTarget must contain either non-empty data, or at least one attribute."},
	{"an attribute without a name", publishes(func(p *schedulerpb.PubsubTarget) { p.Attributes = map[string]string{"": "x"} }), "PubsubTarget is not a valid message: "},

	{"a short deadline", deadline(15*time.Second - 1), "Job.attemptDeadline must be between [15s, 30m]."},
	{"a long deadline", deadline(30*time.Minute + 1), "Job.attemptDeadline must be between [15s, 30m]."},
	{"a deadline of nothing", deadline(0), "Job.attemptDeadline must be between [15s, 30m]."},
	{"a deadline that is no duration", func(j *schedulerpb.Job) { j.AttemptDeadline = &durationpb.Duration{Seconds: 60, Nanos: -1} }, "Job.attemptDeadline"},

	{"retries below nothing", retrying(func(r *schedulerpb.RetryConfig) { r.RetryCount = -1 }), "RetryConfig.retryCount must be between 0 and 5."},
	{"six retries", retrying(func(r *schedulerpb.RetryConfig) { r.RetryCount = 6 }), "RetryConfig.retryCount must be between 0 and 5."},
	{"doublings below nothing", retrying(func(r *schedulerpb.RetryConfig) { r.MaxDoublings = -1 }), "RetryConfig.maxDoublings cannot be negative."},
	{"a negative duration", retrying(func(r *schedulerpb.RetryConfig) { r.MaxRetryDuration = durationpb.New(-1) }), "RetryConfig.maxRetryDuration cannot be negative."},
	{"a negative least backoff", retrying(func(r *schedulerpb.RetryConfig) { r.MinBackoffDuration = durationpb.New(-1) }), "RetryConfig.minBackoffDuration cannot be negative."},
	{"a negative most backoff", retrying(func(r *schedulerpb.RetryConfig) { r.MaxBackoffDuration = durationpb.New(-1) }), "RetryConfig.maxBackoffDuration cannot be negative."},
	{"a backoff upside down", retrying(func(r *schedulerpb.RetryConfig) {
		r.MinBackoffDuration, r.MaxBackoffDuration = durationpb.New(2), durationpb.New(1)
	}),
		"RetryConfig.minBackoffDuration must be less than or equal to RetryConfig.maxBackoffDuration."},

	{"more than 1 MB", func(j *schedulerpb.Job) { j.GetHttpTarget().Body = make([]byte, 1<<20) }, "Job size too large"},
	{"more than 1 MB to publish", publishes(func(p *schedulerpb.PubsubTarget) { p.Data = make([]byte, 1<<20) }), "Job size too large"},
}

// httpJob is nightly with a target that is never reached.
func httpJob() *schedulerpb.Job {
	return &schedulerpb.Job{Name: nightly, Schedule: "0 3 * * *", Target: &schedulerpb.Job_HttpTarget{
		HttpTarget: &schedulerpb.HttpTarget{Uri: aTarget, Body: []byte("body")},
	}}
}

func publishes(set func(*schedulerpb.PubsubTarget)) func(*schedulerpb.Job) {
	return func(j *schedulerpb.Job) { publishing(j); set(j.GetPubsubTarget()) }
}

func retrying(set func(*schedulerpb.RetryConfig)) func(*schedulerpb.Job) {
	return func(j *schedulerpb.Job) { j.RetryConfig = &schedulerpb.RetryConfig{}; set(j.RetryConfig) }
}

func deadline(d time.Duration) func(*schedulerpb.Job) {
	return func(j *schedulerpb.Job) { j.AttemptDeadline = durationpb.New(d) }
}

func TestJobs_NotValid_AreRefused(t *testing.T) {
	r := startScheduler(t)
	r.must(r.jobs.CreateJob(r.ctx(), &schedulerpb.CreateJobRequest{Parent: location, Job: httpJob()}))
	before := r.getJob(nightly)
	for _, tc := range jobRefusals {
		t.Run(tc.name, func(t *testing.T) {
			j := httpJob()
			tc.change(j)
			_, err := r.tryCreate(j)
			if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), tc.says) {
				t.Errorf("created: %s %q, want it to say %q", s.Code(), s.Message(), tc.says)
			}
			if j.Name != nightly {
				return
			}
			_, err = r.tryUpdate(j)
			if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), tc.says) {
				t.Errorf("updated: %s %q, want it to say %q", s.Code(), s.Message(), tc.says)
			}
		})
	}
	wantProto(t, "the job after all these updates", r.getJob(nightly), before)
	if names := r.list(location, 0); len(names) != 1 {
		t.Errorf("jobs %q", names)
	}
}

func TestJobs_RequestsWithoutWhatTheyNeed_AreRefused(t *testing.T) {
	r := startScheduler(t)
	_, err := r.jobs.CreateJob(r.ctx(), &schedulerpb.CreateJobRequest{Parent: "projects/p", Job: r.job()})
	wantStatus(t, err, codes.InvalidArgument, `Location name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>".`)
	_, err = r.tryCreate(nil)
	wantStatus(t, err, codes.InvalidArgument, "CreateJobRequest.job is required.")
	_, err = r.tryUpdate(nil)
	wantStatus(t, err, codes.InvalidArgument, "UpdateJobRequest.job is required.")
}

func TestCreateJob_AppEngine_IsUnimplemented(t *testing.T) {
	r := startScheduler(t)
	_, err := r.tryCreate(r.job(func(j *schedulerpb.Job) {
		j.Target = &schedulerpb.Job_AppEngineHttpTarget{AppEngineHttpTarget: &schedulerpb.AppEngineHttpTarget{}}
	}))
	wantStatus(t, err, codes.Unimplemented, "")
}

func TestCreateJob_AtTheLimits_IsTaken(t *testing.T) {
	r := startScheduler(t)
	for name, set := range map[string]func(*schedulerpb.Job){
		"a long id":          func(j *schedulerpb.Job) { j.Name = location + "/jobs/" + strings.Repeat("x", 500) },
		"a long description": func(j *schedulerpb.Job) { j.Description = strings.Repeat("é", 500) },
		"a long uri":         func(j *schedulerpb.Job) { j.GetHttpTarget().Uri = aTarget + strings.Repeat("x", 2083-len(aTarget)) },
		"a short deadline":   deadline(15 * time.Second),
		"a long deadline":    deadline(30 * time.Minute),
		"headers": func(j *schedulerpb.Job) {
			j.GetHttpTarget().Headers = map[string]string{"a": strings.Repeat("x", 80<<10-2)}
		},
		"a body":                func(j *schedulerpb.Job) { j.GetHttpTarget().Body = bytes.Repeat([]byte("x"), 1<<20-500) },
		"an attribute alone":    publishes(func(p *schedulerpb.PubsubTarget) { p.Data = nil }),
		"data alone":            publishes(func(p *schedulerpb.PubsubTarget) { p.Attributes = nil }),
		"a time zone":           func(j *schedulerpb.Job) { j.TimeZone = "Pacific/Chatham" },
		"utc as documented":     func(j *schedulerpb.Job) { j.TimeZone = "utc" },
		"English":               every("1st friday of month 09:00"),
		"deadline of a message": func(j *schedulerpb.Job) { publishing(j); j.AttemptDeadline = durationpb.New(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			j := httpJob()
			j.Name = location + "/jobs/" + strings.ReplaceAll(name, " ", "-")
			set(j)
			made, err := r.tryCreate(j)
			if err != nil {
				t.Fatal(err)
			}
			if made.TimeZone != j.TimeZone || made.Description != j.Description || made.ScheduleTime == nil {
				t.Errorf("made %v", made)
			}
		})
	}
}
