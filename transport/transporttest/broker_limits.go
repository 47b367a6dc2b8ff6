package transporttest

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

func messageLimitLaws() []brokerLaw {
	return []brokerLaw{
		{"limits/message-size", "A message of MaxMessageSize arrives whole; one byte more answers ErrTooLarge and is not published.", messageSize},
		{"limits/message-accepted", "The longest topic, keys, values and ordering key, and the most attributes, arrive.", messageAccepted},
		{"limits/message-refused", "What Message.Check refuses answers ErrInvalid, and nothing is published.", messageRefused},
	}
}

func messageSize(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	m := t.keyed("key", "")
	m.Attributes = map[string]string{"kind": "giant"}
	m.Data = bytes.Repeat([]byte("0123456789abcdef"), transport.MaxMessageSize/16+1)[:transport.MaxMessageSize-m.Size()]
	data := m.Data
	m.Data = append(bytes.Clone(data), '!')
	_, err := t.attempt(m)
	t.wantError(err, transport.ErrTooLarge, "Publish of %d bytes", m.Size())
	box.none("the message was refused")
	m.Data = data
	t.publish(m)
	if got := box.next().Data; !bytes.Equal(got, data) {
		t.errorf("published %s, received %s", brief(data), brief(got))
	}
}

func messageAccepted(t *brokerTrial) {
	longest := "A0-_.~+%" + strings.Repeat("t", 247)
	many := make(map[string]string)
	for i := range transport.MaxAttributes {
		many[fmt.Sprintf("key-%d", i)] = fmt.Sprint(i)
	}
	s := t.sub(subscription)
	s.Topic = longest
	box := t.listen(s, ack)
	for what, change := range map[string]func(*transport.Message){
		"the longest topic": func(*transport.Message) {},
		"the longest key": func(m *transport.Message) {
			m.Attributes = map[string]string{strings.Repeat("k", transport.MaxAttributeKey): "v"}
		},
		"the longest value": func(m *transport.Message) {
			m.Attributes = map[string]string{"k": strings.Repeat("v", transport.MaxAttributeValue)}
		},
		"the most attributes":      func(m *transport.Message) { m.Attributes = many },
		"the longest ordering key": func(m *transport.Message) { m.OrderingKey = strings.Repeat("o", transport.MaxOrderingKey) },
	} {
		m := t.message(what)
		m.Topic = longest
		change(m)
		if _, err := t.attempt(m); err != nil {
			t.errorf("%s: %v", what, err)
			continue
		}
		if got := box.next(); string(got.Data) != what || got.OrderingKey != m.OrderingKey || !maps.Equal(got.Attributes, m.Attributes) {
			t.errorf("%s: received %s with %d attributes", what, brief(got.Data), len(got.Attributes))
		}
	}
}

func messageRefused(t *brokerTrial) {
	box := t.listen(t.sub(subscription), ack)
	attribute := func(k, v string) func(*transport.Message) {
		return func(m *transport.Message) { m.Attributes = map[string]string{k: v} }
	}
	for what, change := range map[string]func(*transport.Message){
		"no topic":                     func(m *transport.Message) { m.Topic = "" },
		"a topic of two letters":       func(m *transport.Message) { m.Topic = "ab" },
		"a topic of 256 bytes":         func(m *transport.Message) { m.Topic = strings.Repeat("t", 256) },
		"a topic with a space":         func(m *transport.Message) { m.Topic = "no topic" },
		"a reserved topic":             func(m *transport.Message) { m.Topic = "google" },
		"neither data nor attributes":  func(m *transport.Message) { m.Data = nil },
		"an empty key":                 attribute("", "v"),
		"a reserved key":               attribute("googclient", "v"),
		"a key over the limit":         attribute(strings.Repeat("k", transport.MaxAttributeKey+1), "v"),
		"a value over the limit":       attribute("k", strings.Repeat("v", transport.MaxAttributeValue+1)),
		"a value that is not UTF-8":    attribute("k", "\xff"),
		"an ordering key over a limit": func(m *transport.Message) { m.OrderingKey = strings.Repeat("o", transport.MaxOrderingKey+1) },
		"an ordering key not in UTF-8": func(m *transport.Message) { m.OrderingKey = "\xff" },
		"too many attributes": func(m *transport.Message) {
			m.Attributes = make(map[string]string)
			for i := range transport.MaxAttributes + 1 {
				m.Attributes[fmt.Sprint(i)] = "v"
			}
		},
	} {
		m := t.message(what)
		change(m)
		if _, err := t.attempt(m); transport.KindOf(err) != transport.KindInvalid {
			t.errorf("%s: error %q, want one of KindInvalid", what, text(err))
		}
	}
	box.none("every message was refused")
}
