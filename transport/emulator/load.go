package emulator

import (
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

// saved is the state that the records of a data file add up to. Records may come twice, since a rewrite repeats
// what happened while it ran: each must do no harm where its effect is there already.
type saved struct {
	queues     map[string]*savedQueue
	graves     map[string]time.Time
	operations []savedOperation
	key        []byte

	topics        map[string]*topic
	subscriptions map[string]*subscription

	jobs map[string]*savedJob
}

type savedQueue struct {
	*queue
	tasks  map[string]*savedTask
	graves map[string]time.Time
}

type savedTask struct {
	explicit bool
	created  time.Time
	message  []byte
	due      time.Time // zero: as the message says
	history  engine.History
}

type savedOperation struct {
	since   time.Time
	message *longrunningpb.Operation
}

func newSaved() *saved {
	return &saved{
		queues: make(map[string]*savedQueue), graves: make(map[string]time.Time),
		topics: make(map[string]*topic), subscriptions: make(map[string]*subscription),
		jobs: make(map[string]*savedJob),
	}
}

// read takes one record.
func (s *saved) read(r []byte) error {
	if len(r) == 0 {
		return errRecord
	}
	f := &fields{rest: r[1:]}
	switch recordKind(r[0]) {
	case queueRecord:
		s.readQueue(f)
	case queueDeletedRecord:
		name := f.string()
		delete(s.queues, name)
		s.graves[name] = f.time()
	case operationRecord:
		op := savedOperation{since: f.time(), message: &longrunningpb.Operation{}}
		f.bad = f.bad || proto.Unmarshal(f.rest, op.message) != nil
		s.operations = append(s.operations, op)
	case keyRecord:
		s.key = f.rest
	case topicRecord, topicDeletedRecord, subscriptionRecord, subscriptionDeletedRecord:
		s.readOfPubsub(recordKind(r[0]), f)
	case jobRecord, jobDeletedRecord, jobStateRecord, jobStatusRecord:
		s.readOfScheduler(recordKind(r[0]), f)
	default:
		if recordKind(r[0]) > keyRecord {
			return errRecord
		}
		s.readOfQueue(recordKind(r[0]), f)
	}
	if f.bad {
		return errRecord
	}
	return nil
}

func (s *saved) readQueue(f *fields) {
	q := &queue{Queue: &cloudtaskspb.Queue{}}
	q.policy = f.withPolicy(q.Queue)
	delete(s.graves, q.Name)
	if old := s.queues[q.Name]; old != nil {
		old.queue = q
		return
	}
	s.queues[q.Name] = &savedQueue{queue: q, tasks: make(map[string]*savedTask), graves: make(map[string]time.Time)}
}

// readOfQueue takes a record about what is in a queue. One that is not there has been deleted since.
func (s *saved) readOfQueue(kind recordKind, f *fields) {
	q := s.queues[f.string()]
	if q == nil {
		return
	}
	if kind == purgedRecord {
		now := f.time()
		for id, t := range q.tasks {
			q.leave(id, t, now)
		}
		return
	}
	id := f.string()
	t := q.tasks[id]
	switch {
	case kind == taskRecord:
		delete(q.graves, id)
		q.tasks[id] = &savedTask{explicit: f.number() == 1, created: f.time(), message: f.rest}
	case kind == tombstoneRecord:
		q.graves[id] = f.time()
	case t == nil: // it has left already
	case kind == historyRecord:
		t.due, t.history = f.time(), f.history()
	case kind == leftRecord:
		q.leave(id, t, f.time())
	}
}

func (q *savedQueue) leave(id string, t *savedTask, now time.Time) {
	delete(q.tasks, id)
	if t.explicit {
		q.graves[id] = now.Add(transport.TombstoneTTL)
	}
}
