package pubsub

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/tasks"
)

// QuarantineTo publishes what is quarantined, for tasks.Config.Quarantine: a topic takes bodies that no task could
// (10 MB), and any number of parties may look at them. [Sync] gives the topic a subscription that keeps them, as it does
// for dead letters; in memory they are lost where nobody subscribes. The publisher must be registered with the App. What it
// enqueued itself is not quarantined to it, and neither is what a subscriber of its topic does not take: that would go
// round in circles.
func QuarantineTo(p *Publisher[tasks.Quarantined]) func(context.Context, tasks.Quarantined) error {
	return func(ctx context.Context, q tasks.Quarantined) error {
		out, err := p.definition().under(ctx, &p.Binding)
		if err != nil {
			return p.definition().failed("publish", err)
		}
		if q.Kind == tasks.KindPublisher && q.Name == p.definition().nameOf() || q.Kind == tasks.KindSubscriber && out.reaches(q.Name) {
			return fmt.Errorf("%s %q has topic %q, where quarantined deliveries go: its own would go round in circles", q.Kind, q.Name, out.topic)
		}
		_, err = p.Publish(ctx, q)
		return err
	}
}

// reaches reports whether the subscriber of that name gets what is published.
func (out *outlet) reaches(subscriber string) bool {
	for def := range out.app.Definitions() {
		s := def.Spec()
		bound, ok := def.(interface{ Resolved(*tasks.App) any })
		if !ok || s.Kind != tasks.KindSubscriber || s.Name != subscriber {
			continue
		}
		in, ok := bound.Resolved(out.app).(*inlet)
		return ok && sameTopic(in.subscription.Topic, out.topic)
	}
	return false
}
