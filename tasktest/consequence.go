package tasktest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// compare tells how the shape in a file differs from what is now, and what comes of it.
func compare(was, is string) (changes [][]string) {
	old, now := goldenLines(was), goldenLines(is)
	for _, path := range slices.Sorted(maps.Keys(old)) {
		shape, kept := now[path]
		switch {
		case !kept:
			changes = append(changes, []string{"- " + path, old[path].String(), gone})
		case shape != old[path]:
			changes = append(changes, []string{"~ " + path, fmt.Sprintf("%s -> %s", old[path], shape), consequence(old[path], shape)})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if _, had := old[path]; !had {
			changes = append(changes, []string{"+ " + path, now[path].String(), added(now[path])})
		}
	}
	return changes
}

// shape is what a golden file says of one field.
type shape struct{ typ, rules string }

func (s shape) String() string { return strings.TrimSpace(s.typ + " " + s.rules) }

// What comes of a change.
const (
	harmless = "harmless"
	gone     = "strands queued work: what it carries here is dropped"
	retyped  = "strands queued work: what it carries here does not decode"
	lacking  = "strands queued work: it lacks this and does not validate"
	stricter = "may strand queued work: the rules have changed"
)

func consequence(was, is shape) string {
	switch {
	case was.typ != is.typ && !widens(was.typ, is.typ):
		return retyped
	case is.has("required") && !was.has("required"):
		return lacking
	case !is.looserThan(was):
		return stricter
	default:
		return harmless
	}
}

// added is what comes of a field that queued work does not have.
func added(is shape) string {
	switch {
	case is.has("required"):
		return lacking
	case is.rules == "", is.has("omitempty"):
		return harmless
	default:
		return stricter
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

func goldenLines(s string) map[string]shape {
	lines := map[string]shape{}
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		path, rest, _ := strings.Cut(line, " ")
		typ, rules, _ := strings.Cut(strings.TrimSpace(rest), " ")
		lines[path] = shape{typ, strings.TrimSpace(rules)}
	}
	return lines
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
