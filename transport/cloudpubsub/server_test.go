package cloudpubsub_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

const project = "projects/emulator"

// server is Pub/Sub as far as the driver calls it for all but receiving: it keeps what it gets.
type server struct {
	pubsubpb.UnimplementedPublisherServer
	pubsubpb.UnimplementedSubscriberServer
	iampb.UnimplementedIAMPolicyServer

	// hook sees every call; handle does it. It is set before the first call.
	hook func(ctx context.Context, method string, req proto.Message, handle func() (any, error)) (any, error)

	mu            sync.Mutex
	topics        map[string]*pubsubpb.Topic
	subscriptions map[string]*pubsubpb.Subscription
	policies      map[string]*iampb.Policy
	messages      []*pubsubpb.PubsubMessage // as they were stored
	requests      map[string][]proto.Message
	settling      int // how many times a new topic still answers NotFound
	unseen        map[string]int
}

func newServer(topics ...string) *server {
	s := &server{
		topics: map[string]*pubsubpb.Topic{}, subscriptions: map[string]*pubsubpb.Subscription{}, policies: map[string]*iampb.Policy{},
		requests: map[string][]proto.Message{}, unseen: map[string]int{},
	}
	for _, id := range topics {
		name := project + "/topics/" + id
		s.topics[name] = &pubsubpb.Topic{Name: name}
	}
	return s
}

func (s *server) register(g *grpc.Server) {
	pubsubpb.RegisterPublisherServer(g, s)
	pubsubpb.RegisterSubscriberServer(g, s)
	iampb.RegisterIAMPolicyServer(g, s)
}

// dial serves on a socket and makes a broker for it.
func (s *server) dial(tb testing.TB, opts ...cloudpubsub.Option) *cloudpubsub.Broker {
	tb.Helper()
	return connect(tb, append([]cloudpubsub.Option{cloudpubsub.WithEndpoint(s.start(tb))}, opts...)...)
}

func (s *server) start(tb testing.TB) string {
	tb.Helper()
	l := gcptest.Listen(tb, "")
	serve(tb, l, s.register, grpc.UnaryInterceptor(s.intercept))
	return l.Addr().String()
}

// pipe serves within the process, so that it works in bubbles, and makes a broker for it.
func (s *server) pipe(tb testing.TB, opts ...cloudpubsub.Option) *cloudpubsub.Broker {
	tb.Helper()
	p := gcptest.NewPipes()
	serve(tb, p, s.register, grpc.UnaryInterceptor(s.intercept))
	return connect(tb, append([]cloudpubsub.Option{
		cloudpubsub.WithEndpoint("127.0.0.1:1"), // an address that nobody looks up
		cloudpubsub.WithClientOptions(option.WithGRPCDialOption(grpc.WithContextDialer(p.Dial))),
	}, opts...)...)
}

// startPstest serves Google's fake until the test ends. Its own listener takes no more than 4 MiB in a request.
func startPstest(tb testing.TB) string {
	tb.Helper()
	fake := pstest.NewServer()
	l := gcptest.Listen(tb, "")
	serve(tb, l, func(g *grpc.Server) {
		pubsubpb.RegisterPublisherServer(g, &fake.GServer)
		pubsubpb.RegisterSubscriberServer(g, &fake.GServer)
	})
	tb.Cleanup(func() { _ = fake.Close() })
	return l.Addr().String()
}

// serve runs a gRPC server that takes large requests until the test ends.
func serve(tb testing.TB, l net.Listener, register func(*grpc.Server), opts ...grpc.ServerOption) {
	g := grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(20<<20))...)
	register(g)
	gcptest.Serve(tb, l, g)
}

func (s *server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	s.mu.Lock()
	s.requests[method] = append(s.requests[method], proto.Clone(req.(proto.Message)))
	s.mu.Unlock()
	handle := func() (any, error) { return next(ctx, req) }
	if s.hook == nil {
		return handle()
	}
	return s.hook(ctx, method, req.(proto.Message), handle)
}

// calls returns the requests of a method, and counts them.
func (s *server) calls(method string) []proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests[method])
}

// sizes returns how many messages each request to publish had.
func (s *server) sizes() (sizes []int) {
	for _, r := range s.calls("Publish") {
		sizes = append(sizes, len(r.(*pubsubpb.PublishRequest).Messages))
	}
	return sizes
}

// stored returns the data of the messages of an ordering key, as they were stored.
func (s *server) stored(key string) (data []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.OrderingKey == key {
			data = append(data, string(m.Data))
		}
	}
	return data
}

func missingTopic(name string) error {
	return status.Errorf(codes.NotFound, "Resource not found (resource=%s).", name[strings.LastIndexByte(name, '/')+1:])
}

func (s *server) Publish(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[r.Topic] == nil || s.unseen[r.Topic] > 0 {
		s.unseen[r.Topic] = max(s.unseen[r.Topic]-1, 0)
		return nil, missingTopic(r.Topic)
	}
	resp := &pubsubpb.PublishResponse{}
	for _, m := range r.Messages {
		s.messages = append(s.messages, m)
		resp.MessageIds = append(resp.MessageIds, strconv.Itoa(len(s.messages)))
	}
	return resp, nil
}

func (s *server) CreateTopic(_ context.Context, t *pubsubpb.Topic) (*pubsubpb.Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[t.Name] != nil {
		return nil, status.Error(codes.AlreadyExists, "Resource already exists in the project (resource=orders).")
	}
	s.topics[t.Name] = t
	s.unseen[t.Name] = s.settling
	return t, nil
}

func (s *server) GetTopic(_ context.Context, r *pubsubpb.GetTopicRequest) (*pubsubpb.Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.topics[r.Topic]; t != nil {
		return t, nil
	}
	return nil, missingTopic(r.Topic)
}

func (s *server) CreateSubscription(_ context.Context, p *pubsubpb.Subscription) (*pubsubpb.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.subscriptions[p.Name] != nil:
		return nil, status.Error(codes.AlreadyExists, "Resource already exists in the project.")
	case s.topics[p.Topic] == nil:
		return nil, missingTopic(p.Topic)
	}
	s.subscriptions[p.Name] = p
	return p, nil
}

func (s *server) GetSubscription(_ context.Context, r *pubsubpb.GetSubscriptionRequest) (*pubsubpb.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.subscriptions[r.Subscription]; p != nil {
		return p, nil
	}
	return nil, status.Error(codes.NotFound, "Resource not found.")
}

func (s *server) UpdateSubscription(_ context.Context, r *pubsubpb.UpdateSubscriptionRequest) (*pubsubpb.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subscriptions[r.Subscription.Name] == nil {
		return nil, status.Error(codes.NotFound, "Resource not found.")
	}
	if d := r.Subscription.GetDeadLetterPolicy(); d != nil && s.topics[d.DeadLetterTopic] == nil {
		return nil, missingTopic(d.DeadLetterTopic)
	}
	return r.Subscription, nil
}

func (s *server) DeleteSubscription(_ context.Context, r *pubsubpb.DeleteSubscriptionRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subscriptions[r.Subscription] == nil {
		return nil, status.Error(codes.NotFound, "Resource not found.")
	}
	delete(s.subscriptions, r.Subscription)
	return &emptypb.Empty{}, nil
}

// ListSubscriptions answers two at a time.
func (s *server) ListSubscriptions(_ context.Context, r *pubsubpb.ListSubscriptionsRequest) (*pubsubpb.ListSubscriptionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.subscriptions {
		if strings.HasPrefix(name, r.Project+"/") && name > r.PageToken {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	resp := &pubsubpb.ListSubscriptionsResponse{}
	for _, name := range names[:min(len(names), 2)] {
		resp.Subscriptions = append(resp.Subscriptions, s.subscriptions[name])
		if len(names) > 2 {
			resp.NextPageToken = name
		}
	}
	return resp, nil
}

func (s *server) policy(resource string) *iampb.Policy {
	if p := s.policies[resource]; p != nil {
		return p
	}
	return &iampb.Policy{Etag: []byte("0")}
}

func (s *server) GetIamPolicy(_ context.Context, r *iampb.GetIamPolicyRequest) (*iampb.Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := proto.CloneOf(s.policy(r.Resource))
	if r.GetOptions().GetRequestedPolicyVersion() < 3 { // conditions are not told
		for _, b := range p.Bindings {
			b.Condition = nil
		}
	}
	return p, nil
}

func (s *server) SetIamPolicy(_ context.Context, r *iampb.SetIamPolicyRequest) (*iampb.Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := string(s.policy(r.Resource).Etag)
	if string(r.Policy.Etag) != was {
		return nil, status.Error(codes.Aborted, "There were concurrent policy changes.")
	}
	n, err := strconv.Atoi(was)
	if err != nil {
		return nil, err
	}
	r.Policy.Etag = fmt.Append(nil, n+1)
	s.policies[r.Resource] = r.Policy
	return r.Policy, nil
}
