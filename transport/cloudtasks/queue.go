package cloudtasks

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/typedtasks/typedtasks/transport"
)

// queue is what the driver knows of one queue: its names, which are made once, and what came of creating it.
type queue struct {
	id    string
	name  string // projects/P/locations/L/queues/Q
	tasks string // what the names of its tasks begin with

	creating chan struct{} // holds one token while somebody creates the queue
	fate     atomic.Pointer[fate]
	warning  sync.Once
}

// queue returns what is known of id, which is legal.
func (t *Transport) queue(id string) *queue {
	if q, ok := t.queues.Load(id); ok {
		return q.(*queue)
	}
	id = strings.Clone(id) // it may be part of something large
	name := t.location + "/queues/" + id
	q, _ := t.queues.LoadOrStore(id, &queue{id: id, name: name, tasks: name + "/tasks/", creating: make(chan struct{}, 1)})
	return q.(*queue)
}

// backupOf names the queue that stands in for one that cannot be created.
func (t *Transport) backupOf(q *queue) *queue {
	id := t.backup
	if id == "" {
		id = q.id[:min(len(q.id), transport.MaxQueueID-len(backupSuffix))] + backupSuffix
	}
	return t.queue(id)
}

const backupSuffix = "--temp"

// notFound is what NotFound means to an enqueue: the queue, unless it is known to be there and the text speaks
// of something else.
func (q *queue) notFound(err error) transport.Kind {
	if f := q.fate.Load(); f != nil && f.found && !namesQueue(err) {
		return transport.KindOther
	}
	return transport.KindQueueMissing
}

// declarations are the settings of queues that are yet to be created.
type declarations struct {
	mu  sync.Mutex
	cfg map[string]transport.QueueConfig
}

func (d *declarations) of(id string) (transport.QueueConfig, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg, ok := d.cfg[id]
	return cfg, ok
}

func (d *declarations) add(cfgs map[string]transport.QueueConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cfg == nil {
		d.cfg = make(map[string]transport.QueueConfig, len(cfgs))
	}
	maps.Copy(d.cfg, cfgs)
}

// splitTask splits the name of a task into the ids of its queue and of itself.
func splitTask(name string) (queue, id string) {
	rest, id := cutLast(name, "/tasks/")
	_, queue = cutLast(rest, "/queues/")
	return queue, id
}

func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}
