package transporttest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/internal/filter"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/transporttest"
)

// calling is a broker that runs subscribers in Publish, and makes a mistake on request.
type calling struct {
	fault string
	mu    sync.Mutex
	made  int
	subs  []*transport.Subscription
	h     map[string]transport.Handler
}

// subscribersInCaller makes BrokerDrivers of callings, which need BrokerDriver.Serve: a calling is no Server.
func subscribersInCaller(fault string) func(testing.TB) transporttest.BrokerDriver {
	return func(testing.TB) transporttest.BrokerDriver {
		c := &calling{fault: fault, h: make(map[string]transport.Handler)}
		serve := func(endpoint string, h transport.Handler) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.h[endpoint] = h
			return nil
		}
		return transporttest.BrokerDriver{Broker: c, Serve: serve, Bubble: true, Eager: true}
	}
}

func (c *calling) has(fault string) bool { return c.fault == fault }

func (c *calling) DeclareSubscription(s *transport.Subscription) error {
	if _, err := filter.Parse(s.Filter); err != nil {
		return &transport.Error{Kind: transport.KindInvalid, Err: err}
	}
	own := *s
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs = append(slices.Clone(c.subs), &own)
	return nil
}

func (c *calling) Publish(ctx context.Context, m *transport.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := m.Check(); err != nil {
		return "", err
	}
	c.mu.Lock()
	c.made++
	id := fmt.Sprint(c.made)
	c.mu.Unlock()
	if c.has("runs later") {
		go func() { _ = c.run(ctx, m, id) }()
		return id, nil
	}
	err := c.run(ctx, m, id)
	if err != nil && c.has("tries again") {
		err = c.run(ctx, m, id)
	}
	if c.has("swallows errors") {
		err = nil
	}
	return id, err
}

func (c *calling) run(ctx context.Context, m *transport.Message, id string) error {
	var errs []error
	c.mu.Lock()
	subs := c.subs
	c.mu.Unlock()
	for _, s := range subs {
		f, _ := filter.Parse(s.Filter)
		if s.Topic != m.Topic || !f.Match(m.Attributes) {
			continue
		}
		own := *m
		own.ID, own.Topic, own.Subscription, own.DeliveryAttempt, own.PublishTime = id, "", s.Name, 0, time.Now().UTC()
		err := c.call(ctx, s, &own)
		if errs = append(errs, err); err != nil && c.has("leaves out who comes after an error") {
			break
		}
	}
	return errors.Join(errs...)
}

func (c *calling) call(ctx context.Context, s *transport.Subscription, m *transport.Message) (err error) {
	defer func() {
		if r := recover(); r != nil && !c.has("takes a panic for success") {
			err = errors.New("panic")
		}
	}()
	c.mu.Lock()
	h := c.h[s.Push.Endpoint]
	c.mu.Unlock()
	status, _, err := h(ctx, &transport.Delivery{Message: m, Attempt: 1})
	acknowledged := slices.Contains([]int{102, 200, 201, 202, 204}, status)
	if c.has("takes 203 for success") {
		acknowledged = acknowledged || status == 203
	}
	switch {
	case acknowledged:
		return nil
	case err == nil:
		return fmt.Errorf("answered %d", status)
	}
	return err
}
