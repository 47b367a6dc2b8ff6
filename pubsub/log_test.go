package pubsub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// logCard redacts itself.
type logCard struct {
	Number string `json:"number" validate:"required"`
}

func (logCard) LogValue() slog.Value { return slog.StringValue("a card") }

func logFromCard(context.Context, logCard) (evOrder, error) { return evOrder{ID: 7}, nil }

func TestLog_PayloadsOfMessages_OnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked   bool
		sub     tasks.Definition
		data    string
		outcome string
		payload any
	}{
		{false, pubsub.NewSubscriber(evNothing[logCard]), `{"number": "4111"}`, "executed", nil},
		{true, pubsub.NewSubscriber(evNothing[logCard]), `{"number": "4111"}`, "executed", "a card"},
		{true, pubsub.NewSubscriber(evNothing[*logCard]), `{"number": "4111"}`, "executed", "a card"},
		{true, pubsub.NewSubscriber(evNothing[logCard], pubsub.ViaTasks()), `{"number": "4111"}`, "enqueued", "a card"},
		{true, pubsub.NewSubscriber(evNothing[evOrder], pubsub.Topic("orders")), `{"id": 7, "_http_headers": {"a": "b"}, "secret": 1}`, "executed", `{"id":7}`},
		{true, pubsub.NewSubscriber(evNothing[logCard]), `{}`, "rejected", nil},
		{true, pubsub.NewSubscriber(evNothing[evOrder], pubsub.UpgradeFrom(logFromCard)), `{"number": "4111"}`, "executed", `{"id":7}`},
		{true, pubsub.NewSubscriber(evNothing[evOrder], pubsub.UpgradeFrom(logFromCard), pubsub.ViaTasks()), `{"number": "4111"}`, "enqueued", "a card"},
	} {
		var b bytes.Buffer
		app := evApp(t, tasks.Config{LogPayloads: c.asked, Logger: slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))}, c.sub)
		b.Reset()
		_ = app.Deliver(context.Background(), c.sub, &transport.Message{ID: "1", Data: []byte(c.data)})
		var last map[string]any
		for line := range bytes.Lines(b.Bytes()) {
			last = nil
			if err := json.Unmarshal(line, &last); err != nil {
				t.Fatal(err)
			}
		}
		if last["outcome"] != c.outcome || last["payload"] != c.payload {
			t.Errorf("%s: logged %v, want %s with %v", c.data, last, c.outcome, c.payload)
		}
		if from := last["upgraded_from"]; (from == "pubsub_test.logCard") != (c.payload == `{"id":7}` && c.data == `{"number": "4111"}`) || from != nil && from != "pubsub_test.logCard" {
			t.Errorf("%s: logged %v", c.data, last)
		}
	}
}
