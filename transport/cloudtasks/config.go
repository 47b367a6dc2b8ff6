package cloudtasks

import (
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport"
)

// queueProto is a queue with every setting spelled out. The burst is Cloud Tasks' own affair.
func queueProto(name string, cfg transport.QueueConfig) *cloudtaskspb.Queue {
	cfg = cfg.Or(transport.CloudTasksQueue())
	return &cloudtaskspb.Queue{
		Name: name,
		RateLimits: &cloudtaskspb.RateLimits{
			MaxDispatchesPerSecond:  min(cfg.MaxDispatchesPerSecond, transport.DefaultDispatchesPerSecond), // NoRateLimit too
			MaxConcurrentDispatches: int32(cfg.MaxConcurrentDispatches),
		},
		RetryConfig: retryProto(cfg.Retry),
	}
}

// queueMask names what queueProto sets: what else a queue has (routing, logging) stays as it is. Each field is
// named because an unset one inside a message that is named could mean its default.
func queueMask() []string {
	return []string{
		"rate_limits.max_dispatches_per_second", "rate_limits.max_concurrent_dispatches",
		"retry_config.max_attempts", "retry_config.max_retry_duration",
		"retry_config.min_backoff", "retry_config.max_backoff", "retry_config.max_doublings",
	}
}

// retryProto resolves the defaults: Cloud Tasks does not say whether a task's settings replace those of its
// queue as a whole or field by field.
func retryProto(r transport.RetryConfig) *cloudtaskspb.RetryConfig {
	r = r.WithDefaults()
	p := &cloudtaskspb.RetryConfig{
		MaxAttempts:  int32(r.MaxAttempts),
		MinBackoff:   durationpb.New(r.MinBackoff),
		MaxBackoff:   durationpb.New(r.MaxBackoff),
		MaxDoublings: int32(r.MaxDoublings),
	}
	if r.MaxRetryDuration > 0 {
		p.MaxRetryDuration = durationpb.New(r.MaxRetryDuration)
	}
	return p
}

func queueConfig(p *cloudtaskspb.Queue) transport.QueueConfig {
	cfg := transport.QueueConfig{
		MaxDispatchesPerSecond:  p.GetRateLimits().GetMaxDispatchesPerSecond(),
		MaxBurst:                int(p.GetRateLimits().GetMaxBurstSize()),
		MaxConcurrentDispatches: int(p.GetRateLimits().GetMaxConcurrentDispatches()),
		Retry:                   retryConfig(p.GetRetryConfig()),
	}
	return cfg.Or(transport.CloudTasksQueue())
}

func retryConfig(p *cloudtaskspb.RetryConfig) transport.RetryConfig {
	return transport.RetryConfig{
		MaxAttempts:      int(p.GetMaxAttempts()),
		MaxDoublings:     int(p.GetMaxDoublings()),
		MaxRetryDuration: duration(p.GetMaxRetryDuration()),
		MinBackoff:       duration(p.GetMinBackoff()),
		MaxBackoff:       duration(p.GetMaxBackoff()),
	}
}

func duration(p *durationpb.Duration) time.Duration { return p.AsDuration() }
