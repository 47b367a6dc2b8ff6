package manage_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

var errCloud = errors.New("the cloud says no")

// cloud is Cloud Tasks, Pub/Sub and Cloud Scheduler, as far as commands see them: memory behind the methods that
// drivers of a cloud have. It counts what is changed, and fails where the test says so.
type cloud struct {
	mem *memory.Transport

	mu     sync.Mutex
	jobs   map[string]*transport.Job
	reads  int
	writes []string
	faults map[string]error // what is done, like "delete job shop--Old" -> why not
	slow   time.Duration    // that writes take
	onRead func(what string)
}

func newCloud() *cloud {
	return &cloud{mem: memory.New(memory.DeclaredQueuesOnly(), memory.WithCloudTasksDefaults()), jobs: map[string]*transport.Job{}, faults: map[string]error{}}
}

// close ends what memory still runs.
func (c *cloud) close(t testing.TB) {
	if err := c.mem.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// write notes a change, or fails it.
func (c *cloud) write(ctx context.Context, what string) error {
	if c.slow > 0 {
		select {
		case <-time.After(c.slow): // of a bubble
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(ctx.Err(), c.faults[what]); err != nil {
		return err
	}
	c.writes = append(c.writes, what)
	return nil
}

// read fails a look-up where the test says so.
func (c *cloud) read(what string) error {
	if c.onRead != nil {
		c.onRead(what)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return c.faults[what]
}

// written returns the changes since the last call, sorted.
func (c *cloud) written() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.writes
	c.writes = nil
	slices.Sort(w)
	return w
}

func (c *cloud) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	if err := c.write(ctx, "enqueue"); err != nil {
		return transport.Receipt{}, err
	}
	return c.mem.Enqueue(ctx, t)
}

func (c *cloud) Get(ctx context.Context, queue, id string) (*transport.Waiting, error) {
	if err := c.read("get task " + id); err != nil {
		return nil, err
	}
	return c.mem.Get(ctx, queue, id)
}

func (c *cloud) All(ctx context.Context, queue string) iter.Seq2[*transport.Waiting, error] {
	if err := c.read("list tasks of " + queue); err != nil {
		return func(yield func(*transport.Waiting, error) bool) { yield(nil, err) }
	}
	return c.mem.All(ctx, queue)
}

func (c *cloud) Delete(ctx context.Context, queue string, ids ...string) error {
	if err := c.write(ctx, "delete tasks of "+queue); err != nil {
		return err
	}
	return c.mem.Delete(ctx, queue, ids...)
}

func (c *cloud) Queue(ctx context.Context, queue string) (transport.QueueConfig, error) {
	if err := c.read("read queue " + queue); err != nil {
		return transport.QueueConfig{}, err
	}
	return c.mem.Queue(ctx, queue)
}

func (c *cloud) PutQueue(ctx context.Context, queue string, cfg transport.QueueConfig) error {
	if err := c.write(ctx, "put queue "+queue); err != nil {
		return err
	}
	return c.mem.PutQueue(ctx, queue, cfg)
}

func (c *cloud) DeleteQueue(ctx context.Context, queue string) error {
	if err := c.write(ctx, "delete queue "+queue); err != nil {
		return err
	}
	return c.mem.DeleteQueue(ctx, queue)
}

func (c *cloud) Pause(ctx context.Context, queue string) error {
	return errors.Join(c.write(ctx, "pause queue "+queue), c.mem.Pause(ctx, queue))
}

func (c *cloud) Resume(ctx context.Context, queue string) error {
	return errors.Join(c.write(ctx, "resume queue "+queue), c.mem.Resume(ctx, queue))
}

func (c *cloud) Purge(ctx context.Context, queue string) error {
	return errors.Join(c.write(ctx, "purge queue "+queue), c.mem.Purge(ctx, queue))
}

func (c *cloud) RunNow(ctx context.Context, queue, id string) error {
	return errors.Join(c.write(ctx, "run task "+id), c.mem.RunNow(ctx, queue, id))
}

// broker is the cloud's Pub/Sub.
type broker struct{ *cloud }

func (b broker) Publish(ctx context.Context, m *transport.Message) (string, error) {
	if err := b.write(ctx, "publish to "+m.Topic); err != nil {
		return "", err
	}
	return b.mem.Publish(ctx, m)
}

func (b broker) Topic(ctx context.Context, name string) (*transport.Topic, error) {
	if err := b.read("read topic " + name); err != nil {
		return nil, err
	}
	return b.mem.Topic(ctx, name)
}

func (b broker) CreateTopic(ctx context.Context, t *transport.Topic) error {
	if err := b.write(ctx, "create topic "+t.Name); err != nil {
		return err
	}
	return b.mem.CreateTopic(ctx, t)
}

func (b broker) Subscription(ctx context.Context, name string) (*transport.Subscription, error) {
	if err := b.read("read subscription " + name); err != nil {
		return nil, err
	}
	return b.mem.Subscription(ctx, name)
}

func (b broker) Subscriptions(ctx context.Context) iter.Seq2[*transport.Subscription, error] {
	if err := b.read("list subscriptions"); err != nil {
		return func(yield func(*transport.Subscription, error) bool) { yield(nil, err) }
	}
	return b.mem.Subscriptions(ctx)
}

func (b broker) CreateSubscription(ctx context.Context, s *transport.Subscription) error {
	if err := b.write(ctx, "create subscription "+s.Name); err != nil {
		return err
	}
	return b.mem.CreateSubscription(ctx, s)
}

func (b broker) UpdateSubscription(ctx context.Context, s *transport.Subscription, fields ...transport.SubscriptionField) error {
	if err := b.write(ctx, "update subscription "+s.Name); err != nil {
		return err
	}
	return b.mem.UpdateSubscription(ctx, s, fields...)
}

func (b broker) DeleteSubscription(ctx context.Context, name string) error {
	if err := b.write(ctx, "delete subscription "+name); err != nil {
		return err
	}
	return b.mem.DeleteSubscription(ctx, name)
}

// scheduler is the cloud's Cloud Scheduler.
type scheduler struct{ *cloud }

func (s scheduler) PutJob(ctx context.Context, j *transport.Job) error {
	if err := s.write(ctx, "put job "+j.Name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := *j
	own.Header = j.Header.Clone()
	if own.State = transport.JobEnabled; s.jobs[j.Name] != nil {
		own.State = s.jobs[j.Name].State
	}
	s.jobs[j.Name] = &own
	return nil
}

func (s scheduler) DeleteJob(ctx context.Context, name string) error {
	if err := s.write(ctx, "delete job "+name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, name)
	return nil
}

func (s scheduler) Jobs(context.Context) iter.Seq2[*transport.Job, error] {
	return func(yield func(*transport.Job, error) bool) {
		if err := s.read("list jobs"); err != nil {
			yield(nil, err)
			return
		}
		s.mu.Lock()
		jobs := maps.Clone(s.jobs)
		s.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(jobs)) {
			own := *jobs[name]
			if !yield(&own, nil) {
				return
			}
		}
	}
}

func (s scheduler) Job(_ context.Context, name string) (*transport.Job, error) {
	if err := s.read("read job " + name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs[name] == nil {
		return nil, &transport.Error{Op: transport.OpGet, Resource: transport.JobResource(name), Kind: transport.KindNotFound}
	}
	own := *s.jobs[name]
	return &own, nil
}

func (s scheduler) PauseJob(ctx context.Context, name string) error {
	return s.set(ctx, "pause job ", name, transport.JobPaused)
}

func (s scheduler) ResumeJob(ctx context.Context, name string) error {
	return s.set(ctx, "resume job ", name, transport.JobEnabled)
}

func (s scheduler) RunJob(ctx context.Context, name string) error {
	return s.set(ctx, "run job ", name, "")
}

func (s scheduler) set(ctx context.Context, what, name string, state transport.JobState) error {
	j, err := s.Job(ctx, name)
	if err = errors.Join(err, s.write(ctx, what+name)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != "" {
		j.State = state
	}
	s.jobs[name] = j
	return nil
}

// job is one that somebody made by hand.
func (c *cloud) job(name, url string, set ...func(*transport.Job)) {
	j := &transport.Job{Name: name, Schedule: "0 3 * * *", TimeZone: "UTC", URL: url, Method: http.MethodPost, State: transport.JobEnabled}
	for _, f := range set {
		f(j)
	}
	c.jobs[name] = j
}
