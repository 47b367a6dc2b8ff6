package manage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
)

// taskKinds are the definitions that can be enqueued and run.
func taskKinds() []string { return []string{tasks.KindTask, tasks.KindPeriodic} }

// definitions lists those of some kinds, in the order of registration.
func (m *manager) definitions(kinds ...string) (defs []tasks.Definition) {
	if m.app == nil { // completion asks all the same
		return nil
	}
	for d := range m.app.Definitions() {
		if slices.Contains(kinds, d.Spec().Kind) {
			defs = append(defs, d)
		}
	}
	return defs
}

// find is the definition of that name, or alias, among some kinds. what names those.
func (m *manager) find(name, what string, kinds ...string) (tasks.Definition, error) {
	var names []string
	for _, d := range m.definitions(kinds...) {
		s := d.Spec()
		if s.Name == name || slices.Contains(s.Aliases, name) {
			return d, nil
		}
		names = append(append(names, s.Name), s.Aliases...)
	}
	for d := range m.app.Definitions() {
		switch s := d.Spec(); {
		case s.Name != name:
		case s.Kind == tasks.KindPublisher:
			return nil, usagef("%q is a publisher, not a %s: see the command publish", name, what)
		case s.Kind == tasks.KindSubscriber && what != tasks.KindPublisher:
			return nil, usagef("%q is a subscriber, not a %s: what it gets is sent by the command publish", name, what)
		default:
			return nil, usagef("%q is a %s, not a %s", name, s.Kind, what)
		}
	}
	return nil, unknown(what, name, names)
}

// unknown says that there is no such name, and which there are.
func unknown(what, name string, names []string) error {
	names = sortedUnique(names)
	if len(names) == 0 {
		return usagef("there is no %s %q, nor any other", what, name)
	}
	if hint := didYouMean(near(name, names)); hint != "" {
		return usagef("there is no %s %q%s", what, name, hint)
	}
	const most = 10
	list := strings.Join(names[:min(len(names), most)], ", ")
	if n := len(names) - most; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return usagef("there is no %s %q: choose among %s", what, name, list)
}

// didYouMean asks about up to three names.
func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(names[:min(len(names), 3)], " or ") + "?"
}

const (
	leastPart = 3    // bytes that a name has to have in common with one that contains it
	within    = 1000 // how far away such a name is at least: any other is nearer
)

// near lists the names that somebody may have meant, best first.
func near(typed string, names []string) (close []string) {
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	low := strings.ToLower(typed)
	for _, name := range names {
		n := strings.ToLower(name)
		far := distance(low, n)
		if low != "" && (strings.HasPrefix(n, low) || strings.HasSuffix(n, low)) { // its beginning, or its end without a prefix
			far = min(far, 1)
		}
		switch {
		case far <= max(1, min(3, utf8.RuneCountInString(name)/3)):
			all = append(all, candidate{name, far})
		case min(len(n), len(low)) >= leastPart && (strings.Contains(n, low) || strings.Contains(low, n)):
			all = append(all, candidate{name, within + far})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.far - b.far })
	for _, c := range all {
		if all[0].far == 0 && c.far > 0 { // but for its case, the first is it
			break
		}
		if all[0].far < within && c.far >= within {
			break
		}
		close = append(close, c.name)
	}
	return close
}

// distance is how many characters are to be changed, added, left out or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// queueNames lists the queues that the code names, sorted.
func (m *manager) queueNames() []string {
	names := slices.Collect(maps.Keys(m.app.Config().Queues))
	return sortedUnique(slices.AppendSeq(names, maps.Keys(m.app.QueuesInUse())))
}

func queueOf(cfg tasks.Config, s tasks.Spec) string {
	if s.Queue != "" {
		return s.Queue
	}
	return cfg.Queue
}

// jobID finds a job by the periodic task's name, or its own.
func (m *manager) jobID(name string) (string, error) {
	cfg := m.app.Config()
	var names []string
	for _, d := range m.definitions(tasks.KindPeriodic) {
		job, err := schedule.Describe(cfg, d)
		if err != nil {
			return "", err
		}
		s := d.Spec()
		if name == s.Name || name == job.Name || slices.Contains(s.Aliases, name) {
			return job.Name, nil
		}
		names = append(append(names, s.Name, job.Name), s.Aliases...)
	}
	return "", unknown("schedule", name, names)
}

func sortedUnique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}
