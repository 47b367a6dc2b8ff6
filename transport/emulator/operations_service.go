package emulator

import (
	"context"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const mostOperationsPage = 1000

func (o *operations) find(name string) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op := o.byName[name]; op != nil {
		return op, nil
	}
	return nil, status.Error(codes.NotFound, textNoEntity)
}

func (o *operations) GetOperation(_ context.Context, r *longrunningpb.GetOperationRequest) (*longrunningpb.Operation, error) {
	op, err := o.find(r.Name)
	if err != nil {
		return nil, err
	}
	return op.seen(o.now()), nil
}

func (o *operations) ListOperations(_ context.Context, r *longrunningpb.ListOperationsRequest) (*longrunningpb.ListOperationsResponse, error) {
	if err := checkLocationParent(r.Name, "cloudtasks.operations.list"); err != nil {
		return nil, err
	}
	if r.Filter != "" {
		return nil, status.Error(codes.Unimplemented, "The emulator does not filter operations.")
	}
	size, err := pageSize(r.PageSize, mostOperationsPage)
	if err != nil {
		return nil, err
	}
	request := "operations\x00" + r.Name
	after, err := openToken(r.PageToken, request, o.now())
	if err != nil {
		return nil, err
	}
	page := &longrunningpb.ListOperationsResponse{}
	for _, op := range o.within(r.Name, after) {
		if len(page.Operations) == size {
			page.NextPageToken = pageToken(request, page.Operations[size-1].Name, o.now())
			break
		}
		page.Operations = append(page.Operations, op.seen(o.now()))
	}
	return page, nil
}

// within returns the operations of a location whose names come after a name, in order of names.
func (o *operations) within(location, after string) []*operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []*operation
	for name, op := range o.byName {
		if strings.HasPrefix(name, location+"/operations/") && name > after {
			found = append(found, op)
		}
	}
	slices.SortFunc(found, func(a, b *operation) int { return strings.Compare(a.name, b.name) })
	return found
}

// WaitOperation answers when the operation is done, and otherwise when the time is over, as it is then.
func (o *operations) WaitOperation(ctx context.Context, r *longrunningpb.WaitOperationRequest) (*longrunningpb.Operation, error) {
	op, err := o.find(r.Name)
	if err != nil {
		return nil, err
	}
	if r.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout.AsDuration())
		defer cancel()
	}
	until := time.NewTimer(op.ready.Sub(o.now()))
	defer until.Stop()
	select {
	case <-until.C:
		select {
		case <-op.known:
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	return op.seen(o.now()), nil
}

// CancelOperation has no effect: what an operation does, it does at once.
func (o *operations) CancelOperation(_ context.Context, r *longrunningpb.CancelOperationRequest) (*emptypb.Empty, error) {
	_, err := o.find(r.Name)
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func (o *operations) DeleteOperation(_ context.Context, r *longrunningpb.DeleteOperationRequest) (*emptypb.Empty, error) {
	op, err := o.find(r.Name)
	if err != nil {
		return nil, err
	}
	if !op.done() {
		return nil, status.Error(codes.FailedPrecondition, "The operation is running.")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName[r.Name] == op {
		o.forget(op)
	}
	return &emptypb.Empty{}, nil
}
