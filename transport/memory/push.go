package memory

import (
	"context"
	"fmt"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/internal/serving"
	"github.com/typedtasks/typedtasks/transport"
)

// push calls whoever serves the subscription's endpoint.
func (t *Transport) push(ctx context.Context, s *transport.Subscription, m *transport.Message) error {
	h := t.engine.Handler(s.Push.Endpoint)
	if h == nil {
		return fmt.Errorf("nobody serves %q", s.Push.Endpoint)
	}
	d := &transport.Delivery{
		Task:    transport.Task{URL: s.Push.Endpoint, Timeout: s.AckDeadline},
		Attempt: max(1, m.DeliveryAttempt),
		Message: m,
	}
	status, _, err := serving.Call(ctx, h, d)
	switch {
	case serving.Acknowledges(status):
		return nil
	case broker.NotTaken(err):
		return err // as it is, or it would be an attempt
	case err != nil:
		return fmt.Errorf("the handler answered %d: %w", status, err)
	default:
		return fmt.Errorf("the handler answered %d", status)
	}
}
