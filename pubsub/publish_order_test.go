package pubsub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// evLine says its ordering key itself, where it has a customer.
type evLine struct {
	ID       int         `json:"id" validate:"required"`
	Customer *evCustomer `json:"customer" validate:"required"`
}

type evCustomer struct {
	Name string `json:"name"`
}

func (l *evLine) OrderingKey() string { return l.Customer.Name }

func evLineOf(id int, customer string) *evLine {
	return &evLine{ID: id, Customer: &evCustomer{customer}}
}

// evPublished fails unless exactly these, by their ids, were published, and these failed; the others followed a failure.
func evPublished(t *testing.T, b *evBroker, results []tasks.Result, want string, cause error) {
	t.Helper()
	var got strings.Builder
	for i, r := range results {
		switch {
		case r.Err == nil:
			got.WriteByte('+')
		case strings.Contains(r.Err.Error(), `: not sent, because an earlier message of ordering key "`):
			got.WriteByte('>')
			if _, is := errors.AsType[*tasks.ValidationError](r.Err); is || errors.Is(r.Err, tasks.ErrInvalid) || errors.Is(r.Err, tasks.ErrTooLarge) {
				t.Errorf("result %d says that the message itself is at fault: %v", i, r.Err)
			}
			if cause != nil {
				evIs(t, r.Err, cause)
			}
		default:
			got.WriteByte('-')
		}
		if (r.Receipt.ID != "") != (r.Err == nil) {
			t.Errorf("result %d: id %q, %v", i, r.Receipt.ID, r.Err)
		}
	}
	if got.String() != want {
		t.Errorf("results %s, want %s: %v", got.String(), want, results)
	}
	if n := len(b.all()); n != strings.Count(want, "+") {
		t.Errorf("%d were published, want %d", n, strings.Count(want, "+"))
	}
}

func TestPublishAll_OneThatIsNotSent_FailsThoseBehindItOfItsKey(t *testing.T) {
	t.Parallel()
	large := evOrder{ID: 9, Note: strings.Repeat("x", 3_000_000)}
	orders := func(opts ...pubsub.PublisherOption) func(*testing.T, *evBroker, []evOrder, ...pubsub.PublishOption) []tasks.Result {
		return func(t *testing.T, b *evBroker, ms []evOrder, call ...pubsub.PublishOption) []tasks.Result {
			p := pubsub.NewPublisher[evOrder](append(opts, pubsub.Topic("orders"))...)
			evApp(t, tasks.Config{Transport: &evRemote{}, Broker: &evBatching{evBroker: b}}, p)
			return p.PublishAll(t.Context(), ms, call...)
		}
	}
	for _, c := range []struct {
		name    string
		publish func(*testing.T, *evBroker, []evOrder, ...pubsub.PublishOption) []tasks.Result
		ms      []evOrder
		call    []pubsub.PublishOption
		want    string
		cause   error
	}{
		{"not valid", orders(), []evOrder{{ID: 1}, {}, {ID: 3}, large}, []pubsub.PublishOption{pubsub.OrderingKey("k")}, "+->>", nil},
		{"not valid, without a key", orders(), []evOrder{{ID: 1}, {}, {ID: 3}, large}, nil, "+-+-", nil},
		{"the codec", orders(pubsub.WithCodec(evFails{})), []evOrder{{ID: 1}, {ID: 2}}, []pubsub.PublishOption{pubsub.OrderingKey("k")}, "->", errEv},
		{"the codec, without a key", orders(pubsub.WithCodec(evFails{})), []evOrder{{ID: 1}, {ID: 2}}, nil, "--", nil},
		{"the codec, which says that it is not valid", orders(pubsub.WithCodec(evFinicky{})), []evOrder{{ID: 1}, {ID: 2}}, []pubsub.PublishOption{pubsub.OrderingKey("k")}, "->", nil},
		{"an attribute", orders(), []evOrder{{ID: 1}, {ID: 2}}, []pubsub.PublishOption{pubsub.OrderingKey("k"), pubsub.Attribute("goog", "x")}, "->", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &evBroker{}
			evPublished(t, b, c.publish(t, b, c.ms, c.call...), c.want, c.cause)
		})
	}
}

func TestPublishAll_OneThatIsNotSent_HindersNoOtherKey(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[*evLine](pubsub.Topic("lines"))
	app := evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	results := p.PublishAll(t.Context(), []*evLine{
		evLineOf(1, "acme"), nil, evLineOf(0, "acme"), evLineOf(2, "other"), evLineOf(3, "acme"), {ID: 4}, evLineOf(5, "other"), evLineOf(0, ""), evLineOf(6, "")})
	evPublished(t, b, results, "+--+>-+-+", nil)
	evSays(t, results[1].Err, "pubsub: publish lines: payload is nil")
	evSays(t, results[2].Err, "id fails rule required")
	evSays(t, results[4].Err, `pubsub: publish lines: publish to topic "lines": not sent`, `ordering key "acme"`, "id fails rule required")
	evSays(t, results[5].Err, "customer fails rule required") // its method panics: that says nothing new
	if sent, ok := errors.AsType[*transport.Error](results[4].Err); !ok || sent.Kind != transport.KindOther || transport.KindOf(results[4].Err) != transport.KindOther {
		t.Errorf("a follower's error is %#v", results[4].Err)
	}
	var keys []string
	for _, m := range b.all() {
		keys = append(keys, m.OrderingKey)
	}
	if !slices.Equal(keys, []string{"acme", "other", "other", ""}) {
		t.Errorf("published under %q", keys)
	}
	again := p.PublishAll(app.Context(t.Context()), []*evLine{evLineOf(3, "acme")}) // a call remembers nothing of the one before
	if again[0].Err != nil {
		t.Error(again[0].Err)
	}
}

func TestPublishAll_OneThatIsTooLarge_FailsThoseBehindItOfItsKey(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("raw"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p)
	results := p.PublishAll(t.Context(), []pubsub.Raw{{1}, make(pubsub.Raw, transport.MaxMessageSize+1), {2}}, pubsub.OrderingKey("k"))
	evPublished(t, b, results, "+->", nil)
	evIs(t, results[1].Err, tasks.ErrTooLarge)
	evSays(t, results[2].Err, "10000002 bytes")
}

// evPanics has a key that nobody can tell.
type evPanics struct{ Err error }

func (p evPanics) OrderingKey() string { panic(p.Err) }

func TestPublish_OrderingKeyMethodThatPanics_IsAnError(t *testing.T) {
	t.Parallel()
	b := &evBroker{}
	p := pubsub.NewPublisher[evPanics](pubsub.Topic("orders"))
	text := pubsub.NewPublisher[evPanicsText](pubsub.Topic("texts"))
	evApp(t, tasks.Config{Transport: &evRemote{}, Broker: b}, p, text)
	_, err := p.Publish(t.Context(), evPanics{errEv})
	evSays(t, err, "pubsub: publish orders: method OrderingKey of *pubsub_test.evPanics panicked: "+errEv.Error())
	evIs(t, err, errEv)
	_, err = text.Enqueue(t.Context(), evPanicsText{})
	evSays(t, err, "method OrderingKey of *pubsub_test.evPanicsText panicked: no key")
	for i, r := range p.PublishAll(t.Context(), []evPanics{{errEv}, {errEv}}) {
		evSays(t, r.Err, fmt.Sprint("panicked: ", errEv))
		if strings.Contains(r.Err.Error(), "not sent") {
			t.Errorf("result %d follows another, though nobody knows their keys: %v", i, r.Err)
		}
	}
	if _, err := p.Publish(t.Context(), evPanics{}, pubsub.OrderingKey("k")); err != nil { // the method is not asked
		t.Error(err)
	}
	if n := len(b.all()); n != 1 {
		t.Errorf("%d were published, want 1", n)
	}
}

type evPanicsText struct{}

func (evPanicsText) OrderingKey() string { panic("no key") }

// evFinicky is a codec that calls what it does not know invalid.
type evFinicky struct{ evFails }

func (evFinicky) Marshal(any) ([]byte, error) {
	return nil, fmt.Errorf("%w: not of this codec", tasks.ErrInvalid)
}
