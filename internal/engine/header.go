package engine

import (
	"encoding/binary"
	"hash/maphash"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
)

// field is one header as the wire would carry it: canonical name, one value.
type field struct {
	name, value string
	sum         uint64 // of both; set for common fields only
}

// commonFields tells headers whose values repeat (a content type) from those that differ from task to task (a
// trace): the first few short values of each of the first few names are common.
type commonFields struct {
	names [64]atomic.Pointer[commonName]
}

// commonName is replaced, never changed.
type commonName struct {
	name   string
	values []field
}

const (
	commonValues   = 8
	maxCommonValue = 256
)

// split sorts the headers of h into common ones and the task's own, appending to the two slices given.
func (c *commonFields) split(seed maphash.Seed, h http.Header, common, own []field) (_, _ []field) {
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		f := field{name: name, value: values[0]}
		if len(values) > 1 {
			f.value = strings.Join(values, ", ")
		}
		if c.find(seed, &f, false) {
			common = append(common, f)
			continue
		}
		if f.name = textproto.CanonicalMIMEHeaderKey(name); f.name != name {
			if _, twice := h[f.name]; twice {
				continue // two spellings of a name: the canonical one holds
			}
		}
		if c.find(seed, &f, true) {
			common = append(common, f)
		} else {
			own = append(own, f)
		}
	}
	return common, own
}

// find reports whether f is a common field and sets its sum. With learn it may become one now.
func (c *commonFields) find(seed maphash.Seed, f *field, learn bool) bool {
	nameSum := maphash.String(seed, f.name)
	slot := &c.names[nameSum%uint64(len(c.names))]
	known := slot.Load()
	if known != nil {
		if known.name != f.name {
			return false
		}
		for i := range known.values {
			if known.values[i].value == f.value {
				*f = known.values[i]
				return true
			}
		}
		if len(known.values) == commonValues {
			return false
		}
	}
	if !learn || len(f.value) > maxCommonValue {
		return false
	}
	f.name, f.value = strings.Clone(f.name), strings.Clone(f.value)
	f.sum = nameSum ^ maphash.String(seed, f.value)<<1
	next := &commonName{name: f.name, values: []field{*f}}
	if known != nil {
		next.values = append(slices.Clone(known.values), *f)
	}
	return slot.CompareAndSwap(known, next)
}

// pack copies body and the task's own headers into one slice of the exact size.
func pack(body []byte, own []field) []byte {
	n := len(body)
	for _, f := range own {
		n += uvarintLen(len(f.name)) + len(f.name) + uvarintLen(len(f.value)) + len(f.value)
	}
	if n == 0 {
		return nil
	}
	data := append(make([]byte, 0, n), body...)
	for _, f := range own {
		data = binary.AppendUvarint(data, uint64(len(f.name)))
		data = append(data, f.name...)
		data = binary.AppendUvarint(data, uint64(len(f.value)))
		data = append(data, f.value...)
	}
	return data
}

// unpack returns the whole header of a task: the common part, which is shared, unless there are packed fields.
func unpack(common http.Header, packed []byte) http.Header {
	if len(packed) == 0 {
		return common
	}
	h := make(http.Header, len(common)+2)
	for name, values := range common {
		h[name] = values
	}
	text := string(packed)
	next := func() (s string) {
		n, used := binary.Uvarint(packed)
		s, text = text[used:used+int(n)], text[used+int(n):]
		packed = packed[used+int(n):]
		return s
	}
	for len(packed) > 0 {
		name := next()
		h[name] = []string{next()}
	}
	return h
}

func uvarintLen(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}
