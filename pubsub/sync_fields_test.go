package pubsub_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
)

// fieldsIn are those of a plan's change of the subscription audit, which must be one of the verb.
func fieldsIn(t *testing.T, p pubsub.Plan, verb string) []plan.Field {
	t.Helper()
	for _, c := range p.Changes {
		if c.Kind == "subscription" && c.Name == "audit" && c.Verb == verb {
			for _, f := range c.Fields {
				if text := f.Name + ": " + f.From + " -> " + f.To; !strings.Contains(c.Why, text) {
					t.Errorf("%q has no %q", c.Why, text)
				}
			}
			return c.Fields
		}
	}
	t.Fatalf("nothing of subscription audit is %s:\n%s", verb, p)
	return nil
}

func TestSync_ChangesHaveTheFieldsThatDiffer(t *testing.T) {
	t.Parallel()
	b := newSyncBroker(t)
	if fields := fieldsIn(t, sync1(t, b, settled()), pubsub.Created); fields != nil {
		t.Errorf("what is created has %+v", fields)
	}
	if fields := fieldsIn(t, sync1(t, b, settled()), pubsub.Unchanged); fields != nil {
		t.Errorf("what is unchanged has %+v", fields)
	}
	b.change("audit", func(s *transport.Subscription) { s.AckDeadline, s.Retry = time.Minute, nil })
	updated := []plan.Field{{Name: "backoff", From: "none", To: "20s to 2m"}, {Name: "ack deadline", From: "1m", To: "30s"}}
	for _, opts := range [][]pubsub.SyncOption{{pubsub.DryRun()}, nil} {
		if fields := fieldsIn(t, mustSync(t, syncApp(t, b, settled()), opts...), pubsub.Updated); !reflect.DeepEqual(fields, updated) {
			t.Errorf("what is updated has %+v, want %+v", fields, updated)
		}
	}
	b.change("audit", func(s *transport.Subscription) { s.Topic, s.Ordered = "visits", true })
	fixed := []plan.Field{{Name: "topic", From: "visits", To: "orders"}, {Name: "ordering", From: "true", To: "false"}}
	p, err := pubsub.Sync(t.Context(), syncApp(t, b, settled()))
	wantSyncError(t, err, pubsub.ErrBlocked)
	if fields := fieldsIn(t, p, pubsub.Blocked); !reflect.DeepEqual(fields, fixed) {
		t.Errorf("what is blocked has %+v, want %+v", fields, fixed)
	}
	if fields := fieldsIn(t, mustSync(t, syncApp(t, b, settled()), pubsub.AllowReplace()), pubsub.Replaced); !reflect.DeepEqual(fields, fixed) {
		t.Errorf("what is replaced has %+v, want %+v", fields, fixed)
	}
}

func TestErrNothingToSync_IsThatOfTasks(t *testing.T) {
	t.Parallel()
	if pubsub.ErrNothingToSync != tasks.ErrNothingToSync {
		t.Error("callers would have to ask for two")
	}
}
