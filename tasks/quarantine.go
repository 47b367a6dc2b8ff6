package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/internal/pushwire"
	"github.com/typedtasks/typedtasks/transport"
)

// Quarantined is a delivery that would otherwise be lost or loop. It survives JSON: the reason as its text, the
// body as text where it is valid UTF-8 and in base64 where it is not.
type Quarantined struct {
	Name    string // the definition; for one that does not exist, the name that was asked for
	Kind    string // KindTask, ...; empty where the name is unknown
	ID      string // the task's or message's id, as Metadata reports it
	Queue   string
	Attempt int         // the attempt that was the last
	Body    []byte      // as it came; of a message that did not come over HTTP, the push that Pub/Sub would make of it
	Header  http.Header // the delivery's, without credentials
	Reason  error
}

// QuarantineTo enqueues what is quarantined as a task of its own, for somebody to look at. A body near the size
// limit of a task may not fit once wrapped; the delivery then fails as it would without a Quarantine, and so do
// those of t itself.
func QuarantineTo(t *Task[Quarantined]) func(context.Context, Quarantined) error {
	return func(ctx context.Context, q Quarantined) error {
		if q.Kind == KindTask && q.Name == t.definition().name {
			return fmt.Errorf("task %q is where quarantined deliveries go: its own would go round in circles", q.Name)
		}
		_, err := t.Enqueue(ctx, q)
		return err
	}
}

type quarantinedJSON struct {
	Name       string      `json:"name"`
	Kind       string      `json:"kind,omitempty"`
	ID         string      `json:"id,omitempty"`
	Queue      string      `json:"queue,omitempty"`
	Attempt    int         `json:"attempt,omitempty"`
	Reason     string      `json:"reason"`
	Header     http.Header `json:"header,omitempty"`
	Body       *string     `json:"body,omitempty"`
	BodyBase64 []byte      `json:"body_base64,omitempty"`
}

// MarshalJSON writes the reason as text.
func (q Quarantined) MarshalJSON() ([]byte, error) {
	j := quarantinedJSON{Name: q.Name, Kind: q.Kind, ID: q.ID, Queue: q.Queue, Attempt: q.Attempt, Header: q.Header}
	if q.Reason != nil {
		j.Reason = q.Reason.Error()
	}
	if utf8.Valid(q.Body) {
		text := string(q.Body)
		j.Body = &text
	} else {
		j.BodyBase64 = q.Body
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (q *Quarantined) UnmarshalJSON(data []byte) error {
	var j quarantinedJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*q = Quarantined{Name: j.Name, Kind: j.Kind, ID: j.ID, Queue: j.Queue, Attempt: j.Attempt, Header: j.Header, Body: j.BodyBase64}
	if j.Body != nil {
		q.Body = []byte(*j.Body)
	}
	if j.Reason != "" {
		q.Reason = errors.New(j.Reason)
	}
	return nil
}

// quarantine offers a delivery that ends here to Config.Quarantine. Once taken it counts as done.
func (r *run) quarantine(v verdict) verdict {
	if r.app.cfg.Quarantine == nil {
		return v
	}
	m, kind := r.metadata(), r.route.spec.Kind
	if r.route.nameless {
		kind = ""
	}
	err := r.app.offer(r.after(), Quarantined{
		Name: r.route.spec.Name, Kind: kind, ID: m.ID, Queue: m.Queue, Attempt: m.Attempt, Reason: v.err,
	}, r.delivery)
	if err != nil { // its text is for the log alone: v's may be answered
		v.beside = &beside{quarantine: err}
		return v
	}
	v.outcome = OutcomeQuarantined
	return v
}

func (r *run) quarantineIfLast(v verdict) verdict {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r), cleanup)
	defer cancel()
	last, err := r.metadata().LastAttempt(ctx)
	if err != nil {
		v.beside = &beside{lastAttempt: err}
		return v
	}
	if !last {
		return v
	}
	end := v
	end.err = fmt.Errorf("out of attempts: %w", v.err)
	if end = r.quarantine(end); end.outcome != OutcomeQuarantined {
		v.beside = end.beside
		return v
	}
	return end
}

// exhausted is told by a local transport that it gives up on a task.
func (a *App) exhausted(ctx context.Context, rt *route, d *transport.Delivery) (int, time.Duration, error) {
	if rt == nil {
		rt = a.nameless(d.URL)
	}
	r := a.newRun(ctx, rt, d, inProcess, time.Since(a.made))
	v := verdict{outcome: OutcomeFailed, err: fmt.Errorf("out of attempts, the last answered with %d", d.PreviousResponse)}
	if d.LastErr != nil {
		v.err = fmt.Errorf("out of attempts: %w", d.LastErr)
	}
	v = r.quarantine(v)
	r.log(&v)
	return v.outcome.status(), 0, v.err
}

// unknown answers a delivery that names no definition.
func (a *App) unknown(ctx context.Context, d *transport.Delivery, src source) (int, time.Duration, error) {
	rt := a.nameless(d.URL)
	r := a.newRun(ctx, rt, d, src, time.Since(a.made))
	v := r.quarantine(verdict{outcome: OutcomeRejected, err: fmt.Errorf("no %s is registered", describe(rt.spec))})
	r.log(&v)
	if v.outcome == OutcomeQuarantined {
		return http.StatusAccepted, 0, v.err
	}
	return http.StatusNotFound, 0, v.err
}

// nameless stands in for the route of a delivery that has none. Its kind is what the path is for.
func (a *App) nameless(url string) *route {
	path := strings.TrimPrefix(url, a.cfg.Endpoint)
	section, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	kind := KindTask
	if section == a.cfg.SubscriptionsPath {
		kind = KindSubscriber
	}
	return &route{spec: Spec{Kind: kind, Name: name}, nameless: true, queue: a.cfg.Queue, timeout: transport.DefaultTimeout}
}

// offer hands q over, with a copy of what it takes from d. It outlives the run's deadline, which may be why
// the attempt failed.
func (a *App) offer(ctx context.Context, q Quarantined, d *transport.Delivery) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	q.Body = append([]byte(nil), d.Body...)
	if len(q.Body) == 0 && d.Message != nil && !pushwire.Unwrapped(d.Header) {
		q.Body = pushwire.Body(d.Message)
	}
	q.Header = d.Header.Clone()
	for _, secret := range []string{"Authorization", "Cookie", "Proxy-Authorization", "X-Goog-Iap-Jwt-Assertion", "X-Serverless-Authorization"} {
		q.Header.Del(secret)
	}
	return a.cfg.Quarantine(ctx, q)
}
