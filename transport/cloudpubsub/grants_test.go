package cloudpubsub_test

import (
	"context"
	"net"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/api/option"
	"google.golang.org/genproto/googleapis/type/expr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

const (
	agent    = "serviceAccount:service-123@gcp-sa-pubsub.iam.gserviceaccount.com"
	onTopic  = project + "/topics/orders-dead"
	onSource = project + "/subscriptions/audit"
)

// real makes a broker that does not know that it talks to no Pub/Sub.
func (s *server) real(t *testing.T, opts ...cloudpubsub.Option) *cloudpubsub.Broker {
	t.Helper()
	return connect(t, append([]cloudpubsub.Option{
		cloudpubsub.WithProject("emulator"), cloudpubsub.WithoutOIDC(),
		plaintext(s.start(t)),
	}, opts...)...)
}

func binding(role string, members ...string) *iampb.Binding {
	return &iampb.Binding{Role: role, Members: members}
}

func TestDeadLetterGrants_WhatIsMissing_IsListedAndGranted(t *testing.T) {
	s := newServer()
	s.policies[onTopic] = &iampb.Policy{Etag: []byte("7"), Version: 3, Bindings: []*iampb.Binding{
		{Role: "roles/pubsub.publisher", Members: []string{agent}, Condition: &expr.Expr{Expression: "false"}}, // which does not count, and stays
		binding("roles/pubsub.publisher", "user:ana@example.com"),
	}}
	b := s.real(t, cloudpubsub.WithProjectNumber(123))
	want := []transport.Grant{
		{Kind: "topic", Resource: "orders-dead", Role: "roles/pubsub.publisher", Member: agent},
		{Kind: "subscription", Resource: "audit", Role: "roles/pubsub.subscriber", Member: agent},
	}
	for _, apply := range []bool{false, true} {
		if got := b.DeadLetterGrants(t.Context(), everything(), apply); !reflect.DeepEqual(got, want) {
			t.Errorf("apply %v: %+v, want %+v", apply, got, want)
		}
	}
	wantPolicy := &iampb.Policy{Etag: []byte("8"), Version: 3, Bindings: []*iampb.Binding{
		{Role: "roles/pubsub.publisher", Members: []string{agent}, Condition: &expr.Expr{Expression: "false"}},
		binding("roles/pubsub.publisher", "user:ana@example.com", agent),
	}}
	if got := s.policies[onTopic]; !proto.Equal(got, wantPolicy) {
		t.Errorf("policy of the topic: %v", got)
	}
	if got := s.policies[onSource]; !proto.Equal(got, &iampb.Policy{Etag: []byte("1"), Bindings: []*iampb.Binding{binding("roles/pubsub.subscriber", agent)}}) {
		t.Errorf("policy of the subscription: %v", got)
	}
	if got := b.DeadLetterGrants(t.Context(), everything(), true); got != nil || len(s.calls("SetIamPolicy")) != 2 {
		t.Errorf("once granted: %+v", got)
	}
}

func TestDeadLetterGrants_RoleThatIncludesIt_IsEnough(t *testing.T) {
	s := newServer()
	s.policies[onTopic] = &iampb.Policy{Bindings: []*iampb.Binding{binding("roles/pubsub.editor", "user:ana@example.com", agent)}}
	s.policies[onSource] = &iampb.Policy{Bindings: []*iampb.Binding{binding("roles/pubsub.admin", agent)}}
	if got := s.real(t, cloudpubsub.WithProjectNumber(123)).DeadLetterGrants(t.Context(), everything(), true); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestDeadLetterGrants_NothingToGrant(t *testing.T) {
	s := newServer()
	plain := everything()
	plain.DeadLetter = nil
	if got := s.real(t).DeadLetterGrants(t.Context(), plain, true); got != nil {
		t.Errorf("without a policy: %+v", got)
	}
	if got := s.dial(t).DeadLetterGrants(t.Context(), everything(), true); got != nil {
		t.Errorf("at an emulator: %+v", got)
	}
	if n := len(s.requests); n != 0 {
		t.Errorf("%d methods were called", n)
	}
}

func TestDeadLetterGrants_OthersWriteAtTheSameTime_IsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		writes int
		ok     bool
	}{"a few times": {3, true}, "all the time": {1000, false}} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			left := c.writes
			s.hook = func(_ context.Context, method string, req proto.Message, handle func() (any, error)) (any, error) {
				if r, ok := req.(*iampb.SetIamPolicyRequest); ok && r.Resource == onTopic && left > 0 {
					left--
					s.mu.Lock()
					p := proto.CloneOf(s.policy(onTopic))
					p.Bindings = append(p.Bindings, binding("roles/viewer", "user:"+strings.Repeat("x", left%10)))
					p.Etag = append(p.Etag, '0')
					s.policies[onTopic] = p
					s.mu.Unlock()
				}
				return handle()
			}
			got := s.real(t, cloudpubsub.WithProjectNumber(123)).DeadLetterGrants(t.Context(), everything(), true)
			if len(got) != 2 || (got[0].Err == nil) != c.ok || got[1].Err != nil {
				t.Fatalf("%+v", got)
			}
			if !c.ok && status.Code(got[0].Err) != codes.Aborted {
				t.Errorf("error %v", got[0].Err)
			}
			p := s.policies[onTopic]
			if granted := p.Bindings[len(p.Bindings)-1].Role == "roles/pubsub.publisher"; granted != c.ok || c.ok && len(p.Bindings) != c.writes+1 {
				t.Errorf("policy %v", p)
			}
		})
	}
}

func TestDeadLetterGrants_MayNotBeMade_ComesWithTheCommand(t *testing.T) {
	for _, denied := range []string{"GetIamPolicy", "SetIamPolicy"} {
		s := newServer()
		s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
			if method == denied {
				return nil, status.Error(codes.PermissionDenied, "injected")
			}
			return handle()
		}
		got := s.real(t, cloudpubsub.WithProjectNumber(123)).DeadLetterGrants(t.Context(), everything(), true)
		if len(got) != 2 {
			t.Fatalf("%s: %+v", denied, got)
		}
		requireKind(t, got[0].Err, "grant roles on", `topic "orders-dead"`, transport.KindOther)
		requireKind(t, got[1].Err, "grant roles on", `subscription "audit"`, transport.KindOther)
		requireCommand(t, got[0].Command, "gcloud", "pubsub", "topics", "add-iam-policy-binding", "orders-dead", "--project=emulator", "--member="+agent, "--role=roles/pubsub.publisher")
		requireCommand(t, got[1].Command, "gcloud", "pubsub", "subscriptions", "add-iam-policy-binding", "audit", "--project=emulator", "--member="+agent, "--role=roles/pubsub.subscriber")
	}
}

// requireCommand lets a shell take the command apart.
func requireCommand(t *testing.T, command string, words ...string) {
	t.Helper()
	const gcloud = `gcloud() { if [ "$1" = projects ]; then [ "$*" = "projects describe emulator --format=value(projectNumber)" ] && echo 123; else printf '%s\n' gcloud "$@"; fi; }; `
	out, err := exec.Command("sh", "-c", gcloud+command).Output()
	if got := strings.Fields(string(out)); err != nil || !reflect.DeepEqual(got, words) {
		t.Errorf("%s is %q to a shell (%v), want %q", command, got, err, words)
	}
}

func TestDeadLetterGrants_NumberUnknown_CommandFindsItOut(t *testing.T) {
	for name, answers := range map[string]map[string]string{
		"metadata server of another project": {"project/project-id": "other", "project/numeric-project-id": "456"},
		"metadata server without one":        {"project/project-id": "emulator"},
		"metadata server with nonsense":      {"project/project-id": "emulator", "project/numeric-project-id": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, answers))
			got := newServer().real(t).DeadLetterGrants(t.Context(), everything(), true)
			if len(got) != 2 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "WithProjectNumber") {
				t.Fatalf("%+v", got)
			}
			requireCommand(t, got[0].Command, "gcloud", "pubsub", "topics", "add-iam-policy-binding", "orders-dead", "--project=emulator", "--member="+agent, "--role=roles/pubsub.publisher")
		})
	}
	t.Run("subscription of another project", func(t *testing.T) {
		sub := everything()
		sub.Name = "projects/p/subscriptions/audit"
		got := newServer().real(t, cloudpubsub.WithProjectNumber(123)).DeadLetterGrants(t.Context(), sub, true)
		if len(got) != 2 || got[1].Err == nil || got[1].Resource != "audit" || !strings.Contains(got[1].Command, "--project=p ") || !strings.Contains(got[0].Command, "describe p ") {
			t.Errorf("%+v", got)
		}
	})
}

func TestDeadLetterGrants_NumberOfTheProjectItRunsIn(t *testing.T) {
	t.Setenv("GCE_METADATA_HOST", gcptest.MetadataServer(t, map[string]string{"project/project-id": "emulator", "project/numeric-project-id": "123"}))
	s := newServer()
	b := s.real(t)
	for range 2 {
		got := b.DeadLetterGrants(t.Context(), everything(), false)
		if len(got) != 2 || got[0].Member != agent || got[0].Err != nil {
			t.Errorf("%+v", got)
		}
	}
}

func TestDeadLetterGrants_NotMadeYet(t *testing.T) {
	s := newServer()
	s.hook = func(context.Context, string, proto.Message, func() (any, error)) (any, error) {
		return nil, status.Error(codes.NotFound, "injected")
	}
	b := s.real(t, cloudpubsub.WithProjectNumber(123))
	if got := b.DeadLetterGrants(t.Context(), everything(), false); len(got) != 2 || got[0].Err != nil {
		t.Errorf("in a plan: %+v", got)
	}
	got := b.DeadLetterGrants(t.Context(), everything(), true)
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	requireKind(t, got[0].Err, "grant roles on", `topic "orders-dead"`, transport.KindNotFound)
}

func TestDeadLetterGrants_NobodyChecksThere(t *testing.T) {
	s := newServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, func(g *grpc.Server) {}) // no IAM
	b := s.real(t, cloudpubsub.WithProjectNumber(123), cloudpubsub.WithClientOptions(option.WithEndpoint(l.Addr().String())))
	if got := b.DeadLetterGrants(t.Context(), everything(), true); got != nil {
		t.Errorf("%+v", got)
	}
	sub := everything()
	sub.DeadLetter.Topic = "no topic"
	if got := b.DeadLetterGrants(t.Context(), sub, true); len(got) != 1 || got[0].Err == nil || got[0].Command != "" {
		t.Errorf("%+v", got)
	}
}
