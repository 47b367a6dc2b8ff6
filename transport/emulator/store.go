package emulator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/engine"
	"github.com/typedtasks/typedtasks/transport/emulator/internal/journal"
)

// store writes every change of state to the data file. A nil store keeps nothing.
//
// It is a journal of our own rather than a database because of what was measured (400-byte tasks, created and
// deleted again, ext4 on a noisy virtual disk; creations are medians of 9 runs that took turns, the rest one run):
//
//	                        creations/s, 1 client    64 clients    100,000 tasks on disk    read again
//	journal                                  1083         32545                    47 MB        124 ms
//	bbolt, own group commit                   359          9110                    84 MB         86 ms
//	bbolt, DB.Batch                           276         10136                    84 MB         43 ms
//	SQLite in Go, WAL                        1116         15922                    59 MB        219 ms
//
// A transaction of bbolt syncs twice and writes whole pages; a group of the journal is one write and one sync,
// and removing a task costs 60 bytes. It needs no dependency and 450 lines.
type store struct {
	log      *journal.Log
	logger   *slog.Logger
	snapshot func(put func([]byte) error) error

	mu        sync.Mutex
	least     int64 // size after the last rewrite, or what a rewrite would have left
	rewriting bool
	ended     bool
	rewrites  sync.WaitGroup
}

// rewriteFrom is the size from which the data file is rewritten when more than half of it is history.
const rewriteFrom = 16 << 20

// openStore opens the data file and reads it into from. snapshot puts the whole state as it is then.
func openStore(file string, logger *slog.Logger, from *saved, snapshot func(put func([]byte) error) error) (*store, error) {
	log, err := journal.Open(file, from.read)
	if err != nil {
		return nil, err
	}
	return &store{log: log, logger: logger, snapshot: snapshot}, nil
}

// append adds a record. Whoever must not answer before it is on disk calls sync.
func (s *store) append(r record) {
	if s != nil {
		s.log.Append(false, r)
		s.tend()
	}
}

// sync waits until everything appended so far is on disk.
func (s *store) sync(ctx context.Context) error {
	if s == nil {
		return nil
	}
	return s.wait(ctx, s.log.Append(true))
}

func (s *store) wait(ctx context.Context, g *journal.Group) error {
	err := g.Wait(ctx)
	s.tend()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	return status.Errorf(codes.Unavailable, "the data file cannot be written: %v", err)
}

func (s *store) queue(q *queue) {
	if s == nil {
		return
	}
	s.append(queueToRecord(q))
}

func queueToRecord(q *queue) record {
	return newRecord(queueRecord, marshal(q.Queue), marshal(q.policy))
}

func (s *store) queueDeleted(name string, until time.Time) {
	if s != nil {
		s.append(newRecord(queueDeletedRecord, name).time(until))
	}
}

// Failed implements engine.Journal.
func (s *store) Failed(queue, id string, eta time.Time, h engine.History) {
	s.append(newRecord(historyRecord, queue, id).time(eta).history(&h))
}

// Left implements engine.Journal.
func (s *store) Left(queue, id string, now time.Time) {
	s.append(newRecord(leftRecord, queue, id).time(now))
}

// Purged implements engine.Journal.
func (s *store) Purged(queue string, now time.Time) {
	s.append(newRecord(purgedRecord, queue).time(now))
}

// tend starts a rewrite where one is due.
func (s *store) tend() {
	size := s.log.Size()
	if size < rewriteFrom {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rewriting || s.ended || size < 2*s.least {
		return
	}
	s.rewriting = true
	s.rewrites.Go(s.rewrite)
}

func (s *store) rewrite() {
	err := s.log.Rewrite(s.snapshot)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rewriting = false
	s.least = s.log.Size() // also after a failure: to be tried again once it has doubled
	if err != nil {
		s.logger.Error("the data file keeps growing", "error", err)
	}
}

// close ends the store; everything appended is on disk then.
func (s *store) close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.rewrites.Wait()
	return s.log.Close()
}

// marshal returns a message's bytes, none for a nil one. Messages that came over the wire can be marshaled.
func marshal(m proto.Message) string {
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return string(b)
}
