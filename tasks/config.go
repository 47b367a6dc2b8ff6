package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

// Config makes an App. The zero value of each field but Transport means what its comment says.
type Config struct {
	// Name is the prefix of derived resource names and, made legal, the default queue.
	Name string

	// Endpoint is the URL under which pushes arrive, such as "https://shop.example.com/_tasks"; its path is
	// where the App is mounted. Required for a transport that delivers from outside this process.
	Endpoint string

	// MountPath is the path under which the App sees its requests, where a proxy rewrites it. Default: the path
	// of Endpoint. "/" is the root.
	MountPath string

	// Transport carries the tasks: memory.New() to run them in this process, cloudtasks.New for Cloud Tasks.
	// Required, unless Eager is set.
	Transport transport.Transport

	// Broker publishes messages. Default: the Transport, if it is one.
	Broker transport.Broker

	// Scheduler keeps recurring jobs. Default: the Transport, if it is one.
	Scheduler transport.Scheduler

	// Eager runs everything in the caller, in place of Transport: times are ignored, the function's error comes
	// back from Enqueue, Discard as nil, Snooze and RetryAfter as errors.
	Eager bool

	// Queue is the default queue. Default: Name made legal, else "tasks".
	Queue string

	// Queues declares queues with their settings: the driver creates, or behaves, accordingly.
	Queues map[string]transport.QueueConfig

	// Audience is whom the tokens on deliveries are made for and checked for: one value for the whole service.
	// Default: scheme and host of Endpoint. An Authenticator that does not let it in is warned of: oidc.Audience is to
	// have the same value.
	Audience string

	// Authenticator decides who may deliver over HTTP: oidc.New, of package transport/oidc, for the tokens that the
	// platform sends. nil: anyone who reaches the endpoint; then something in front of it (Cloud Run's IAM, say)
	// must decide, and [TrustNetwork] says so. An App without any, whose Endpoint is not on the loopback interface,
	// warns of it once: in NewApp, or with a local transport at its first push. No Endpoint at all counts as loopback.
	Authenticator Authenticator

	// PropagatedHeaders ride along from a request to what is enqueued under it, and on: at most 16 of them, a value of
	// at most 8 KiB, names and values of at most 16 KiB together. What is over that stays behind, in the order given
	// here, with a line in the log. Names are the same in upper and lower case; reserved ones are refused, see
	// [WithHeader]. nil: "traceparent"; empty but not nil: none.
	PropagatedHeaders []string

	// PropagatedHeadersKey is the field of a message's JSON object that carries them. Default: "_http_headers".
	PropagatedHeadersKey string

	// MaxETA is how far ahead a task may be scheduled. Default and most: 720 h.
	MaxETA time.Duration

	// EnqueueRetry retries the calls that create tasks. The zero value never does.
	EnqueueRetry backoff.Policy

	// Codec turns payloads into bytes and back. Default: JSONCodec{}.
	Codec Codec

	// Validator checks payloads by their tags: one with your own rules. nil: a default one that reports fields
	// by their JSON names.
	Validator *validator.Validate

	// Quarantine receives what would otherwise be lost or loop: a delivery that does not decode, does not
	// validate, names no task, or failed its last attempt. Once it returns nil the delivery counts as done. An App with
	// a remote Transport and none warns of it; one that returns an error says that it is meant.
	// See QuarantineTo and QuarantineDir.
	Quarantine func(context.Context, Quarantined) error

	// Logger receives one line for each outcome of a delivery, at a level that suits it, and what else is worth
	// telling: see the section Logging of the package. nil: slog.Default(), in which what was executed is told at level
	// Debug, since it is shared with the rest of the program.
	Logger *slog.Logger

	// LogPayloads puts the payload on the line of each delivery whose payload was decoded: what its LogValue method
	// returns where it is a [slog.LogValuer], else its JSON, in which each LogValuer stands as it says; at most 4 KiB.
	// Default: payloads are never logged.
	LogPayloads bool

	// CloudLoggingProject is the id of the Google Cloud project whose traces lines are joined to, by the fields that
	// Cloud Logging reads: logging.googleapis.com/trace, .../spanId and .../trace_sampled. Empty: the id of a trace is
	// given as trace_id.
	CloudLoggingProject string

	// Delimiter joins the parts of derived names. Default: "--".
	Delimiter string

	// TasksPath and SubscriptionsPath are the paths below the mount point. Default: "tasks", "subscriptions".
	TasksPath, SubscriptionsPath string

	// Subscriber holds defaults of subscriptions.
	Subscriber SubscriberDefaults
}

// SubscriberDefaults are settings of subscriptions that set none of their own. Zero: Pub/Sub's defaults.
type SubscriberDefaults struct {
	MaxRetries             int           // delivery attempts before dead-lettering, 5 to 100
	MinBackoff, MaxBackoff time.Duration // up to 600 s
	Expiration             time.Duration // of an idle subscription, at least 24 h, or transport.NeverExpires
}

// Authenticator decides whether a request may deliver. A nil error lets it pass; one matching [ErrForbidden] is
// answered with 403, any other with 401 and a challenge for a bearer token. The error's text goes to the log, never
// into the answer.
type Authenticator interface {
	Authenticate(r *http.Request) error
}

// resolve returns the configuration with every default filled in, or all that is wrong with it.
func (c Config) resolve() (Config, error) {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Config."+format, args...)) }

	if c.Eager {
		c.Transport = eager.New()
	}
	if v := reflect.ValueOf(c.Transport); v.Kind() == reflect.Pointer && v.IsNil() { // also a nil of some driver's type
		c.Transport = nil
	}
	if v := reflect.ValueOf(c.Broker); v.Kind() == reflect.Pointer && v.IsNil() {
		c.Broker = nil
	}
	if v := reflect.ValueOf(c.Scheduler); v.Kind() == reflect.Pointer && v.IsNil() {
		c.Scheduler = nil
	}
	if c.Transport == nil {
		problem("Transport is nil: use memory.New() to run tasks in this process, or set Config.Eager")
	}
	c.Endpoint = strings.TrimRight(c.Endpoint, "/")
	local := isLocal(c.Transport)
	switch {
	case c.Endpoint != "":
		if err := checkEndpoint(c.Endpoint); err != nil {
			problem("Endpoint %q: %w", c.Endpoint, err)
		}
	case local:
		c.Endpoint = localEndpoint
	case c.Transport != nil:
		problem("Endpoint is empty: set the URL where %T is to deliver, such as https://shop.example.com/_tasks"+
			" (a transport that wraps a local one shows it by a method Unwrap() transport.Transport)", c.Transport)
	}
	if u, err := url.Parse(c.Endpoint); err == nil && checkEndpoint(c.Endpoint) == nil {
		if c.MountPath == "" {
			c.MountPath = u.Path
		}
		if c.Audience == "" && c.Endpoint != localEndpoint {
			c.Audience = u.Scheme + "://" + u.Host
		}
	}
	c.MountPath = strings.TrimRight(c.MountPath, "/")
	if c.MountPath != "" && c.MountPath[0] != '/' {
		problem("MountPath %q does not begin with a slash", c.MountPath)
	}

	if c.Queue == "" {
		c.Queue = legalQueue(c.Name)
	}
	if err := transport.CheckQueue(c.Queue); err != nil {
		problem("Queue: %w", err)
	}
	c.Queues = maps.Clone(c.Queues)
	for _, name := range sortedKeys(c.Queues) {
		if err := errors.Join(transport.CheckQueue(name), c.Queues[name].Validate()); err != nil {
			problem("Queues[%q]: %w", name, err)
		}
	}
	if c.PropagatedHeaders == nil {
		c.PropagatedHeaders = []string{defaultPropagated}
	}
	for _, name := range c.PropagatedHeaders {
		if err := checkPropagated(name); err != nil {
			problem("PropagatedHeaders: %w", err)
		}
	}
	c.PropagatedHeaders, _ = foldNames(c.PropagatedHeaders)
	if c.MaxETA == 0 {
		c.MaxETA = transport.MaxDelay
	}
	if c.MaxETA < 0 || c.MaxETA > transport.MaxDelay {
		problem("MaxETA %s is outside 0 to %s", c.MaxETA, transport.MaxDelay)
	}
	if err := c.EnqueueRetry.Validate(); err != nil {
		problem("EnqueueRetry: %w", err)
	}
	if err := c.Subscriber.validate(); err != nil {
		problem("Subscriber: %w", err)
	}
	c.PropagatedHeadersKey = or(c.PropagatedHeadersKey, "_http_headers")
	if !utf8.ValidString(c.PropagatedHeadersKey) {
		problem("PropagatedHeadersKey %q is not UTF-8: no JSON object has it", c.PropagatedHeadersKey)
	}
	if !isProject(c.CloudLoggingProject) {
		problem("CloudLoggingProject %q is no project's id: letters, digits, \"-\", \":\" and \".\" only", c.CloudLoggingProject)
	}
	c.Delimiter = or(c.Delimiter, "--")
	c.TasksPath = strings.Trim(or(c.TasksPath, "tasks"), "/")
	c.SubscriptionsPath = strings.Trim(or(c.SubscriptionsPath, "subscriptions"), "/")
	if err := checkSection(c.TasksPath); err != nil {
		problem("TasksPath: %w", err)
	}
	if err := checkSection(c.SubscriptionsPath); err != nil {
		problem("SubscriptionsPath: %w", err)
	}
	if c.TasksPath == c.SubscriptionsPath {
		problem("TasksPath and SubscriptionsPath are both %q", c.TasksPath)
	}
	if c.Codec == nil {
		c.Codec = JSONCodec{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Broker == nil && c.Transport != nil {
		c.Broker, _ = transport.As[transport.Broker](c.Transport)
	}
	if c.Scheduler == nil && c.Transport != nil {
		c.Scheduler, _ = transport.As[transport.Scheduler](c.Transport)
	}
	return c, errors.Join(errs...)
}

// defaultPropagated is what joins the traces of W3C Trace Context.
const defaultPropagated = "traceparent"

// checkSection takes one element of a path, slashes around it or not.
func checkSection(path string) error {
	return checkName(strings.Trim(path, "/"))
}

// Pub/Sub's ranges, read 2026-11 from the API definitions (pubsub/v2 2.8.1).
const (
	minDeliveryAttempts  = 5
	maxDeliveryAttempts  = 100
	maxSubscriberBackoff = 600 * time.Second
	minExpiration        = 24 * time.Hour
)

func (d SubscriberDefaults) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if n := d.MaxRetries; n != 0 && (n < minDeliveryAttempts || n > maxDeliveryAttempts) {
		refuse("MaxRetries %d is outside %d to %d", n, minDeliveryAttempts, maxDeliveryAttempts)
	}
	if d.MinBackoff < 0 || d.MinBackoff > maxSubscriberBackoff {
		refuse("MinBackoff %s is outside 0 to %s", d.MinBackoff, maxSubscriberBackoff)
	}
	if d.MaxBackoff < 0 || d.MaxBackoff > maxSubscriberBackoff {
		refuse("MaxBackoff %s is outside 0 to %s", d.MaxBackoff, maxSubscriberBackoff)
	}
	if d.MaxBackoff > 0 && d.MinBackoff > d.MaxBackoff {
		refuse("MinBackoff %s is greater than MaxBackoff %s", d.MinBackoff, d.MaxBackoff)
	}
	if d.Expiration != 0 && d.Expiration != transport.NeverExpires && d.Expiration < minExpiration {
		refuse("Expiration %s is less than %s; transport.NeverExpires keeps subscriptions for ever", d.Expiration, minExpiration)
	}
	return errors.Join(errs...)
}

// spellings are those of the mount point that tasks may be delivered under, where it has something to escape.
func spellings(c Config) []string {
	all := []string{c.MountPath, (&url.URL{Path: c.MountPath}).EscapedPath()}
	if u, err := url.Parse(c.Endpoint); err == nil && u.Path == c.MountPath {
		all = append(all, u.EscapedPath())
	}
	return all
}

// localEndpoint stands in for an Endpoint where tasks never leave the process.
const localEndpoint = "http://localhost"

func isLocal(t transport.Transport) bool {
	if t == nil {
		return false
	}
	_, err := transport.As[transport.Server](t)
	return err == nil
}

func checkEndpoint(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.Unwrap(err) // url.Error repeats the text
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("it must begin with http:// or https:// and a host")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it must have no query and no fragment")
	}
	return nil
}

// legalQueue makes a queue id of a name: what is not allowed becomes a hyphen.
func legalQueue(name string) string {
	legal := strings.Map(func(r rune) rune {
		if r < 0x80 && transport.CheckQueue(string(r)) == nil {
			return r
		}
		return '-'
	}, name)
	if legal = strings.Trim(legal, "-"); legal == "" {
		return "tasks"
	}
	return legal[:min(len(legal), transport.MaxQueueID)]
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
