package tasktest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/transport"
)

// Record is one task as it was enqueued, whatever its type.
type Record struct {
	Task    string // the definition's name
	ID      string
	Queue   string
	ETA     time.Time // zero: at once
	Header  http.Header
	Body    []byte
	Timeout time.Duration // zero: the default

	at time.Time // when it was enqueued
}

// String shows the record on one line.
func (r Record) String() string {
	s := fmt.Sprintf("%s %s on %q", r.Task, shortBytes(r.Body), r.Queue)
	if !r.ETA.IsZero() {
		s += ", due in " + readable(r.due())
	}
	return s + ", id " + r.ID
}

// due is how long after it was enqueued the task is due.
func (r Record) due() time.Duration {
	if r.ETA.IsZero() {
		return 0
	}
	return r.ETA.Sub(r.at)
}

// entry is a record as the recorder keeps it. It never changes.
type entry struct {
	Record
	url    string
	number int // from 1, as failures name it
}

// newEntry copies what was enqueued.
func newEntry(name string, t *transport.Task, r transport.Receipt, at time.Time) *entry {
	return &entry{url: t.URL, Record: Record{
		Task: name, ID: r.ID, Queue: r.Queue, ETA: t.ETA, Header: t.Header.Clone(), Body: bytes.Clone(t.Body),
		Timeout: t.Timeout, at: at,
	}}
}

// copy returns a record that the test may change.
func (e *entry) copy() Record {
	r := e.Record
	r.Header, r.Body = r.Header.Clone(), bytes.Clone(r.Body)
	return r
}

// most is how many bytes of a text a failure shows.
const most = 200

func shortBytes(b []byte) string {
	if !utf8.Valid(b) {
		return short(strconv.Quote(string(b)))
	}
	return short(string(b))
}

func short(s string) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:cut], len(s))
}

// readable leaves out the zeros that a duration's String ends with.
func readable(d time.Duration) string {
	s := d.Round(time.Millisecond).String()
	if d.Abs() < time.Second {
		s = d.String()
	}
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
