package pushwire_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// FuzzParse: what is parsed survives being written and parsed again, and refers to nothing that comes in.
func FuzzParse(f *testing.F) {
	for _, m := range messages() {
		f.Add(pushwire.Body(m), "", "", "", "", "", "")
	}
	f.Add([]byte(`{"message": {"message_id": "1", "publish_time": "2026-11-24T06:00:00Z", "data": "AA=="}, "deliveryAttempt": 3}`), "", "", "", "", "", "")
	f.Add([]byte(`{"Message": {"DATA": "AA==", "data": null}, "message": {"attributes": {"a": null}}}`), "", "", "", "", "", "")
	f.Add([]byte("{\"message\": {\"attributes\": {\"a\xff\": \"\\ud800\"}}}"), "", "", "", "", "", "")
	f.Add([]byte("data"), "11", "projects/p/subscriptions/s", "2026-11-24T06:00:00.5+01:00", "key", "Region", "emea")
	f.Add([]byte{}, "11", "", "", "", "authorization", "secret")
	f.Add([]byte{}, "", "s", "no time", "", "", "")
	f.Fuzz(func(t *testing.T, body []byte, id, subscription, at, ordering, name, value string) {
		h := http.Header{}
		for k, v := range map[string]string{
			pushwire.HeaderMessageID: id, pushwire.HeaderSubscription: subscription, pushwire.HeaderPublishTime: at, pushwire.HeaderOrderingKey: ordering,
		} {
			if v != "" {
				h.Set(k, v)
			}
		}
		if textproto.CanonicalMIMEHeaderKey(name) == http.CanonicalHeaderKey(name) && name != "" && !pushwire.Unwrapped(http.Header{http.CanonicalHeaderKey(name): {""}}) {
			h.Add(name, value)
		}
		in := bytes.Clone(body)
		m, err := pushwire.Parse(in, h)
		if err != nil {
			if m != nil || err.Error() == "" {
				t.Errorf("%+v with the error %v", m, err)
			}
			return
		}
		before := *m
		before.Data = bytes.Clone(m.Data)
		clear(in)
		if m.DeliveryAttempt < 0 || !m.PublishTime.IsZero() && m.PublishTime.Location() != time.UTC {
			t.Errorf("parsed %+v", m)
		}
		if pushwire.Unwrapped(h) && !bytes.Equal(m.Data, body) {
			t.Errorf("the data is %q, not %q", m.Data, body)
		}
		if !reflect.DeepEqual(m, &before) {
			t.Errorf("it refers to the body: %+v, not %+v", m, before)
		}
		if _, err := json.Marshal(m.PublishTime); err != nil || !utf8.Valid(pushwire.Body(m)) {
			return // a year that RFC 3339 cannot write again
		}
		again, err := pushwire.Parse(pushwire.Body(m), nil)
		if err != nil {
			t.Fatalf("parsed again: %v", err)
		}
		if !pushwire.Unwrapped(h) && !equal(m, again) {
			t.Errorf("parsed again\n %+v, not\n %+v", again, m)
		}
	})
}

// equal takes nothing for the same, be it nil or empty.
func equal(a, b *transport.Message) bool {
	return bytes.Equal(a.Data, b.Data) && maps.Equal(a.Attributes, b.Attributes) && a.PublishTime.Equal(b.PublishTime) && a.ID == b.ID &&
		a.OrderingKey == b.OrderingKey && a.Subscription == b.Subscription && a.DeliveryAttempt == b.DeliveryAttempt
}

// FuzzHeaders: what was injected is extracted again, and the data means what it did.
func FuzzHeaders(f *testing.F) {
	for _, data := range []string{
		`{}`, ` { } `, `{"a": 1}`, "{\n\t\"a\": {\"_http_headers\": {\"b\": \"c\"}}\r\n}", `{"_http_headers": {"a": "b", "A": 1}, "c": 2}`, `{"\u005fhttp_headers": null}`,
		`{"a": 1, "a": 2, "_http_headers": [], "_http_headers": {}}`, `{"a": NaN}`, `[1, 2]`, `{"a": "`, "{\"\xff\": \"\xff\"}", `{"a": 1e999}`, ``, `{"":""}`,
		`{"_http_headers": {"a": "\ud800"}}`,
	} {
		f.Add([]byte(data), "_http_headers", "traceparent", "00-1")
		f.Add([]byte(data), "a", "X-Tenant-ID", "a\"\\\n\u2028<&>")
	}
	f.Add([]byte(`{"a\u003cb": {}}`), "a<b", "", "")
	f.Add([]byte(`{"a\/b": {}}`), "a/b", "a b", "é")
	f.Fuzz(func(t *testing.T, data []byte, key, name, value string) {
		in := bytes.Clone(data)
		before, rest := pushwire.ExtractHeaders(in, key)
		if before == nil && !bytes.Equal(rest, data) {
			t.Errorf("without headers the data became %q", rest)
		}
		if before != nil && valid(data) && !valid(rest) {
			t.Errorf("%q is no JSON any more: %q", data, rest)
		}
		if !utf8.ValidString(key) || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return
		}
		h := map[string]string{name: value}
		if set, ok := pushwire.SetHeaders(in, key, h, []string{name}, false); ok {
			if got, _ := pushwire.ExtractHeaders(set, key); got[textproto.CanonicalMIMEHeaderKey(name)] != value || !valid(set) && valid(data) {
				t.Errorf("set %q, which became %q, and extracted %q", h, set, got)
			} else {
				for other, kept := range before {
					if !strings.EqualFold(other, name) && got[other] != kept {
						t.Errorf("%q was %q and is %q in %q", other, kept, got[other], set)
					}
				}
			}
		} else if before != nil && valid(data) {
			t.Errorf("not set in %q", data)
		}
		out, ok := pushwire.InjectHeaders(in, key, h, false)
		if !bytes.Equal(in, data) {
			t.Fatalf("data was changed to %q", in)
		}
		if trusted, okay := pushwire.InjectHeaders(in, key, h, true); valid(data) && (ok != okay || !bytes.Equal(out, trusted)) {
			t.Errorf("trusted %q, %t, else %q, %t", trusted, okay, out, ok)
		}
		if !ok {
			if before == nil && valid(data) && bytes.HasPrefix(bytes.Trim(data, " \t\r\n"), []byte("{")) && !bytes.Contains(data, []byte(key)) && !bytes.Contains(data, []byte(`\`)) {
				t.Errorf("not injected into %q", data)
			}
			return
		}
		if before != nil {
			t.Errorf("injected into data that has headers: %q", out)
		}
		got, back := pushwire.ExtractHeaders(out, key)
		if !maps.Equal(got, map[string]string{textproto.CanonicalMIMEHeaderKey(name): value}) {
			t.Errorf("extracted %q, not %q, from %q", got, h, out)
		}
		if a, b := compact(data), compact(back); a != b {
			t.Errorf("the data became %q, not %q", b, a)
		}
	})
}

// valid is with what readers of this package let pass: names that come twice, and what is not UTF-8.
func valid(data []byte) bool { return json.Valid(data) }

func compact(data []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return "no JSON"
	}
	return b.String()
}
