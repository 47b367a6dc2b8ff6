package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrDamaged is what opening a file ends with that is no journal, or was changed in the middle.
var ErrDamaged = errors.New("the file is damaged or is no journal")

func (l *Log) open(read func([]byte) error) (err error) {
	_ = os.Remove(l.path + newSuffix) // an interrupted Rewrite left it
	l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = l.file.Close()
		}
	}()
	if err := lock(l.file); err != nil {
		return fmt.Errorf("another process uses it: %w", err)
	}
	end, err := readFile(l.file, read)
	if err != nil {
		return err
	}
	if end == 0 {
		return l.begin()
	}
	l.size.Store(end)
	if err := l.file.Truncate(end); err != nil {
		return err
	}
	_, err = l.file.Seek(end, io.SeekStart)
	return err
}

// begin makes an empty file a journal.
func (l *Log) begin() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	n, err := l.file.WriteAt([]byte(magic), 0)
	if err != nil {
		return err
	}
	l.size.Store(int64(n))
	if _, err := l.file.Seek(int64(n), io.SeekStart); err != nil {
		return err
	}
	return errors.Join(l.file.Sync(), syncDir(l.path))
}

// readFile reads all whole frames and returns where they end.
func readFile(f *os.File, read func([]byte) error) (end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("it is %s: %w", info.Mode().Type(), fs.ErrInvalid)
	}
	r := bufio.NewReaderSize(f, 1<<20)
	first := make([]byte, len(magic))
	n, err := io.ReadFull(r, first)
	switch {
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return 0, err
	case string(first[:n]) != magic[:n]:
		return 0, ErrDamaged
	case n < len(magic):
		return 0, nil // killed while it was created, or new
	}
	for end = int64(n); ; {
		payload, err := readFrame(r, info.Size()-end)
		if err != nil || payload == nil {
			return end, err
		}
		if err := readRecords(payload, read); err != nil {
			return 0, fmt.Errorf("frame at byte %d: %w", end, err)
		}
		end += int64(frameHead + len(payload))
	}
}

// readFrame returns the payload of the next frame, nil where the file ends: in the middle of a frame, or with one
// that was not written to its end. A bad frame that is followed by others is damage.
func readFrame(r *bufio.Reader, left int64) ([]byte, error) {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, whole(err)
	}
	size := int64(binary.LittleEndian.Uint32(head))
	if size > left-frameHead {
		return nil, nil
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, whole(err)
	}
	if checksum(payload) == binary.LittleEndian.Uint32(head[4:]) && size > 0 {
		return payload, nil
	}
	if size == left-frameHead || onlyZeros(r, head, payload) {
		return nil, nil
	}
	return nil, ErrDamaged
}

// whole takes the end of the file for what it is.
func whole(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// onlyZeros reports whether the file goes on with nothing but zeros, as after a power failure.
func onlyZeros(r *bufio.Reader, read ...[]byte) bool {
	for _, b := range read {
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
	}
	for {
		switch c, err := r.ReadByte(); {
		case err != nil:
			return true
		case c != 0:
			return false
		}
	}
}

func readRecords(payload []byte, read func([]byte) error) error {
	for len(payload) > 0 {
		n, used := binary.Uvarint(payload)
		if used <= 0 || n > uint64(len(payload)-used) {
			return ErrDamaged
		}
		end := used + int(n)
		if err := read(payload[used:end:end]); err != nil {
			return err
		}
		payload = payload[end:]
	}
	return nil
}

// syncDir makes the name of a file durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
