package emulator

import (
	"context"
	"slices"
	"strings"

	locationpb "google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// locations answers for the Locations service. Every location that can be named exists; those that have queues or
// jobs are listed.
type locations struct {
	locationpb.UnimplementedLocationsServer
	queues *registry
	jobs   *jobBook
}

func (l *locations) GetLocation(_ context.Context, r *locationpb.GetLocationRequest) (*locationpb.Location, error) {
	if !isLocation(r.Name) {
		return nil, status.Error(codes.NotFound, textNoEntity)
	}
	return describeLocation(r.Name), nil
}

func (l *locations) ListLocations(_ context.Context, r *locationpb.ListLocationsRequest) (*locationpb.ListLocationsResponse, error) {
	if project, ok := strings.CutPrefix(r.Name, "projects/"); !ok || !isID(project, len(project), "-:.") {
		return nil, denied(r.Name, "cloudtasks.locations.list")
	}
	answer := &locationpb.ListLocationsResponse{}
	names := append(l.queues.locations(r.Name), l.jobs.locations(r.Name)...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		answer.Locations = append(answer.Locations, describeLocation(name))
	}
	return answer, nil
}

func describeLocation(name string) *locationpb.Location {
	id := shortID(name)
	return &locationpb.Location{Name: name, LocationId: id, Labels: map[string]string{"cloud.googleapis.com/region": id}}
}
