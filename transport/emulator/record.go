package emulator

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
)

// record is one change of state in the data file: a kind, then its fields.
type record []byte

type recordKind byte

// The kinds, append only: they are in files. Fields are texts with their lengths and varints.
const (
	queueRecord               recordKind = iota + 1 // queue and policy as protobuf messages
	queueDeletedRecord                              // name, until when it is blocked
	taskRecord                                      // queue, id, 1 if explicit, created, task as a protobuf message
	historyRecord                                   // queue, id, due, history: after the task's own record
	leftRecord                                      // queue, id, when
	purgedRecord                                    // queue, when
	tombstoneRecord                                 // queue, id, until
	operationRecord                                 // since, operation as a protobuf message
	keyRecord                                       // private key of tokens, PKCS #8
	topicRecord                                     // topic and policy as protobuf messages
	topicDeletedRecord                              // name
	subscriptionRecord                              // subscription and policy as protobuf messages
	subscriptionDeletedRecord                       // name
	jobRecord                                       // job as a protobuf message
	jobDeletedRecord                                // name
	jobStateRecord                                  // name, state, when it is due, when it was attempted: after the job's own record
	jobStatusRecord                                 // name, status as a protobuf message: likewise
)

func newRecord(kind recordKind, texts ...string) record {
	r := record{byte(kind)}
	for _, s := range texts {
		r = appendText(r, s)
	}
	return r
}

func (r record) number(n int64) record { return binary.AppendVarint(r, n) }

// time keeps nanoseconds; the zero time stays what it is.
func (r record) time(t time.Time) record {
	if t.IsZero() {
		return r.number(0)
	}
	return r.number(t.UnixNano())
}

func (r record) history(h *engine.History) record {
	for _, n := range []int{h.Dispatches - h.InFlight, h.Seen, h.Executions, h.Status} {
		r = r.number(int64(n))
	}
	last := h.Last
	if last.Responded.IsZero() {
		last = engine.Attempt{}
	}
	return r.time(h.First).time(last.Scheduled).time(last.Dispatched).time(last.Responded)
}

var errRecord = errors.New("a record is not what this version writes")

// fields reads a record. After a mistake it returns zero values.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) text() []byte {
	n, used := binary.Uvarint(f.rest)
	if used <= 0 || n > uint64(len(f.rest)-used) {
		f.bad, f.rest = true, nil
		return nil
	}
	s := f.rest[used : used+int(n)]
	f.rest = f.rest[used+int(n):]
	return s
}

func (f *fields) string() string { return string(f.text()) }

func (f *fields) number() int64 {
	n, used := binary.Varint(f.rest)
	if used <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[used:]
	return n
}

func (f *fields) time() time.Time {
	ns := f.number()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func (f *fields) history() engine.History {
	h := engine.History{
		Dispatches: int(f.number()), Seen: int(f.number()), Executions: int(f.number()), Status: int(f.number()),
		First: f.time(),
	}
	h.Last = engine.Attempt{Scheduled: f.time(), Dispatched: f.time(), Responded: f.time()}
	return h
}
