package tasktest

import (
	"errors"
	"fmt"
	"time"
)

// OnQueue accepts tasks on the queue.
func OnQueue(name string) Matcher { return queueMatcher(name) }

// DueIn accepts tasks that are due d after they were enqueued, give or take the tolerance. One without a time is due
// in 0.
func DueIn(d, tolerance time.Duration) Matcher { return dueMatcher{d, tolerance} }

type (
	queueMatcher string
	dueMatcher   struct{ d, tolerance time.Duration }
)

func (m queueMatcher) String() string { return fmt.Sprintf("OnQueue(%q)", string(m)) }

func (m queueMatcher) prepare(about *subject) (test, error) {
	if about.messages {
		return nil, errors.New("OnQueue is for tasks: a message goes to a topic, which OnTopic asks for")
	}
	return func(e *entry, _ any) []miss {
		return missIf(e.task.Queue != string(m), "queue", "got %q, want %q", e.task.Queue, string(m))
	}, nil
}

func (m dueMatcher) String() string {
	return fmt.Sprintf("DueIn(%s, %s)", readable(m.d), readable(m.tolerance))
}

func (m dueMatcher) prepare(about *subject) (test, error) {
	if about.messages {
		return nil, errors.New("DueIn is for tasks: a message is due as it is published; Advance moves the clock to when a later one is")
	}
	if m.tolerance < 0 {
		return nil, fmt.Errorf("%s has a negative tolerance, which nothing satisfies", m)
	}
	return func(e *entry, _ any) []miss {
		got := e.task.due()
		return missIf((got-m.d).Abs() > m.tolerance, "due in", "got %s, want %s, give or take %s", readable(got), readable(m.d), readable(m.tolerance))
	}, nil
}
