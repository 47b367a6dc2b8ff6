package tasktest_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

func TestGolden_PublishersAndSubscribers_PinTheirNames(t *testing.T) {
	t.Parallel()
	dynamic := pubsub.NewModelPublisher(func(context.Context, Order) (pubsub.Draft[map[string]int], error) {
		return pubsub.Draft[map[string]int]{}, nil
	}, pubsub.WithName("Dynamic"))
	dir := filepath.Join(t.TempDir(), "golden")
	rec := tasktest.NewWith(t, tasks.Config{Name: "shop"},
		pubsub.NewPublisher[Paid](pubsub.Ordered()), dynamic,
		pubsub.NewPublisher[pubsub.Raw](pubsub.WithName("Bytes"), pubsub.Topic("projects/billing/topics/bytes")),
		audit(ignore[Paid], pubsub.Filter(`attributes.region  =  "emea" AND attributes:b`), pubsub.Ordered(), pubsub.WithCodec(reversed{})),
		pubsub.NewSubscriber(ignore[Order], pubsub.Topic("orders"), pubsub.Subscription("plain")),
	)
	mustPass(t, func(t testing.TB) { tasktest.Golden(t, rec.App(), dir) })
	for file, want := range map[string]string{
		"publisher.Paid.golden": `
			# publisher Paid: path in JSON, type, validation rules
			@topic shop--paid
			@ordered yes
			note string
			order int required
		`,
		"publisher.Dynamic.golden": `
			# publisher Dynamic: path in JSON, type, validation rules
			@topic of-each-message
			payload map
			{} int
		`,
		"publisher.Bytes.golden": `
			# publisher Bytes: path in JSON, type, validation rules
			@topic projects/billing/topics/bytes
			@codec raw
			payload bytes
		`,
		"subscriber.Audit.golden": `
			# subscriber Audit: path in JSON, type, validation rules
			@topic orders
			@subscription shop--audit
			@filter attributes.region  =  "emea" AND attributes:b
			@ordered yes
			@codec reversed
			note string
			order int required
		`,
		"subscriber.plain.golden": `
			# subscriber plain: path in JSON, type, validation rules
			@topic orders
			@subscription plain
			id int
		`,
	} {
		equalText(t, read(t, dir, file), want)
	}
	if fake := try(t, func(t testing.TB) { tasktest.Golden(t, rec.App(), dir) }); len(fake.logs)+len(fake.errors)+len(fake.fatals) > 0 {
		t.Errorf("the second run: logs %q, errors %q, fatals %q", fake.logs, fake.errors, fake.fatals)
	}
}

// sends makes a publisher Event of data M, and takes a subscriber Event.
func sends[M any](opts ...pubsub.PublisherOption) tasks.Definition {
	return pubsub.NewPublisher[M](append([]pubsub.PublisherOption{pubsub.WithName("Event"), pubsub.Topic("events")}, opts...)...)
}

func takes[M any](opts ...pubsub.SubscriberOption) tasks.Definition {
	return pubsub.NewSubscriber(ignore[M], append([]pubsub.SubscriberOption{pubsub.WithName("Event"), pubsub.Topic("events")}, opts...)...)
}

func TestGolden_MessageChange_FailsWithItsConsequence(t *testing.T) {
	t.Parallel()
	const (
		replaced = "the subscription must be replaced (pubsub.AllowReplace): what waits in it is lost"
		harmless = "harmless"
	)
	type (
		id       struct{ ID int32 }
		wider    struct{ ID int64 }
		none     struct{}
		required struct {
			ID   int32
			Note string `validate:"required"`
		}
		free struct {
			ID   int32
			Note string
		}
		ruled struct {
			ID   int32
			Note string `validate:"max=9"`
		}
	)
	for _, c := range []struct {
		name     string
		was, is  tasks.Definition
		wantLine []string
	}{
		{"published: nothing", sends[id](), sends[id](), nil},
		{"published: another topic", sends[id](), sends[id](pubsub.Topic("happenings")), []string{"~ @topic  events -> happenings  the old topic's subscriptions get nothing any more"}},
		{"published: ordered", sends[id](), sends[id](pubsub.Ordered()), []string{"+ @ordered  yes  decides whether messages without an ordering key are refused"}},
		{"published: another codec", sends[id](), sends[id](pubsub.WithCodec(reversed{})), []string{"+ @codec  reversed  breaks subscribers: what they get does not decode"}},
		{"published: a wider number", sends[id](), sends[wider](), []string{"~ ID  int32 -> int64  breaks subscribers: what they get here does not decode"}},
		{"published: a narrower number", sends[wider](), sends[id](), []string{"~ ID  int64 -> int32  " + harmless}},
		{"published: a field gone", sends[id](), sends[none](), []string{"- ID  int32  breaks subscribers that read it"}},
		{"published: a field more", sends[id](), sends[required](), []string{"+ Note  string required  " + harmless}},
		{"published: required", sends[free](), sends[required](), []string{"~ Note  string -> string required  " + harmless}},
		{"published: no longer required", sends[required](), sends[free](), []string{"~ Note  string required -> string  may break subscribers: they may get none"}},
		{"published: fewer rules", sends[ruled](), sends[free](), []string{"~ Note  string max=9 -> string  may break subscribers: the rules have changed"}},

		{"received: nothing", takes[id](), takes[id](pubsub.Pull(), pubsub.DeadLetter("")), nil},
		{"received: another topic", takes[id](), takes[id](pubsub.Topic("happenings")), []string{"~ @topic  events -> happenings  " + replaced}},
		{"received: another subscription", takes[id](), takes[id](pubsub.Subscription("mine")), []string{
			"~ @subscription  event -> mine  strands queued messages: nobody receives from the old one, and pubsub.Sync deletes it",
		}},
		{"received: a filter", takes[id](), takes[id](pubsub.Filter("attributes:a")), []string{"+ @filter  attributes:a  " + replaced}},
		{"received: another filter", takes[id](pubsub.Filter("NOT attributes:a")), takes[id](pubsub.Filter("NOT attributes:b")), []string{
			"~ @filter  NOT attributes:a -> NOT attributes:b  " + replaced,
		}},
		{"received: no filter", takes[id](pubsub.Filter("attributes:a")), takes[id](), []string{"- @filter  attributes:a  " + replaced}},
		{"received: ordered", takes[id](), takes[id](pubsub.Ordered()), []string{"+ @ordered  yes  " + replaced}},
		{"received: another codec", takes[id](pubsub.WithCodec(reversed{})), takes[id](), []string{"- @codec  reversed  strands queued messages: they do not decode"}},
		{"received: a wider number", takes[id](), takes[wider](), []string{"~ ID  int32 -> int64  " + harmless}},
		{"received: a narrower number", takes[wider](), takes[id](), []string{"~ ID  int64 -> int32  strands queued messages: what they carry here does not decode"}},
		{"received: a field gone", takes[id](), takes[none](), []string{"- ID  int32  strands queued messages: what they carry here is dropped"}},
		{"received: a required field more", takes[id](), takes[required](), []string{"+ Note  string required  strands queued messages: they lack this and do not validate"}},
		{"received: a rule more", takes[free](), takes[ruled](), []string{"~ Note  string -> string max=9  may strand queued messages: the rules have changed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			errs := changed(t, pinned(t, c.was), c.is)
			if c.wantLine == nil {
				if len(errs) != 0 {
					t.Errorf("errors %q", errs)
				}
				return
			}
			kind := c.is.Spec().Kind
			want := "tasktest: golden: " + kind + " Event has changed:\n  " + strings.Join(c.wantLine, "\n  ") + cure(c.is, c.wantLine) +
				"\nIf that is meant, run the test once with TASKTEST_UPDATE=1 and commit " + filepath.Join("DIR", kind+".Event.golden") + "."
			if len(errs) != 1 || errs[0] != want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(errs, "\n"), want)
			}
		})
	}
}

func TestGolden_MessageDefinitionGone_SaysWhatComesOfIt(t *testing.T) {
	t.Parallel()
	dir := pinned(t, sends[Order](), takes[Order]())
	now := []tasks.Definition{tasks.New(nothing[Order]), takes[Order](pubsub.WithName("Other"), pubsub.WithAliases("Event"))}
	errs := changed(t, dir, now...)
	want := "tasktest: golden: publisher Event is no longer registered: its subscribers get nothing any more, and what it enqueued is stranded.\n" +
		"If that is meant, delete " + filepath.Join("DIR", "publisher.Event.golden") + " once nothing waits under it."
	if len(errs) != 2 || errs[0] != want || !strings.Contains(errs[1], "subscriber Event has changed:\n  ~ @subscription  event -> other  ") {
		t.Errorf("got %q, want %q and another subscription", errs, want)
	}
	errs = changed(t, pinned(t, takes[Order]()), takes[Order](pubsub.WithName("Other")))
	want = "tasktest: golden: subscriber Event is no longer registered: what waits under its name is stranded.\n" +
		"Keep the name served with pubsub.WithAliases, and pubsub.UpgradeFrom if the data is another now, or delete " + filepath.Join("DIR", "subscriber.Event.golden") + " once nothing waits under it."
	if len(errs) != 1 || errs[0] != want {
		t.Errorf("got %q, want %q", errs, want)
	}
}
