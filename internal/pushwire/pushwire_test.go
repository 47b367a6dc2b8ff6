package pushwire_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

var published = time.Date(2026, 11, 24, 6, 0, 0, 1e6, time.UTC)

func TestParse_Wrapped(t *testing.T) {
	t.Parallel()
	full := &transport.Message{
		ID: "11", Data: []byte(`{"id": 7}`), Attributes: map[string]string{"region": "emea"}, PublishTime: published, OrderingKey: "acme",
		Subscription: "projects/p/subscriptions/audit", DeliveryAttempt: 2,
	}
	const rest = `"data": "eyJpZCI6IDd9", "attributes": {"region": "emea"}, "orderingKey": "acme"}, "subscription": "projects/p/subscriptions/audit", "deliveryAttempt": 2}`
	for name, c := range map[string]struct {
		body string
		want *transport.Message
	}{
		"both spellings":                      {`{"message": {"messageId": "11", "message_id": "11", "publishTime": "2026-11-24T06:00:00.001Z", "publish_time": "2026-11-24T06:00:00.001Z", ` + rest, full},
		"camel case":                          {`{"message": {"messageId": "11", "publishTime": "2026-11-24T06:00:00.001Z", ` + rest, full},
		"snake case":                          {`{"message": {"message_id": "11", "publish_time": "2026-11-24T06:00:00.001Z", ` + rest, full},
		"another zone":                        {`{"message": {"message_id": "11", "publish_time": "2026-11-24T03:00:00.001-03:00", ` + rest, full},
		"unknown members, white space around": {" \n" + `{"new": [1], "message": {"newer": {}, "messageId": "11", "publishTime": "2026-11-24T06:00:00.001Z", ` + rest + "\r\n", full},
		"no data":                             {`{"message": {"messageId": "1", "attributes": {"a": "b"}}, "subscription": "s"}`, &transport.Message{ID: "1", Attributes: map[string]string{"a": "b"}, Subscription: "s"}},
		"null data":                           {`{"message": {"messageId": "1", "data": null, "attributes": null}}`, &transport.Message{ID: "1"}},
		"empty data":                          {`{"message": {"messageId": "1", "data": ""}}`, &transport.Message{ID: "1", Data: []byte{}}},
		"an empty message":                    {`{"message": {}}`, &transport.Message{}},
		"a negative attempt":                  {`{"message": {}, "deliveryAttempt": -3}`, &transport.Message{}},
		"data that is binary":                 {`{"message": {"data": "//79AA=="}}`, &transport.Message{Data: []byte{0xff, 0xfe, 0xfd, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pushwire.Parse([]byte(c.body), nil)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("parsed\n %+v, %v, want\n %+v", got, err, c.want)
			}
		})
	}
}

func TestParse_WhatIsNoPush_IsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, says string }{
		"nothing":              {``, "no Pub/Sub push"},
		"no JSON":              {`{"message"`, "no Pub/Sub push"},
		"trailing garbage":     {`{"message": {}}x`, "no Pub/Sub push"},
		"two pushes":           {`{"message": {}}{"message": {}}`, "no Pub/Sub push"},
		"NaN":                  {`{"message": {}, "deliveryAttempt": NaN}`, "no Pub/Sub push"},
		"null":                 {`null`, `no "message"`},
		"no message":           {`{"subscription": "s"}`, `no "message"`},
		"a null message":       {`{"message": null}`, `no "message"`},
		"a message in a list":  {`{"message": [{}]}`, "no Pub/Sub push"},
		"a list":               {`[{"message": {}}]`, "no Pub/Sub push"},
		"data as an object":    {`{"message": {"data": {}}}`, "no Pub/Sub push"},
		"attributes as a list": {`{"message": {"attributes": []}}`, "no Pub/Sub push"},
		"an attribute's list":  {`{"message": {"attributes": {"a": []}}}`, "no Pub/Sub push"},
		"an id as a number":    {`{"message": {"messageId": 7}}`, "no Pub/Sub push"},
		"half an attempt":      {`{"message": {}, "deliveryAttempt": 1.5}`, "no Pub/Sub push"},
		"too many attempts":    {`{"message": {}, "deliveryAttempt": 1e400}`, "no Pub/Sub push"},
		"bad base64":           {`{"message": {"data": "e*=="}}`, "no base64"},
		"the URL alphabet":     {`{"message": {"data": "__79AA=="}}`, "no base64 of the standard alphabet"},
		"no padding":           {`{"message": {"data": "//79AA"}}`, "no base64"},
		"garbage behind data":  {`{"message": {"data": "AA==AA=="}}`, "no base64"},
		"a bad time":           {`{"message": {"publishTime": "yesterday"}}`, `"message.publishTime": no RFC 3339 time`},
		"a time as a number":   {`{"message": {"publishTime": 1}}`, "no Pub/Sub push"},
		"a time without zone":  {`{"message": {"publish_time": "2026-11-24T06:00:00"}}`, "no RFC 3339 time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := pushwire.Parse([]byte(c.body), nil); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("parsed %+v, %v, want an error that says %q", got, err, c.says)
			}
		})
	}
}

func TestParse_Unwrapped(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	for name, value := range map[string]string{
		"x-goog-pubsub-subscription-name": "projects/p/subscriptions/audit", "x-goog-pubsub-message-id": "11",
		"x-goog-pubsub-publish-time": "2026-11-24T06:00:00.001Z", "x-goog-pubsub-ordering-key": "acme",
		"Region": "emea", "http-x-tenant-id": "acme", "Empty": "",
		// Not the publisher's:
		"Authorization": "Bearer secret", "Proxy-Authorization": "Basic secret", "Cookie": "secret", "Host": "h", "Content-Length": "2", "Content-Type": "application/json",
		"User-Agent": "APIs-Google", "Traceparent": "00-1", "Tracestate": "x", "Via": "1.1 google", "Forwarded": "for=x", "Connection": "close", "Te": "trailers",
		"X-Forwarded-For": "1.2.3.4", "X-Cloud-Trace-Context": "1", "X-Goog-Iap-Jwt-Assertion": "secret", "X-Serverless-Authorization": "secret", "X-Envoy-Id": "1",
		"X-Appengine-Country": "BR", "X-CloudTasks-QueueName": "q", "X-CloudScheduler": "true", "X-CloudScheduler-JobName": "j", "Typedtasks-Id": "x",
	} {
		h.Set(name, value)
	}
	h["Nothing"] = nil
	body := []byte(`{"message": 1}`)
	got, err := pushwire.Parse(body, h)
	body[0] = 'x'
	want := &transport.Message{
		ID: "11", Data: []byte(`{"message": 1}`), Attributes: map[string]string{"region": "emea", "http-x-tenant-id": "acme", "empty": ""},
		PublishTime: published, OrderingKey: "acme", Subscription: "projects/p/subscriptions/audit",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parsed\n %+v, %v, want\n %+v", got, err, want)
	}

	h.Set("X-Goog-Pubsub-Publish-Time", "yesterday")
	if _, err := pushwire.Parse(body, h); err == nil || !strings.Contains(err.Error(), "X-Goog-Pubsub-Publish-Time: no RFC 3339 time") {
		t.Errorf("a bad time: %v", err)
	}
	one := http.Header{pushwire.HeaderSubscription: {"s"}}
	if got, err := pushwire.Parse(nil, one); err != nil || got.Subscription != "s" || len(got.Data) > 0 || got.Attributes != nil {
		t.Errorf("without a body and an id: %+v, %v", got, err)
	}
}

// messages are some of all kinds, as a subscription delivers them.
func messages() []*transport.Message {
	return []*transport.Message{
		{},
		{ID: "1", Attributes: map[string]string{"a": "b"}},
		{ID: "136969346945", Data: []byte(`{"id": 7}`), Attributes: map[string]string{"region": "emea", "text": "é\u2028<&>\" \\"}, OrderingKey: "acme \"x\"",
			PublishTime: published, Subscription: "projects/p/subscriptions/audit", DeliveryAttempt: 5},
		{ID: "2", Data: []byte{0, 0xff, '\n'}, PublishTime: time.Date(2026, 1, 1, 0, 0, 0, 123456789, time.FixedZone("", -3*3600)), Subscription: "s"},
	}
}

func inUTC(m *transport.Message) *transport.Message {
	c := *m
	if !c.PublishTime.IsZero() {
		c.PublishTime = c.PublishTime.UTC()
	}
	return &c
}

func TestBody_IsParsedAsItWas(t *testing.T) {
	t.Parallel()
	for _, m := range messages() {
		got, err := pushwire.Parse(pushwire.Body(m), nil)
		if want := inUTC(m); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parsed\n %+v, %v, want\n %+v", got, err, want)
		}
	}
}

func TestBody_IsAsPubSubWritesIt(t *testing.T) {
	t.Parallel()
	m := messages()[2]
	m.Attributes = map[string]string{"region": "emea"}
	m.OrderingKey = "acme"
	want := `{"deliveryAttempt":5,"message":{"attributes":{"region":"emea"},"data":"eyJpZCI6IDd9","messageId":"136969346945","message_id":"136969346945",` +
		`"orderingKey":"acme","publishTime":"2026-11-24T06:00:00.001Z","publish_time":"2026-11-24T06:00:00.001Z"},"subscription":"projects/p/subscriptions/audit"}`
	if got := string(pushwire.Body(m)); got != want {
		t.Errorf("wrote\n %s, want\n %s", got, want)
	}
}

func TestHeader_IsParsedAsItWas(t *testing.T) {
	t.Parallel()
	m := &transport.Message{
		ID: "11", Data: []byte(`{"id": 7}`), PublishTime: published, OrderingKey: "acme", Subscription: "projects/p/subscriptions/audit",
		Attributes: map[string]string{"region": "emea", "empty": ""},
	}
	h := pushwire.Header(m)
	if got, err := pushwire.Parse(m.Data, h); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("parsed\n %+v, %v, want\n %+v", got, err, m)
	}
	if h := pushwire.Header(&transport.Message{}); len(h) > 0 || pushwire.Unwrapped(h) {
		t.Errorf("an empty message has headers %v", h)
	}
}

func TestHeader_LeavesOutWhatHTTPCannotCarry(t *testing.T) {
	t.Parallel()
	h := pushwire.Header(&transport.Message{ID: "11", OrderingKey: "a\r\nEvil: 1", Attributes: map[string]string{
		"a b": "1", "": "1", "new\nline": "1", "value": "a\nb", "binary": "\xff", "é": "1",
		"Case": "first", "case": "last", "x-goog-pubsub-ordering-key": "forged", "X-Goog-Pubsub-Message-Id": "forged",
		"authorization": "Bearer forged", "HOST": "evil", "Content-Length": "1", "content-encoding": "gzip", "Transfer-Encoding": "chunked", "Connection": "close",
		"X-CloudTasks-QueueName": "forged", "x_cloudtasks_taskname": "forged", "X-CloudScheduler": "true", "Typedtasks-Id": "forged", "X-AppEngine-User": "forged", "x-google-x": "forged",
	}})
	want := http.Header{"X-Goog-Pubsub-Message-Id": {"11"}, "Case": {"last"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("headers are %v, want %v", h, want)
	}
}
