package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/subscription"
	"github.com/typedtasks/typedtasks/transport"
)

// syncBroker is a broker to manage: it keeps topics and subscriptions, records what is written, and fails or waits
// where it is told to.
type syncBroker struct {
	t *testing.T

	mu     sync.Mutex
	topics map[string]*transport.Topic
	subs   map[string]*transport.Subscription
	roles  map[string]bool // as "publisher on topic orders"

	writes        []string                               // "create topic orders", "update subscription audit push_config labels"
	reads         map[string]int                         // "topic orders", "list"
	faults        map[string]error                       // by call, as in writes (without fields) and reads
	before        map[string]func()                      // runs once, before a call
	during        func(ctx context.Context, call string) // runs in each call, without the lock
	running, most int
	mostRetention time.Duration // 0: 31 days
}

func newSyncBroker(t *testing.T) *syncBroker {
	return &syncBroker{
		t: t, topics: map[string]*transport.Topic{}, subs: map[string]*transport.Subscription{}, roles: map[string]bool{},
		reads: map[string]int{}, faults: map[string]error{}, before: map[string]func(){},
	}
}

// begin notes a call and returns its fault, the broker locked.
func (b *syncBroker) begin(ctx context.Context, write bool, call string, more ...string) (end func(), err error) {
	b.mu.Lock()
	b.running++
	b.most = max(b.most, b.running)
	first := b.before[call]
	delete(b.before, call)
	b.mu.Unlock()
	if first != nil {
		first()
	}
	if b.during != nil {
		b.during(ctx, call)
	}
	b.mu.Lock()
	b.running--
	if write {
		b.writes = append(b.writes, strings.Join(append([]string{call}, more...), " "))
	} else {
		b.reads[call]++
	}
	if err = b.faults[call]; err == nil {
		err = ctx.Err()
	}
	return b.mu.Unlock, err
}

func syncError(op, resource string, kind transport.Kind) error {
	return &transport.Error{Op: op, Resource: resource, Kind: kind}
}

func (b *syncBroker) Publish(context.Context, *transport.Message) (string, error) {
	return "", errors.New("nothing is published here")
}

func (b *syncBroker) Topic(ctx context.Context, name string) (*transport.Topic, error) {
	end, err := b.begin(ctx, false, "topic "+name)
	defer end()
	if err != nil {
		return nil, err
	}
	if t := b.topics[name]; t != nil {
		return t, nil
	}
	return nil, syncError(transport.OpGet, fmt.Sprintf("topic %q", name), transport.KindNotFound)
}

func (b *syncBroker) CreateTopic(ctx context.Context, t *transport.Topic) error {
	end, err := b.begin(ctx, true, "create topic "+t.Name)
	defer end()
	if err != nil {
		return err
	}
	if b.topics[t.Name] != nil {
		return syncError(transport.OpCreate, fmt.Sprintf("topic %q", t.Name), transport.KindExists)
	}
	b.topics[t.Name] = t
	return nil
}

func (b *syncBroker) Subscription(ctx context.Context, name string) (*transport.Subscription, error) {
	end, err := b.begin(ctx, false, "subscription "+name)
	defer end()
	if err != nil {
		return nil, err
	}
	if s := b.subs[name]; s != nil {
		return subscription.Clone(s), nil
	}
	return nil, syncError(transport.OpGet, fmt.Sprintf("subscription %q", name), transport.KindNotFound)
}

func (b *syncBroker) Subscriptions(ctx context.Context) iter.Seq2[*transport.Subscription, error] {
	return func(yield func(*transport.Subscription, error) bool) {
		end, err := b.begin(ctx, false, "list")
		names := slices.Sorted(maps.Keys(b.subs))
		end()
		for _, name := range names {
			b.mu.Lock()
			s := subscription.Clone(b.subs[name])
			b.mu.Unlock()
			if !yield(s, nil) {
				return
			}
		}
		if err != nil { // at the last page
			yield(nil, err)
		}
	}
}

func (b *syncBroker) CreateSubscription(ctx context.Context, s *transport.Subscription) error {
	end, err := b.begin(ctx, true, "create subscription "+s.Name)
	defer end()
	if err != nil {
		return err
	}
	if b.topics[s.Topic] == nil || s.DeadLetter != nil && b.topics[s.DeadLetter.Topic] == nil {
		return syncError(transport.OpCreate, fmt.Sprintf("subscription %q", s.Name), transport.KindNotFound)
	}
	if b.subs[s.Name] != nil {
		return syncError(transport.OpCreate, fmt.Sprintf("subscription %q", s.Name), transport.KindExists)
	}
	return b.put(transport.OpCreate, s)
}

// put stores s as Pub/Sub does, with its defaults. mu is held.
func (b *syncBroker) put(op string, s *transport.Subscription) error {
	r, _, err := subscription.Resolve(s)
	if b.mostRetention > 0 && r.Retention > b.mostRetention {
		err = errors.New("the retention is out of range")
	}
	if err != nil {
		return &transport.Error{Op: op, Resource: fmt.Sprintf("subscription %q", s.Name), Kind: transport.KindInvalid, Err: err}
	}
	if r.Push != nil && r.Push.ServiceAccount == "" {
		r.Push.Audience = "" // that of a token
	}
	b.subs[s.Name] = r
	return nil
}

// UpdateSubscription sets the fields, and fails the test for one that is as it should be already, or comes twice.
func (b *syncBroker) UpdateSubscription(ctx context.Context, s *transport.Subscription, fields ...transport.SubscriptionField) error {
	var names []string
	for _, f := range fields {
		names = append(names, string(f))
	}
	end, err := b.begin(ctx, true, "update subscription "+s.Name, names...)
	defer end()
	if err != nil {
		return err
	}
	have := b.subs[s.Name]
	if have == nil {
		return syncError(transport.OpUpdate, fmt.Sprintf("subscription %q", s.Name), transport.KindNotFound)
	}
	next, given := subscription.Clone(have), subscription.Clone(s)
	for _, f := range fields {
		to, from := syncField(next, f), syncField(given, f)
		if reflect.DeepEqual(to.Interface(), from.Interface()) {
			b.t.Errorf("update of %s of subscription %q, which is %+v already", f, s.Name, from)
		}
		to.Set(from)
	}
	if len(fields) == 0 {
		b.t.Errorf("update of no field of subscription %q", s.Name)
	}
	return b.put(transport.OpUpdate, next)
}

func syncField(s *transport.Subscription, f transport.SubscriptionField) reflect.Value {
	return reflect.ValueOf(s).Elem().FieldByName(map[transport.SubscriptionField]string{
		transport.FieldLabels: "Labels", transport.FieldPush: "Push", transport.FieldRetry: "Retry", transport.FieldAckDeadline: "AckDeadline",
		transport.FieldRetention: "Retention", transport.FieldRetainAcked: "RetainAcked", transport.FieldExpiration: "Expiration",
		transport.FieldExactlyOnce: "ExactlyOnceDelivery", transport.FieldDeadLetter: "DeadLetter",
	}[f])
}

func (b *syncBroker) DeleteSubscription(ctx context.Context, name string) error {
	end, err := b.begin(ctx, true, "delete subscription "+name)
	defer end()
	if err != nil {
		return err
	}
	if b.subs[name] == nil {
		return syncError(transport.OpDelete, fmt.Sprintf("subscription %q", name), transport.KindNotFound)
	}
	delete(b.subs, name)
	delete(b.roles, "pubsub.subscriber on subscription "+name)
	return nil
}

// add makes what others have made.
func (b *syncBroker) add(subs ...*transport.Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range subs {
		if s.Topic != "_deleted-topic_" {
			b.topics[s.Topic] = &transport.Topic{Name: s.Topic}
		}
		if err := b.put("add", s); err != nil {
			b.t.Fatal(err)
		}
	}
}

// get is a subscription as it stands.
func (b *syncBroker) get(name string) *transport.Subscription {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs[name] == nil {
		b.t.Fatalf("there is no subscription %q", name)
	}
	return subscription.Clone(b.subs[name])
}

// change drifts a subscription by hand.
func (b *syncBroker) change(name string, f func(*transport.Subscription)) {
	s := b.get(name)
	f(s)
	b.add(s)
}

// wrote returns what was written since it was asked last, sorted: several things go on at a time.
func (b *syncBroker) wrote() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.writes
	b.writes = nil
	slices.Sort(w)
	return w
}

func (b *syncBroker) wantWrites(want ...string) {
	b.t.Helper()
	slices.Sort(want)
	if got := b.wrote(); !slices.Equal(got, want) {
		b.t.Errorf("wrote:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// syncBacklog adds that the broker can count.
type syncBacklog struct {
	transport.Broker
	waiting map[string]int // -1: it fails
}

func (b *syncBacklog) Unwrap() transport.Broker { return b.Broker }

func (b *syncBacklog) SubscriptionBacklog(_ context.Context, name string) (int, error) {
	if b.waiting[name] < 0 {
		return 0, errors.New("cannot count")
	}
	return b.waiting[name], nil
}

// syncPusher adds an account that pushes authenticate with.
type syncPusher struct {
	transport.Broker
	account string
}

func (b *syncPusher) Unwrap() transport.Broker   { return b.Broker }
func (b *syncPusher) PushServiceAccount() string { return b.account }

// syncGranter adds permissions.
type syncGranter struct {
	transport.Broker
	b *syncBroker

	denied  error // what setting a policy answers
	unknown error // why the agent is not known
	strict  bool  // the policy of what does not exist cannot be looked up
	silent  bool  // no command

	mu      sync.Mutex
	busy    map[string]bool // topics whose policy is being changed
	during  func()
	applied int
}

const syncAgent = "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com"

func (g *syncGranter) Unwrap() transport.Broker { return g.Broker }

func (g *syncGranter) DeadLetterGrants(ctx context.Context, s *transport.Subscription, apply bool) (missing []transport.Grant) {
	topic := s.DeadLetter.Topic
	if err := transport.CheckTopic(s.Name); err != nil {
		g.b.t.Error(err)
	}
	g.mu.Lock()
	if g.busy[topic] {
		g.b.t.Errorf("the policy of topic %q is changed twice at the same time", topic)
	}
	g.busy[topic] = true
	if apply {
		g.applied++
	}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.busy[topic] = false
	}()
	if g.during != nil {
		g.during()
	}
	for _, grant := range []transport.Grant{
		{Kind: "topic", Resource: topic, Role: "roles/pubsub.publisher", Member: syncAgent},
		{Kind: "subscription", Resource: s.Name, Role: "roles/pubsub.subscriber", Member: syncAgent},
	} {
		g.b.mu.Lock()
		exists := grant.Kind == "topic" && g.b.topics[topic] != nil || grant.Kind == "subscription" && g.b.subs[s.Name] != nil
		name := strings.TrimPrefix(grant.Role, "roles/") + " on " + grant.Kind + " " + grant.Resource
		switch {
		case g.unknown != nil:
			grant.Err = g.unknown
		case !exists && g.strict:
			grant.Err = syncError(transport.OpGet, "policy", transport.KindNotFound)
		case g.b.roles[name]:
			g.b.mu.Unlock()
			continue
		case apply && ctx.Err() != nil:
			grant.Err = ctx.Err()
		case apply && g.denied != nil:
			grant.Err = g.denied
		case apply:
			g.b.roles[name] = true
		}
		g.b.mu.Unlock()
		if grant.Err != nil && !g.silent {
			grant.Command = "gcloud grant " + grant.Resource
		}
		missing = append(missing, grant)
	}
	return missing
}

func newSyncGranter(b *syncBroker) *syncGranter {
	return &syncGranter{Broker: b, b: b, busy: map[string]bool{}}
}
