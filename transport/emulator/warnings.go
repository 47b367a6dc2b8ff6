package emulator

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// warnEvery bounds how often failed attempts are told of: a queue may try hundreds in a second.
const warnEvery = time.Second

// warnings tell of failed attempts at level Warn, of one a second.
type warnings struct {
	last   atomic.Int64 // when one was told of, Unix nanoseconds
	silent atomic.Int64 // how many were not, since
}

// log tells of a failed attempt, and of how many it has kept quiet about since the one before. An attribute that is nil
// is left out.
func (w *warnings) log(l *slog.Logger, message string, about ...any) {
	now, last := time.Now().UnixNano(), w.last.Load()
	if now-last < int64(warnEvery) || !w.last.CompareAndSwap(last, now) {
		w.silent.Add(1)
		return
	}
	if more := w.silent.Swap(0); more > 0 {
		about = append(about, "more", more)
	}
	l.Warn(message, said(about...)...)
}

// said are pairs of names and values without those that have none.
func said(about ...any) []any {
	var pairs []any
	for i := 0; i+1 < len(about); i += 2 {
		if about[i+1] != nil {
			pairs = append(pairs, about[i], about[i+1])
		}
	}
	return pairs
}
