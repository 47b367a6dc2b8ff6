package pushwire

import (
	"bytes"
	"encoding/json"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// InjectHeaders puts h under key into data, a JSON object. It reports false where data is none, or has that key
// already. data is not changed. trusted says that data is valid JSON.
func InjectHeaders(data []byte, key string, h map[string]string, trusted bool) ([]byte, bool) {
	body := bytes.Trim(data, space)
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return nil, false
	}
	if !trusted || mayHold(body, key) {
		if at, object := find(body, key); !object || at.found {
			return nil, false
		}
	}
	name, _ := json.Marshal(key) // strings always encode
	headers, _ := json.Marshal(h)
	open := bytes.TrimRight(body[:len(body)-1], space)
	out := make([]byte, 0, len(open)+len(name)+len(headers)+3)
	out = append(out, open...)
	if len(open) > 1 {
		out = append(out, ',')
	}
	out = append(append(append(out, name...), ':'), headers...)
	return append(out, '}'), true
}

// SetHeaders is InjectHeaders, of one header at least, into data that may have some already: those of the names in drop
// are removed, in whatever case, the others stay as they are written. It reports false where something else is under
// the key.
func SetHeaders(data []byte, key string, h map[string]string, drop []string, trusted bool) ([]byte, bool) {
	if !mayHold(data, key) {
		return InjectHeaders(data, key, h, trusted)
	}
	at, object := find(data, key)
	if !object || !at.found {
		return InjectHeaders(data, key, h, trusted)
	}
	kept, ok := membersBut(data[at.value:at.end], drop)
	if !ok {
		return nil, false
	}
	added, _ := json.Marshal(h) // strings always encode
	out := make([]byte, 0, len(data)+len(added)+1)
	out = append(append(append(out, data[:at.value]...), '{'), kept...)
	if len(kept) > 0 {
		out = append(out, ',')
	}
	out = append(out, added[1:]...)
	return append(out, data[at.end:]...), true
}

// membersBut are the members of an object, or null, as they are written, without those of the names in drop.
func membersBut(value []byte, drop []string) (kept []byte, ok bool) {
	dec := newDecoder(value)
	t, err := dec.ReadToken()
	if err != nil || t.Kind() != '{' && t.Kind() != 'n' {
		return nil, false
	}
	for t.Kind() == '{' && dec.PeekKind() == '"' {
		raw, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		name := append([]byte(nil), raw...) // until the next read
		text, _ := jsontext.AppendUnquote(nil, name)
		if raw, err = dec.ReadValue(); err != nil {
			return nil, false
		}
		if slices.ContainsFunc(drop, func(d string) bool { return strings.EqualFold(d, string(text)) }) {
			continue
		}
		if len(kept) > 0 {
			kept = append(kept, ',')
		}
		kept = append(append(append(kept, name...), ':'), raw...)
	}
	return kept, true
}

// ExtractHeaders finds the headers under key in data, a JSON object, and returns them by their canonical names with
// data less that member. Data without them comes back as it is, with nil. What is no string counts as absent, and so
// does what is not UTF-8; of two values of one name the last one counts.
func ExtractHeaders(data []byte, key string) (map[string]string, []byte) {
	if !mayHold(data, key) { // spares nearly all the search
		return nil, data
	}
	at, object := find(data, key)
	if !object || !at.found {
		return nil, data
	}
	headers := readHeaders(data[at.value:at.end])
	if headers == nil {
		return nil, data
	}
	return headers, without(data, at)
}

// readHeaders reads the strings of an object, or null, by their canonical names; nil for anything else.
func readHeaders(value []byte) map[string]string {
	dec := newDecoder(value)
	t, err := dec.ReadToken()
	if err != nil || t.Kind() != '{' && t.Kind() != 'n' {
		return nil
	}
	headers := map[string]string{}
	for t.Kind() == '{' && dec.PeekKind() == '"' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil
		}
		name := textproto.CanonicalMIMEHeaderKey(t.String())
		raw, err := dec.ReadValue()
		if err != nil {
			return nil
		}
		var s string
		if raw.Kind() == '"' && utf8.Valid(raw) && json.Unmarshal(raw, &s) == nil {
			headers[name] = s
		}
	}
	return headers
}

// mayHold reports whether key may be the name of a member in data. Only what its writer has escaped is not there
// as it is.
func mayHold(data []byte, key string) bool {
	return bytes.Contains(data, []byte(key)) || bytes.Contains(data, []byte(`\u`)) ||
		strings.ContainsAny(key, "\"\\/\b\f\n\r\t") && bytes.IndexByte(data, '\\') >= 0
}

// space is what JSON takes for it.
const space = " \t\r\n"

// newDecoder takes what other readers do. It reads data in place.
func newDecoder(data []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// member is where a member of an object is: its name, its value, and what follows.
type member struct {
	name, value, end int
	found            bool
}

// find looks for the member of that name, the first one, and reports whether data is one JSON object as a whole.
func find(data []byte, name string) (at member, object bool) {
	dec := newDecoder(data)
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return at, false
	}
	for dec.PeekKind() == '"' {
		before := int(dec.InputOffset())
		t, err := dec.ReadToken()
		if err != nil {
			return at, false
		}
		here := !at.found && t.String() == name
		after := int(dec.InputOffset())
		if dec.SkipValue() != nil {
			return at, false
		}
		if here {
			colon := after + bytes.IndexByte(data[after:], ':')
			at = member{name: before + bytes.IndexByte(data[before:], '"'), value: colon + 1, end: int(dec.InputOffset()), found: true}
		}
	}
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '}' {
		return at, false
	}
	return at, len(bytes.Trim(data[dec.InputOffset():], space)) == 0
}

// without is data less a member and one of the commas around it.
func without(data []byte, at member) []byte {
	before, after := bytes.TrimRight(data[:at.name], space), data[at.end:]
	if before[len(before)-1] == ',' {
		before = before[:len(before)-1]
	} else if rest := bytes.TrimLeft(after, space); rest[0] == ',' {
		after = rest[1:]
	}
	out := make([]byte, 0, len(before)+len(after))
	return append(append(out, before...), after...)
}

// HeaderAttribute is the attribute in which a header travels where the data is no JSON object.
func HeaderAttribute(name string) string { return "http-" + strings.ToLower(name) }
