package cloudtasks

import (
	"context"
	"fmt"

	"google.golang.org/api/option"

	"github.com/typedtasks/typedtasks/internal/gcp"
	"github.com/typedtasks/typedtasks/transport"
)

func driver() gcp.Driver {
	return gcp.Driver{Name: "cloudtasks", Emulator: envEmulator, Port: "8123", Regional: true, WithoutOIDC: true}
}

// resolve makes settings of options, environment and metadata server, in this order.
func resolve(ctx context.Context, opts []Option) (*settings, error) {
	s := &settings{pool: DefaultConnections, inFlight: DefaultInFlight}
	env, err := OptionsFromEnv()
	if err != nil {
		return nil, err
	}
	for _, o := range append(env, opts...) {
		if o != nil {
			o.apply(s)
		}
	}
	other := []error{s.backup.Check(transport.CheckQueue)}
	if s.pool < 1 {
		other = append(other, fmt.Errorf("WithConnectionPool(%d): want at least 1", s.pool))
	}
	if s.inFlight < 1 {
		other = append(other, fmt.Errorf("WithInFlight(%d): want at least 1", s.inFlight))
	}
	if err := s.Resolve(ctx, driver(), other...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *settings) dialOptions() []option.ClientOption {
	return s.DialOptions(append(s.Watching(), option.WithGRPCConnectionPool(s.pool))...)
}
