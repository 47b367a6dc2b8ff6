package filter

import (
	"strconv"
	"strings"
)

// node is one condition. String never leaves a doubt about what belongs together: whoever contains a compound
// condition puts parentheses around it.
type node interface {
	match(attrs map[string]string) bool
	String() string
}

type (
	has       struct{ key string }
	equal     struct{ key, value string }
	notEqual  struct{ key, value string }
	hasPrefix struct{ key, prefix string }
	not       struct{ of node }
	all       []node // AND
	some      []node // OR
)

func (n has) match(attrs map[string]string) bool {
	_, ok := attrs[n.key]
	return ok
}

func (n equal) match(attrs map[string]string) bool {
	v, ok := attrs[n.key]
	return ok && v == n.value
}

// The reference says of != "messages without the name attribute and the value of com", in the words it uses for
// NOT hasPrefix: the negation of =, so a message that lacks the key matches. Google's own fake (pstest) does so.
func (n notEqual) match(attrs map[string]string) bool { return !equal(n).match(attrs) }

func (n hasPrefix) match(attrs map[string]string) bool {
	v, ok := attrs[n.key]
	return ok && strings.HasPrefix(v, n.prefix)
}

func (n not) match(attrs map[string]string) bool { return !n.of.match(attrs) }

func (n all) match(attrs map[string]string) bool {
	for _, of := range n {
		if !of.match(attrs) {
			return false
		}
	}
	return true
}

func (n some) match(attrs map[string]string) bool {
	for _, of := range n {
		if of.match(attrs) {
			return true
		}
	}
	return false
}

func (n has) String() string      { return "attributes:" + keyString(n.key) }
func (n equal) String() string    { return attribute(n.key) + " = " + strconv.Quote(n.value) }
func (n notEqual) String() string { return attribute(n.key) + " != " + strconv.Quote(n.value) }
func (n hasPrefix) String() string {
	return "hasPrefix(" + attribute(n.key) + ", " + strconv.Quote(n.prefix) + ")"
}
func (n not) String() string  { return "NOT " + operand(n.of) }
func (n all) String() string  { return join(n, " AND ") }
func (n some) String() string { return join(n, " OR ") }

func join(nodes []node, sep string) string {
	parts := make([]string, len(nodes))
	for i, of := range nodes {
		parts[i] = operand(of)
		if _, ok := of.(not); ok {
			parts[i] = of.String() // binds tighter than either
		}
	}
	return strings.Join(parts, sep)
}

func operand(n node) string {
	switch n.(type) {
	case not, all, some:
		return "(" + n.String() + ")"
	}
	return n.String()
}

func attribute(key string) string { return "attributes." + keyString(key) }

func keyString(key string) string {
	if strings.IndexFunc(key, func(r rune) bool { return r > 0x7f || !keyByte(byte(r)) }) >= 0 {
		return strconv.Quote(key)
	}
	return key
}
