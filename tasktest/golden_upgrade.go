package tasktest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// contents are what a golden file holds.
type contents struct {
	lines    map[string]shape // of the definition and its payload
	upgrades []older
	strict   bool
}

// older is what a golden file holds of one type that UpgradeFrom reads.
type older struct {
	name  string
	lines map[string]shape
	maybe map[string]bool // see described; nil for one that stands in a file
}

// payload are the lines that are not the definition's own.
func (c contents) payload() map[string]shape {
	lines := maps.Clone(c.lines)
	maps.DeleteFunc(lines, func(path string, _ shape) bool { return change{path: path}.ofSetting() })
	return lines
}

func parseGolden(text string) contents {
	c := contents{lines: map[string]shape{}}
	into := c.lines
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		path, rest, _ := strings.Cut(line, " ")
		if path == settingUpgrade {
			into = map[string]shape{}
			c.upgrades = append(c.upgrades, older{name: rest, lines: into})
			continue
		}
		typ, rules, _ := strings.Cut(strings.TrimSpace(rest), " ")
		into[path] = shape{typ, strings.TrimSpace(rules)}
	}
	return c
}

// compare tells how a definition differs from what its file holds and what comes of it, and how to avoid that.
func compare(kind, was string, is described) (rows [][]string, hints []string) {
	c := comparison{fate: fateOf(kind), was: parseGolden(was), is: parseGolden(is.text)}
	c.is.strict = is.strict
	for i, maybe := range is.maybe {
		c.is.upgrades[i].maybe = maybe
	}
	c.payload()
	c.upgrades()
	return c.rows, c.hints
}

type comparison struct {
	fate
	was, is contents
	rows    [][]string
	hints   []string
}

func (c *comparison) tell(changes ...change) {
	for _, ch := range changes {
		c.rows = append(c.rows, ch.row())
	}
}

func (c *comparison) hint(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.hints, text) {
		c.hints = append(c.hints, text)
	}
}

// payload compares the definition and its payload. What strands is harmless where an older payload is upgraded from the
// shape in the file.
func (c *comparison) payload() {
	changes := c.diff(c.was.lines, c.is.lines)
	strands := func(ch change) bool { return !ch.ofSetting() && ch.strands() }
	if c.upgrade == "" || !slices.ContainsFunc(changes, strands) {
		c.tell(changes...)
		return
	}
	was := c.was.payload()
	by, shadowed := c.taker(was)
	for i := range changes {
		if by != nil && strands(changes[i]) {
			changes[i].consequence = harmless + ": upgraded from " + by.name
		}
	}
	c.tell(changes...)
	switch {
	case by != nil:
	case shadowed != nil:
		c.shadowed(shadowed, "the shape in the file")
	default:
		c.hint("Take what waits with %s, from a type that has the shape in the file.", c.upgrade)
		for _, o := range c.is.upgrades {
			diff := c.diff(was, o.lines)
			if i := slices.IndexFunc(diff, change.strands); i >= 0 && !o.in(c.was.upgrades) {
				c.hint("%s does not take it: %s", o.name, strings.Join(diff[i].row()[:2], " "))
			}
		}
	}
}

func (c *comparison) shadowed(by *older, what string) {
	c.hint("%s has %s, but what waits may never get there: the payload takes it, and drops what it has no field for.\n"+
		"Give the payload a required field that the old one lacks, or a codec that is Strict.", by.name, what)
}

// upgrades compares the older payloads.
func (c *comparison) upgrades() {
	told := map[string]bool{}
	for _, q := range c.was.upgrades {
		by, shadowed := c.taker(q.lines)
		still := q.in(c.is.upgrades)
		if still && shadowed == nil {
			continue
		}
		sign, consequence := "-", c.abandoned
		switch {
		case by != nil && by.name == q.name:
			consequence = harmless
		case by != nil:
			consequence = harmless + ": upgraded from " + by.name
		case !slices.ContainsFunc(c.diff(q.lines, c.is.payload()), change.strands):
			consequence = harmless + ": the payload takes it"
		case shadowed != nil:
			c.shadowed(shadowed, "this older shape")
		default:
			c.hint("Keep %s from a type that has the older shape in the file, as long as something of it may wait.", c.upgrade)
		}
		at := slices.IndexFunc(c.is.upgrades, func(o older) bool { return o.name == q.name && !o.in(c.was.upgrades) })
		if still || at >= 0 {
			sign = "~"
		}
		c.tell(change{sign, settingUpgrade, q.name, consequence})
		if at < 0 || told[q.name] {
			continue
		}
		told[q.name] = true
		for _, ch := range c.diff(q.lines, c.is.upgrades[at].lines) {
			if by != nil {
				ch.consequence = harmless
			}
			ch.path = settingUpgrade + " " + ch.path
			c.tell(ch)
		}
	}
	for _, o := range c.is.upgrades {
		if !o.in(c.was.upgrades) && !told[o.name] {
			c.tell(change{"+", settingUpgrade, o.name, harmless})
		}
	}
}

// in reports whether one of several has the same shape. What the type is called is for the reader.
func (o older) in(several []older) bool {
	return slices.ContainsFunc(several, func(other older) bool { return maps.Equal(o.lines, other.lines) })
}

// taker finds the older payload that what has the shape q is upgraded from, or else one that would take it if the payload
// did not take it first. That is no news where the payload in the file did so too.
func (c *comparison) taker(q map[string]shape) (by, shadowed *older) {
	for i := range c.is.upgrades {
		o := &c.is.upgrades[i]
		switch {
		case !takesAll(o.lines, q) && slices.ContainsFunc(c.diff(q, o.lines), change.strands):
		case c.reaches(q, o, c.is.payload()), !c.reaches(q, o, c.was.payload()):
			return o, nil
		case shadowed == nil:
			shadowed = o
		}
	}
	return nil, shadowed
}

// takesAll reports an older payload that takes what has the shape q, whatever is in it.
func takesAll(o, q map[string]shape) bool {
	switch o["payload"].typ {
	case "any", typRaw:
		return true
	case "map":
		return o["{}"].typ == "any" && jsonKind(root(q)) == kindObject
	}
	return false
}

// reaches reports whether what has the shape q gets to be upgraded from o: the payload refuses it, or loses nothing of it.
func (c *comparison) reaches(q map[string]shape, o *older, payload map[string]shape) bool {
	if kindsDiffer(root(q), root(payload)) {
		return true
	}
	changes := c.diff(q, payload)
	refused := map[string]bool{} // a body that has one of these paths is refused
	refuse := func(path string) {
		refused[path] = true
		for path != "" && o.always(path, q) {
			path = parent(path)
			refused[path] = true
		}
	}
	for _, ch := range changes {
		switch is := payload[ch.path]; {
		case ch.sign == "+" && is.has("required") && validated(ch.path, payload):
			refuse(parent(ch.path))
		case ch.sign == "~" && kindsDiffer(q[ch.path].typ, is.typ):
			refuse(ch.path)
		}
	}
	return !slices.ContainsFunc(changes, func(ch change) bool { return ch.sign == "-" && !c.noticed(ch.path, payload, refused) })
}

// always reports whether what has the path's parent has the path, and no null there.
func (o *older) always(path string, q map[string]shape) bool {
	_, known := o.lines[path]
	element := strings.HasSuffix(path, "[]") || strings.HasSuffix(path, "{}")
	return !element && (q[path].has("required") || known && !o.maybe[path])
}

// noticed reports whether a body with a path that the payload does not have is refused, or read by a method of the
// payload's own, which may refuse it.
func (c *comparison) noticed(path string, payload map[string]shape, refused map[string]bool) bool {
	if c.is.strict && !strings.HasSuffix(path, settingDecodes) {
		return true
	}
	for at := parent(path); ; at = parent(at) {
		if _, custom := payload[at+settingDecodes]; custom || refused[at] {
			return true
		}
		if at == "" {
			return false
		}
	}
}

// parent is the path of what a path is part of; empty for the payload itself.
func parent(path string) string {
	for _, suffix := range []string{settingDecodes, "[]", "{}"} {
		if p, ok := strings.CutSuffix(path, suffix); ok {
			return p
		}
	}
	return path[:max(0, strings.LastIndex(path, "."))]
}

// validated reports whether rules at the path are looked at: those of elements are where the field dives.
func validated(path string, lines map[string]shape) bool {
	for at := parent(path); at != ""; at = parent(at) {
		field := strings.TrimRight(at, "[]{}")
		if field != at && field != "" && !strings.Contains(lines[field].rules, "dive") {
			return false
		}
	}
	return true
}

const kindObject = "object"

func root(lines map[string]shape) string {
	if top, ok := lines["payload"]; ok {
		return top.typ
	}
	return kindObject
}

// kindsDiffer reports whether no JSON of one type decodes as the other, null apart.
func kindsDiffer(was, is string) bool {
	from, to := jsonKind(was), jsonKind(is)
	return from != "" && to != "" && from != to
}

// jsonKind is what JSON holds a type as, where that is certain.
func jsonKind(typ string) string {
	switch typ {
	case "string", "time":
		return "string"
	case "object", "map":
		return kindObject
	case "bool", "list":
		return typ
	}
	if strings.HasPrefix(typ, "int") || strings.HasPrefix(typ, "uint") || strings.HasPrefix(typ, "float") {
		return "number"
	}
	return ""
}
