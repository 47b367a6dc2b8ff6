package cloudpubsub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

const (
	// grantTimeout bounds all that is asked and set for one grant.
	grantTimeout = 30 * time.Second

	// grantAttempts is how often a policy is read and written while others write it at the same time.
	grantAttempts = 6
)

// roleAdmin and roleEditor include the roles that dead-lettering needs.
const roleAdmin = "roles/pubsub.admin"

// DeadLetterGrants looks into the policies of the dead-letter topic and of the subscription for what Pub/Sub's own
// account needs; what a project's policy grants is not seen there. What is missing is listed, and added where apply is
// set. Where the caller may not look or change, or the project's number is unknown ([WithProjectNumber]), a Grant has
// Err, and Command does it by hand. An emulator checks nothing, and nothing is listed there.
func (b *Broker) DeadLetterGrants(ctx context.Context, s *transport.Subscription, apply bool) []transport.Grant {
	if s.DeadLetter == nil || b.emulator.Text != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, grantTimeout)
	defer cancel()
	project := b.project
	if full, err := b.fullName(subscriptions, s.Name); err == nil {
		project = projectOf(full)
	}
	var missing []transport.Grant
	for _, g := range []*grant{
		{kind: "topic", collection: topics, name: s.DeadLetter.Topic, role: rolePublisher},
		{kind: "subscription", collection: subscriptions, name: s.Name, role: roleSubscriber},
	} {
		if r, ok := b.grant(ctx, g, project, apply); ok {
			missing = append(missing, r)
		}
	}
	return missing
}

// grant is one role on one resource, for Pub/Sub's own account in the subscription's project.
type grant struct {
	kind, collection, name, role string

	full   string // the resource's name
	member string
}

// grant reports whether g is missing, or may be, and adds it where apply is set.
func (b *Broker) grant(ctx context.Context, g *grant, project string, apply bool) (r transport.Grant, missing bool) {
	resource := fmt.Sprintf("%s %q", g.kind, g.name)
	told := func(err error) transport.Grant {
		return transport.Grant{Kind: g.kind, Resource: transport.ResourceID(g.name), Role: g.role, Member: g.member, Err: err}
	}
	var err error
	if g.full, err = b.open(opGrant, g.collection, g.name); err != nil {
		return told(err), true // there is no command for what has no name
	}
	account, err := b.agentOf(ctx, project)
	if err == nil {
		g.member = "serviceAccount:" + account
		missing, err = b.ensure(ctx, g, apply)
		switch code := status.Code(err); {
		case err == nil:
			return told(nil), missing
		case code == codes.Unimplemented:
			return r, false
		case code == codes.NotFound && !apply: // it is yet to be made, and then it lacks the grant
			return told(nil), true
		}
		err = b.failed(ctx, opGrant, resource, roleAdmin, err)
	} else {
		g.member = "serviceAccount:" + agentAccount("$(gcloud projects describe "+project+" --format='value(projectNumber)')")
		err = &transport.Error{Op: opGrant, Resource: resource, Err: fmt.Errorf("the number of project %q is unknown: set it by WithProjectNumber: %w", project, err)}
	}
	r = told(err)
	r.Command = fmt.Sprintf("gcloud pubsub %s add-iam-policy-binding %s --project=%s --member=%q --role=%s",
		g.collection, r.Resource, projectOf(g.full), r.Member, g.role)
	return r, true
}

const opGrant = "grant roles on"

// ensure reports whether the binding is missing from the policy, and adds it where apply is set.
func (b *Broker) ensure(ctx context.Context, g *grant, apply bool) (missing bool, err error) {
	policies := b.policies(g.collection)
	for attempt := 1; ; attempt++ {
		p, err := policies.GetIamPolicy(ctx, &iampb.GetIamPolicyRequest{
			Resource: g.full,
			Options:  &iampb.GetPolicyOptions{RequestedPolicyVersion: 3}, // else conditions are lost with the write
		})
		if err != nil || granted(p, g) {
			return false, err
		}
		if !apply {
			return true, nil
		}
		bind(p, g)
		_, err = policies.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: g.full, Policy: p})
		if status.Code(err) != codes.Aborted || attempt == grantAttempts {
			return true, err
		}
		if gcp.Pause(ctx, time.Duration(attempt)*10*time.Millisecond+rand.N(50*time.Millisecond)) != nil {
			return true, err
		}
	}
}

// policies are the methods that clients of topics and of subscriptions share.
type policies interface {
	GetIamPolicy(context.Context, *iampb.GetIamPolicyRequest, ...gax.CallOption) (*iampb.Policy, error)
	SetIamPolicy(context.Context, *iampb.SetIamPolicyRequest, ...gax.CallOption) (*iampb.Policy, error)
}

func (b *Broker) policies(collection string) policies {
	if collection == topics {
		return b.client.TopicAdminClient
	}
	return b.client.SubscriptionAdminClient
}

// granted reports whether the member has the role, or one that includes it, on no condition.
func granted(p *iampb.Policy, g *grant) bool {
	return slices.ContainsFunc(p.GetBindings(), func(b *iampb.Binding) bool {
		return b.GetCondition() == nil && slices.Contains([]string{g.role, roleEditor, roleAdmin}, b.GetRole()) && slices.Contains(b.GetMembers(), g.member)
	})
}

func bind(p *iampb.Policy, g *grant) {
	for _, b := range p.GetBindings() {
		if b.GetRole() == g.role && b.GetCondition() == nil {
			b.Members = append(b.Members, g.member)
			return
		}
	}
	p.Bindings = append(p.Bindings, &iampb.Binding{Role: g.role, Members: []string{g.member}})
}

// agentOf is Pub/Sub's own account in a project.
func (b *Broker) agentOf(ctx context.Context, project string) (string, error) {
	if project != b.project {
		return "", fmt.Errorf("the broker's project is %q", b.project)
	}
	return b.agent.account(ctx)
}
