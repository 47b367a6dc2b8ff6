package journal

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

const newSuffix = ".new"

// Rewrite replaces the journal by the records that snapshot puts, followed by what is appended from the moment of
// the call on. So snapshot may see the state change while it runs, provided that applying those later records to
// it once more does no harm. On an error the journal stays as it was. One Rewrite may run at a time.
func (l *Log) Rewrite(snapshot func(put func(record []byte) error) error) error {
	l.io.Lock()
	from := l.Size() // what was appended but not written is beyond
	l.io.Unlock()
	f, size, err := l.writeNew(snapshot)
	if err == nil {
		err = l.replace(f, size, from)
	}
	if err != nil {
		if f != nil {
			_ = f.Close()
		}
		_ = os.Remove(l.path + newSuffix)
		return fmt.Errorf("rewrite journal %s: %w", l.path, err)
	}
	return nil
}

// writeNew writes a snapshot into a file of its own.
func (l *Log) writeNew(snapshot func(func([]byte) error) error) (f *os.File, size int64, err error) {
	f, err = os.OpenFile(l.path+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, 0, err
	}
	if err := lock(f); err != nil {
		return f, 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	size = int64(len(magic))
	if _, err := w.WriteString(magic); err != nil {
		return f, 0, err
	}
	var frame []byte
	err = snapshot(func(record []byte) error {
		frame = appendFrame(frame[:0], [][]byte{record})
		size += int64(len(frame))
		_, err := w.Write(frame)
		return err
	})
	if err != nil {
		return f, 0, err
	}
	if err := w.Flush(); err != nil {
		return f, 0, err
	}
	return f, size, f.Sync() // the bulk, before anybody has to wait
}

// replace appends to the new file what the old one got since, and puts it in its place.
func (l *Log) replace(f *os.File, size, from int64) error {
	l.io.Lock()
	defer l.io.Unlock()
	if l.err != nil {
		return l.err
	}
	if l.ended {
		return ErrClosed
	}
	n, err := io.Copy(f, io.NewSectionReader(l.file, from, l.Size()-from))
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), l.path); err != nil {
		return err
	}
	old := l.file
	l.file = f
	l.size.Store(size + n)
	_ = old.Close()
	return syncDir(l.path)
}
