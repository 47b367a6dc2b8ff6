package emulator_test

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// fired runs nightly by hand and returns what arrived.
func (r *schedulerRig) fired(set ...func(*schedulerpb.Job)) call {
	r.t.Helper()
	r.createJob(set...)
	r.must(r.run(nightly))
	return r.await(1)[0]
}

func TestFire_CarriesTheHeadersOfTheService(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(func(j *schedulerpb.Job) {
			j.TimeZone = "America/Sao_Paulo" // two hours behind, in that summer
			j.GetHttpTarget().Uri += "?x=1"
		})
		pass(5 * time.Hour)
		got := r.await(1)[0]
		got.Header.Del("Accept-Encoding") // of the client that the test brings
		want := http.Header{
			"User-Agent":                    {"Google-Cloud-Scheduler"},
			"X-Cloudscheduler":              {"true"},
			"X-Cloudscheduler-Jobname":      {"nightly"},
			"X-Cloudscheduler-Scheduletime": {"2000-01-01T03:00:00-02:00"},
			"Content-Type":                  {"application/octet-stream"},
			"Content-Length":                {"4"},
		}
		if !maps.EqualFunc(got.Header, want, slices.Equal) {
			t.Errorf("headers\n%v, want\n%v", got.Header, want)
		}
		if got.Method != "POST" || got.RequestURI != "/run?x=1" || got.body != "body" || got.at.UTC().Hour() != 5 {
			t.Errorf("%s %s %q at %s", got.Method, got.RequestURI, got.body, got.at)
		}
	})
}

func TestFire_EnglishSchedule_HasNoScheduleTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("every 2 hours"), func(j *schedulerpb.Job) { j.GetHttpTarget().Body = nil })
		pass(6 * time.Hour)
		calls := r.worker.seen()
		if len(calls) != 3 {
			t.Fatalf("%d attempts in 6 hours", len(calls))
		}
		for _, name := range []string{"X-CloudScheduler-ScheduleTime", "Content-Type"} {
			if values, ok := calls[0].Header[http.CanonicalHeaderKey(name)]; ok {
				t.Errorf("%s: %q", name, values)
			}
		}
	})
}

func TestFire_HeadersOfTheUser(t *testing.T) {
	r := startScheduler(t)
	got := r.fired(func(j *schedulerpb.Job) {
		j.GetHttpTarget().Headers = map[string]string{
			"content-type": "application/json", "x-tenant": "a, b", "Authorization": "Basic abc", "X-CloudTasks-TaskName": "mine",
			"Host": "evil.test", "Content-Length": "99", "User-Agent": "me", "X-Google-Secret": "s", "X-AppEngine-Country": "BR",
			"X-CloudScheduler": "false", "x-cloudscheduler-jobname": "forged", "X-CloudScheduler-Other": "x", "Connection": "close",
		}
	})
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Tenant": "a, b", "Authorization": "Basic abc", "X-CloudTasks-TaskName": "mine",
		"Content-Length": "4", "User-Agent": "Google-Cloud-Scheduler", "X-Google-Secret": "", "X-Appengine-Country": "", "Connection": "",
		"X-CloudScheduler": "true", "X-CloudScheduler-JobName": "nightly", "X-CloudScheduler-Other": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if !strings.HasPrefix(r.worker.url, "http://"+got.Host) {
		t.Errorf("host %q", got.Host)
	}
}

func TestFire_Methods(t *testing.T) {
	for m := schedulerpb.HttpMethod_POST; m <= schedulerpb.HttpMethod_OPTIONS; m++ {
		t.Run(m.String(), func(t *testing.T) {
			r := startScheduler(t)
			got := r.fired(func(j *schedulerpb.Job) { j.GetHttpTarget().HttpMethod, j.GetHttpTarget().Body = m, nil })
			if got.Method != m.String() {
				t.Errorf("arrived as %s", got.Method)
			}
		})
	}
}

func TestFire_OIDC_IsVerifiedByGooglesLibrary(t *testing.T) {
	for _, audience := range []string{"https://shop.example.com", ""} {
		t.Run("audience "+audience, func(t *testing.T) {
			r := startScheduler(t)
			want := audience
			got := r.fired(func(j *schedulerpb.Job) {
				j.GetHttpTarget().Uri += "?a=1"
				j.GetHttpTarget().Headers = map[string]string{"authorization": "Basic abc"}
				j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OidcToken{
					OidcToken: &schedulerpb.OidcToken{ServiceAccountEmail: account, Audience: audience},
				}
				if want == "" {
					want = j.GetHttpTarget().Uri
				}
			})
			p := verify(t, r.e, bearer(t, got), want)
			if p.Claims["email"] != account || p.Claims["email_verified"] != true || p.Issuer != "https://accounts.google.com" {
				t.Errorf("claims %v", p.Claims)
			}
		})
	}
}

func TestFire_OAuth_TokenIsOpaque(t *testing.T) {
	r := startScheduler(t)
	got := r.fired(func(j *schedulerpb.Job) {
		j.GetHttpTarget().AuthorizationHeader = &schedulerpb.HttpTarget_OauthToken{OauthToken: &schedulerpb.OAuthToken{ServiceAccountEmail: account}}
	})
	if token := bearer(t, got); !strings.HasPrefix(token, "ya29.") {
		t.Errorf("token %s", token)
	}
}

func TestFire_Redirects_TheLastAnswerCounts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		to     string
		method string // of the second request; none: there is none
		code   codes.Code
	}{
		{"a 303 is followed with a GET", 303, "/other", "GET", codes.OK},
		{"a 307 is followed with the same request", 307, "/other", "POST", codes.OK},
		{"a 308 to a failure has failed", 308, "/fails", "POST", codes.Internal},
		{"without Location it has failed", 302, "", "", codes.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := startScheduler(t)
			r.worker.answers(func(w http.ResponseWriter, req *http.Request) {
				switch req.URL.Path {
				case "/fails":
					w.WriteHeader(500)
				case "/run":
					if tc.to != "" {
						w.Header().Set("Location", tc.to)
					}
					w.WriteHeader(tc.status)
				}
			})
			r.fired()
			r.eventually("the attempt is over", func() bool { return r.getJob(nightly).Status != nil })
			if got := codes.Code(r.getJob(nightly).Status.Code); got != tc.code {
				t.Errorf("status %s", got)
			}
			calls := r.worker.seen()[1:]
			if (len(calls) == 1) != (tc.method != "") || len(calls) == 1 && (calls[0].Method != tc.method || calls[0].URL.Path != tc.to) {
				t.Errorf("followed with %v", calls)
			}
		})
	}
}

func TestFire_Outcomes_AreTheJobsStatus(t *testing.T) {
	for status, want := range map[int]struct {
		code codes.Code
		text string
	}{
		200: {codes.OK, ""},
		299: {codes.OK, ""},
		400: {codes.InvalidArgument, "INVALID_ARGUMENT(3): HTTP status code 400"},
		404: {codes.NotFound, "NOT_FOUND(5): HTTP status code 404"},
		503: {codes.Unavailable, "UNAVAILABLE(14): HTTP status code 503"},
	} {
		inBubble(t, func(t *testing.T) {
			r := startSchedulerHere(t)
			if made := r.createJob(every("* * * * *")); made.Status != nil || made.LastAttemptTime != nil {
				t.Errorf("a new job has the status %v, and was attempted at %v", made.Status, made.LastAttemptTime)
			}
			r.worker.hold()
			pass(time.Minute)
			if got := r.getJob(nightly); got.Status != nil || got.LastAttemptTime.AsTime() != got.UserUpdateTime.AsTime().Add(time.Minute) {
				t.Errorf("before the answer: status %v, attempted at %s", got.Status, got.LastAttemptTime.AsTime())
			}
			r.worker.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			r.worker.release()
			pass(time.Minute)
			got := r.getJob(nightly).Status
			if got == nil || codes.Code(got.Code) != want.code || got.Message != want.text {
				t.Errorf("answered %d: status %v", status, got)
			}
		})
	}
}

func TestFire_NobodyThere_IsUnavailable(t *testing.T) {
	refusing := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed })}
	r := startScheduler(t, emulator.WithHTTPClient(refusing))
	r.createJob()
	r.must(r.run(nightly))
	r.eventually("the attempt is over", func() bool { return r.getJob(nightly).Status != nil })
	if got := r.getJob(nightly).Status; codes.Code(got.Code) != codes.Unavailable || !strings.Contains(got.Message, http.ErrServerClosed.Error()) {
		t.Errorf("status %v", got)
	}
}

func TestFire_AnswerThatBreaksOff_IsUnavailable(t *testing.T) {
	r := startScheduler(t)
	r.worker.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(200)
		panic(http.ErrAbortHandler)
	})
	r.fired()
	r.eventually("the attempt is over", func() bool { return r.getJob(nightly).Status != nil })
	if got := r.getJob(nightly).Status; codes.Code(got.Code) != codes.Unavailable {
		t.Errorf("status %v", got)
	}
}

func TestFire_Deadline_IsDeadlineExceeded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(func(j *schedulerpb.Job) { j.AttemptDeadline = durationpb.New(20 * time.Second) })
		r.worker.hold()
		r.must(r.run(nightly))
		pass(20*time.Second - 1)
		if got := r.getJob(nightly); got.Status != nil {
			t.Errorf("before the deadline: %v", got.Status)
		}
		pass(1)
		if got := r.getJob(nightly).Status; got == nil || codes.Code(got.Code) != codes.DeadlineExceeded {
			t.Errorf("after the deadline: %v", got)
		}
	})
}

func TestFire_ItsTimes_GoByTheWallClockOfTheZone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		time.Sleep(time.Until(time.Date(2000, 3, 24, 12, 0, 0, 0, time.UTC)))
		r.createJob(every("30 2 * * *"), func(j *schedulerpb.Job) { j.TimeZone = "Europe/Berlin" })
		pass(4 * 24 * time.Hour)
		var got []string
		for _, c := range r.worker.seen() {
			got = append(got, c.Header.Get("X-CloudScheduler-ScheduleTime"))
		}
		// On the 26th the clock goes from 2:00 to 3:00.
		if want := []string{"2000-03-25T02:30:00+01:00", "2000-03-27T02:30:00+02:00", "2000-03-28T02:30:00+02:00"}; !slices.Equal(got, want) {
			t.Errorf("fired for %q, want %q", got, want)
		}
	})
}

func TestFire_LongAttempt_SkipsTimesAndDoesNotPileUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(every("* * * * *"))
		var slow bool
		r.worker.answers(func(http.ResponseWriter, *http.Request) {
			if !slow {
				slow = true
				time.Sleep(150 * time.Second)
			}
		})
		pass(5*time.Minute + 59*time.Second)
		var at []time.Duration
		for _, c := range r.worker.seen() {
			at = append(at, c.at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
		if want := []time.Duration{time.Minute, 4 * time.Minute, 5 * time.Minute}; !slices.Equal(at, want) {
			t.Errorf("attempts after %v, want %v", at, want)
		}
	})
}

func TestFire_Pubsub_PublishesIntoTheSameEmulator(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t, emulator.WithTopics(orders))
		r.subscribe()
		r.createJob(publishing, every("* * * * *"))
		pass(time.Minute)
		got := r.pullOne(audit).Message
		if string(got.Data) != "tick" || !maps.Equal(got.Attributes, map[string]string{"by": "scheduler"}) {
			t.Errorf("published %v", got)
		}
		if status := r.getJob(nightly).Status; status == nil || status.Code != 0 {
			t.Errorf("status %v", status)
		}
	})
}

func TestFire_Pubsub_MissingTopic_FailsAndIsRetried(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startSchedulerHere(t)
		r.createJob(publishing, retried(1))
		r.must(r.run(nightly))
		synctest.Wait()
		if got := r.getJob(nightly); codes.Code(got.Status.GetCode()) != codes.NotFound || got.ScheduleTime.AsTime() != got.LastAttemptTime.AsTime().Add(time.Minute) {
			t.Errorf("status %v, next attempt %s", got.Status, got.ScheduleTime.AsTime())
		}
		if _, err := r.topics.CreateTopic(r.ctx(), &pubsubpb.Topic{Name: orders}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if got := r.getJob(nightly); got.Status.GetCode() != 0 {
			t.Errorf("status of the retry: %v", got.Status)
		}
	})
}

func TestFire_Pubsub_TopicOnDemand(t *testing.T) {
	r := startScheduler(t, emulator.WithTopicsOnDemand())
	r.createJob(publishing)
	r.must(r.run(nightly))
	r.eventually("the attempt is over", func() bool { return r.getJob(nightly).Status != nil })
	if got := r.getJob(nightly).Status; got.Code != 0 {
		t.Errorf("status %v", got)
	}
}

func TestFire_Failures_AreToldOfWithoutDebugging(t *testing.T) {
	log := &logs{}
	r := startScheduler(t, emulator.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	r.worker.statuses(500)
	r.fired()
	r.eventually("it is logged", func() bool {
		return strings.Contains(log.String(), `level=WARN msg="attempt failed" job=`+nightly+` attempt=1 to=`+r.worker.url)
	})
	if strings.Contains(log.String(), "job attempted") {
		t.Errorf("logged %s", log)
	}
}

func TestFire_Attempts_AreLoggedWithDebugging(t *testing.T) {
	r := startScheduler(t)
	r.worker.statuses(404)
	r.fired()
	r.eventually("it is logged", func() bool {
		return strings.Contains(r.log.String(), `msg="job attempted" job=`+nightly+` attempt=1`) && strings.Contains(r.log.String(), "HTTP status code 404")
	})
}
