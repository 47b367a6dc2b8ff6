package emulator

import (
	"time"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport"
)

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
	for from, more := uint32(0), true; more; more = from != 0 {
		page, next, err := s.engine.Page(s.base, queue, from, savePage)
		if transport.KindOf(err) == transport.KindQueueMissing {
			return nil // deleted meanwhile, as a later record says
		}
		if err != nil {
			return err
		}
		for _, snap := range page {
			if err := saveTask(queue, snap, put); err != nil {
				return err
			}
		}
		from = next
	}
	for _, t := range s.engine.Tombstones(queue) { // last: a task that leaves meanwhile is here or was above
		if err := put(newRecord(tombstoneRecord, queue, t.ID).time(t.Until)); err != nil {
			return err
		}
	}
	return nil
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
