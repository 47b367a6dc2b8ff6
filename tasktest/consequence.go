package tasktest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/tasks"
)

// change is one that a golden file tells of.
type change struct {
	sign, path, text, consequence string
}

func (c change) row() []string { return []string{c.sign + " " + c.path, c.text, c.consequence} }

// strands reports a change that something comes of.
func (c change) strands() bool { return !strings.HasPrefix(c.consequence, harmless) }

func (c change) ofSetting() bool { return strings.HasPrefix(c.path, "@") && c.path != settingDecodes }

// diff tells how one shape differs from what it was, and what comes of it.
func (f fate) diff(old, now map[string]shape) (changes []change) {
	for _, path := range slices.Sorted(maps.Keys(old)) {
		shape, kept := now[path]
		switch {
		case !kept:
			changes = append(changes, change{"-", path, old[path].String(), f.of(path, f.gone)})
		case shape != old[path]:
			changes = append(changes, change{"~", path, fmt.Sprintf("%s -> %s", old[path], shape), f.of(path, f.changed(old[path], shape))})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if _, had := old[path]; !had {
			changes = append(changes, change{"+", path, now[path].String(), f.of(path, f.added(now[path]))})
		}
	}
	return changes
}

// shape is what a golden file says of one field.
type shape struct{ typ, rules string }

func (s shape) String() string { return strings.TrimSpace(s.typ + " " + s.rules) }

const harmless = "harmless"

// fate is what comes of changes to a definition of one kind.
type fate struct {
	gone, retyped, lacking, stricter string
	abandoned                        string // an older payload that is upgraded no more
	settings                         map[string]string
	published                        bool   // what is written from now on is read by others, who know the old shape
	upgrade                          string // the option that takes what has the old shape; empty: it is read elsewhere
}

func fateOf(kind string) fate {
	switch kind {
	case tasks.KindPublisher:
		return fate{
			published: true,
			gone:      "breaks subscribers that read it",
			retyped:   "breaks subscribers: what they get here does not decode",
			lacking:   "may break subscribers: they may get none",
			stricter:  "may break subscribers: the rules have changed",
			settings: map[string]string{
				settingTopic:   "the old topic's subscriptions get nothing any more",
				settingOrdered: "decides whether messages without an ordering key are refused",
				settingCodec:   "breaks subscribers: what they get does not decode",
			},
		}
	case tasks.KindSubscriber:
		const replaced = "the subscription must be replaced (pubsub.AllowReplace): what waits in it is lost"
		return fate{
			gone:     "strands queued messages: what they carry here is dropped",
			retyped:  "strands queued messages: what they carry here does not decode",
			lacking:  "strands queued messages: they lack this and do not validate",
			stricter: "may strand queued messages: the rules have changed",

			abandoned: "strands queued messages: nothing takes this older data any more",
			upgrade:   "pubsub.UpgradeFrom",
			settings: map[string]string{
				settingTopic: replaced, settingFilter: replaced, settingOrdered: replaced,
				settingSubscription: "strands queued messages: nobody receives from the old one, and pubsub.Sync deletes it",
				settingCodec:        "strands queued messages: they do not decode",
			},
		}
	}
	f := fate{
		gone:     "strands queued work: what it carries here is dropped",
		retyped:  "strands queued work: what it carries here does not decode",
		lacking:  "strands queued work: it lacks this and does not validate",
		stricter: "may strand queued work: the rules have changed",

		abandoned: "strands queued work: nothing takes this older payload any more",
		upgrade:   "tasks.UpgradeFrom",
	}
	if kind == tasks.KindPeriodic {
		f.upgrade = "schedule.Task(tasks.UpgradeFrom(...))"
	}
	return f
}

// of is the consequence for a path: its own where it is a setting.
func (f fate) of(path, consequence string) string {
	if s, ok := f.settings[path]; ok {
		return s
	}
	return consequence
}

// changed is what comes of a field that has another shape.
func (f fate) changed(was, is shape) string {
	written, read := was, is
	if f.published {
		written, read = is, was
	}
	switch {
	case written.typ != read.typ && !widens(written.typ, read.typ):
		return f.retyped
	case read.has("required") && !written.has("required"):
		return f.lacking
	case !read.looserThan(written):
		return f.stricter
	default:
		return harmless
	}
}

// added is what comes of a field that what was written before does not have.
func (f fate) added(is shape) string {
	switch {
	case f.published:
		return harmless
	case is.has("required"):
		return f.lacking
	case is.rules == "", is.has("omitempty"):
		return harmless
	default:
		return f.stricter
	}
}

// has reports whether the rule holds for the field itself, not for the elements that it dives into.
func (s shape) has(rule string) bool {
	own, _, _ := strings.Cut(s.rules, "dive")
	return slices.Contains(strings.Split(own, ","), rule)
}

// looserThan reports whether whatever keeps the rules of was surely keeps these: there are only fewer of them.
func (s shape) looserThan(was shape) bool {
	if s.rules == "" {
		return true
	}
	if was.has("omitempty") && !s.has("omitempty") {
		return false
	}
	old := strings.Split(was.rules, ",")
	for rule := range strings.SplitSeq(s.rules, ",") {
		if rule != "omitempty" && !slices.Contains(old, rule) {
			return false
		}
	}
	return true
}

// widens reports whether every number of type was fits into one of type is.
func widens(was, is string) bool {
	for _, family := range [][]string{
		{"int8", "int16", "int32", "int64"}, {"uint8", "uint16", "uint32", "uint64"}, {"float32", "float64"},
		{"uint8", "int16"}, {"uint16", "int32"}, {"uint32", "int64"},
	} {
		from, to := slices.Index(family, bits(was)), slices.Index(family, bits(is))
		if from >= 0 && to >= from {
			return true
		}
	}
	return false
}

// bits gives int and uint the size that they have where services run.
func bits(typ string) string {
	if typ == "int" || typ == "uint" {
		return typ + "64"
	}
	return typ
}

// columns aligns what was compared, a line each.
func columns(rows [][]string) string {
	widths := map[int]int{}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var lines []string
	for _, row := range rows {
		line := "  "
		for i, cell := range row {
			line += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}
