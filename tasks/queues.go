package tasks

import "iter"

// QueuesInUse tells to which queues the tasks of registered definitions go, as far as that is fixed: each with the
// definitions' names, in the order of registration. Those are tasks, periodic tasks, and subscribers whose messages
// become tasks (ViaTasks of package pubsub). What OnQueueFunc, an option of a call or a snoozed message may choose is
// not known; a queue of Config.Queues that nobody uses is not in it. The map is the caller's own.
func (a *App) QueuesInUse() map[string][]string {
	names := map[string][]string{}
	for queue, s := range a.queueUses() {
		names[queue] = append(names[queue], s.Name)
	}
	return names
}

// queueUses yields definitions whose tasks go to a queue, with the queue.
func (a *App) queueUses() iter.Seq2[string, Spec] {
	return func(yield func(string, Spec) bool) {
		t := a.table.Load()
		for d := range a.Definitions() {
			r := t.byOwner[d.binding()]
			if r == nil {
				continue
			}
			s, _ := r.base.over(r.spec.TaskOptions) // checked by Register
			none := r.spec.Kind == KindPublisher || r.spec.Kind == KindSubscriber && !r.spec.ViaTasks && s.queue == ""
			if !none && !yield(or(s.queue, a.cfg.Queue), r.spec) {
				return
			}
		}
	}
}
