package tasks

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// QuarantineDir writes what is quarantined into dir, one JSON file each, named by time, definition and a random
// part. A file appears whole or not at all, and is on the disk before the delivery counts as done. dir is made
// when first needed. Every POST to the path of a task or subscriber that names none, or whose body makes no sense,
// becomes a file: where strangers reach the endpoint, set Config.Authenticator too.
func QuarantineDir(dir string) func(context.Context, Quarantined) error {
	return func(_ context.Context, q Quarantined) error {
		data, err := json.MarshalIndent(q, "", "  ")
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil { // payloads may be personal
			return err
		}
		return writeWhole(filepath.Join(dir, fileName(q.Name, time.Now())), append(data, '\n'))
	}
}

func fileName(name string, now time.Time) string {
	safe := strings.Map(func(r rune) rune {
		if r < 0x80 && transport.CheckID(string(r)) == nil {
			return r
		}
		return '-'
	}, name)
	var b [6]byte
	rand.Read(b[:]) // never fails
	return fmt.Sprintf("%s-%.60s-%s.json", now.UTC().Format("20060102T150405.000"), safe, hex.EncodeToString(b[:]))
}

// writeWhole writes beside the final name, syncs and renames.
func writeWhole(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".quarantine-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what is left is no whole file
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir puts the name of a new file on the disk. Windows does so by itself, and cannot be asked.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
