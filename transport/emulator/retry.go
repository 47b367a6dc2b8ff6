package emulator

import (
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport"
)

// noBackoff stands for a backoff of zero, which transport.RetryConfig takes for an unset one.
const noBackoff = time.Nanosecond

// checkRetry refuses retry settings out of range.
func checkRetry(r *cloudtaskspb.RetryConfig) error {
	switch {
	case r == nil:
		return nil
	case r.MaxAttempts < transport.UnlimitedAttempts:
		return invalid("RetryConfig.maxAttempts must be greater or equal to -1.")
	case r.MaxDoublings < 0:
		return invalid("RetryConfig.maxDoublings cannot be negative.")
	case negative(r.MaxRetryDuration):
		return invalid("RetryConfig.maxRetryDuration cannot be negative.")
	case negative(r.MinBackoff):
		return invalid("RetryConfig.minBackoff cannot be negative.")
	case negative(r.MaxBackoff):
		return invalid("RetryConfig.maxBackoff cannot be negative.")
	case r.MinBackoff != nil && r.MaxBackoff != nil && r.MinBackoff.AsDuration() > r.MaxBackoff.AsDuration():
		return invalid("RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.")
	}
	return nil
}

func negative(d *durationpb.Duration) bool { return d != nil && (!d.IsValid() || d.AsDuration() < 0) }

// toRetry returns r as the engine takes it, nil for nil.
func toRetry(r *cloudtaskspb.RetryConfig) *transport.RetryConfig {
	if r == nil {
		return nil
	}
	return &transport.RetryConfig{
		MaxAttempts:      int(r.MaxAttempts),
		MaxDoublings:     int(r.MaxDoublings),
		MaxRetryDuration: r.MaxRetryDuration.AsDuration(),
		MinBackoff:       toBackoff(r.MinBackoff),
		MaxBackoff:       toBackoff(r.MaxBackoff),
	}
}

// fromRetry is the inverse of toRetry.
func fromRetry(r *transport.RetryConfig) *cloudtaskspb.RetryConfig {
	if r == nil {
		return nil
	}
	pb := &cloudtaskspb.RetryConfig{
		MaxAttempts:  int32(r.MaxAttempts),
		MaxDoublings: int32(r.MaxDoublings),
		MinBackoff:   fromBackoff(r.MinBackoff),
		MaxBackoff:   fromBackoff(r.MaxBackoff),
	}
	if r.MaxRetryDuration != 0 {
		pb.MaxRetryDuration = durationpb.New(r.MaxRetryDuration)
	}
	return pb
}

func toBackoff(d *durationpb.Duration) time.Duration {
	if d != nil && d.AsDuration() == 0 {
		return noBackoff
	}
	return d.AsDuration()
}

func fromBackoff(d time.Duration) *durationpb.Duration {
	switch d {
	case 0:
		return nil
	case noBackoff:
		return durationpb.New(0)
	default:
		return durationpb.New(d)
	}
}
