// Package journal is an append-only file of records that are told apart, checked and synced to disk in groups:
// all records that wait while the disk is busy share the next sync.
//
// # Format
//
// A magic line, then frames: length and CRC-32C of a payload, four bytes each, then the payload, which is records
// with their lengths before them. A frame is there as a whole or not at all. What a killed process left half
// written at the end is cut off.
//
// # Rewriting
//
// A journal only grows. [Log.Rewrite] replaces what it holds by a snapshot of the state, while records are
// appended all the time.
package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"
	"sync/atomic"
)

const magic = "ttjournal 1\n"

// Log is an open journal. It is safe for concurrent use.
type Log struct {
	path string

	mu     sync.Mutex
	work   sync.Cond // there is something to write, or the log is closing
	next   *Group    // what is written next
	closed bool

	io    sync.Mutex // held while the file is written or replaced
	file  *os.File
	size  atomic.Int64 // changes with io held
	err   error        // the first failure; nothing is written after it
	ended bool         // the file is closed

	done chan struct{}
}

// Group is what is written and synced together.
type Group struct {
	frames []byte
	sync   bool
	done   chan struct{}
	err    error
}

// Wait returns once the group is on disk, or why it is not. When ctx ends first, it may still get there.
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ErrClosed is what appending to a closed log ends with.
var ErrClosed = errors.New("the journal is closed")

// Open opens the journal in a file, which is created if need be and locked, and passes every record in it to
// read. The records are read's to keep.
func Open(path string, read func(record []byte) error) (*Log, error) {
	l := &Log{path: path, done: make(chan struct{})}
	l.work.L = &l.mu
	l.next = newGroup()
	if err := l.open(read); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	go l.write()
	return l, nil
}

// Append adds records, which stay together. It does not wait; the group tells when they are written, and synced if
// any of its records asked for that. Nothing is kept of the slices.
func (l *Log) Append(sync bool, records ...[]byte) *Group {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.next
	if l.closed {
		g = newGroup()
		g.err = ErrClosed
		close(g.done)
		return g
	}
	if len(records) > 0 {
		g.frames = appendFrame(g.frames, records)
	}
	g.sync = g.sync || sync
	l.work.Signal()
	return g
}

// Size is how long the file is.
func (l *Log) Size() int64 { return l.size.Load() }

// Close writes and syncs what was appended and closes the file. It returns the first failure of the log.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.next.sync = true
	l.work.Signal()
	l.mu.Unlock()
	<-l.done
	l.io.Lock()
	defer l.io.Unlock()
	if !l.ended {
		l.ended = true
		l.err = errors.Join(l.err, l.file.Close())
	}
	return l.err
}

// write is the goroutine that writes one group after another.
func (l *Log) write() {
	defer close(l.done)
	for {
		l.mu.Lock()
		for len(l.next.frames) == 0 && !l.next.sync {
			l.work.Wait()
		}
		g, last := l.next, l.closed
		l.next = newGroup()
		l.mu.Unlock()
		l.flush(g)
		close(g.done)
		if last {
			return
		}
	}
}

func (l *Log) flush(g *Group) {
	l.io.Lock()
	defer l.io.Unlock()
	if l.err == nil && len(g.frames) > 0 {
		var n int
		n, l.err = l.file.Write(g.frames)
		l.size.Add(int64(n))
	}
	if l.err == nil && g.sync {
		l.err = l.file.Sync()
	}
	g.err, g.frames = l.err, nil
}

func newGroup() *Group { return &Group{done: make(chan struct{})} }

const frameHead = 8

// appendFrame appends one frame of records.
func appendFrame(b []byte, records [][]byte) []byte {
	head := len(b)
	b = append(b, make([]byte, frameHead)...)
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	payload := b[head+frameHead:]
	binary.LittleEndian.PutUint32(b[head:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[head+4:], checksum(payload))
	return b
}

func checksum(payload []byte) uint32 {
	return crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli))
}
