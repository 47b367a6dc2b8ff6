package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/typedtasks/typedtasks/internal/converge"
	"github.com/typedtasks/typedtasks/transport"
)

// grants gives Pub/Sub's own account what dead-lettering needs. That it may not be ours to give is no failure.
func (s *syncing) grants(ctx context.Context) {
	if s.granter == nil {
		return
	}
	anew := map[string]string{} // kind and id of what this run makes -> verb
	for _, c := range s.run.Plan.Changes {
		if c.Verb == Created || c.Verb == Replaced {
			anew[c.Kind+" "+transport.ResourceID(c.Name)] = c.Verb
		}
	}
	// One dead-letter topic after the other: its policy is read, changed and written back.
	var topics []string
	byTopic := map[string][]*transport.Subscription{}
	for _, sub := range s.converged {
		if sub.DeadLetter == nil {
			continue
		}
		topic := sub.DeadLetter.Topic
		if byTopic[topic] == nil {
			topics = append(topics, topic)
		}
		byTopic[topic] = append(byTopic[topic], sub)
	}
	s.run.Each(ctx, "dead-letter topic", len(topics), func(i int) (o converge.Outcome) {
		told := map[string]bool{}
		var errs []error
		for _, sub := range byTopic[topics[i]] {
			for _, g := range s.missing(ctx, sub, anew) {
				c := Change{Verb: Granted, Kind: "role", Name: strings.TrimPrefix(g.Role, "roles/") + " on " + g.Kind + " " + g.Resource, Why: "to " + g.Member}
				if told[c.Name] {
					continue
				}
				told[c.Name] = true
				switch {
				case g.Err == nil:
				case ctx.Err() != nil:
					c.Verb, c.Why = Failed, g.Err.Error()
					errs = append(errs, fmt.Errorf("role %s: %w", c.Name, g.Err))
				default:
					c.Verb, c.Why = Manual, g.Err.Error()+"; without it nothing is dead-lettered"
					if g.Command != "" {
						c.Why += ". Run: " + g.Command
					}
				}
				o.Changes = append(o.Changes, c)
			}
		}
		o.Err = errors.Join(errs...)
		return o
	})
}

// missing lists what the granter did, or in a dry run would do: also for what does not exist yet, and for what would
// lose its roles by being replaced.
func (s *syncing) missing(ctx context.Context, sub *transport.Subscription, anew map[string]string) []transport.Grant {
	if !s.dryRun {
		return s.granter.DeadLetterGrants(ctx, sub, true)
	}
	asked := *sub
	if anew["subscription "+transport.ResourceID(sub.Name)] == Replaced {
		asked.Name = unused(sub.Name)
	}
	gs := s.granter.DeadLetterGrants(ctx, &asked, false)
	for i := range gs {
		g := &gs[i]
		if g.Kind == "subscription" {
			g.Resource, g.Command = sub.Name, strings.ReplaceAll(g.Command, asked.Name, sub.Name)
		}
		if errors.Is(g.Err, transport.ErrNotFound) && anew[g.Kind+" "+transport.ResourceID(g.Resource)] != "" {
			g.Err = nil
		}
	}
	return gs
}

// unused is the name of a subscription like another that does not exist, as that one will not once it is deleted.
func unused(name string) string {
	const suffix, most = "--anew", 255
	cut := max(0, len(transport.ResourceID(name))+len(suffix)-most)
	return name[:len(name)-cut] + suffix
}
