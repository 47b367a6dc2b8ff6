package emulator

import (
	"context"
	"encoding/binary"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/internal/engine"
)

const maxTasksPage = 1000

func (s *server) CreateTask(ctx context.Context, r *cloudtaskspb.CreateTaskRequest) (*cloudtaskspb.Task, error) {
	if err := s.checkCreateParent(ctx, r.Parent); err != nil {
		return nil, err
	}
	c := creation{request: r}
	now := s.now()
	if c.check(r.Parent, now); c.err != nil {
		return nil, c.err
	}
	err := s.insert(ctx, r.Parent, now, []*creation{&c}, nil)
	if c.err != nil {
		return nil, c.err
	}
	return c.answer(), err
}

// checkCreateParent checks the queue of new tasks, which it may make.
func (s *server) checkCreateParent(ctx context.Context, parent string) error {
	if err := checkQueueParent(parent, "cloudtasks.tasks.create"); err != nil {
		return err
	}
	_, missing := s.queues.find(parent)
	if missing == nil || !s.onDemand {
		return missing
	}
	_, err := s.createQueue(ctx, newQueue(parent))
	switch status.Code(err) {
	case codes.AlreadyExists: // somebody else was faster
		return nil
	case codes.FailedPrecondition: // deleted lately
		return missing
	default:
		return err
	}
}

func (s *server) GetTask(ctx context.Context, r *cloudtaskspb.GetTaskRequest) (*cloudtaskspb.Task, error) {
	queue, id, err := splitTaskName(r.Name)
	if err != nil {
		return nil, err
	}
	snap, err := s.engine.Look(ctx, queue, id)
	if err != nil {
		return nil, taskError(err)
	}
	return taskView(snap, r.ResponseView), nil
}

func (s *server) ListTasks(ctx context.Context, r *cloudtaskspb.ListTasksRequest) (*cloudtaskspb.ListTasksResponse, error) {
	if err := checkQueueParent(r.Parent, "cloudtasks.tasks.list"); err != nil {
		return nil, err
	}
	size, err := pageSize(r.PageSize, maxTasksPage)
	if err != nil {
		return nil, err
	}
	request := "tasks\x00" + r.Parent
	position, err := openToken(r.PageToken, request, s.now())
	if err != nil {
		return nil, err
	}
	from := uint32(0)
	if len(position) == 4 {
		from = binary.BigEndian.Uint32([]byte(position))
	}
	snaps, next, err := s.engine.Page(ctx, r.Parent, from, size)
	if err != nil {
		return nil, taskError(err)
	}
	page := &cloudtaskspb.ListTasksResponse{Tasks: make([]*cloudtaskspb.Task, len(snaps))}
	for i, snap := range snaps {
		page.Tasks[i] = taskView(snap, r.ResponseView)
	}
	if next != 0 {
		page.NextPageToken = pageToken(request, string(binary.BigEndian.AppendUint32(nil, next)), s.now())
	}
	return page, nil
}

func (s *server) DeleteTask(ctx context.Context, r *cloudtaskspb.DeleteTaskRequest) (*emptypb.Empty, error) {
	queue, id, err := splitTaskName(r.Name)
	if err != nil {
		return nil, err
	}
	if err := s.engine.Delete(ctx, queue, id); err != nil {
		return nil, taskError(err)
	}
	return &emptypb.Empty{}, s.store.sync(ctx)
}

func (s *server) RunTask(ctx context.Context, r *cloudtaskspb.RunTaskRequest) (*cloudtaskspb.Task, error) {
	queue, id, err := splitTaskName(r.Name)
	if err != nil {
		return nil, err
	}
	snap, err := s.engine.Force(ctx, queue, id)
	switch {
	case err != nil:
		return nil, taskError(err)
	case snap == nil: // past its life
		return nil, status.Error(codes.NotFound, textTaskGone)
	}
	return taskView(snap, r.ResponseView), nil
}

// taskView is a task as calls return it.
func taskView(s *engine.Snapshot, view cloudtaskspb.Task_View) *cloudtaskspb.Task {
	t := storedTask(s)
	return viewOf(t, view)
}

// viewOf leaves out of t, in place, what the view leaves out.
func viewOf(t *cloudtaskspb.Task, view cloudtaskspb.Task_View) *cloudtaskspb.Task {
	if t.View = cloudtaskspb.Task_FULL; view != cloudtaskspb.Task_FULL {
		t.View = cloudtaskspb.Task_BASIC
		t.GetHttpRequest().Body = nil
	}
	return t
}
