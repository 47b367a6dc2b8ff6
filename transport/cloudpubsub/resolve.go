package cloudpubsub

import (
	"context"
	"fmt"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// driver says that pushes without a token are better than none.
func driver() gcp.Driver {
	return gcp.Driver{Name: "cloudpubsub", Emulator: envEmulator, Port: "8085", AccountOptional: true, WithoutOIDC: true}
}

// resolve makes settings of options, environment and metadata server, in this order.
func resolve(ctx context.Context, opts []Option) (*settings, error) {
	s := &settings{}
	env, err := OptionsFromEnv()
	if err != nil {
		return nil, err
	}
	for _, o := range append(env, opts...) {
		if o != nil {
			o.apply(s)
		}
	}
	var numberErr error
	if s.numbered && s.number <= 0 {
		numberErr = fmt.Errorf("WithProjectNumber(%d): want the number of a project, see gcloud projects describe", s.number)
	}
	if err := s.Resolve(ctx, driver(), numberErr); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *settings) dialOptions(l *link) []option.ClientOption {
	// What a Receive sends is the client's affair: it has its own patience.
	opts := s.Watching(pubsubpb.Subscriber_Acknowledge_FullMethodName, pubsubpb.Subscriber_ModifyAckDeadline_FullMethodName)
	return s.DialOptions(append(opts,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(l.unary)),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(l.stream)),
	)...)
}
