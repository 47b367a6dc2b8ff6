package emulator

import (
	"context"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const maxQueuesPage = 9800

func (s *server) CreateQueue(ctx context.Context, r *cloudtaskspb.CreateQueueRequest) (*cloudtaskspb.Queue, error) {
	if err := checkLocationParent(r.Parent, "cloudtasks.queues.create"); err != nil {
		return nil, err
	}
	if err := checkQueueName(r.Queue.GetName()); err != nil {
		return nil, err
	}
	if locationOf(r.Queue.Name) != r.Parent {
		return nil, invalid("The location name from request ('%s') must be the same as the location name in the named queue ('%s').",
			r.Parent, locationOf(r.Queue.Name))
	}
	if err := completeQueue(r.Queue); err != nil {
		return nil, err
	}
	return s.createQueue(ctx, r.Queue)
}

// createQueue makes a queue of complete settings.
func (s *server) createQueue(ctx context.Context, q *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	err := func() error {
		s.queues.mu.Lock()
		defer s.queues.mu.Unlock()
		if err := s.queues.admit(q.Name, s.now()); err != nil {
			return err
		}
		s.put(&queue{Queue: q})
		return nil
	}()
	if err != nil {
		return nil, err
	}
	s.log.Debug("queue created", "queue", q.Name)
	return q, s.store.sync(ctx)
}

// declareQueues makes the queues that do not exist, those with tombstones too: whoever runs the emulator says so.
func (s *server) declareQueues(names []string) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	for _, name := range names {
		if s.queues.live[name] == nil {
			delete(s.queues.graves, name)
			s.put(&queue{Queue: newQueue(name)})
		}
	}
}

// put puts a queue's settings in force. s.queues.mu is held.
func (s *server) put(q *queue) {
	s.engine.SetQueue(q.Name, engineConfig(q.Queue))
	s.queues.live[q.Name] = q
	s.store.queue(q)
}

func (s *server) GetQueue(_ context.Context, r *cloudtaskspb.GetQueueRequest) (*cloudtaskspb.Queue, error) {
	if err := checkQueueName(r.Name); err != nil {
		return nil, err
	}
	q, err := s.queues.find(r.Name)
	if err != nil {
		return nil, err
	}
	return q.Queue, nil
}

func (s *server) UpdateQueue(ctx context.Context, r *cloudtaskspb.UpdateQueueRequest) (*cloudtaskspb.Queue, error) {
	name := r.Queue.GetName()
	if err := checkQueueName(name); err != nil {
		return nil, err
	}
	base := s.queues.get(name)
	if base == nil {
		q := &cloudtaskspb.Queue{}
		if err := mergeQueue(q, r); err != nil {
			return nil, err
		}
		created, err := s.createQueue(ctx, q)
		if status.Code(err) != codes.AlreadyExists {
			return created, err
		} // somebody else was faster: update it
	}
	return s.change(ctx, name, func(q *cloudtaskspb.Queue) error { return mergeQueue(q, r) })
}

// mergeQueue applies an update to q and completes it. What is output only stays as it is.
func mergeQueue(q *cloudtaskspb.Queue, r *cloudtaskspb.UpdateQueueRequest) error {
	state, purged := q.State, q.PurgeTime
	if err := applyMask(q, r.Queue, r.UpdateMask); err != nil {
		return err
	}
	q.Name = r.Queue.Name
	if err := completeQueue(q); err != nil {
		return err
	}
	if q.PurgeTime = purged; state != cloudtaskspb.Queue_STATE_UNSPECIFIED {
		q.State = state
	}
	return nil
}

// change replaces a queue by a changed copy, and returns it once that is stored.
func (s *server) change(ctx context.Context, name string, do func(*cloudtaskspb.Queue) error) (*cloudtaskspb.Queue, error) {
	changed, err := func() (*queue, error) {
		s.queues.mu.Lock()
		defer s.queues.mu.Unlock()
		old := s.queues.live[name]
		if old == nil {
			return nil, status.Error(codes.NotFound, textNoQueue)
		}
		q := &queue{Queue: cloneQueue(old.Queue), policy: old.policy}
		if err := do(q.Queue); err != nil {
			return nil, err
		}
		s.put(q)
		return q, nil
	}()
	if err != nil {
		return nil, err
	}
	return changed.Queue, s.store.sync(ctx)
}

func (s *server) DeleteQueue(ctx context.Context, r *cloudtaskspb.DeleteQueueRequest) (*emptypb.Empty, error) {
	if err := checkQueueName(r.Name); err != nil {
		return nil, err
	}
	if !s.deleteQueue(r.Name) {
		return nil, status.Error(codes.NotFound, textNoEntity)
	}
	s.log.Debug("queue deleted", "queue", r.Name)
	return &emptypb.Empty{}, s.store.sync(ctx)
}

func (s *server) deleteQueue(name string) bool {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	if s.queues.live[name] == nil {
		return false
	}
	until := s.now().Add(s.tombstone)
	_ = s.engine.RemoveQueue(name) // it has every queue that lives
	delete(s.queues.live, name)
	s.queues.graves[name] = until
	s.store.queueDeleted(name, until)
	return true
}

func (s *server) PauseQueue(ctx context.Context, r *cloudtaskspb.PauseQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.setState(ctx, r.Name, cloudtaskspb.Queue_PAUSED, s.engine.Pause)
}

func (s *server) ResumeQueue(ctx context.Context, r *cloudtaskspb.ResumeQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.setState(ctx, r.Name, cloudtaskspb.Queue_RUNNING, s.engine.Resume)
}

func (s *server) setState(ctx context.Context, name string, to cloudtaskspb.Queue_State, do func(context.Context, string) error) (*cloudtaskspb.Queue, error) {
	if err := checkQueueName(name); err != nil {
		return nil, err
	}
	q, err := s.change(ctx, name, func(q *cloudtaskspb.Queue) error {
		q.State = to
		return taskError(do(ctx, name))
	})
	if err == nil {
		s.log.Debug("queue "+to.String(), "queue", name)
	}
	return q, err
}

// PurgeQueue takes effect before it answers, unlike the service's, which may take a minute.
func (s *server) PurgeQueue(ctx context.Context, r *cloudtaskspb.PurgeQueueRequest) (*cloudtaskspb.Queue, error) {
	if err := checkQueueName(r.Name); err != nil {
		return nil, err
	}
	return s.change(ctx, r.Name, func(q *cloudtaskspb.Queue) error {
		q.PurgeTime = timestamppb.New(s.now().Truncate(time.Microsecond))
		return taskError(s.engine.Purge(ctx, r.Name))
	})
}

func (s *server) ListQueues(_ context.Context, r *cloudtaskspb.ListQueuesRequest) (*cloudtaskspb.ListQueuesResponse, error) {
	if err := checkLocationParent(r.Parent, "cloudtasks.queues.list"); err != nil {
		return nil, err
	}
	size, err := pageSize(r.PageSize, maxQueuesPage)
	if err != nil {
		return nil, err
	}
	listed, err := parseFilter(r.Filter, (&cloudtaskspb.Queue{}).ProtoReflect().Descriptor())
	if err != nil {
		return nil, err
	}
	request := "queues\x00" + r.Parent + "\x00" + r.Filter
	after, err := openToken(r.PageToken, request, s.now())
	if err != nil {
		return nil, err
	}
	page := &cloudtaskspb.ListQueuesResponse{}
	for _, q := range s.queues.within(r.Parent, after) {
		if !listed(q.Queue) {
			continue
		}
		if len(page.Queues) == size {
			page.NextPageToken = pageToken(request, page.Queues[size-1].Name, s.now())
			break
		}
		page.Queues = append(page.Queues, q.Queue)
	}
	return page, nil
}
