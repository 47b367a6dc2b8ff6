package emulator

import (
	"math"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/transport"
)

// completeQueue checks a queue's settings and resolves the defaults of those that are unset, in place. What is
// output only becomes what it is for a new queue.
func completeQueue(q *cloudtaskspb.Queue) error {
	q.State, q.PurgeTime = cloudtaskspb.Queue_RUNNING, nil
	if q.RateLimits == nil {
		q.RateLimits = &cloudtaskspb.RateLimits{}
	}
	if err := checkRates(q.RateLimits); err != nil {
		return err
	}
	if err := checkRetry(q.RetryConfig); err != nil {
		return err
	}
	if r := q.StackdriverLoggingConfig.GetSamplingRatio(); math.IsNaN(r) || r < 0 || r > 1 {
		return invalid("StackdriverLoggingConfig.samplingRatio must be between 0.0 and 1.0.")
	}
	if err := checkHTTPTarget(q.HttpTarget); err != nil {
		return err
	}
	resolved := engineConfig(q).Or(transport.CloudTasksQueue())
	q.RateLimits = &cloudtaskspb.RateLimits{
		MaxDispatchesPerSecond:  resolved.MaxDispatchesPerSecond,
		MaxBurstSize:            int32(resolved.Burst()),
		MaxConcurrentDispatches: int32(resolved.MaxConcurrentDispatches),
	}
	q.RetryConfig = fromRetry(&resolved.Retry)
	return nil
}

func checkRates(r *cloudtaskspb.RateLimits) error {
	rate, most := r.MaxDispatchesPerSecond, r.MaxConcurrentDispatches
	switch {
	case rate < 0 || math.IsNaN(rate):
		return invalid("RateLimits.maxDispatchesPerSecond cannot be negative.")
	case rate > transport.DefaultDispatchesPerSecond:
		return invalid("RateLimits.maxDispatchesPerSecond must be less than or equal to %d.", transport.DefaultDispatchesPerSecond)
	case most < 0:
		return invalid("RateLimits.maxConcurrentDispatches cannot be negative.")
	case most > transport.MaxConcurrentDispatches:
		return invalid("RateLimits.maxConcurrentDispatches must be less than or equal to %d.", transport.MaxConcurrentDispatches)
	}
	return nil
}

// engineConfig returns a queue's settings as the engine takes them.
func engineConfig(q *cloudtaskspb.Queue) transport.QueueConfig {
	cfg := transport.QueueConfig{
		MaxDispatchesPerSecond:  q.RateLimits.GetMaxDispatchesPerSecond(),
		MaxConcurrentDispatches: int(q.RateLimits.GetMaxConcurrentDispatches()),
	}
	if r := toRetry(q.RetryConfig); r != nil {
		cfg.Retry = *r
	}
	return cfg
}

// newQueue returns the settings of a queue that was created with none.
func newQueue(name string) *cloudtaskspb.Queue {
	q := &cloudtaskspb.Queue{Name: name}
	_ = completeQueue(q) // nothing is set, nothing is out of range
	return q
}

func cloneQueue(q *cloudtaskspb.Queue) *cloudtaskspb.Queue { return proto.CloneOf(q) }
