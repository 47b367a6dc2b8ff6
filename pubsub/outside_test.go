package pubsub_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/typedtasks/typedtasks/internal/origin"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestSpec_HandledOutsideOfAnApp_ReturnsAnError(t *testing.T) {
	t.Parallel()
	sub := pubsub.NewSubscriber(evNothing[evOrder], pubsub.Subscription("audit"))
	_, err := sub.Spec().Handle(t.Context(), &transport.Delivery{Message: &transport.Message{Data: []byte(`{"id":1}`)}})
	evIs(t, err, tasks.ErrNotRegistered)
	app := evApp(t, tasks.Config{}, sub)
	_, err = sub.Spec().Handle(app.Context(t.Context()), &transport.Delivery{})
	evSays(t, err, "pubsub: audit: ", "without a message")
	_, err = pubsub.NewPublisher[evOrder](pubsub.Topic("orders")).Spec().Handle(t.Context(), &transport.Delivery{Task: transport.Task{Body: []byte(`{"topic":"orders"}`)}})
	evSays(t, err, "pubsub: publish orders: ", "outside of an App")
}

// evAsking is a broker that looks which publisher a message comes from, as test kits do.
type evAsking struct {
	*evBroker
	from []string
}

func (b *evAsking) Publish(ctx context.Context, m *transport.Message) (string, error) {
	p := origin.From(ctx)
	b.from = append(b.from, fmt.Sprintf("%s %t", p.Name, p.Raw))
	return b.evBroker.Publish(ctx, m)
}

func TestPublish_TellsWhichPublisherAMessageIsOf(t *testing.T) {
	t.Parallel()
	b := &evAsking{evBroker: &evBroker{}}
	p := pubsub.NewPublisher[evOrder](pubsub.Topic("orders"), pubsub.WithName("plain"))
	m := pubsub.NewModelPublisher(func(_ context.Context, id int) (pubsub.Draft[evOrder], error) {
		return pubsub.Draft[evOrder]{Data: evOrder{ID: id}}, nil
	}, pubsub.Topic("orders"), pubsub.WithName("model"))
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.Topic("bytes"))
	remote := &evRemote{}
	app := evApp(t, tasks.Config{Transport: remote, Broker: b}, p, m, raw)
	evDo(p.Publish(t.Context(), evOrder{ID: 1}))(t)
	p.PublishAll(t.Context(), []evOrder{{ID: 1}})
	evDo(m.Publish(t.Context(), 1))(t)
	evDo(raw.Publish(t.Context(), pubsub.Raw("1")))(t)
	evDo(p.Enqueue(t.Context(), evOrder{ID: 1}))(t)
	evDo(m.Enqueue(t.Context(), 1))(t)
	for _, task := range remote.all() {
		evRun(t, app, task, 1).want(t, 200, "executed")
	}
	if want := []string{"plain false", "plain false", "model false", "bytes true", "plain false", "model false"}; !slices.Equal(b.from, want) {
		t.Errorf("told %q, want %q", b.from, want)
	}
}
