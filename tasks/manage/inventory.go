package manage

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/typedtasks/typedtasks/internal/cron"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// inventory is what an App declares: the document of list.
type inventory struct {
	App         string           `json:"app,omitempty"`
	Tasks       []taskItem       `json:"tasks"`
	Publishers  []publisherItem  `json:"publishers"`
	Subscribers []subscriberItem `json:"subscribers"`
	Schedules   []scheduleItem   `json:"schedules"`
	Queues      []queueItem      `json:"queues"`
}

type taskItem struct {
	Name    string   `json:"name"`
	Queue   string   `json:"queue"`
	Timeout span     `json:"timeout"`
	Aliases []string `json:"aliases,omitempty"`
	Payload string   `json:"payload"`
	Path    string   `json:"path"`
}

type publisherItem struct {
	Name    string `json:"name"`
	Topic   string `json:"topic,omitempty"` // empty: each message's own
	Payload string `json:"payload"`
}

type subscriberItem struct {
	Name         string `json:"name"`
	Topic        string `json:"topic"`
	Subscription string `json:"subscription"`
	Delivery     string `json:"delivery"` // push or pull
	Endpoint     string `json:"endpoint,omitempty"`
	Filter       string `json:"filter,omitempty"`
	Payload      string `json:"payload"`
}

type scheduleItem struct {
	Name        string     `json:"name"`
	Job         string     `json:"job"`
	Schedule    string     `json:"schedule"`
	TimeZone    string     `json:"time_zone"`
	NextRun     *time.Time `json:"next_run,omitempty"`
	Description string     `json:"description,omitempty"`
	Queue       string     `json:"queue"`
	Timeout     span       `json:"timeout"`
	Aliases     []string   `json:"aliases,omitempty"`
	Payload     string     `json:"payload"`
	Path        string     `json:"path"`

	isInterval bool // NextRun would be it if the job were made now
}

type queueItem struct {
	Name     string         `json:"name"`
	Declared bool           `json:"declared"`
	Settings *queueSettings `json:"settings,omitempty"`
	UsedBy   []string       `json:"used_by,omitempty"`

	text string
}

// queueSettings are those that the code gives; the others are the platform's defaults.
type queueSettings struct {
	Rate          float64 `json:"max_dispatches_per_second,omitempty"`
	UnlimitedRate bool    `json:"unlimited_rate,omitempty"`
	Burst         int     `json:"max_burst,omitempty"`
	Concurrent    int     `json:"max_concurrent_dispatches,omitempty"`
	Attempts      int     `json:"max_attempts,omitempty"`
	Duration      span    `json:"max_retry_duration,omitempty"`
	MinBackoff    span    `json:"min_backoff,omitempty"`
	MaxBackoff    span    `json:"max_backoff,omitempty"`
	Doublings     *int    `json:"max_doublings,omitempty"` // 0 where there is a backoff without
}

// inventory tells what the App declares, and when that fires after now. The error says what is wrong with a definition.
func (m *manager) inventory(now time.Time) (*inventory, error) {
	cfg := m.app.Config()
	inv := &inventory{
		App: cfg.Name, Tasks: []taskItem{}, Publishers: []publisherItem{}, Subscribers: []subscriberItem{},
		Schedules: []scheduleItem{}, Queues: []queueItem{},
	}
	for d := range m.app.Definitions() {
		if err := inv.add(cfg, d, now); err != nil {
			return nil, err
		}
	}
	used := m.app.QueuesInUse()
	for _, name := range m.queueNames() {
		inv.Queues = append(inv.Queues, queueItemOf(cfg, name, used[name]))
	}
	return inv, nil
}

func (inv *inventory) add(cfg tasks.Config, d tasks.Definition, now time.Time) error {
	s := d.Spec()
	switch s.Kind {
	case tasks.KindTask:
		inv.Tasks = append(inv.Tasks, taskItem{s.Name, queueOf(cfg, s), timeout(s.Timeout, transport.DefaultTimeout), s.Aliases, typeName(s), taskPath(cfg, s)})
	case tasks.KindPublisher:
		is, err := pubsub.Describe(cfg, d)
		if err != nil {
			return err
		}
		inv.Publishers = append(inv.Publishers, publisherItem{s.Name, is.Topic, typeName(s)})
	case tasks.KindSubscriber:
		is, err := pubsub.Describe(cfg, d)
		if err != nil {
			return err
		}
		item := subscriberItem{s.Name, is.Topic, is.Subscription.Name, "pull", "", is.Subscription.Filter, typeName(s)}
		if push := is.Subscription.Push; push != nil {
			item.Delivery, item.Endpoint = "push", push.Endpoint
		}
		inv.Subscribers = append(inv.Subscribers, item)
	case tasks.KindPeriodic:
		item, err := scheduleOf(cfg, d, now)
		if err != nil {
			return err
		}
		inv.Schedules = append(inv.Schedules, item)
	}
	return nil
}

func scheduleOf(cfg tasks.Config, d tasks.Definition, now time.Time) (scheduleItem, error) {
	s := d.Spec()
	job, err := schedule.Describe(cfg, d)
	if err != nil {
		return scheduleItem{}, err
	}
	item := scheduleItem{
		Name: s.Name, Job: job.Name, Schedule: job.Schedule, TimeZone: job.TimeZone, Description: job.Description, Queue: queueOf(cfg, s),
		Timeout: timeout(job.Deadline, transport.DefaultJobDeadline), Aliases: s.Aliases, Payload: typeName(s), Path: taskPath(cfg, s),
	}
	if parsed, err := cron.Parse(job.Schedule); err == nil {
		_, item.isInterval = parsed.Interval()
	}
	if p, ok := d.(interface {
		NextRunsAfter(time.Time, int) ([]time.Time, error)
	}); ok {
		runs, err := p.NextRunsAfter(now, 1)
		if err != nil {
			return item, err
		}
		if len(runs) > 0 {
			item.NextRun = &runs[0]
		}
	}
	return item, nil
}

func queueItemOf(cfg tasks.Config, name string, usedBy []string) queueItem {
	item := queueItem{Name: name, UsedBy: usedBy, text: undeclared}
	if q, ok := cfg.Queues[name]; ok {
		item.Declared, item.text = true, settingsText(q)
		item.Settings = &queueSettings{
			Rate: q.MaxDispatchesPerSecond, Burst: q.MaxBurst, Concurrent: q.MaxConcurrentDispatches, Attempts: q.Retry.MaxAttempts,
			Duration: span(q.Retry.MaxRetryDuration), MinBackoff: span(q.Retry.MinBackoff), MaxBackoff: span(q.Retry.MaxBackoff),
		}
		if hasBackoff(q.Retry) {
			item.Settings.Doublings = &q.Retry.MaxDoublings
		}
		if math.IsInf(q.MaxDispatchesPerSecond, 1) { // which JSON has no number for
			item.Settings.Rate, item.Settings.UnlimitedRate = 0, true
		}
	}
	return item
}

// only keeps the sections of a kind, where one is given, and what has one of the names, where there are any. It returns
// the names that nothing has.
func (inv *inventory) only(kind string, names []string) (missing []string) {
	found := map[string]bool{}
	wants := func(k string, is ...string) bool {
		hit := len(names) == 0
		for _, name := range names {
			if slices.Contains(is, name) {
				found[name], hit = true, true
			}
		}
		return hit && (kind == "" || kind == k)
	}
	inv.Tasks = keep(inv.Tasks, func(t taskItem) bool { return wants(kindTasks, append(t.Aliases, t.Name)...) })
	inv.Publishers = keep(inv.Publishers, func(p publisherItem) bool { return wants(kindPublishers, p.Name, p.Topic) })
	inv.Subscribers = keep(inv.Subscribers, func(s subscriberItem) bool { return wants(kindSubscribers, s.Name, s.Topic, s.Subscription) })
	inv.Schedules = keep(inv.Schedules, func(s scheduleItem) bool { return wants(kindSchedules, append(s.Aliases, s.Name, s.Job)...) })
	inv.Queues = keep(inv.Queues, func(q queueItem) bool { return wants(kindQueues, q.Name) })
	for _, name := range names {
		if !found[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

func keep[T any](items []T, f func(T) bool) []T {
	return slices.DeleteFunc(items, func(item T) bool { return !f(item) })
}

// names lists all that only may be asked for.
func (inv *inventory) names() (names []string) {
	for _, t := range inv.Tasks {
		names = append(append(names, t.Name), t.Aliases...)
	}
	for _, p := range inv.Publishers {
		names = append(names, p.Name)
	}
	for _, s := range inv.Subscribers {
		names = append(names, s.Name, s.Subscription)
	}
	for _, s := range inv.Schedules {
		names = append(append(names, s.Name, s.Job), s.Aliases...)
	}
	for _, q := range inv.Queues {
		names = append(names, q.Name)
	}
	return names
}

// taskPath is where a task is served.
func taskPath(cfg tasks.Config, s tasks.Spec) string {
	return fmt.Sprintf("%s/%s/%s", cfg.MountPath, cfg.TasksPath, s.Path)
}

func timeout(d, byDefault time.Duration) span {
	if d == 0 {
		d = byDefault
	}
	return span(d)
}
