package emulator

import (
	"maps"
	"slices"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

// A job has a record of its settings, of its state, which the core tells, and of how its last attempt ended.

// savedJob is what the records of a job add up to.
type savedJob struct {
	job
	is transport.Job // state and times
}

func (s *store) job(pb *schedulerpb.Job) {
	if s != nil {
		s.append(newRecord(jobRecord, marshal(pb)))
	}
}

func (s *store) jobDeleted(name string) {
	if s != nil {
		s.append(newRecord(jobDeletedRecord, name))
	}
}

func (s *store) jobStatus(name string, status *statuspb.Status) {
	if s != nil {
		s.append(newRecord(jobStatusRecord, name, marshal(status)))
	}
}

// changed is told by the core of a job that is in another state.
func (s *scheduler) changed(name string) {
	if s.store == nil {
		return
	}
	s.journal.Lock()
	defer s.journal.Unlock()
	if is, err := s.core.Get(name); err == nil { // gone, or all has ended: the record before holds
		s.store.append(jobStateToRecord(is))
	}
}

func jobStateToRecord(is *transport.Job) record {
	return newRecord(jobStateRecord, is.Name, string(is.State)).time(is.Next).time(is.LastRun)
}

// readOfScheduler takes a record about a job. One that is not there has been deleted since, or comes later.
func (s *saved) readOfScheduler(kind recordKind, f *fields) {
	if kind == jobRecord {
		pb := &schedulerpb.Job{}
		f.bad = f.bad || proto.Unmarshal(f.text(), pb) != nil
		if s.jobs[pb.Name] == nil {
			s.jobs[pb.Name] = &savedJob{}
		}
		s.jobs[pb.Name].Job = pb
		return
	}
	name := f.string()
	j := s.jobs[name]
	switch {
	case j == nil:
	case kind == jobDeletedRecord:
		delete(s.jobs, name)
	case kind == jobStateRecord:
		j.is = transport.Job{State: transport.JobState(f.string()), Next: f.time(), LastRun: f.time()}
	case kind == jobStatusRecord:
		j.status = &statuspb.Status{}
		f.bad = f.bad || proto.Unmarshal(f.text(), j.status) != nil
	}
}

// save puts jobs as they are.
func (s *scheduler) save(put func([]byte) error) error {
	s.book.mu.RLock()
	defer s.book.mu.RUnlock()
	for _, is := range s.core.All() { // also after the core has ended
		j := s.book.jobs[is.Name]
		records := []record{newRecord(jobRecord, marshal(j.Job)), jobStateToRecord(is)}
		if j.status != nil {
			records = append(records, newRecord(jobStatusRecord, is.Name, marshal(j.status)))
		}
		for _, r := range records {
			if err := put(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore makes jobs what was saved. What was due since then is not made up for.
func (s *scheduler) restore(from *saved) error {
	s.book.mu.Lock() // the first may be due before the last is there
	defer s.book.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(from.jobs)) {
		j := from.jobs[name]
		c := toCore(j.Job)
		c.State, c.Next, c.LastRun = j.is.State, j.is.Next, j.is.LastRun
		s.book.jobs[name] = &j.job
		if err := s.core.Restore(c); err != nil {
			return err
		}
	}
	return nil
}
