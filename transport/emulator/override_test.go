package emulator_test

import (
	"testing"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/proto"
)

// pathOf and queryOf make overrides.
func pathOf(s string) *cloudtaskspb.PathOverride { return &cloudtaskspb.PathOverride{Path: s} }
func queryOf(s string) *cloudtaskspb.QueryOverride {
	return &cloudtaskspb.QueryOverride{QueryParams: s}
}

func TestHttpTarget_UriOverride(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t) // whose client reaches the worker by whatever host
		type override = cloudtaskspb.UriOverride
		for _, tc := range []struct {
			name     string
			over     *override
			url      string
			wantHost string
			wantURI  string
		}{
			{"nothing", &override{}, "http://a.test:8080/x?y=1", "a.test:8080", "/x?y=1"},
			{"host", &override{Host: proto.String("b.test")}, "http://a.test:8080/x?y=1", "b.test:8080", "/x?y=1"},
			{"an IPv6 host", &override{Host: proto.String("::1")}, "http://a.test:8080/x", "[::1]:8080", "/x"},
			{"port", &override{Port: proto.Int64(99)}, "http://a.test:8080/x?y=1", "a.test:99", "/x?y=1"},
			{"no port", &override{Port: proto.Int64(0)}, "http://a.test:8080/x?y=1", "a.test", "/x?y=1"},
			{"path", &override{PathOverride: pathOf("/new/%2Fpath")}, "http://a.test/x?y=1", "a.test", "/new/%2Fpath?y=1"},
			{"a relative path", &override{PathOverride: pathOf("new")}, "http://a.test/x", "a.test", "/new"},
			{"no path", &override{PathOverride: pathOf("")}, "http://a.test/x?y=1", "a.test", "/?y=1"},
			{"query", &override{QueryOverride: queryOf("z=2 3")}, "http://a.test/x?y=1", "a.test", "/x?z=2%203"},
			{"no query", &override{QueryOverride: queryOf("")}, "http://a.test/x?y=1", "a.test", "/x"},
			{"scheme", &override{Scheme: cloudtaskspb.UriOverride_HTTP.Enum()}, "https://a.test/x", "a.test", "/x"},
			{"where there is none, and there is", &override{
				Host: proto.String("b.test"), Port: proto.Int64(9), PathOverride: pathOf("/p"), QueryOverride: queryOf("q"),
				Scheme: cloudtaskspb.UriOverride_HTTPS.Enum(), UriOverrideEnforceMode: cloudtaskspb.UriOverride_IF_NOT_EXISTS,
			}, "http://a.test:8080/x?y=1", "a.test:8080", "/x?y=1"},
			{"where there is none", &override{
				Port: proto.Int64(9), PathOverride: pathOf("/p"), QueryOverride: queryOf("q=1"), UriOverrideEnforceMode: cloudtaskspb.UriOverride_IF_NOT_EXISTS,
			}, "http://a.test", "a.test:9", "/p?q=1"},
		} {
			r.route(&cloudtaskspb.HttpTarget{UriOverride: tc.over})
			before := len(r.worker.seen())
			task := r.task("")
			task.GetHttpRequest().Url = tc.url
			made := r.create(task)
			if got := made.GetHttpRequest().Url; got != tc.url {
				t.Errorf("%s: the task's own URL reads %s", tc.name, got)
			}
			got := r.await(before + 1)[before]
			if got.Host != tc.wantHost || got.RequestURI != tc.wantURI {
				t.Errorf("%s: %s%s, want %s%s", tc.name, got.Host, got.RequestURI, tc.wantHost, tc.wantURI)
			}
		}
	})
}

// route sets queueA's http_target.
func (r *rig) route(h *cloudtaskspb.HttpTarget) {
	r.t.Helper()
	if _, err := r.UpdateQueue(r.ctx(), &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{Name: queueA, HttpTarget: h}}); err != nil {
		r.t.Fatal(err)
	}
}

func TestHttpTarget_MethodHeadersAndToken(t *testing.T) {
	r := start(t)
	r.route(&cloudtaskspb.HttpTarget{
		HttpMethod: cloudtaskspb.HttpMethod_PUT,
		HeaderOverrides: []*cloudtaskspb.HttpTarget_HeaderOverride{
			{Header: &cloudtaskspb.HttpTarget_Header{Key: "x-a", Value: "the queue's"}},
			{Header: &cloudtaskspb.HttpTarget_Header{Key: "X-CloudTasks-QueueName", Value: "forged"}},
		},
		AuthorizationHeader: &cloudtaskspb.HttpTarget_OidcToken{OidcToken: &cloudtaskspb.OidcToken{ServiceAccountEmail: account, Audience: "the queue's"}},
	})
	task := withOIDC(r.task(""), "the task's")
	task.GetHttpRequest().Headers = map[string]string{"X-A": "the task's", "X-B": "the task's"}
	r.create(task)
	got := r.await(1)[0]
	if got.Method != "PUT" || got.body != "body" || got.Header.Get("X-A") != "the queue's" || got.Header.Get("X-B") != "the task's" ||
		got.Header.Get("X-CloudTasks-QueueName") != "a" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %q with %v", got.Method, got.body, got.Header)
	}
	verify(t, r.e, bearer(t, got), "the queue's")
}

func TestHttpTarget_GET_LeavesTheBodyOut(t *testing.T) {
	r := start(t)
	r.route(&cloudtaskspb.HttpTarget{
		HttpMethod:          cloudtaskspb.HttpMethod_GET,
		AuthorizationHeader: &cloudtaskspb.HttpTarget_OauthToken{OauthToken: &cloudtaskspb.OAuthToken{ServiceAccountEmail: account, Scope: "s"}},
	})
	r.create(r.task(""))
	got := r.await(1)[0]
	if got.Method != "GET" || got.body != "" || got.Header.Get("Content-Type") != "" || bearer(t, got)[:5] != "ya29." {
		t.Errorf("%s %q with %v", got.Method, got.body, got.Header)
	}
}
