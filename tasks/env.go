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
	"github.com/typedtasks/typedtasks/transport"
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
// Durations are seconds ("90", "0.5") or Go's ("1m30s"), SUBSCRIBER_EXPIRATION may be "never" too, lists are separated by commas, codes are gRPC's names
// ("UNAVAILABLE") or numbers. The error joins every bad value, each naming the variable, the value and what is
// allowed.
func ConfigFromEnv() (Config, error) {
	e := env{}
	c := Config{
		Endpoint:             e.checked("ENDPOINT", checkEndpoint),
		Name:                 e.text("APP_NAME"),
		Queue:                e.checked("QUEUE", transport.CheckQueue),
		Delimiter:            e.text("DELIMITER"),
		Eager:                e.boolean("EAGER"),
		PropagatedHeaders:    e.headers("PROPAGATED_HEADERS"),
		PropagatedHeadersKey: e.text("PROPAGATED_HEADERS_KEY"),
		MaxETA:               e.duration("MAXIMUM_ETA_TASK", 0, transport.MaxDelay),
		TasksPath:            e.checked("TASKS_PATH", checkSection),
		SubscriptionsPath:    e.checked("SUBSCRIPTIONS_PATH", checkSection),
		EnqueueRetry: backoff.Policy{
			On:         e.codes("ENQUEUE_RETRY_CODES"),
			Initial:    e.duration("ENQUEUE_RETRY_INITIAL", 0, math.MaxInt64),
			Maximum:    e.duration("ENQUEUE_RETRY_MAXIMUM", 0, math.MaxInt64),
			Multiplier: e.number("ENQUEUE_RETRY_MULTIPLIER", 1),
			Deadline:   e.duration("ENQUEUE_RETRY_DEADLINE", 0, math.MaxInt64),
		},
		Subscriber: SubscriberDefaults{
			MaxRetries: e.whole("SUBSCRIBER_MAX_RETRIES", minDeliveryAttempts, maxDeliveryAttempts),
			MinBackoff: e.duration("SUBSCRIBER_MIN_BACKOFF", 0, maxSubscriberBackoff),
			MaxBackoff: e.duration("SUBSCRIBER_MAX_BACKOFF", 0, maxSubscriberBackoff),
			Expiration: e.expiration("SUBSCRIBER_EXPIRATION"),
		},
	}
	e.ordered("ENQUEUE_RETRY_INITIAL", c.EnqueueRetry.Initial, "ENQUEUE_RETRY_MAXIMUM", c.EnqueueRetry.Maximum)
	e.ordered("SUBSCRIBER_MIN_BACKOFF", c.Subscriber.MinBackoff, "SUBSCRIBER_MAX_BACKOFF", c.Subscriber.MaxBackoff)
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

// checked is a text that a Config takes too.
func (e *env) checked(name string, check func(string) error) string {
	s := e.text(name)
	if s == "" {
		return ""
	}
	if err := check(s); err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s%s=%q: %w", envPrefix, name, s, err))
		return ""
	}
	return s
}

// headers are names of headers; a list that names none is not nil.
func (e *env) headers(name string) []string {
	items := e.list(name)
	for _, item := range items {
		if err := checkPropagated(item); err != nil {
			e.errs = append(e.errs, fmt.Errorf("%s%s=%q: %w", envPrefix, name, e.text(name), err))
		}
	}
	return items
}

func (e *env) list(name string) []string {
	s := e.text(name)
	if s == "" {
		return nil
	}
	items := []string{}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// expiration reads a duration, or that there is none.
func (e *env) expiration(name string) time.Duration {
	const never = "never"
	if strings.EqualFold(e.text(name), never) {
		return transport.NeverExpires
	}
	return e.durationOr(name, minExpiration, math.MaxInt64, strconv.Quote(never))
}

// duration reads one between least and most; most the greatest there is means no limit.
func (e *env) duration(name string, least, most time.Duration) time.Duration {
	return e.durationOr(name, least, most, "")
}

// durationOr names in its error what else its caller takes, if that is not empty.
func (e *env) durationOr(name string, least, most time.Duration, other string) time.Duration {
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
	if err != nil || d < least || d > most {
		allowed := fmt.Sprintf(`seconds such as "90" or a duration such as "1m30s", at least %s`, least)
		if most != math.MaxInt64 {
			allowed += fmt.Sprintf(" and at most %s", most)
		}
		if other != "" {
			allowed += ", or " + other
		}
		e.bad(name, s, allowed)
		return 0
	}
	return d
}

// ordered refuses a least that is over its most. Either may be unset.
func (e *env) ordered(name string, least time.Duration, mostName string, most time.Duration) {
	if most > 0 && least > most {
		e.bad(name, e.text(name), fmt.Sprintf("at most %s%s, which is %s", envPrefix, mostName, most))
	}
}

func (e *env) whole(name string, least, most int) int {
	s := e.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		e.bad(name, s, fmt.Sprintf("a whole number from %d to %d", least, most))
		return 0
	}
	return n
}

func (e *env) number(name string, least float64) float64 {
	s := e.text(name)
	if s == "" {
		return 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= least && f <= math.MaxFloat64) { // NaN is neither
		e.bad(name, s, fmt.Sprintf("a number of at least %v", least))
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
