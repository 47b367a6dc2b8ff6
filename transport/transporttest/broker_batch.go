package transporttest

import (
	"context"
	"fmt"
	"slices"

	"github.com/typedtasks/typedtasks/transport"
)

func publishBatchLaws() []brokerLaw {
	return []brokerLaw{
		{"batch/results", "PublishBatch answers one result for each message, in order, with its id.", publishBatchResults},
		{"batch/fails-alone", "A message that is refused fails alone, with its own error.", publishBatchAlone},
		{"batch/key", "Messages of one key are stored in the order given; one that fails fails those that follow it under its key.", publishBatchKey},
		{"batch/large", "A batch may be larger than one request, and its topics many.", publishBatchLarge},
		{"batch/none", "A batch of none answers no result.", publishBatchNone},
		{"batch/ended", "A batch whose context has ended publishes nothing and says so for each message.", publishBatchEnded},
	}
}

// publishBatch gives up unless there are as many results as messages.
func (t *brokerTrial) publishBatch(ms ...*transport.Message) []transport.Result {
	b := brokerAbility[transport.BatchPublisher](t)
	ctx, cancel := t.context()
	defer cancel()
	rs := b.PublishBatch(ctx, ms)
	if len(rs) != len(ms) {
		t.fatalf("%d results for %d messages", len(rs), len(ms))
	}
	return rs
}

func publishBatchResults(t *brokerTrial) {
	brokerAbility[transport.BatchPublisher](t)
	box := t.listen(t.sub(subscription), ack)
	var ms []*transport.Message
	for i := range 50 {
		m := t.message(fmt.Sprint(i))
		m.Attributes = map[string]string{"i": fmt.Sprint(i)}
		ms = append(ms, m)
	}
	ids := make(map[string]string)
	for i, r := range t.publishBatch(ms...) {
		if r.Err != nil || r.Receipt.ID == "" || ids[r.Receipt.ID] != "" {
			t.errorf("result %d: id %q (of message %q), error %q", i, r.Receipt.ID, ids[r.Receipt.ID], text(r.Err))
		}
		ids[r.Receipt.ID] = fmt.Sprint(i)
	}
	for range ms {
		if m := box.next(); ids[m.ID] != string(m.Data) || m.Attributes["i"] != string(m.Data) {
			t.errorf("message %q (attributes %q) came under id %q, which is message %q", m.Data, m.Attributes, m.ID, ids[m.ID])
		}
	}
	box.none("each was published once")
}

func publishBatchAlone(t *brokerTrial) {
	brokerAbility[transport.BatchPublisher](t)
	box := t.listen(t.sub(subscription), ack)
	giant := t.message(string(make([]byte, transport.MaxMessageSize+1)))
	nowhere := t.message("nowhere")
	nowhere.Topic = "no topic"
	kinds := []transport.Kind{0, transport.KindInvalid, 0, transport.KindTooLarge, transport.KindInvalid, 0}
	for i, r := range t.publishBatch(t.message("one"), t.message(""), t.message("two"), giant, nowhere, t.message("three")) {
		if (r.Err == nil) != (kinds[i] == 0) || transport.KindOf(r.Err) != kinds[i] {
			t.errorf("result %d: error %q, want kind %q", i, text(r.Err), kinds[i])
		}
		if (r.Err == nil) != (r.Receipt.ID != "") {
			t.errorf("result %d: id %q with error %q", i, r.Receipt.ID, text(r.Err))
		}
	}
	box.exactly("the others were refused", "one", "two", "three")
}

func publishBatchKey(t *brokerTrial) {
	brokerAbility[transport.BatchPublisher](t)
	t.needsWaiting()
	seq := t.sequence()
	t.listen(t.ordered(subscription), seq.through(ack))
	bad := t.keyed("a", "a3")
	bad.Attributes = map[string]string{"": "an empty key"}
	ms := []*transport.Message{
		t.keyed("a", "a0"), t.keyed("b", "b0"), t.keyed("a", "a1"), t.keyed("a", "a2"), bad,
		t.keyed("b", "b1"), t.keyed("a", "a4"), t.message("free"), t.keyed("b", "b2"), t.keyed("a", "a5"),
	}
	for i, r := range t.publishBatch(ms...) {
		if fails := slices.Contains([]int{4, 6, 9}, i); (r.Err != nil) != fails {
			t.errorf("message %q: error %q, want one: %t", ms[i].Data, text(r.Err), fails)
		}
	}
	seq.wantInOrder(map[string][]string{"a": {"a0", "a1", "a2"}, "b": {"b0", "b1", "b2"}, "": {"free"}})
	for i, r := range t.publishBatch(t.keyed("a", "a6"), t.keyed("a", "a7")) {
		t.wantError(r.Err, nil, "message %d under the key, in another batch", i)
	}
	seq.wantInOrder(map[string][]string{"a": {"a0", "a1", "a2", "a6", "a7"}, "b": {"b0", "b1", "b2"}, "": {"free"}})
}

func publishBatchLarge(t *brokerTrial) {
	brokerAbility[transport.BatchPublisher](t)
	sampled := func(name, topic string) *postbox { // some fakes take their time with each message that they deliver
		return t.listen(&transport.Subscription{Name: name, Topic: topic, Filter: `attributes:sample`}, ack)
	}
	one, two := sampled(subscription, topic), sampled(subscription+"-2", otherTopic)
	var ms []*transport.Message
	want := map[string][]string{}
	for i := range transport.MaxPublishBatch + 501 {
		m := t.message(fmt.Sprint(i))
		if i%10 == 0 {
			m.Topic = otherTopic
		}
		if i%25 <= 1 {
			m.Attributes = map[string]string{"sample": ""}
			want[m.Topic] = append(want[m.Topic], string(m.Data))
		}
		ms = append(ms, m)
	}
	ids := make(map[string]bool)
	for i, r := range t.publishBatch(ms...) {
		t.wantError(r.Err, nil, "result %d", i)
		if r.Receipt.ID == "" || ids[r.Receipt.ID] {
			t.errorf("result %d: id %q is empty, or another's", i, r.Receipt.ID)
		}
		ids[r.Receipt.ID] = true
	}
	one.exactly("each was published once", want[topic]...)
	two.exactly("each was published once", want[otherTopic]...)
}

func publishBatchNone(t *brokerTrial) {
	t.publishBatch()
}

func publishBatchEnded(t *brokerTrial) {
	b := brokerAbility[transport.BatchPublisher](t)
	box := t.listen(t.sub(subscription), ack)
	ctx, cancel := context.WithCancel(t.tb.Context())
	cancel()
	rs := b.PublishBatch(ctx, []*transport.Message{t.message("one"), t.message("two")})
	if len(rs) != 2 {
		t.fatalf("%d results for 2 messages", len(rs))
	}
	for i, r := range rs {
		t.wantError(r.Err, context.Canceled, "result %d", i)
	}
	box.none("the context had ended")
}
