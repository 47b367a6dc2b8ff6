// Package filter is the filter language of Pub/Sub's subscriptions: conditions on a message's attributes.
//
//	attributes:k                     the attribute k is there
//	attributes.k = "v"               ... and is v
//	attributes.k != "v"              it is not v, or not there
//	hasPrefix(attributes.k, "p")     it begins with p
//	NOT x, -x                        binds tightest
//	x AND y AND z, x OR y OR z       not mixed without parentheses
//
// Keys of letters, digits, hyphens and underscores stand as they are, others in double quotes, as values do.
// Strings know the escapes \\ \" \' \a \b \f \n \r \t \v, \ooo, \xhh, \uhhhh and \Uhhhhhhhh.
//
// The reference is https://cloud.google.com/pubsub/docs/subscription-message-filter, read as of 2026-04. Where it
// is silent, what is odd is refused rather than guessed at: two negations in a row, single quotes, control
// characters in a string.
package filter

import (
	"fmt"
	"strings"
)

// MaxLength is the most bytes of a filter. It also bounds how deeply parentheses nest.
const MaxLength = 256

// Filter is a condition on a message's attributes. The zero Filter matches every message. It does not change,
// and is safe for concurrent use.
type Filter struct{ root node }

// Parse reads a filter. The empty one matches every message. The error is an *[Error].
func Parse(s string) (*Filter, error) {
	if s == "" {
		return &Filter{}, nil
	}
	if len(s) > MaxLength {
		return nil, &Error{Filter: s, Pos: MaxLength, Reason: fmt.Sprintf("the filter has %d bytes, at most %d", len(s), MaxLength)}
	}
	p := parser{lex: lexer{src: s}}
	root, err := p.parse()
	if err != nil {
		return nil, err
	}
	return &Filter{root}, nil
}

// Match reports whether a message with these attributes is delivered.
func (f *Filter) Match(attrs map[string]string) bool {
	return f.root == nil || f.root.match(attrs)
}

// String is the filter in its plainest writing: Parse makes a filter of the same meaning of it, unless it got
// longer than MaxLength.
func (f *Filter) String() string {
	if f.root == nil {
		return ""
	}
	return f.root.String()
}

// Error says what is wrong with a filter, and where.
type Error struct {
	Filter string
	Pos    int // in bytes from the beginning, from 0
	Reason string
}

// Error gives the position, the reason, and the filter's text around it on one line, with a ^ at the position.
func (e *Error) Error() string {
	before, after := e.Filter[:e.Pos], e.Filter[e.Pos:]
	if len(before) > excerpt {
		before = "..." + strings.ToValidUTF8(before[len(before)-excerpt:], "")
	}
	if len(after) > excerpt {
		after = strings.ToValidUTF8(after[:excerpt], "") + "..."
	}
	return fmt.Sprintf("filter: at %d: %s: %#q ^ %#q", e.Pos, e.Reason, before, after)
}

// excerpt is how many bytes before and after the position an error quotes.
const excerpt = 24
