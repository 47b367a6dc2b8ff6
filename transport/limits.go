package transport

import (
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// Limits of Cloud Tasks, read 2026-11 from its quota page and API definitions (cloudtasks 1.21.1). Every
// driver keeps to them, so that what passes in memory passes in production.
const (
	// MaxTaskSize is the most bytes of one stored task: 1 MiB less the 7 bytes that the service was measured
	// to keep for itself. [Task.Size] counts towards it.
	MaxTaskSize = 1<<20 - 7

	// MaxHeaderBytes is the most bytes of one task's headers.
	MaxHeaderBytes = 80 << 10

	// MaxURL is the most bytes of a target URL.
	MaxURL = 2083

	// MaxQueueID and MaxTaskID are the longest ids.
	MaxQueueID = 100
	MaxTaskID  = 500
)

const (
	// MaxDelay is how far ahead a task may be scheduled: 720 hours.
	MaxDelay = 720 * time.Hour

	// MinTimeout, MaxTimeout and DefaultTimeout bound the dispatch deadline of one attempt.
	MinTimeout     = 15 * time.Second
	MaxTimeout     = 30 * time.Minute
	DefaultTimeout = 10 * time.Minute

	// TombstoneTTL is how long an explicit id stays taken after its task is gone. Cloud Tasks says "up to 24
	// hours" and promises nothing; memory keeps exactly this.
	TombstoneTTL = 24 * time.Hour

	// MaxLifetime is how long a task may stay in a queue, whatever its retry settings.
	MaxLifetime = 31 * 24 * time.Hour
)

const (
	// sizeReserve stands for what the service stores beside the caller's bytes: the full resource name's fixed
	// part, three timestamps, the deadline, the token's account, the User-Agent it adds.
	sizeReserve    = 400
	headerOverhead = 6 // protobuf map entry: two tags, two lengths, the entry's own
)

// CheckQueue reports why s cannot be a queue's id: letters, digits and hyphens, 1 to 100 of them.
func CheckQueue(s string) error {
	if s == "" {
		return fmt.Errorf("the queue id is empty")
	}
	if len(s) > MaxQueueID {
		return lengthError{what: "queue id", got: len(s), most: MaxQueueID}
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' {
			return fmt.Errorf("queue id %q may hold letters, digits and hyphens only, not %q", s, s[i])
		}
	}
	return nil
}

// CheckID reports why s cannot be a task's id: letters, digits, hyphens and underscores, 1 to 500 of them.
func CheckID(s string) error { return checkID("task id", s) }

func checkID(what, s string) error {
	if s == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	if len(s) > MaxTaskID {
		return lengthError{what: what, got: len(s), most: MaxTaskID}
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' && s[i] != '_' {
			return fmt.Errorf("%s %q may hold letters, digits, hyphens and underscores only, not %q", what, s, s[i])
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// CheckHeader reports why no task can carry h: a name or value that would split a header, or too many bytes.
func CheckHeader(h http.Header) error {
	bytes, _, err := measure(h)
	if err == nil && bytes > MaxHeaderBytes {
		err = lengthError{what: "header", got: bytes, most: MaxHeaderBytes}
	}
	return err
}

// measure counts a header's bytes and values, and refuses what would split one.
func measure(h http.Header) (bytes, values int, err error) {
	for k, vs := range h {
		if err == nil && !headerToken(k) {
			err = fmt.Errorf("header name %q is not a valid HTTP token", k)
		}
		for _, v := range vs {
			bytes += len(k) + len(v)
			values++
			if err == nil && !headerValue(v) {
				err = fmt.Errorf("header %s holds a control character, or is not UTF-8", k)
			}
		}
	}
	return bytes, values, err
}

func headerToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case alphanumeric(c), c == '-', c == '_':
		case c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '.', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return s != ""
}

// headerValue holds values to UTF-8, because a task travels as a protobuf message.
func headerValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

type sizeError struct{ got int }

func (e sizeError) Error() string {
	return fmt.Sprintf("the task is %d bytes with its headers, over the limit of %d: store the payload elsewhere and enqueue a reference", e.got, MaxTaskSize)
}

type farError struct{ eta, now time.Time }

func (e farError) Error() string {
	return fmt.Sprintf("due %s, which is %s ahead; at most %s is allowed", e.eta.UTC().Format(time.RFC3339), e.eta.Sub(e.now).Round(time.Second), MaxDelay)
}

type timeoutError struct{ got time.Duration }

func (e timeoutError) Error() string {
	return fmt.Sprintf("timeout %s is outside %s to %s", e.got, MinTimeout, MaxTimeout)
}

type lengthError struct {
	what      string
	got, most int
}

func (e lengthError) Error() string {
	return fmt.Sprintf("%s of %d bytes is over the limit of %d", e.what, e.got, e.most)
}
