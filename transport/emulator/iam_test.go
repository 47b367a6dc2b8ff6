package emulator_test

import (
	"slices"
	"testing"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/iam/apiv1/iampb"
	locationpb "google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestIamPolicy_IsRemembered(t *testing.T) {
	r := start(t)
	none, err := r.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: queueA})
	if err != nil || len(none.Bindings) != 0 || len(none.Etag) == 0 {
		t.Fatalf("at first: %v, %v", none, err)
	}
	policy := &iampb.Policy{Etag: none.Etag, Bindings: []*iampb.Binding{{Role: "roles/cloudtasks.enqueuer", Members: []string{"user:ana@example.com"}}}}
	set, err := r.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: queueA, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: queueA})
	if err != nil {
		t.Fatal(err)
	}
	wantProto(t, "stored", got, set)
	if len(got.Bindings) != 1 || got.Bindings[0].Members[0] != "user:ana@example.com" || string(got.Etag) == string(none.Etag) {
		t.Errorf("stored %v", got)
	}
	_, err = r.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: queueA, Policy: policy})
	wantStatus(t, err, codes.Aborted, "")
	policy.Etag = nil
	if _, err = r.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: queueA, Policy: policy}); err != nil {
		t.Errorf("without an etag: %v", err)
	}
	if _, err := r.PauseQueue(r.ctx(), &cloudtaskspb.PauseQueueRequest{Name: queueA}); err != nil {
		t.Fatal(err)
	}
	if got, err = r.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: queueA}); err != nil || len(got.Bindings) != 1 {
		t.Errorf("after another change: %v, %v", got, err)
	}
}

func TestIam_Refusals(t *testing.T) {
	r := start(t)
	for resource, want := range map[string]codes.Code{missing: codes.NotFound, "x": codes.InvalidArgument} {
		_, err := r.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: resource})
		wantStatus(t, err, want, "")
		_, err = r.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: resource, Policy: &iampb.Policy{}})
		wantStatus(t, err, want, "")
	}
	_, err := r.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: queueA})
	wantStatus(t, err, codes.InvalidArgument, "")
	_, err = r.TestIamPermissions(r.ctx(), &iampb.TestIamPermissionsRequest{Resource: "x"})
	wantStatus(t, err, codes.InvalidArgument, "")
}

func TestTestIamPermissions_GrantsAllOnWhatExists(t *testing.T) {
	r := start(t)
	asked := []string{"cloudtasks.tasks.create", "cloudtasks.tasks.fullView"}
	for resource, want := range map[string][]string{queueA: asked, missing: nil} {
		got, err := r.TestIamPermissions(r.ctx(), &iampb.TestIamPermissionsRequest{Resource: resource, Permissions: asked})
		if err != nil || !slices.Equal(got.Permissions, want) {
			t.Errorf("%s: %v, %v", resource, got, err)
		}
	}
}

func TestLocations(t *testing.T) {
	r := start(t, emulator.WithQueues(queueB, "projects/p/locations/m/queues/x", "projects/other/locations/n/queues/x"))
	got, err := r.GetLocation(r.ctx(), &locationpb.GetLocationRequest{Name: location})
	if err != nil || got.LocationId != "l" || got.Name != location {
		t.Errorf("%v, %v", got, err)
	}
	var ids []string
	for l, err := range r.ListLocations(r.ctx(), &locationpb.ListLocationsRequest{Name: "projects/p"}).All() {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, l.LocationId)
	}
	if !slices.Equal(ids, []string{"l", "m"}) {
		t.Errorf("listed %q", ids)
	}
	_, err = r.GetLocation(r.ctx(), &locationpb.GetLocationRequest{Name: "x"})
	wantStatus(t, err, codes.NotFound, "")
	_, err = r.ListLocations(r.ctx(), &locationpb.ListLocationsRequest{Name: "x"}).Next()
	wantStatus(t, err, codes.PermissionDenied, "")
}

func TestCmek_IsNotEmulated(t *testing.T) {
	r := start(t)
	_, err := r.GetCmekConfig(r.ctx(), &cloudtaskspb.GetCmekConfigRequest{Name: location + "/cmekConfig"})
	wantStatus(t, err, codes.Unimplemented, "")
}
