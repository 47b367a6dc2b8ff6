package emulator

import (
	"context"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	maxBatchCreates = 100
	maxBatchDeletes = 1000

	textAllFailed = "None of the requests succeeded, refer to BatchDeleteTasksMetadata.failed_requests for individual error details"
)

func (s *server) BatchCreateTasks(ctx context.Context, r *cloudtaskspb.BatchCreateTasksRequest) (*longrunningpb.Operation, error) {
	if n := len(r.Requests); n < 1 || n > maxBatchCreates {
		return nil, invalid("BatchCreateTasksRequest.requests must hold 1 to %d requests.", maxBatchCreates)
	}
	for _, one := range r.Requests {
		if one.Parent != "" && one.Parent != r.Parent {
			return nil, invalid("The parent of each request ('%s') must be the same as the parent of the batch ('%s').", one.Parent, r.Parent)
		}
	}
	if err := s.checkCreateParent(ctx, r.Parent); err != nil {
		return nil, err
	}
	return s.operations.once(ctx, "create", r.Parent, r.RequestId, func(op *operation) error {
		return s.createBatch(ctx, r, op)
	})
}

// createBatch does what r asks for and completes op.
func (s *server) createBatch(ctx context.Context, r *cloudtaskspb.BatchCreateTasksRequest, op *operation) error {
	now := s.now()
	meta := &cloudtaskspb.BatchCreateTasksMetadata{StartTime: timestamppb.New(now)}
	cs := make([]*creation, len(r.Requests))
	made := make([]creation, len(r.Requests))
	for i, one := range r.Requests {
		cs[i] = &made[i]
		cs[i].request = one
		cs[i].check(r.Parent, now)
	}
	return s.insert(ctx, r.Parent, now, cs, func() record {
		answer := &cloudtaskspb.BatchCreateTasksResponse{Tasks: make([]*cloudtaskspb.Task, 0, len(cs))}
		for i, c := range cs {
			if c.err != nil {
				fail(&meta.FailedRequests, i, c.err)
				continue
			}
			answer.Tasks = append(answer.Tasks, c.answer())
		}
		meta.State = cloudtaskspb.BatchCreateTasksMetadata_SUCCEEDED
		if len(meta.FailedRequests) > 0 {
			meta.State = cloudtaskspb.BatchCreateTasksMetadata_PARTIALLY_SUCCEEDED
		}
		meta.EndTime = timestamppb.New(s.now())
		op.complete(meta, answer, nil)
		return op.record()
	})
}

func (s *server) BatchDeleteTasks(ctx context.Context, r *cloudtaskspb.BatchDeleteTasksRequest) (*longrunningpb.Operation, error) {
	if err := checkQueueParent(r.Parent, "cloudtasks.tasks.delete"); err != nil {
		return nil, err
	}
	if n := len(r.Names); n < 1 || n > maxBatchDeletes {
		return nil, invalid("BatchDeleteTasksRequest.names must hold 1 to %d names.", maxBatchDeletes)
	}
	ids := make([]string, len(r.Names))
	for i, name := range r.Names {
		queue, id, err := splitTaskName(name)
		if err != nil {
			return nil, err
		}
		if queue != r.Parent {
			return nil, invalid("The queue name from request ('%s') must be the same as the queue name in the named task ('%s').", r.Parent, queue)
		}
		ids[i] = id
	}
	if _, err := s.queues.find(r.Parent); err != nil {
		return nil, err
	}
	return s.operations.once(ctx, "delete", r.Parent, r.RequestId, func(op *operation) error {
		return s.deleteBatch(ctx, r.Parent, ids, op)
	})
}

func (s *server) deleteBatch(ctx context.Context, queue string, ids []string, op *operation) error {
	meta := &cloudtaskspb.BatchDeleteTasksMetadata{StartTime: timestamppb.New(s.now())}
	for i, id := range ids {
		if err := s.engine.Delete(ctx, queue, id); err != nil {
			fail(&meta.FailedRequests, i, taskError(err))
		}
	}
	var failed error
	switch len(meta.FailedRequests) {
	case 0:
		meta.State = cloudtaskspb.BatchDeleteTasksMetadata_SUCCEEDED
	case len(ids):
		failed = status.Error(codes.Aborted, textAllFailed)
		fallthrough
	default:
		meta.State = cloudtaskspb.BatchDeleteTasksMetadata_PARTIALLY_SUCCEEDED
	}
	meta.EndTime = timestamppb.New(s.now())
	op.complete(meta, &emptypb.Empty{}, failed)
	if r := op.record(); r != nil {
		s.store.append(r)
	}
	return s.store.sync(ctx)
}

func fail(failed *map[int32]*statuspb.Status, i int, err error) {
	if *failed == nil {
		*failed = make(map[int32]*statuspb.Status)
	}
	(*failed)[int32(i)] = status.Convert(err).Proto()
}
