package broker_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

// model is the broker as one would write it without a thought to speed. Its pushes take no time.
type model struct {
	now  time.Time
	subs map[string]*modelSub
}

type modelSub struct {
	transport.Subscription
	entries []*modelEntry // not acknowledged, as they were published
	kept    []*modelEntry
	log     []string // pushes
	dead    []string
}

type modelEntry struct {
	text, key string
	published time.Time
	at        time.Time // when it may go out; while leased, until when
	failures  int
	leased    bool
}

func (m *model) publish(text, key string, attrs map[string]string) {
	for _, s := range m.subs {
		if s.Filter == "" || attrs["region"] == "emea" {
			s.entries = append(s.entries, &modelEntry{text: text, key: key, published: m.now, at: m.now})
		}
	}
}

// ready returns what may go out, in the order in which it does.
func (m *model) ready(s *modelSub) (list []*modelEntry) {
	for i, e := range s.entries {
		blocked := e.leased || e.at.After(m.now)
		for j, other := range s.entries {
			blocked = blocked || s.Ordered && e.key != "" && other.key == e.key && (j < i || other.leased)
		}
		if !blocked {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *modelEntry) int { return a.at.Compare(b.at) })
	return list
}

func (m *model) fail(s *modelSub, e *modelEntry) {
	e.leased = false
	e.failures++
	if s.DeadLetter != nil && e.failures == 5 {
		s.dead = append(s.dead, e.text)
		s.drop(e)
		return
	}
	pause := time.Duration(0)
	lo, hi := 100*time.Millisecond, time.Minute
	if s.Retry != nil {
		lo, hi = s.Retry.Min, s.Retry.Max
	}
	if s.Retry != nil || s.Push != nil {
		pause = lo
		for range e.failures - 1 {
			pause = min(2*pause, hi)
		}
	}
	e.at = m.now.Add(pause)
}

func (s *modelSub) drop(e *modelEntry) {
	s.entries = slices.DeleteFunc(s.entries, func(other *modelEntry) bool { return other == e })
}

func (s *modelSub) ack(e *modelEntry) {
	e.leased = false
	s.drop(e)
	if s.RetainAcked {
		s.kept = append(s.kept, e)
	}
}

func (s *modelSub) seek(t time.Time) {
	for _, e := range slices.Clone(s.entries) {
		if e.published.Before(t) {
			s.ack(e)
		}
	}
	s.kept = slices.DeleteFunc(s.kept, func(e *modelEntry) bool {
		if e.published.Before(t) {
			return false
		}
		e.failures, e.at = 0, e.published
		s.entries = append(s.entries, e)
		return true
	})
	slices.SortStableFunc(s.entries, func(a, b *modelEntry) int {
		return cmp.Or(a.published.Compare(b.published), strings.Compare(a.text, b.text))
	})
}

// settle does what happens by itself at this moment: leases run out, pushes are made.
func (m *model) settle() {
	for _, s := range m.subs {
		for _, e := range slices.Clone(s.entries) {
			if e.leased && !e.at.After(m.now) {
				m.fail(s, e)
			}
		}
		for s.Push != nil {
			list := m.ready(s)
			if len(list) == 0 {
				break
			}
			e := list[0]
			s.log = append(s.log, pushOf(e.text, e.failures+1, m.now))
			if failing(e.text, e.failures+1) {
				m.fail(s, e)
			} else {
				s.ack(e)
			}
		}
	}
}

func (m *model) advance(d time.Duration) {
	end := m.now.Add(d)
	for {
		m.settle()
		next := end
		for _, s := range m.subs {
			for _, e := range s.entries {
				if (e.leased || s.Push != nil) && e.at.After(m.now) && e.at.Before(next) {
					next = e.at
				}
			}
		}
		if next.Equal(m.now) {
			return
		}
		m.now = next
	}
}

// failing says whether a push fails; the message's text tells how often it does.
func failing(text string, attempt int) bool {
	var id, failures int
	fmt.Sscanf(text, "%d fails %d", &id, &failures)
	return attempt <= failures
}

func pushOf(text string, attempt int, at time.Time) string {
	return fmt.Sprintf("%s: attempt %d at %s", text, attempt, at.Format(time.RFC3339Nano))
}

func modelSubs() map[string]*modelSub {
	subs := map[string]*modelSub{}
	for _, s := range []transport.Subscription{
		{Name: "plain"},
		{Name: "strict", Ordered: true, Retry: &transport.BackoffRange{Min: 3 * time.Second, Max: 7 * time.Second}, DeadLetter: &transport.DeadLetterPolicy{Topic: grave}},
		{Name: "emea", Filter: `attributes.region = "emea"`, RetainAcked: true, DeadLetter: &transport.DeadLetterPolicy{Topic: grave}},
		{Name: "line", Ordered: true, RetainAcked: true},
		{Name: "push", Push: &transport.PushConfig{Endpoint: "x"}, DeadLetter: &transport.DeadLetterPolicy{Topic: grave}},
		{Name: "push-line", Push: &transport.PushConfig{Endpoint: "x"}, Ordered: true, Retry: &transport.BackoffRange{Min: 2 * time.Second, Max: 9 * time.Second},
			DeadLetter: &transport.DeadLetterPolicy{Topic: grave}},
	} {
		s.Topic = orders
		subs[s.Name] = &modelSub{Subscription: s}
	}
	return subs
}

func TestModel_RandomOperations_AgreeWithTheNaiveBroker(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) { runModel(t, r, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func runModel(t *testing.T, r *rig, random *rand.Rand) {
	m := &model{now: time.Now(), subs: modelSubs()}
	names := slices.Sorted(maps.Keys(m.subs))
	r.topic(grave)
	r.pulled("dead", func(s *transport.Subscription) { s.Topic = grave })
	for _, name := range names {
		s := m.subs[name].Subscription
		r.must(r.CreateSubscription(&s))
	}
	attempts := map[string]int{}
	logs := map[string][]string{}
	r.respond(func(_ context.Context, s *transport.Subscription, msg *transport.Message) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		attempts[s.Name+msg.ID]++
		logs[s.Name] = append(logs[s.Name], pushOf(string(msg.Data), attempts[s.Name+msg.ID], time.Now()))
		if failing(string(msg.Data), attempts[s.Name+msg.ID]) {
			return errSick
		}
		return nil
	})

	leases := map[string][]broker.Leased{}
	published := 0
	for range 500 {
		name := []string{"plain", "strict", "emea", "line"}[random.IntN(4)]
		s := m.subs[name]
		switch n := random.IntN(100); {
		case n < 35:
			published++
			text := fmt.Sprintf("%06d fails %d", published, max(0, random.IntN(14)-7))
			key := []string{"", "a", "b", "c"}[random.IntN(4)]
			attrs := map[string]string{"region": []string{"emea", "apac"}[random.IntN(2)]}
			_, err := r.Publish(orders, []*transport.Message{{Data: []byte(text), OrderingKey: key, Attributes: attrs}})
			r.must(err)
			m.publish(text, key, attrs)
		case n < 60:
			most := 1 + random.IntN(5)
			list := r.pull(name, most)
			want := m.ready(s)
			for i, l := range list {
				if i >= len(want) || string(l.Message.Data) != want[i].text || s.DeadLetter != nil && l.Message.DeliveryAttempt != want[i].failures+1 {
					t.Fatalf("%s delivered %+v as number %d, the model has %+v", name, l.Message, i, want)
				}
				want[i].leased, want[i].at = true, m.now.Add(10*time.Second)
			}
			if len(list) != min(most, len(want)) {
				t.Fatalf("%s delivers %d of at most %d, the model has %d", name, len(list), most, len(want))
			}
			leases[name] = append(leases[name], list...)
		case n < 85:
			settleOne(r, m, s, leases, random)
		case n < 87:
			at := m.now.Add(-time.Duration(random.IntN(60)) * time.Second)
			r.must(r.Seek(name, at))
			s.seek(at)
		default:
			d := time.Duration(random.IntN(5000)) * time.Millisecond
			time.Sleep(d)
			m.advance(d)
		}
		synctest.Wait()
		m.settle()
		for _, name := range names {
			if n, err := r.Backlog(name); err != nil || n != len(m.subs[name].entries) {
				t.Fatalf("backlog of %s = %d, %v; the model has %d", name, n, err, len(m.subs[name].entries))
			}
		}
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	m.advance(time.Hour)
	for name, log := range logs {
		slices.Sort(log)
		slices.Sort(m.subs[name].log)
		equal(t, "pushes of "+name, log, m.subs[name].log)
	}
	wantDead(t, r, m)
	for _, name := range names {
		r.wantBacklog(name, len(m.subs[name].entries))
	}
}

// settleOne acknowledges, extends or fails a random lease, which may have run out.
func settleOne(r *rig, m *model, s *modelSub, leases map[string][]broker.Leased, random *rand.Rand) {
	held := leases[s.Name]
	if len(held) == 0 {
		return
	}
	i := random.IntN(len(held))
	l := held[i]
	var e *modelEntry
	for _, other := range s.entries {
		if other.leased && other.text == string(l.Message.Data) {
			e = other
		}
	}
	var err error
	what := random.IntN(5)
	switch {
	case what < 2:
		err = r.Acknowledge(s.Name, l.AckID)[0]
	case what < 4:
		err = r.ModifyAckDeadline(s.Name, 0, l.AckID)[0]
	default:
		err = r.ModifyAckDeadline(s.Name, 15*time.Second, l.AckID)[0]
	}
	stale := slices.ContainsFunc(held[i+1:], func(later broker.Leased) bool { return later.Message.ID == l.Message.ID })
	if (err == nil) != (e != nil && !stale) {
		r.t.Fatalf("%s: %v for %q, the model has %+v (a later lease: %v)", s.Name, err, l.Message.Data, e, stale)
	}
	if err != nil {
		return
	}
	switch {
	case what < 2:
		s.ack(e)
	case what < 4:
		m.fail(s, e)
	default:
		e.at = m.now.Add(15 * time.Second)
	}
}

func wantDead(t *testing.T, r *rig, m *model) {
	t.Helper()
	var got, want []string
	for _, l := range r.pull("dead", 100_000) {
		got = append(got, fmt.Sprintf("%s of %s", l.Message.Data, l.Message.Attributes[broker.AttributeSubscription]))
	}
	for name, s := range m.subs {
		for _, text := range s.dead {
			want = append(want, text+" of "+name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	equal(t, "dead letters", got, want)
	if len(want) == 0 {
		t.Error("nothing was dead-lettered: the test proves less than it should")
	}
}
