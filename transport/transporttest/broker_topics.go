package transporttest

import (
	"context"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/typedtasks/typedtasks/transport"
)

func topicLaws() []brokerLaw {
	return []brokerLaw{
		{"topics/create", "A topic that was created can be looked up, with its labels.", topicsCreate},
		{"topics/exists", "Creating a topic that exists answers ErrExists and changes nothing.", topicsExists},
		{"topics/missing", "A topic that does not exist answers ErrNotFound.", topicsMissing},
		{"topics/invalid", "A topic whose name is none answers ErrInvalid.", topicsInvalid},
		{"topics/race", "Of several that create one topic at the same time, one succeeds.", topicsRace},
	}
}

func topicsCreate(t *brokerTrial) {
	t.needsAdmin()
	ctx, cancel := t.context()
	defer cancel()
	for _, want := range []*transport.Topic{{Name: topic}, {Name: otherTopic, Labels: map[string]string{"app": "shop", "empty": ""}}} {
		given := &transport.Topic{Name: want.Name, Labels: maps.Clone(want.Labels)}
		t.wantError(t.Admin.CreateTopic(ctx, given), nil, "CreateTopic(%q)", want.Name)
		if given.Labels != nil {
			given.Labels["app"] = "changed afterwards"
		}
		got, err := t.Admin.Topic(ctx, want.Name)
		if err != nil || transport.ResourceID(got.Name) != want.Name || !maps.Equal(got.Labels, want.Labels) {
			t.errorf("Topic(%q) = %+v, %q, want %+v", want.Name, got, text(err), want)
		}
	}
}

func topicsExists(t *brokerTrial) {
	t.needsAdmin()
	ctx, cancel := t.context()
	defer cancel()
	t.wantError(t.Admin.CreateTopic(ctx, &transport.Topic{Name: topic, Labels: map[string]string{"by": "first"}}), nil, "CreateTopic")
	err := t.Admin.CreateTopic(ctx, &transport.Topic{Name: topic, Labels: map[string]string{"by": "second"}})
	t.wantError(err, transport.ErrExists, "CreateTopic of one that exists")
	if got, err := t.Admin.Topic(ctx, topic); err != nil || got.Labels["by"] != "first" {
		t.errorf("Topic(%q) = %+v, %q, want the first one", topic, got, text(err))
	}
	t.publish(&transport.Message{Topic: otherTopic, Data: []byte("data")})
	err = t.Admin.CreateTopic(ctx, &transport.Topic{Name: otherTopic})
	t.wantError(err, transport.ErrExists, "CreateTopic of one that its first message made")
}

func topicsMissing(t *brokerTrial) {
	t.needsAdmin()
	ctx, cancel := t.context()
	defer cancel()
	got, err := t.Admin.Topic(ctx, "never-made")
	t.wantError(err, transport.ErrNotFound, "Topic of one that does not exist (%+v)", got)
}

func topicsInvalid(t *brokerTrial) {
	t.needsAdmin()
	t.needsChecks()
	ctx, cancel := t.context()
	defer cancel()
	for _, name := range []string{"", "ab", "1st-topic", "no topic", "google-topic", strings.Repeat("t", 256)} {
		t.wantError(t.Admin.CreateTopic(ctx, &transport.Topic{Name: name}), transport.ErrInvalid, "CreateTopic(%q)", name)
	}
}

func topicsRace(t *brokerTrial) {
	t.needsAdmin()
	t.wantOneWinner("CreateTopic", func(ctx context.Context) error {
		return t.Admin.CreateTopic(ctx, &transport.Topic{Name: topic})
	})
}

// wantOneWinner calls create several times at once and records unless one succeeds and the others find it there.
func (t *brokerTrial) wantOneWinner(what string, create func(context.Context) error) {
	var won atomic.Int32
	t.atOnce(8, func(int) {
		ctx, cancel := t.context()
		defer cancel()
		if err := create(ctx); err == nil {
			won.Add(1)
		} else {
			t.wantError(err, transport.ErrExists, "%s at the same time", what)
		}
	})
	if n := won.Load(); n != 1 {
		t.errorf("%s of one name succeeded %d times, want once", what, n)
	}
}
