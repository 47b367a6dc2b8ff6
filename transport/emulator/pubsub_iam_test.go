package emulator_test

import (
	"bytes"
	"slices"
	"testing"

	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

func TestPubsubIAM_GrantsForDeadLetters(t *testing.T) {
	r := startPubsub(t)
	r.subscribe(deadLettered)
	agent := []string{"serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com"}
	for resource, role := range map[string]string{dead: "roles/pubsub.publisher", audit: "roles/pubsub.subscriber"} {
		none, err := r.subs.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: resource})
		if err != nil || len(none.Bindings) > 0 || len(none.Etag) == 0 {
			t.Fatalf("%s: %v, %v", resource, none, err)
		}
		none.Bindings = []*iampb.Binding{{Role: role, Members: agent}}
		set, err := r.subs.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: resource, Policy: none})
		if err != nil || bytes.Equal(set.Etag, none.Etag) {
			t.Fatalf("%s: %v, %v", resource, set, err)
		}
		got, err := r.topics.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: resource})
		if err != nil || !proto.Equal(got, set) || !slices.Equal(got.Bindings[0].Members, agent) {
			t.Errorf("%s: %v, %v", resource, got, err)
		}
		_, err = r.subs.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: resource, Policy: none})
		wantStatus(t, err, codes.Aborted, "")
		asked := []string{"pubsub.topics.publish", "pubsub.subscriptions.consume"}
		may, err := r.topics.TestIamPermissions(r.ctx(), &iampb.TestIamPermissionsRequest{Resource: resource, Permissions: asked})
		if err != nil || !slices.Equal(may.Permissions, asked) {
			t.Errorf("%s: %v, %v", resource, may, err)
		}
	}
	if _, err := r.update(r.subscriptionWithLabels(), "labels"); err != nil {
		t.Fatal(err)
	}
	if got, err := r.subs.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: audit}); err != nil || len(got.Bindings) != 1 {
		t.Errorf("after an update: %v, %v", got, err)
	}
}

func TestPubsubIAM_Bad_IsRefused(t *testing.T) {
	r := startPubsub(t)
	for resource, code := range map[string]codes.Code{
		"orders": codes.InvalidArgument, project: codes.InvalidArgument, project + "/subscriptions/1": codes.InvalidArgument,
		queueA: codes.InvalidArgument, orders + "2": codes.NotFound, audit + "2": codes.NotFound,
	} {
		_, err := r.topics.GetIamPolicy(r.ctx(), &iampb.GetIamPolicyRequest{Resource: resource})
		wantStatus(t, err, code, "")
		_, err = r.topics.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: resource, Policy: &iampb.Policy{}})
		wantStatus(t, err, code, "")
		may, err := r.topics.TestIamPermissions(r.ctx(), &iampb.TestIamPermissionsRequest{Resource: resource, Permissions: []string{"x"}})
		if code == codes.NotFound { // which would tell what exists
			code = codes.OK
		}
		wantStatus(t, err, code, "")
		if len(may.GetPermissions()) > 0 {
			t.Errorf("%s: permissions %q", resource, may.Permissions)
		}
	}
	_, err := r.topics.SetIamPolicy(r.ctx(), &iampb.SetIamPolicyRequest{Resource: orders})
	wantStatus(t, err, codes.InvalidArgument, "")
}
