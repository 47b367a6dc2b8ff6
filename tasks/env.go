package tasks

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/typedtasks/typedtasks/backoff"
)

// envPrefix begins every variable that ConfigFromEnv reads.
const envPrefix = "CLOUD_TASKS_"

// ConfigFromEnv reads a Config from the environment; what is not set keeps its zero value. Its Transport is
// for the caller to set. Variables, each with the prefix CLOUD_TASKS_:
//
//	ENDPOINT APP_NAME QUEUE DELIMITER EAGER PROPAGATED_HEADERS PROPAGATED_HEADERS_KEY MAXIMUM_ETA_TASK
//	TASKS_PATH SUBSCRIPTIONS_PATH ENQUEUE_RETRY_CODES ENQUEUE_RETRY_{INITIAL,MAXIMUM,MULTIPLIER,DEADLINE}
//	SUBSCRIBER_{MAX_RETRIES,MIN_BACKOFF,MAX_BACKOFF,EXPIRATION}
//
// Durations are seconds ("90", "0.5") or Go's ("1m30s"), lists are separated by commas, codes are gRPC's names
// ("UNAVAILABLE") or numbers. The error joins every bad value, each naming the variable, the value and what is
// allowed.
func ConfigFromEnv() (Config, error) {
	e := env{}
	c := Config{
		Endpoint:             e.text("ENDPOINT"),
		Name:                 e.text("APP_NAME"),
		Queue:                e.text("QUEUE"),
		Delimiter:            e.text("DELIMITER"),
		Eager:                e.boolean("EAGER"),
		PropagatedHeaders:    e.list("PROPAGATED_HEADERS"),
		PropagatedHeadersKey: e.text("PROPAGATED_HEADERS_KEY"),
		MaxETA:               e.duration("MAXIMUM_ETA_TASK"),
		TasksPath:            e.text("TASKS_PATH"),
		SubscriptionsPath:    e.text("SUBSCRIPTIONS_PATH"),
		EnqueueRetry: backoff.Policy{
			On:         e.codes("ENQUEUE_RETRY_CODES"),
			Initial:    e.duration("ENQUEUE_RETRY_INITIAL"),
			Maximum:    e.duration("ENQUEUE_RETRY_MAXIMUM"),
			Multiplier: e.number("ENQUEUE_RETRY_MULTIPLIER", 1, math.MaxFloat64),
			Deadline:   e.duration("ENQUEUE_RETRY_DEADLINE"),
		},
		Subscriber: SubscriberDefaults{
			MaxRetries: int(e.number("SUBSCRIBER_MAX_RETRIES", 5, 100)),
			MinBackoff: e.duration("SUBSCRIBER_MIN_BACKOFF"),
			MaxBackoff: e.duration("SUBSCRIBER_MAX_BACKOFF"),
			Expiration: e.duration("SUBSCRIBER_EXPIRATION"),
		},
	}
	if err := errors.Join(e.errs...); err != nil {
		return Config{}, fmt.Errorf("tasks: environment: %w", err)
	}
	return c, nil
}

// env reads variables and collects what is wrong with them.
type env struct{ errs []error }

func (e *env) text(name string) string { return strings.TrimSpace(os.Getenv(envPrefix + name)) }

func (e *env) bad(name, value, allowed string) {
	e.errs = append(e.errs, fmt.Errorf("%s%s=%q: want %s", envPrefix, name, value, allowed))
}

func (e *env) boolean(name string) bool {
	s := e.text(name)
	switch strings.ToLower(s) {
	case "", "0", "f", "false", "no", "off":
		return false
	case "1", "t", "true", "yes", "on":
		return true
	}
	e.bad(name, s, "true or false")
	return false
}

func (e *env) list(name string) []string {
	s := e.text(name)
	if s == "" {
		return nil
	}
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func (e *env) duration(name string) time.Duration {
	s := e.text(name)
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if sec, ferr := strconv.ParseFloat(s, 64); ferr == nil {
		d, err = time.Duration(sec*float64(time.Second)), nil
		if math.IsNaN(sec) || math.Abs(sec) > math.MaxInt64/float64(time.Second) {
			err = strconv.ErrRange
		}
	}
	if err != nil || d < 0 {
		e.bad(name, s, `seconds such as "90" or a duration such as "1m30s", not negative`)
		return 0
	}
	return d
}

func (e *env) number(name string, least, most float64) float64 {
	s := e.text(name)
	if s == "" {
		return 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= least && f <= most) { // NaN is neither
		allowed := fmt.Sprintf("a number from %v to %v", least, most)
		if most == math.MaxFloat64 {
			allowed = fmt.Sprintf("a number of at least %v", least)
		}
		e.bad(name, s, allowed)
		return 0
	}
	return f
}

func (e *env) codes(name string) func(error) bool {
	items := e.list(name)
	if items == nil {
		return nil
	}
	var cs []codes.Code
	for _, item := range items {
		var c codes.Code
		text := item
		if _, err := strconv.Atoi(item); err != nil {
			text = strconv.Quote(strings.ToUpper(item))
		}
		if err := c.UnmarshalJSON([]byte(text)); err != nil || c == codes.OK {
			e.bad(name, item, `gRPC codes such as "UNAVAILABLE,INTERNAL" or "14,13"`)
			continue
		}
		cs = append(cs, c)
	}
	return backoff.Codes(cs...)
}
