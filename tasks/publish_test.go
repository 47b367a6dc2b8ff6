package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// pubFake is a broker that keeps what it is given; the data "bad" fails.
type pubFake struct{ sent []string }

func (f *pubFake) Publish(_ context.Context, m *transport.Message) (string, error) {
	if string(m.Data) == "bad" {
		return "", errDlv
	}
	f.sent = append(f.sent, m.Topic+":"+string(m.Data))
	return fmt.Sprint("id-", len(f.sent)), nil
}

// pubBatching takes many at a time, and answers lose results too few.
type pubBatching struct {
	pubFake
	sizes []int
	lose  int
}

func (f *pubBatching) PublishBatch(ctx context.Context, ms []*transport.Message) []transport.Result {
	f.sizes = append(f.sizes, len(ms))
	results := make([]transport.Result, len(ms))
	for i, m := range ms {
		results[i].Receipt.ID, results[i].Err = f.Publish(ctx, m)
	}
	return results[f.lose:]
}

// pubWrapped is a decorator, which batches must not get past.
type pubWrapped struct{ inner transport.Broker }

func (w pubWrapped) Publish(ctx context.Context, m *transport.Message) (string, error) {
	return w.inner.Publish(ctx, m)
}

func (w pubWrapped) Unwrap() transport.Broker { return w.inner }

// pubMessages are messages of the topic "t", each of its data and, behind a slash, its ordering key.
func pubMessages(specs ...string) []*transport.Message {
	ms := make([]*transport.Message, len(specs))
	for i, s := range specs {
		data, key, _ := strings.Cut(s, "/")
		ms[i] = &transport.Message{Topic: "t", Data: []byte(data), OrderingKey: key}
	}
	return ms
}

// pubTexts are the ids, or errors.
func pubTexts(results []tasks.Result) []string {
	texts := make([]string, len(results))
	for i, r := range results {
		if texts[i] = r.Receipt.ID; r.Err != nil {
			texts[i] = "error"
		}
	}
	return texts
}

func TestPublishMessages_OneResultEach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		broker transport.Broker
		ms     []*transport.Message
		want   string
		sizes  []int
	}{
		{"none", &pubFake{}, nil, "[]", nil},
		{"one by one", &pubFake{}, pubMessages("a", "bad", "b"), "[id-1 error id-2]", nil},
		{"in a batch", &pubBatching{}, pubMessages("a", "bad", "b"), "[id-1 error id-2]", []int{3}},
		{"a single one, in no batch", &pubBatching{}, pubMessages("a"), "[id-1]", nil},
		{"through a decorator", pubWrapped{&pubBatching{}}, pubMessages("a", "b"), "[id-1 id-2]", nil},
		{"in order by key", &pubFake{}, pubMessages("bad/x", "a/x", "b/y", "c", "bad", "d/x", "e", "bad/y", "f/y"), "[error error id-1 id-2 error error id-3 error error]", nil},
	} {
		app := dlvApp(t, tasks.Config{Broker: c.broker})
		got := app.PublishMessages(t.Context(), c.ms)
		if fmt.Sprint(pubTexts(got)) != c.want {
			t.Errorf("%s: results are %+v, want %s", c.name, got, c.want)
		}
		for i, r := range got {
			if r.Err != nil && !errors.Is(r.Err, errDlv) {
				t.Errorf("%s: result %d is %v", c.name, i, r.Err)
			}
		}
		if b, ok := c.broker.(*pubBatching); ok && !slices.Equal(b.sizes, c.sizes) {
			t.Errorf("%s: batches of %v, want %v", c.name, b.sizes, c.sizes)
		}
	}
	app := dlvApp(t, tasks.Config{Broker: &pubFake{}})
	ms := pubMessages("bad/x", "a/x", "b/x")
	ms[2].Topic = "other"
	got := app.PublishMessages(t.Context(), ms)
	enqSays(t, got[1].Err, `earlier message of ordering key "x" was not published`)
	if got[2].Err != nil {
		t.Errorf("the same key of another topic: %v", got[2].Err)
	}
}

func TestPublishMessage_ReturnsTheBrokersAnswer(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Broker: &pubFake{}})
	if id, err := app.PublishMessage(t.Context(), pubMessages("a")[0]); id != "id-1" || err != nil {
		t.Errorf("returned %q, %v", id, err)
	}
	if id, err := app.PublishMessage(t.Context(), pubMessages("bad")[0]); id != "" || !errors.Is(err, errDlv) {
		t.Errorf("returned %q, %v", id, err)
	}
}

func TestPublishMessages_ResultsThatAreMissing_AreErrors(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{Broker: &pubBatching{lose: 1}})
	got := app.PublishMessages(t.Context(), pubMessages("a", "b", "c"))
	if len(got) != 3 {
		t.Fatalf("%d results", len(got))
	}
	for _, r := range got {
		enqSays(t, r.Err, "pubBatching answered 2 results for 3 messages", "unknown")
	}
}

func TestPublish_WithoutABroker_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	app := dlvApp(t, tasks.Config{})
	for _, middleware := range []bool{false, true} {
		if middleware {
			app.UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc { return next })
		}
		_, err := app.PublishMessage(t.Context(), pubMessages("a")[0])
		results := app.PublishMessages(t.Context(), pubMessages("a", "b"))
		if len(results) != 2 {
			t.Fatalf("%d results", len(results))
		}
		for _, err := range []error{err, results[0].Err, results[1].Err} {
			if !errors.Is(err, tasks.ErrNoBroker) {
				t.Errorf("the error is %v", err)
			}
			enqSays(t, err, "set Config.Broker", "memory.New()")
		}
	}
}

func TestUsePublish_WrapsOneAndMany(t *testing.T) {
	t.Parallel()
	fake := &pubBatching{}
	app := dlvApp(t, tasks.Config{Broker: fake})
	var order []string
	mark := func(name string) func(tasks.PublishFunc) tasks.PublishFunc {
		return func(next tasks.PublishFunc) tasks.PublishFunc {
			return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
				order = append(order, fmt.Sprint(name, len(ms)))
				for _, m := range ms {
					m.Data = append(m.Data, name...)
					if m.Attributes == nil {
						m.Attributes = map[string]string{}
					}
					m.Attributes[name], m.Topic = "1", m.Topic+name
				}
				return next(ctx, ms)
			}
		}
	}
	app.UsePublish(mark("A"), nil, func(tasks.PublishFunc) tasks.PublishFunc { return nil })
	app.UsePublish(mark("B"))
	one, many := pubMessages("x")[0], pubMessages("y", "z")
	one.Data = append(make([]byte, 0, 64), one.Data...) // with room that is not the middleware's
	one.Attributes = map[string]string{"own": "1"}
	if id, err := app.PublishMessage(t.Context(), one); id != "id-1" || err != nil {
		t.Errorf("returned %q, %v", id, err)
	}
	if got := fmt.Sprint(pubTexts(app.PublishMessages(t.Context(), many))); got != "[id-2 id-3]" {
		t.Errorf("results are %s", got)
	}
	if got := fmt.Sprint(order); got != "[A1 B1 A2 B2]" {
		t.Errorf("middleware ran as %s", got)
	}
	if got := fmt.Sprint(fake.sent); got != "[tAB:xAB tAB:yAB tAB:zAB]" {
		t.Errorf("published %s", got)
	}
	if one.Topic != "t" || !maps.Equal(one.Attributes, map[string]string{"own": "1"}) || string(one.Data[:cap(one.Data)][:3]) != "x\x00\x00" || many[0].Attributes != nil {
		t.Errorf("the caller's messages became %+v, %+v", one, many[0])
	}
}

func TestUsePublish_MayAnswerItself_WithOneResultEach(t *testing.T) {
	t.Parallel()
	fake := &pubFake{}
	app := dlvApp(t, tasks.Config{Broker: fake})
	var answer []tasks.Result
	app.UsePublish(func(tasks.PublishFunc) tasks.PublishFunc {
		return func(context.Context, []*transport.Message) []tasks.Result { return answer }
	})
	answer = []tasks.Result{{Receipt: tasks.Receipt{ID: "mine"}}}
	if id, err := app.PublishMessage(t.Context(), pubMessages("a")[0]); id != "mine" || err != nil {
		t.Errorf("returned %q, %v", id, err)
	}
	for _, answer = range [][]tasks.Result{nil, {{}, {}, {}}} {
		_, err := app.PublishMessage(t.Context(), pubMessages("a")[0])
		enqSays(t, err, fmt.Sprintf("UsePublish returned %d results for 1 messages", len(answer)), "unknown")
		got := app.PublishMessages(t.Context(), pubMessages("a", "b"))
		if len(got) != 2 {
			t.Fatalf("%d results", len(got))
		}
		enqSays(t, got[1].Err, fmt.Sprintf("UsePublish returned %d results for 2 messages", len(answer)))
	}
	if len(fake.sent) > 0 {
		t.Errorf("published %q", fake.sent)
	}
}
