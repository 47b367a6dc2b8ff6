package payload

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// rule is one of a tag's, like max=3.
type rule struct {
	name, param string
}

// parseRules splits a tag. A rule written in a way that only the validator knows gets a name that check does not.
func parseRules(tag string) []rule {
	if tag == "" {
		return nil
	}
	var rules []rule
	for text := range strings.SplitSeq(tag, ",") {
		name, param, hasParam := strings.Cut(text, "=")
		switch {
		case strings.ContainsAny(text, "|'"), strings.Contains(text, "0x"): // alternatives, quotes, escapes
			name = ""
		case hasParam && (name == "dive" || name == "omitempty"):
			name = ""
		}
		rules = append(rules, rule{name, param})
	}
	return rules
}

// check knows the commonest rules. It says doubt for the others, and where one does not suit its type.
func (r rule) check(t reflect.Type) check {
	switch r.name {
	case "email":
		return ofString(t, surelyEmail)
	case "oneof":
		options := strings.FieldsFunc(r.param, func(c rune) bool { return strings.ContainsRune("\t\n\f\r ", c) })
		return ofString(t, func(s string) bool { return slices.Contains(options, s) })
	case "uuid":
		return ofString(t, surelyUUID)
	case "len":
		return r.compare(t, func(sign int) bool { return sign == 0 })
	case "min", "gte":
		return r.compare(t, func(sign int) bool { return sign >= 0 })
	case "max", "lte":
		return r.compare(t, func(sign int) bool { return sign <= 0 })
	case "gt":
		return r.compare(t, func(sign int) bool { return sign > 0 })
	case "lt":
		return r.compare(t, func(sign int) bool { return sign < 0 })
	}
	return doubt
}

func ofString(t reflect.Type, ok func(string) bool) check {
	if t.Kind() != reflect.String {
		return doubt
	}
	return func(v reflect.Value) bool { return ok(v.String()) }
}

// compare compares a number, or the length of anything else, with the rule's parameter.
func (r rule) compare(t reflect.Type, ok func(sign int) bool) check {
	integer, noInteger := strconv.ParseInt(r.param, 0, 64)
	switch k := t.Kind(); {
	case t == reflect.TypeFor[time.Duration]():
		if d, err := time.ParseDuration(r.param); err == nil {
			return func(v reflect.Value) bool { return ok(cmp.Compare(v.Int(), int64(d))) }
		}
		return doubt
	case reflect.Uint <= k && k <= reflect.Uintptr:
		unsigned, err := strconv.ParseUint(r.param, 0, 64)
		if err != nil {
			return doubt
		}
		return func(v reflect.Value) bool { return ok(cmp.Compare(v.Uint(), unsigned)) }
	case k == reflect.Float32, k == reflect.Float64:
		float, err := strconv.ParseFloat(r.param, t.Bits())
		if err != nil || float != float {
			return doubt
		}
		return func(v reflect.Value) bool {
			f := v.Float()
			return f == f && ok(cmp.Compare(f, float)) // no comparison holds for NaN
		}
	case noInteger != nil:
		return doubt
	case k == reflect.String:
		return func(v reflect.Value) bool {
			return ok(cmp.Compare(int64(utf8.RuneCountInString(v.String())), integer))
		}
	case k == reflect.Slice, k == reflect.Array, k == reflect.Map:
		return func(v reflect.Value) bool { return ok(cmp.Compare(int64(v.Len()), integer)) }
	case reflect.Int <= k && k <= reflect.Int64:
		return func(v reflect.Value) bool { return ok(cmp.Compare(v.Int(), integer)) }
	}
	return doubt
}

// surelyEmail knows the plain form, letters.digits+and-such@two.labels, which is what addresses look like.
func surelyEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || !labels(local, "_+-") {
		return false
	}
	dot := strings.LastIndexByte(domain, '.')
	if dot < 0 || !labels(domain[:dot], "-") {
		return false
	}
	top := domain[dot+1:]
	return top != "" && strings.IndexFunc(top, func(c rune) bool { return !letter(c) }) < 0
}

// labels reports whether s is one or more words with dots between them. A word is of letters and digits, with
// others only inside.
func labels(s, others string) bool {
	inside := false // the last character may end a word
	for _, c := range s {
		switch {
		case letter(c), '0' <= c && c <= '9':
			inside = true
		case inside && (c == '.' || strings.ContainsRune(others, c)):
			inside = false
		default:
			return false
		}
	}
	return inside
}

func letter(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// surelyUUID is the validator's pattern.
func surelyUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		switch {
		case i == 8, i == 13, i == 18, i == 23:
			if c != '-' {
				return false
			}
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F', '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return true
}
