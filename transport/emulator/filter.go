package emulator

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// filter decides whether a message is listed.
type filter func(proto.Message) bool

// parseFilter reads the part of Google's filter language that makes sense for queues: comparisons of a field with
// a value by = != < <= > >= or : (has), with AND, OR, NOT or -, and parentheses; terms that merely follow one
// another are joined by AND. OR binds tighter than AND, as in that language. Empty means all.
func parseFilter(text string, of protoreflect.MessageDescriptor) (filter, error) {
	p := &filterParser{words: filterWords(text), of: of}
	if len(p.words) == 0 {
		return func(proto.Message) bool { return true }, nil
	}
	f, ok := p.and(0)
	if !ok || len(p.words) > 0 {
		return nil, invalid("The filter %q is not valid: write comparisons like \"state: PAUSED\", joined by AND or OR.", text)
	}
	return f, nil
}

// filterWords splits text into operators, parentheses, quoted strings and plain words.
func filterWords(text string) (words []string) {
	const plainEnd = " \t\n\r()=<>!:\""
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := strings.IndexAny(text, plainEnd)
		switch {
		case n < 0:
			n = len(text)
		case n > 0:
		case text[0] == '"':
			if n = strings.IndexByte(text[1:], '"') + 2; n < 2 {
				n = len(text)
			}
		case len(text) > 1 && text[1] == '=' && strings.IndexByte("<>!", text[0]) >= 0:
			n = 2
		default:
			n = 1
		}
		words = append(words, text[:n])
		text = text[n:]
	}
	return words
}

const filterDepth = 50 // of parentheses and negations

type filterParser struct {
	words []string
	of    protoreflect.MessageDescriptor
}

func (p *filterParser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *filterParser) next() string {
	w := p.peek()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

func (p *filterParser) and(depth int) (filter, bool) {
	left, ok := p.or(depth)
	for ok && p.peek() != "" && p.peek() != ")" {
		if p.peek() == "AND" {
			p.next()
		}
		var right filter
		right, ok = p.or(depth)
		first := left
		left = func(m proto.Message) bool { return first(m) && right(m) }
	}
	return left, ok
}

func (p *filterParser) or(depth int) (filter, bool) {
	left, ok := p.term(depth)
	for ok && p.peek() == "OR" {
		p.next()
		var right filter
		right, ok = p.term(depth)
		first := left
		left = func(m proto.Message) bool { return first(m) || right(m) }
	}
	return left, ok
}

func (p *filterParser) term(depth int) (filter, bool) {
	if depth > filterDepth {
		return nil, false
	}
	switch w := p.next(); {
	case w == "(":
		f, ok := p.and(depth + 1)
		return f, ok && p.next() == ")"
	case w == "NOT":
		f, ok := p.term(depth + 1)
		return func(m proto.Message) bool { return !f(m) }, ok
	case len(w) > 1 && w[0] == '-':
		p.words = append([]string{w[1:]}, p.words...)
		f, ok := p.term(depth + 1)
		return func(m proto.Message) bool { return !f(m) }, ok
	default:
		return p.comparison(w)
	}
}

func (p *filterParser) comparison(field string) (filter, bool) {
	path, ok := fieldPath(p.of, field)
	op, value := p.next(), p.next()
	if !ok || value == "" || value == "(" || value == ")" {
		return nil, false
	}
	if unquoted, quoted := strings.CutPrefix(value, `"`); quoted {
		if value, ok = strings.CutSuffix(unquoted, `"`); !ok {
			return nil, false
		}
	}
	compare, ok := comparer(path[len(path)-1], op, value)
	if !ok {
		return nil, false
	}
	return func(m proto.Message) bool {
		at := m.ProtoReflect()
		for _, f := range path[:len(path)-1] {
			at = at.Get(f).Message()
		}
		return compare(at.Get(path[len(path)-1]))
	}, true
}

// comparer compares a field with a value, by order where it has one.
func comparer(f protoreflect.FieldDescriptor, op, value string) (func(protoreflect.Value) bool, bool) {
	order, ok := orderWith(f, value)
	if !ok {
		return nil, false
	}
	is := func(ok func(int) bool) func(protoreflect.Value) bool {
		return func(v protoreflect.Value) bool { return ok(order(v)) }
	}
	switch op {
	case ":":
		if f.Kind() == protoreflect.StringKind {
			return func(v protoreflect.Value) bool { return strings.Contains(v.String(), value) }, true
		}
		return is(func(o int) bool { return o == 0 }), true
	case "=":
		return is(func(o int) bool { return o == 0 }), true
	case "!=":
		return is(func(o int) bool { return o != 0 }), true
	case "<":
		return is(func(o int) bool { return o < 0 }), true
	case "<=":
		return is(func(o int) bool { return o <= 0 }), true
	case ">":
		return is(func(o int) bool { return o > 0 }), true
	case ">=":
		return is(func(o int) bool { return o >= 0 }), true
	default:
		return nil, false
	}
}

// orderWith returns how a field's value compares with the one that text says.
func orderWith(f protoreflect.FieldDescriptor, text string) (order func(protoreflect.Value) int, ok bool) {
	if f.IsList() || f.IsMap() {
		return nil, false
	}
	switch f.Kind() {
	case protoreflect.StringKind:
		return func(v protoreflect.Value) int { return strings.Compare(v.String(), text) }, true
	case protoreflect.EnumKind:
		want := f.Enum().Values().ByName(protoreflect.Name(text))
		return func(v protoreflect.Value) int { return cmp.Compare(v.Enum(), want.Number()) }, want != nil
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		want, err := strconv.ParseInt(text, 10, 64)
		return func(v protoreflect.Value) int { return cmp.Compare(v.Int(), want) }, err == nil
	case protoreflect.DoubleKind:
		want, err := strconv.ParseFloat(text, 64)
		return func(v protoreflect.Value) int { return cmp.Compare(v.Float(), want) }, err == nil
	case protoreflect.MessageKind:
		return orderOfMessage(f.Message().FullName(), text)
	default:
		return nil, false
	}
}

func orderOfMessage(kind protoreflect.FullName, text string) (order func(protoreflect.Value) int, ok bool) {
	switch kind {
	case "google.protobuf.Duration":
		want, err := time.ParseDuration(text)
		return func(v protoreflect.Value) int {
			d, _ := v.Message().Interface().(*durationpb.Duration)
			return cmp.Compare(d.AsDuration(), want)
		}, err == nil
	case "google.protobuf.Timestamp":
		want, err := time.Parse(time.RFC3339Nano, text)
		return func(v protoreflect.Value) int {
			t, _ := v.Message().Interface().(*timestamppb.Timestamp)
			return t.AsTime().Compare(want)
		}, err == nil
	default:
		return nil, false
	}
}
