package emulator

import (
	"context"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// UpdateJob makes no job that does not exist, and leaves the state of one that does.
func (s *scheduler) UpdateJob(ctx context.Context, r *schedulerpb.UpdateJobRequest) (*schedulerpb.Job, error) {
	if r.Job == nil {
		return nil, invalid("UpdateJobRequest.job is required.")
	}
	if err := checkJobName(r.Job.Name); err != nil {
		return nil, err
	}
	fields, err := jobFields(r.UpdateMask)
	if err != nil {
		return nil, err
	}
	updated, err := s.updateJob(r.Job, fields)
	if err != nil {
		return nil, err
	}
	s.log.Debug("job updated", "job", r.Job.Name)
	return updated, s.store.sync(ctx)
}

func (s *scheduler) updateJob(from *schedulerpb.Job, fields []protoreflect.FieldDescriptor) (*schedulerpb.Job, error) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	j := s.book.jobs[from.Name]
	if j == nil {
		return nil, noJob()
	}
	pb := from
	if len(fields) > 0 {
		pb = proto.CloneOf(j.Job)
		for _, f := range fields {
			copyField(pb.ProtoReflect(), from.ProtoReflect(), []protoreflect.FieldDescriptor{f})
		}
	}
	if err := completeJob(pb, s.now()); err != nil {
		return nil, err
	}
	if err := s.core.Update(toCore(pb)); err != nil {
		return nil, coreError(err)
	}
	j.Job = pb
	s.store.job(pb)
	return s.view(j)
}

// jobFields returns the fields that a mask names; none is all of them. What is output only may be named.
func jobFields(mask *fieldmaskpb.FieldMask) ([]protoreflect.FieldDescriptor, error) {
	known := (&schedulerpb.Job{}).ProtoReflect().Descriptor().Fields()
	var fields []protoreflect.FieldDescriptor
	for _, path := range mask.GetPaths() {
		f := known.ByName(protoreflect.Name(path))
		if f == nil {
			return nil, invalid("Invalid mask for Job: %s. It may name the fields of Job itself, such as http_target, in snake_case.", path)
		}
		fields = append(fields, f)
	}
	return fields, nil
}
