package tasks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// uniqueID derives the id of a unique task. It begins with a hash, because ids in sequence slow a queue of
// Cloud Tasks down, and ends with the name, because people read it. 128 bits keep two keys from colliding.
func uniqueID(name string, v any, window time.Duration, now time.Time) string {
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	part(name)
	if k, ok := v.(interface{ UniqueKey() string }); ok {
		part(k.UniqueKey())
	}
	if window > 0 {
		part(strconv.FormatInt(int64(window), 10) + "/" + strconv.FormatInt(now.UnixNano()/int64(window), 10))
	}
	return readable(h.Sum(nil)[:16], name)
}

// randomID names a task whose creation may be retried: a lost answer and AlreadyExists are success then.
func randomID(name string) string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return readable(b[:], name)
}

// hashID names a task after what it stands for.
func hashID(key, name string) string {
	sum := sha256.Sum256([]byte(key))
	return readable(sum[:16], name)
}

func readable(hash []byte, name string) string {
	if name == "" {
		return hex.EncodeToString(hash)
	}
	return hex.EncodeToString(hash) + "-" + strings.ReplaceAll(name, ".", "-")
}
