package pubsub_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// A version of a program: it publishes to "work", or it subscribes to that.
type (
	evPublishing  func(t *testing.T, over *memory.Transport)
	evSubscribing func(ran *evSeen[string], opts []pubsub.SubscriberOption) tasks.Definition
)

func evPublishes[M any](m M) evPublishing {
	return func(t *testing.T, over *memory.Transport) {
		p := pubsub.NewPublisher[M](pubsub.Topic("work"))
		evApp(t, tasks.Config{Transport: over, Endpoint: "http://publishing"}, p)
		evDo(p.Publish(t.Context(), m))(t)
	}
}

func evSubscribes[M any](own ...pubsub.SubscriberOption) evSubscribing {
	return func(ran *evSeen[string], opts []pubsub.SubscriberOption) tasks.Definition {
		return pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[M]) error {
			ran.add(fmt.Sprintf("%+v", m.Data))
			return nil
		}, append(append(opts, pubsub.Topic("work"), pubsub.Subscription("work")), own...)...)
	}
}

func TestEvolution_OneVersionPublishes_WhileAnotherRuns(t *testing.T) {
	t.Parallel()
	type (
		more struct {
			evOrder
			Lang string `json:"lang,omitempty"`
		}
		required struct {
			evOrder
			Lang string `json:"lang" validate:"required"`
		}
		less    struct{ ID int }
		retyped struct{ ID string }
		renamed struct {
			Receiver string `validate:"required"`
		}
		mayLose struct{ Receiver string }
	)
	inEnglish := pubsub.UpgradeFrom(func(_ context.Context, o evOrder) (required, error) { return required{o, "en"}, nil })
	toReceiver := pubsub.UpgradeFrom(func(_ context.Context, o evMailV1) (renamed, error) { return renamed{o.To}, nil })
	old, mail := evOrder{ID: 7, Note: "hi"}, evMailV1{"ana"}
	for _, c := range []struct {
		name      string
		publishes evPublishing
		runs      evSubscribing
		ran       string // with which data; empty: rejected
		refused   string // why
	}{
		{"unchanged", evPublishes(old), evSubscribes[evOrder](), "{ID:7 Note:hi}", ""},
		{"a field added", evPublishes(old), evSubscribes[more](), "{evOrder:{ID:7 Note:hi} Lang:}", ""},
		{"a field added, and the old version runs", evPublishes(more{old, "pt"}), evSubscribes[evOrder](), "{ID:7 Note:hi}", ""},
		{"a field added that is required", evPublishes(old), evSubscribes[required](), "", "lang fails rule required"},
		{"a field added that is required, upgraded", evPublishes(old), evSubscribes[required](inEnglish), "{evOrder:{ID:7 Note:hi} Lang:en}", ""},
		{"and published by the new version", evPublishes(required{old, "pt"}), evSubscribes[required](inEnglish), "{evOrder:{ID:7 Note:hi} Lang:pt}", ""},
		{"a field removed", evPublishes(old), evSubscribes[less](), "{ID:7}", ""},
		{"a field removed, and the old version runs", evPublishes(less{7}), evSubscribes[evOrder](), "{ID:7 Note:}", ""},
		{"a field removed, and the old version runs, which requires it", evPublishes(less{7}), evSubscribes[required](), "", "lang fails rule required"},
		{"a field of another type", evPublishes(old), evSubscribes[retyped](), "", "id: want string, got number"},
		{"a field of another type, upgraded", evPublishes(old), evSubscribes[retyped](
			pubsub.UpgradeFrom(func(_ context.Context, o evOrder) (retyped, error) { return retyped{fmt.Sprint("n", o.ID)}, nil })), "{ID:n7}", ""},
		{"a field renamed", evPublishes(mail), evSubscribes[renamed](), "", "Receiver fails rule required"},
		{"a field renamed that is not required: lost without a word", evPublishes(mail), evSubscribes[mayLose](), "{Receiver:}", ""},
		{"a field renamed, upgraded", evPublishes(mail), evSubscribes[renamed](toReceiver), "{Receiver:ana}", ""},
		{"what no version published", evPublishes(pubsub.Raw(`{"too": "ana"}`)), evSubscribes[renamed](toReceiver), "", "too: there is no such field"},
	} {
		for way, opts := range map[string][]pubsub.SubscriberOption{"pushed": nil, "pulled": {pubsub.Pull()}, "via tasks": {pubsub.ViaTasks()}} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var ran evSeen[string]
					var kept evSeen[error]
					over := memory.New()
					app := evApp(t, tasks.Config{Transport: over, Endpoint: "http://running", Quarantine: func(_ context.Context, q tasks.Quarantined) error { kept.add(q.Reason); return nil }},
						c.runs(&ran, opts))
					if way == "pulled" {
						r := evReceive(t.Context(), app)
						defer func() { _ = r.stop() }()
					}
					c.publishes(t, over)
					evPass(time.Minute)
					if c.ran != "" {
						if got := ran.one(t); got != c.ran || len(kept.all()) > 0 {
							t.Errorf("ran with %s, want %s", got, c.ran)
						}
					} else if why := kept.one(t); !strings.Contains(why.Error(), c.refused) || len(ran.all()) > 0 {
						t.Errorf("refused because %v, want %q", why, c.refused)
					}
					if n, err := over.SubscriptionBacklog(t.Context(), "work"); n != 0 || err != nil {
						t.Errorf("%d messages are left, %v", n, err)
					}
				})
			})
		}
	}
}
