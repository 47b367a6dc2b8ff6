package transport

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of Pub/Sub, read 2026-11 from its quota page. Every driver keeps to them.
const (
	// MaxMessageSize is the most bytes of one message: its data, attributes and ordering key.
	MaxMessageSize = 10_000_000

	// MaxAttributes, MaxAttributeKey and MaxAttributeValue bound a message's attributes: how many, and in bytes.
	MaxAttributes     = 100
	MaxAttributeKey   = 256
	MaxAttributeValue = 1024

	// MaxOrderingKey is the most bytes of an ordering key.
	MaxOrderingKey = 1024

	// MaxPublishBatch is the most messages of one publish request.
	MaxPublishBatch = 1000
)

// Check reports why no topic takes m, as an *[Error] that matches ErrInvalid or ErrTooLarge: a topic that is no
// name, neither data nor attributes, an attribute or an ordering key out of bounds.
func (m *Message) Check() error {
	fail := func(kind Kind, err error) error {
		return &Error{Op: OpPublish, Resource: fmt.Sprintf("topic %q", m.Topic), Kind: kind, Err: err}
	}
	if err := CheckTopic(ResourceID(m.Topic)); err != nil {
		return fail(KindInvalid, fmt.Errorf("topic: %w", err))
	}
	if len(m.Data) == 0 && len(m.Attributes) == 0 {
		return fail(KindInvalid, errors.New("the message has neither data nor attributes"))
	}
	if err := m.checkAttributes(); err != nil {
		return fail(KindInvalid, err)
	}
	if len(m.OrderingKey) > MaxOrderingKey {
		return fail(KindInvalid, lengthError{what: "ordering key", got: len(m.OrderingKey), most: MaxOrderingKey})
	}
	if !utf8.ValidString(m.OrderingKey) {
		return fail(KindInvalid, fmt.Errorf("ordering key %q is not UTF-8", m.OrderingKey))
	}
	if n := m.Size(); n > MaxMessageSize {
		return fail(KindTooLarge, fmt.Errorf("%d bytes, at most %d: store the payload elsewhere and publish a reference", n, MaxMessageSize))
	}
	return nil
}

// Size is what counts towards MaxMessageSize.
func (m *Message) Size() int {
	n := len(m.Data) + len(m.OrderingKey)
	for k, v := range m.Attributes {
		n += len(k) + len(v)
	}
	return n
}

func (m *Message) checkAttributes() error {
	if len(m.Attributes) > MaxAttributes {
		return fmt.Errorf("%d attributes, at most %d", len(m.Attributes), MaxAttributes)
	}
	for k, v := range m.Attributes {
		switch {
		case k == "":
			return errors.New("an attribute has an empty key")
		case len(k) > MaxAttributeKey:
			return lengthError{what: fmt.Sprintf("attribute key %.20q...", k), got: len(k), most: MaxAttributeKey}
		case strings.HasPrefix(k, "goog"):
			return fmt.Errorf("attribute key %q: the prefix \"goog\" is reserved", k)
		case len(v) > MaxAttributeValue:
			return lengthError{what: fmt.Sprintf("value of attribute %q", k), got: len(v), most: MaxAttributeValue}
		case !utf8.ValidString(k) || !utf8.ValidString(v):
			return fmt.Errorf("attribute %q is not UTF-8", k)
		}
	}
	return nil
}

// CheckTopic reports why s cannot be the id of a topic or a subscription: a letter, then letters, digits and
// any of "-_.~+%", 3 to 255 in all, not beginning with "goog".
func CheckTopic(s string) error {
	if len(s) < 3 || len(s) > 255 {
		return fmt.Errorf("id %q has %d characters, not 3 to 255", s, len(s))
	}
	if c := s[0] | 0x20; c < 'a' || c > 'z' {
		return fmt.Errorf("id %q does not begin with a letter", s)
	}
	if strings.HasPrefix(s, "goog") {
		return fmt.Errorf("id %q: the prefix \"goog\" is reserved", s)
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && !strings.ContainsRune("-_.~+%", rune(s[i])) {
			return fmt.Errorf("id %q may hold letters, digits and \"-_.~+%%\" only, not %q", s, s[i])
		}
	}
	return nil
}

// ResourceID is the last element of a full resource name like projects/p/topics/orders, and any other name as it
// is.
func ResourceID(name string) string {
	if strings.HasPrefix(name, "projects/") {
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	return name
}
