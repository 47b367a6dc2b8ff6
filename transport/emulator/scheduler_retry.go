package emulator

import (
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport"
)

// completeJobRetry checks a job's retry settings and resolves the defaults of those that are unset, in place.
func completeJobRetry(j *schedulerpb.Job) error {
	if j.RetryConfig == nil {
		j.RetryConfig = &schedulerpb.RetryConfig{}
	}
	r := j.RetryConfig
	switch {
	case r.RetryCount < 0 || r.RetryCount > transport.MaxJobRetries:
		return invalid("RetryConfig.retryCount must be between 0 and %d.", transport.MaxJobRetries)
	case r.MaxDoublings < 0:
		return invalid("RetryConfig.maxDoublings cannot be negative.")
	case negative(r.MaxRetryDuration):
		return invalid("RetryConfig.maxRetryDuration cannot be negative.")
	case negative(r.MinBackoffDuration):
		return invalid("RetryConfig.minBackoffDuration cannot be negative.")
	case negative(r.MaxBackoffDuration):
		return invalid("RetryConfig.maxBackoffDuration cannot be negative.")
	case r.MinBackoffDuration != nil && r.MaxBackoffDuration != nil && r.MinBackoffDuration.AsDuration() > r.MaxBackoffDuration.AsDuration():
		return invalid("RetryConfig.minBackoffDuration must be less than or equal to RetryConfig.maxBackoffDuration.")
	}
	resolved := toJobRetry(r).ForJob()
	r.MaxDoublings = int32(resolved.MaxDoublings)
	if r.MaxRetryDuration == nil {
		r.MaxRetryDuration = &durationpb.Duration{}
	}
	if r.MinBackoffDuration == nil {
		r.MinBackoffDuration = durationpb.New(resolved.MinBackoff)
	}
	if r.MaxBackoffDuration == nil {
		r.MaxBackoffDuration = durationpb.New(resolved.MaxBackoff)
	}
	return nil
}

// toJobRetry returns r as the core takes it.
func toJobRetry(r *schedulerpb.RetryConfig) transport.RetryConfig {
	return transport.RetryConfig{
		MaxAttempts:      1 + int(r.RetryCount),
		MaxDoublings:     int(r.MaxDoublings),
		MaxRetryDuration: r.MaxRetryDuration.AsDuration(),
		MinBackoff:       toBackoff(r.MinBackoffDuration),
		MaxBackoff:       toBackoff(r.MaxBackoffDuration),
	}
}
