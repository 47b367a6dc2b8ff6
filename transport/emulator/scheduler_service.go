package emulator

import (
	"context"

	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	maxJobsPage = 500
	// mostJobsBytes bounds a page, since clients take 4 MiB by default, which four jobs can have. The API allows that
	// a page has fewer jobs than were asked for.
	mostJobsBytes = 3 << 20
)

// CreateJob implements schedulerpb.CloudSchedulerServer, as the methods that follow.
func (s *scheduler) CreateJob(ctx context.Context, r *schedulerpb.CreateJobRequest) (*schedulerpb.Job, error) {
	if err := checkSchedulerParent(r.Parent); err != nil {
		return nil, err
	}
	j := r.Job
	if j == nil {
		return nil, invalid("CreateJobRequest.job is required.")
	}
	if j.Name == "" {
		j.Name = generateJobName(r.Parent)
	}
	location, err := locationOfJob(j.Name)
	if err != nil {
		return nil, err
	}
	if location != r.Parent {
		return nil, invalid("The location name from request ('%s') must be the same as the location name in the named job ('%s').", r.Parent, location)
	}
	if err := completeJob(j, s.now()); err != nil {
		return nil, err
	}
	made, err := s.createJob(j)
	if err != nil {
		return nil, err
	}
	s.log.Debug("job created", "job", j.Name)
	return made, s.store.sync(ctx)
}

func (s *scheduler) createJob(pb *schedulerpb.Job) (*schedulerpb.Job, error) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if s.book.jobs[pb.Name] != nil {
		return nil, jobExists(pb.Name)
	}
	if err := s.core.Create(toCore(pb)); err != nil {
		return nil, coreError(err)
	}
	j := &job{Job: pb}
	s.book.jobs[pb.Name] = j
	s.store.job(pb)
	s.changed(pb.Name) // again: what the core told of came before the job itself
	return s.view(j)
}

func (s *scheduler) GetJob(_ context.Context, r *schedulerpb.GetJobRequest) (*schedulerpb.Job, error) {
	if err := checkJobName(r.Name); err != nil {
		return nil, err
	}
	s.book.mu.RLock()
	defer s.book.mu.RUnlock()
	j := s.book.jobs[r.Name]
	if j == nil {
		return nil, noJob()
	}
	return s.view(j)
}

func (s *scheduler) DeleteJob(ctx context.Context, r *schedulerpb.DeleteJobRequest) (*emptypb.Empty, error) {
	if err := checkJobName(r.Name); err != nil {
		return nil, err
	}
	if err := s.deleteJob(r.Name); err != nil {
		return nil, err
	}
	s.log.Debug("job deleted", "job", r.Name)
	return &emptypb.Empty{}, s.store.sync(ctx)
}

func (s *scheduler) deleteJob(name string) error {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if s.book.jobs[name] == nil {
		return noJob()
	}
	if err := s.core.Delete(name); err != nil {
		return coreError(err)
	}
	delete(s.book.jobs, name)
	s.store.jobDeleted(name)
	return nil
}

func (s *scheduler) ListJobs(_ context.Context, r *schedulerpb.ListJobsRequest) (*schedulerpb.ListJobsResponse, error) {
	if err := checkSchedulerParent(r.Parent); err != nil {
		return nil, err
	}
	size, err := pageSize(r.PageSize, maxJobsPage)
	if err != nil {
		return nil, err
	}
	request := "jobs\x00" + r.Parent
	after, err := openToken(r.PageToken, request, s.now())
	if err != nil {
		return nil, err
	}
	page, bytes := &schedulerpb.ListJobsResponse{}, 0
	s.book.mu.RLock()
	defer s.book.mu.RUnlock()
	for _, j := range s.book.within(r.Parent, after) {
		n := len(page.Jobs)
		bytes += proto.Size(j.Job)
		if n == size || n > 0 && bytes > mostJobsBytes {
			page.NextPageToken = pageToken(request, page.Jobs[n-1].Name, s.now())
			break
		}
		v, err := s.view(j)
		if err != nil {
			return nil, err
		}
		page.Jobs = append(page.Jobs, v)
	}
	return page, nil
}
