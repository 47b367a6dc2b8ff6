package emulator

import (
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
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
	return &saved{queues: make(map[string]*savedQueue), graves: make(map[string]time.Time)}
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
	f.bad = f.bad || proto.Unmarshal(f.text(), q.Queue) != nil
	if policy := f.text(); len(policy) > 0 {
		q.policy = &iampb.Policy{}
		f.bad = f.bad || proto.Unmarshal(policy, q.policy) != nil
	}
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

// restore makes the state what was saved. Nothing may run yet.
func (s *server) restore(from *saved) error {
	s.queues.graves = from.graves
	s.operations.restore(from.operations)
	for _, name := range slices.Sorted(maps.Keys(from.queues)) {
		q := from.queues[name]
		s.engine.SetQueue(name, engineConfig(q.Queue))
		if q.State == cloudtaskspb.Queue_PAUSED {
			if err := s.engine.Pause(s.base, name); err != nil {
				return err
			}
		}
		s.queues.live[name] = q.queue
		if err := s.restoreTasks(name, q); err != nil {
			return err
		}
	}
	return s.tokens.restore(from.key)
}

func (s *server) restoreTasks(name string, q *savedQueue) error {
	snaps := make([]*engine.Snapshot, 0, len(q.tasks))
	for id, t := range q.tasks {
		snap, err := t.snapshot(name, id)
		if err != nil {
			return err
		}
		snaps = append(snaps, snap)
	}
	slices.SortFunc(snaps, func(a, b *engine.Snapshot) int { return a.ETA.Compare(b.ETA) })
	for _, snap := range snaps {
		if err := s.engine.Restore(snap); err != nil {
			return err
		}
	}
	ids := slices.SortedFunc(maps.Keys(q.graves), func(a, b string) int { return q.graves[a].Compare(q.graves[b]) })
	for _, id := range ids {
		if err := s.engine.Bury(name, id, q.graves[id]); err != nil {
			return err
		}
	}
	return nil
}

func (t *savedTask) snapshot(queue, id string) (*engine.Snapshot, error) {
	m := &cloudtaskspb.Task{}
	if err := proto.Unmarshal(t.message, m); err != nil {
		return nil, err
	}
	task := toEngine(m.GetHttpRequest())
	task.ID, task.Queue = id, queue
	task.ETA, task.Timeout, task.Retry = m.ScheduleTime.AsTime(), m.DispatchDeadline.AsDuration(), toRetry(m.RetryConfig)
	if !t.due.IsZero() {
		task.ETA = t.due
	}
	return &engine.Snapshot{Task: *task, Created: t.created, History: t.history}, nil
}

// save puts the whole state, as records that can be read while it goes on changing.
func (s *server) save(put func([]byte) error) error {
	queues, err := s.saveQueues(put)
	if err != nil {
		return err
	}
	for _, name := range queues {
		if err := s.saveTasks(name, put); err != nil {
			return err
		}
	}
	if key := s.tokens.savedKey(); key != nil {
		if err := put(append(newRecord(keyRecord), key...)); err != nil {
			return err
		}
	}
	return s.operations.save(put)
}

func (s *server) saveQueues(put func([]byte) error) (names []string, err error) {
	s.queues.mu.RLock()
	defer s.queues.mu.RUnlock()
	for name, until := range s.queues.graves {
		if until.After(s.now()) {
			if err := put(newRecord(queueDeletedRecord, name).time(until)); err != nil {
				return nil, err
			}
		}
	}
	for name, q := range s.queues.live {
		if err := put(queueToRecord(q)); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

const savePage = 256

func (s *server) saveTasks(queue string, put func([]byte) error) error {
	for _, t := range s.engine.Tombstones(queue) {
		if err := put(newRecord(tombstoneRecord, queue, t.ID).time(t.Until)); err != nil {
			return err
		}
	}
	for from := uint32(0); ; {
		page, next, err := s.engine.Page(s.base, queue, from, savePage)
		if err != nil {
			if transport.KindOf(err) == transport.KindQueueMissing {
				return nil // deleted meanwhile, as a later record says
			}
			return err
		}
		for _, snap := range page {
			if err := saveTask(queue, snap, put); err != nil {
				return err
			}
		}
		if from = next; from == 0 {
			return nil
		}
	}
}

func saveTask(queue string, snap *engine.Snapshot, put func([]byte) error) error {
	t := storedTask(snap)
	if err := put(taskToRecord(queue, snap.ID, snap.Explicit, snap.Created, marshal(t))); err != nil {
		return err
	}
	if snap.Dispatches == snap.InFlight {
		return nil
	}
	return put(newRecord(historyRecord, queue, snap.ID).time(snap.ETA).history(&snap.History))
}

func taskToRecord(queue, id string, explicit bool, created time.Time, message string) record {
	r := newRecord(taskRecord, queue, id)
	if explicit {
		r = r.number(1)
	} else {
		r = r.number(0)
	}
	return append(r.time(created), message...)
}
