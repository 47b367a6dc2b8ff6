package emulator_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestPush_Wrapped_IsWhatTheServiceSends(t *testing.T) {
	r := startPubsub(t)
	r.subscribe(r.pushed)
	ids := r.publish(&pubsubpb.PubsubMessage{Data: []byte(`{"order": 7}`), Attributes: map[string]string{"region": "emea"}, OrderingKey: "acme"})
	got := r.await(1)[0]
	for name, want := range map[string]string{"Content-Type": "application/json", "User-Agent": "APIs-Google", "Authorization": ""} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	var body struct {
		Message struct {
			Data, MessageID, PublishTime, OrderingKey string
			Attributes                                map[string]string
			ID2                                       string `json:"message_id"`
			Time2                                     string `json:"publish_time"`
		}
		Subscription    string
		DeliveryAttempt *int
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	m := body.Message
	if data, err := base64.StdEncoding.DecodeString(m.Data); err != nil || string(data) != `{"order": 7}` {
		t.Errorf("data %q, %v", data, err)
	}
	if m.MessageID != ids[0] || m.ID2 != ids[0] || m.OrderingKey != "acme" || m.Attributes["region"] != "emea" {
		t.Errorf("message %+v, published as %q", m, ids)
	}
	if at, err := time.Parse(time.RFC3339Nano, m.PublishTime); err != nil || time.Since(at) > time.Minute || m.Time2 != m.PublishTime || !strings.HasSuffix(m.PublishTime, "Z") {
		t.Errorf("published at %q, %q: %v", m.PublishTime, m.Time2, err)
	}
	if body.Subscription != audit || body.DeliveryAttempt != nil || got.Method != "POST" || got.URL.Path != "/push" {
		t.Errorf("%s %s of subscription %q, attempt %v", got.Method, got.URL, body.Subscription, body.DeliveryAttempt)
	}
	r.drained(audit)
}

func TestPush_Unwrapped_IsTheDataAlone(t *testing.T) {
	for _, metadata := range []bool{false, true} {
		t.Run(fmt.Sprint("metadata ", metadata), func(t *testing.T) {
			r := startPubsub(t)
			r.subscribe(r.pushed, func(s *pubsubpb.Subscription) {
				s.PushConfig.Wrapper = &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{WriteMetadata: metadata}}
			})
			ids := r.publish(&pubsubpb.PubsubMessage{
				Data: []byte("plain \x00 data"), OrderingKey: "acme",
				Attributes: map[string]string{"Region": "emea", "bad name": "x", "User-Agent": "mine", "Authorization": "Basic x", "Connection": "close"},
			})
			got := r.await(1)[0]
			if got.body != "plain \x00 data" || got.Header.Get("User-Agent") != "APIs-Google" || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%q, headers %v", got.body, got.Header)
			}
			want := map[string]string{"X-Goog-Pubsub-Subscription-Name": "", "X-Goog-Pubsub-Message-Id": "", "X-Goog-Pubsub-Ordering-Key": "", "Region": ""}
			if metadata {
				want = map[string]string{"X-Goog-Pubsub-Subscription-Name": audit, "X-Goog-Pubsub-Message-Id": ids[0],
					"X-Goog-Pubsub-Ordering-Key": "acme", "Region": "emea", "Connection": ""}
			}
			for name, value := range want {
				if got.Header.Get(name) != value {
					t.Errorf("%s: %q, want %q", name, got.Header.Get(name), value)
				}
			}
			if _, err := time.Parse(time.RFC3339Nano, got.Header.Get("X-Goog-Pubsub-Publish-Time")); metadata && err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPush_Unwrapped_ContentTypeOfAnAttribute(t *testing.T) {
	r := startPubsub(t)
	r.subscribe(r.pushed, func(s *pubsubpb.Subscription) {
		s.PushConfig.Wrapper = &pubsubpb.PushConfig_NoWrapper_{NoWrapper: &pubsubpb.PushConfig_NoWrapper{WriteMetadata: true}}
	})
	r.publish(&pubsubpb.PubsubMessage{Data: []byte("<x/>"), Attributes: map[string]string{"content-type": "text/xml"}})
	if got := r.await(1)[0].Header.Get("Content-Type"); got != "text/xml" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestPush_OIDC_CarriesAToken(t *testing.T) {
	for _, audience := range []string{"", "https://shop.example"} {
		t.Run("audience "+audience, func(t *testing.T) {
			r := startPubsub(t)
			endpoint := r.worker.url + "/push?x=1"
			r.subscribe(func(s *pubsubpb.Subscription) {
				s.PushConfig = &pubsubpb.PushConfig{PushEndpoint: endpoint, AuthenticationMethod: &pubsubpb.PushConfig_OidcToken_{
					OidcToken: &pubsubpb.PushConfig_OidcToken{ServiceAccountEmail: account, Audience: audience},
				}}
			})
			r.publish(text("m"))
			want := audience
			if want == "" {
				want = endpoint
			}
			p := verify(t, r.e, bearer(t, r.await(1)[0]), want)
			if p.Claims["email"] != account || p.Claims["email_verified"] != true || p.Issuer != "https://accounts.google.com" {
				t.Errorf("claims %v", p.Claims)
			}
		})
	}
}

func TestPush_Statuses_ThatAcknowledge(t *testing.T) {
	for status, acknowledges := range map[int]bool{
		200: true, 201: true, 202: true, 204: true,
		203: false, 205: false, 206: false, 301: false, 302: false, 304: false, 400: false, 404: false, 429: false, 500: false, 503: false,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := startPubsubHere(t)
				r.subscribe(r.pushed)
				r.worker.answers(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(status)
				})
				r.publish(text("m"))
				time.Sleep(50 * time.Millisecond)
				if left := r.backlog(audit) == 0; left != acknowledges || len(r.worker.seen()) != 1 {
					t.Errorf("acknowledged: %v, %d requests", left, len(r.worker.seen()))
				}
				time.Sleep(51 * time.Millisecond) // the pause of push itself
				want := map[bool]int{true: 1, false: 2}[acknowledges]
				if n := len(r.worker.seen()); n != want {
					t.Errorf("%d requests, want %d", n, want)
				}
				for _, c := range r.worker.seen() {
					if c.URL.Path != "/push" {
						t.Errorf("a redirect was followed to %s", c.URL)
					}
				}
			})
		})
	}
}

// TestPush_Processing is about 102, which no Go server can end with.
func TestPush_Processing_AcknowledgesWhereNothingElseComes(t *testing.T) {
	for after, acknowledges := range map[string]bool{"": true, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n": false, "HTTP/1.1 204 Yes\r\n\r\n": true} {
		t.Run(after, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan struct{}, 100)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						_, _ = io.Copy(io.Discard, r.Body)
					}
					_, _ = io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"+after)
					_ = c.Close()
					answered <- struct{}{}
				}
			}()
			defer func() { _ = l.Close(); <-ended }()
			r := startPubsub(t)
			r.subscribe(func(s *pubsubpb.Subscription) {
				s.PushConfig = &pubsubpb.PushConfig{PushEndpoint: "http://" + l.Addr().String()}
			})
			r.publish(text("m"))
			<-answered
			if acknowledges {
				r.drained(audit)
				return
			}
			<-answered // it comes again
			if n := r.backlog(audit); n != 1 {
				t.Errorf("%d messages are left", n)
			}
		})
	}
}

func TestPush_AckDeadline_BoundsTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startPubsubHere(t)
		r.subscribe(r.pushed, func(s *pubsubpb.Subscription) { s.AckDeadlineSeconds = 30 })
		r.worker.hold()
		began := time.Now()
		r.publish(text("m"))
		time.Sleep(30*time.Second + 99*time.Millisecond)
		if n := len(r.worker.seen()); n != 1 {
			t.Fatalf("%d requests within the deadline and the pause", n)
		}
		r.worker.release()
		time.Sleep(2 * time.Millisecond)
		calls := r.worker.seen()
		if len(calls) != 2 || calls[1].at.Sub(began) != 30*time.Second+100*time.Millisecond {
			t.Errorf("%d requests", len(calls))
		}
		if err := calls[0].Context().Err(); err == nil {
			t.Error("the first request was not broken off")
		}
		if n := r.backlog(audit); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

func TestPush_Failures_AreToldOfNowAndThen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		log := &logs{}
		r := startPubsubHere(t, emulator.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
		r.subscribe(r.pushed)
		r.worker.statuses(404, 404, 404, 200)
		id := r.publish(text("m"))[0]
		time.Sleep(800 * time.Millisecond)
		text := log.String()
		if n := strings.Count(text, "push failed"); n != 1 {
			t.Errorf("logged %d failed pushes of three within a second, want 1:\n%s", n, text)
		}
		for _, part := range []string{"level=WARN", "status=404", r.worker.url + "/push", audit, "message=" + id, "the endpoint answered 404"} {
			if !strings.Contains(text, part) {
				t.Errorf("the log does not say %s:\n%s", part, text)
			}
		}
		r.publish(&pubsubpb.PubsubMessage{Data: []byte("fine")})
		time.Sleep(time.Second)
		r.worker.statuses(500)
		r.publish(&pubsubpb.PubsubMessage{Data: []byte("bad")})
		time.Sleep(time.Millisecond)
		if text = log.String(); strings.Count(text, "push failed") != 2 || !strings.Contains(text, "more=2") {
			t.Errorf("the next is told of with those that were not:\n%s", text)
		}
	})
}

func TestPush_Unreachable_IsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	r := startPubsub(t)
	r.subscribe(func(s *pubsubpb.Subscription) {
		s.PushConfig = &pubsubpb.PushConfig{PushEndpoint: "http://" + l.Addr().String()}
	})
	r.publish(text("m"))
	r.eventually("a failed push", func() bool { return strings.Count(r.log.String(), "connection refused") > 1 })
	if _, err := r.update(&pubsubpb.Subscription{PushConfig: &pubsubpb.PushConfig{PushEndpoint: r.worker.url}}, "push_config.push_endpoint"); err != nil {
		t.Fatal(err)
	}
	r.await(1) // at the new address, at once or after the pause
	r.drained(audit)
}

func TestModifyPushConfig_TurnsPushIntoPullAndBack(t *testing.T) {
	r := startPubsub(t)
	r.subscribe(r.pushed)
	modify := func(c *pubsubpb.PushConfig) error {
		return r.subs.ModifyPushConfig(r.ctx(), &pubsubpb.ModifyPushConfigRequest{Subscription: audit, PushConfig: c})
	}
	if err := modify(&pubsubpb.PushConfig{}); err != nil {
		t.Fatal(err)
	}
	r.publish(text("m"))
	lease := r.pullOne(audit)
	if n := len(r.worker.seen()); n > 0 {
		t.Errorf("%d pushes to a pull subscription", n)
	}
	if err := modify(&pubsubpb.PushConfig{PushEndpoint: r.worker.url + "/other"}); err != nil {
		t.Fatal(err)
	}
	s, err := r.subs.GetSubscription(r.ctx(), &pubsubpb.GetSubscriptionRequest{Subscription: audit})
	if err != nil || s.PushConfig.Attributes["x-goog-version"] != "v1" {
		t.Errorf("push config %v, %v", s.GetPushConfig(), err)
	}
	if err := r.modify(0, lease.AckId); err != nil {
		t.Fatal(err)
	}
	if got := r.await(1)[0]; got.URL.Path != "/other" {
		t.Errorf("pushed to %s", got.URL)
	}
	r.drained(audit)
	if modify(nil) == nil || modify(&pubsubpb.PushConfig{PushEndpoint: "x"}) == nil {
		t.Error("a missing or a bad config was taken")
	}
	if err := r.subs.ModifyPushConfig(r.ctx(), &pubsubpb.ModifyPushConfigRequest{Subscription: "x", PushConfig: &pubsubpb.PushConfig{}}); err == nil {
		t.Error("a bad name was taken")
	}
}
