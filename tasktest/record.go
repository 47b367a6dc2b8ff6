package tasktest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// MessageRecord is one message as it was published, whatever its type.
type MessageRecord struct {
	Publisher   string // the definition's name; empty: published by something else
	Topic       string
	ID          string
	OrderingKey string
	Attributes  map[string]string
	Data        []byte      // propagated headers included, where they travel in it
	Header      http.Header // the propagated headers that it carries, whichever way
	PublishTime time.Time
}

// String shows the record on one line.
func (r Record) String() string {
	s := fmt.Sprintf("%s %s on %q", r.Task, shortBytes(r.Body), r.Queue)
	if !r.ETA.IsZero() {
		s += ", due in " + readable(r.due())
	}
	return s + ", id " + r.ID
}

// String shows the record on one line.
func (r MessageRecord) String() string {
	data := "without data"
	if len(r.Data) > 0 {
		data = shortBytes(r.Data)
	}
	s := fmt.Sprintf("%s %s to %q", or(r.Publisher, "a message"), data, r.Topic)
	if len(r.Attributes) > 0 {
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(r.Attributes)) {
			pairs = append(pairs, k+"="+strconv.Quote(r.Attributes[k]))
		}
		s += ", " + short(strings.Join(pairs, " "))
	}
	if r.OrderingKey != "" {
		s += fmt.Sprintf(", ordering key %q", r.OrderingKey)
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

// copy returns a record that the test may change.
func (r Record) copy() Record {
	r.Header, r.Body = r.Header.Clone(), bytes.Clone(r.Body)
	return r
}

// copy returns a record that the test may change.
func (r MessageRecord) copy() MessageRecord {
	r.Header, r.Attributes, r.Data = r.Header.Clone(), maps.Clone(r.Attributes), bytes.Clone(r.Data)
	return r
}

// entry is a task or a message as the recorder keeps it. It never changes.
type entry struct {
	task    *Record        // nil: a message
	message *MessageRecord // nil: a task
	url     string         // of a task
	by      *entry         // of a message: the task that published it, if one did
	number  int            // from 1, as failures name it
}

func (e *entry) String() string {
	if e.task != nil {
		return e.task.String()
	}
	return e.message.String()
}

func (e *entry) id() string {
	if e.task != nil {
		return e.task.ID
	}
	return e.message.ID
}

func (e *entry) header() http.Header {
	if e.task != nil {
		return e.task.Header
	}
	return e.message.Header
}

// payload is what the codec wrote, and what may be around it.
func (e *entry) payload() []byte {
	if e.task != nil {
		return e.task.Body
	}
	return e.message.Data
}

// taskEntry copies what was enqueued.
func taskEntry(name string, t *transport.Task, r transport.Receipt, at time.Time) *entry {
	return &entry{url: t.URL, task: &Record{
		Task: name, ID: r.ID, Queue: r.Queue, ETA: t.ETA, Header: t.Header.Clone(), Body: bytes.Clone(t.Body),
		Timeout: t.Timeout, at: at,
	}}
}

// messageEntry copies what was published.
func messageEntry(publisher string, m *transport.Message, h http.Header, id string, at time.Time) *entry {
	return &entry{message: &MessageRecord{
		Publisher: publisher, Topic: m.Topic, ID: id, OrderingKey: m.OrderingKey, Attributes: maps.Clone(m.Attributes),
		Data: bytes.Clone(m.Data), Header: h, PublishTime: at,
	}}
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
