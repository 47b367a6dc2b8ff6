package tasks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// snooze enqueues the run's task anew. Only then is the delivery done; a second delivery that snoozes again
// makes the same id, so that no second task comes of it.
func (r *run) snooze(v verdict) verdict {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.after()), cleanup)
	defer cancel()
	err := error(nil)
	switch {
	case v.after > r.app.cfg.MaxETA:
		err = fmt.Errorf("%w: at most %s", ErrTooFar, r.app.cfg.MaxETA)
	case r.isMessage():
		err = r.enqueueMessage(ctx, v)
	case v.outcome == OutcomeEnqueued:
		err = errors.New("only a message can become a task")
	default:
		err = r.app.sendAnew(ctx, r.route, r.snoozed(v.after))
	}
	if err != nil {
		return verdict{outcome: OutcomeFailed, err: fmt.Errorf("%v: %w", v.err, err)}
	}
	return v
}

func (r *run) snoozed(d time.Duration) *transport.Task {
	m := r.metadata()
	t := &transport.Task{
		Queue: or(m.Queue, r.route.queue), URL: r.route.url, Audience: r.app.cfg.Audience,
		Body:    slices.Clone(r.delivery.Body), // middleware may change it
		Timeout: r.delivery.Timeout, Retry: r.delivery.Retry,
	}
	if t.Timeout == 0 || t.Timeout == transport.DefaultTimeout && r.delivery.Header[headerTimeout] == nil { // a local driver says the default
		t.Timeout = r.route.base.timeout
	}
	if d > 0 {
		t.ETA = r.app.now().Add(d)
	}
	t.Header = r.ownHeaders()
	if m.ID == "" && m.SchedulerJob != "" && !m.ScheduleTime.IsZero() { // jobs have no task id, but each run a time
		m.ID = hashID(m.SchedulerJob+"\x00"+m.ScheduleTime.Format(time.RFC3339Nano), r.route.spec.Name)
	}
	if m.ID != "" {
		t.ID = snoozedID(m.ID, r.delivery.ID)
		t.Header[headerID] = []string{m.ID}
	}
	t.Header[headerAttempts] = []string{strconv.Itoa(m.Attempt)}
	return t
}

// snoozedID is <first>-s<n>, where current is the id that snoozes now.
func snoozedID(first, current string) string {
	n := 1
	stem := first
	if len(stem) > transport.MaxTaskID-12 { // room for the suffix
		stem = hashID(first, "")[:32]
	}
	if s, ok := strings.CutPrefix(current, stem+"-s"); ok {
		n = count(s) + 1
	}
	return stem + "-s" + strconv.Itoa(n)
}

// ownHeaders drops what the platform and proxies have added on the way, and keeps what the task was given.
func (r *run) ownHeaders() http.Header {
	h := r.delivery.Header
	own := make(http.Header, len(h)+2)
	for name, vs := range h {
		_, asked := r.route.header[name]
		asked = asked || slices.Contains(r.app.propagated, name)
		if reservedHeader(name) && !strings.HasPrefix(name, "Typedtasks-") || addedOnTheWay(name) && !asked {
			continue
		}
		if value := strings.Join(vs, ","); len(vs) > 0 && checkHeader(name, value) == nil {
			own[name] = []string{value}
		}
	}
	delete(own, headerNonce) // of the task before
	return own
}

func addedOnTheWay(canonical string) bool {
	switch canonical {
	case "Accept", "Accept-Encoding", "Authorization", "Cookie", "Forwarded", "From", "Keep-Alive", "Proxy-Authorization",
		"Via", "X-Cloud-Trace-Context", "X-Goog-Iap-Jwt-Assertion", "X-Serverless-Authorization":
		return true
	}
	return strings.HasPrefix(canonical, "X-Forwarded-") || strings.HasPrefix(canonical, "X-Envoy-")
}
