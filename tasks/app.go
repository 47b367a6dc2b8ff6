package tasks

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/eager"
)

// App holds definitions, delivers their work and enqueues it. It is an http.Handler. It is made by [NewApp]
// and safe for concurrent use; definitions and middleware may be added at any time.
type App struct {
	cfg        Config
	made       time.Time
	validator  *payload.Validator
	mounts     []string        // spellings of cfg.MountPath with escapes in them
	propagated []string        // canonical
	spelled    []string        // the same as the configuration spells them: messages carry them so
	clock      transport.Clock // nil: the system's
	locals     []local
	eager      bool
	gate       gate
	released   atomic.Bool
	unguarded  atomic.Bool // nobody decides who may deliver, and nobody has been told
	sharesLog  bool        // with the rest of the program: Config.Logger was not set
	leaving    sync.Once
	alone      []transport.Server // those that nobody else used when this App left them

	queueLimits sync.Map // queue -> transport.RetryConfig, asked once
	plans       sync.Map // reflect.Type -> *payload.Plan, of payloads of sibling packages

	mu         sync.Mutex // serializes changes of what table is made from
	defs       []Definition
	middleware []Middleware
	keeping    bool // whether middleware may keep a delivery, or change its body
	installed  map[any]bool
	enqueueing []func(EnqueueFunc) EnqueueFunc
	publishing []func(PublishFunc) PublishFunc
	table      atomic.Pointer[table]
	buffers    sync.Pool // of *buffer
}

// Middleware wraps the execution of every delivery. The first one given to Use is the outermost; the
// function's outcome is the error that next returns.
type Middleware func(next Handler) Handler

// EnqueueFunc enqueues tasks: one result each, in order. Middleware may change the tasks, whose Header is never nil,
// and owns them while it runs. A payload that does not validate never gets there.
type EnqueueFunc func(ctx context.Context, ts []*transport.Task) []Result

// PublishFunc publishes messages: one result each, in order, whose Receipt.ID is the message's id. Middleware may
// change the messages, and owns them while it runs.
type PublishFunc func(ctx context.Context, ms []*transport.Message) []Result

// table is an immutable view of the App's definitions, replaced as a whole, so that deliveries and enqueues
// take no lock.
type table struct {
	byPath  map[string]*route // as requests name them
	byURL   map[string]*route // as tasks name them
	byOwner map[*Binding]*route
	enqueue EnqueueFunc // nil without middleware
	publish PublishFunc // likewise
	pooled  bool        // whether bodies may be read into buffers that are used again
}

// route is one definition as served by one App.
type route struct {
	spec    Spec
	url     string
	handler Handler // with middleware
	timeout time.Duration
	def     *definition // nil where the definition is no task

	nameless bool // it stands in for a definition that does not exist

	base    *settings // what the options of a call go over
	queue   string
	header  http.Header // shared, never changed
	policy  backoff.Policy
	retries bool
}

// NewApp makes an App of its configuration. The error joins all that is wrong with it.
func NewApp(c Config) (*App, error) {
	cfg, err := c.resolve()
	if err != nil {
		return nil, fmt.Errorf("tasks: new app: %w", err)
	}
	a := &App{cfg: cfg, made: time.Now(), validator: payload.NewValidator(cfg.Validator), propagated: cfg.PropagatedHeaders}
	a.mounts, a.sharesLog = spellings(cfg), c.Logger == nil
	if _, a.spelled = foldNames(c.PropagatedHeaders); c.PropagatedHeaders == nil {
		a.spelled = []string{defaultPropagated}
	}
	a.gate.init()
	_, err = transport.As[*eager.Transport](cfg.Transport)
	a.eager = err == nil
	a.clock, _ = transport.As[transport.Clock](cfg.Transport)
	a.locals = locals(cfg)
	remote := !isLocal(cfg.Transport)
	a.rebuild()
	if len(cfg.Queues) > 0 {
		if d, err := transport.As[transport.QueueDeclarer](cfg.Transport); err == nil {
			if err := d.DeclareQueues(cfg.Queues); err != nil {
				return nil, fmt.Errorf("tasks: new app: Config.Queues: %w", err)
			}
		} else if remote {
			cfg.Logger.Warn("tasks: Config.Queues has no effect: the transport takes no queue settings", "transport", fmt.Sprintf("%T", cfg.Transport))
		}
	}
	if err := a.serve(); err != nil {
		return nil, fmt.Errorf("tasks: new app: %w", err)
	}
	if cfg.Authenticator == nil && !isLoopback(cfg.Endpoint) {
		a.unguarded.Store(true)
		if remote || !isLocalBroker(cfg.Broker) {
			a.warnUnguarded(context.Background())
		}
	}
	a.warnAudience()
	if remote && cfg.Quarantine == nil {
		cfg.Logger.Warn("tasks: Config.Quarantine is not set: a payload that never decodes is retried until its queue gives up, then lost")
	}
	return a, nil
}

// Config returns the configuration with every default filled in.
func (a *App) Config() Config {
	c := a.cfg
	c.Queues = maps.Clone(c.Queues)
	c.PropagatedHeaders = slices.Clone(c.PropagatedHeaders)
	return c
}

// Context returns a ctx under which definitions work through this App, and through no other.
func (a *App) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, appKey{}, a)
}

// AppFrom returns the App in ctx: the one of App.Context, or of the run that ctx was given to.
func AppFrom(ctx context.Context) (*App, bool) {
	a := appFrom(ctx)
	return a, a != nil
}

type appKey struct{}

func appFrom(ctx context.Context) *App {
	a, _ := ctx.Value(appKey{}).(*App)
	return a
}

// Definitions yields what is registered, in the order of registration.
func (a *App) Definitions() iter.Seq[Definition] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Values(slices.Clone(a.defs))
}

// Use wraps the execution of every delivery, whatever way it comes. nil entries are skipped.
func (a *App) Use(mw ...Middleware) { a.use(true, mw) }

// UseTransient is Use for middleware that neither changes the body of a delivery nor keeps anything of it once it has
// returned. As long as all of an App's middleware is such, requests are read into buffers that are used again: two
// allocations less for each.
func (a *App) UseTransient(mw ...Middleware) { a.use(false, mw) }

func (a *App) use(keeping bool, mw []Middleware) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range mw {
		if m != nil {
			a.middleware = append(a.middleware, m)
			a.keeping = a.keeping || keeping
		}
	}
	a.rebuild()
}

// Once reports whether it is called with this key for the first time. A package that instruments an App asks it, with a
// key of a type of its own, so that no App is instrumented twice.
func (a *App) Once(key any) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.installed[key] {
		return false
	}
	if a.installed == nil {
		a.installed = map[any]bool{}
	}
	a.installed[key] = true
	return true
}

// SpecOf returns the Spec of the definition that is delivered to under a task's URL, by whatever name of it; false where
// there is none.
func (a *App) SpecOf(url string) (Spec, bool) {
	r := a.table.Load().byURL[url]
	if r == nil {
		return Spec{}, false
	}
	return r.spec, true
}

// UsePublish wraps every publishing of messages, one or many. The first one given is the outermost. nil entries
// are skipped.
func (a *App) UsePublish(mw ...func(next PublishFunc) PublishFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range mw {
		if m != nil {
			a.publishing = append(a.publishing, m)
		}
	}
	a.rebuild()
}

// UseEnqueue wraps every enqueue: tasks, bulk and snoozed ones alike. The first one given is the outermost; a
// retry of the enqueue happens inside. nil entries are skipped. A task that it gives a header which [WithHeader] refuses
// is not enqueued, with an error that matches ErrInvalid. Headers of this package's own (Typedtasks-*) are to be passed on
// as they are, and what next is called with must descend from the ctx given: else nobody can tell which of them are.
func (a *App) UseEnqueue(mw ...func(next EnqueueFunc) EnqueueFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range mw {
		if m != nil {
			a.enqueueing = append(a.enqueueing, m)
		}
	}
	a.rebuild()
}

// rebuild composes the table anew. Its caller holds a.mu, or is NewApp.
func (a *App) rebuild() {
	t := &table{byPath: map[string]*route{}, byURL: map[string]*route{}, byOwner: map[*Binding]*route{}}
	also := map[string][]*route{}
	_, ours := a.cfg.Codec.(JSONCodec)
	t.pooled = ours && !a.keeping
	for _, d := range a.defs {
		r := a.route(d)
		for i, path := range a.paths(r.spec) {
			t.byPath[a.cfg.MountPath+path] = r
			t.byURL[a.cfg.Endpoint+path] = r
			if i == 0 {
				r.url = a.cfg.Endpoint + path
			}
		}
		t.byOwner[d.binding()] = r
	}
	for _, r := range t.byOwner {
		for _, name := range r.spec.Also {
			path := a.path(r.spec, name)
			if _, taken := t.byPath[a.cfg.MountPath+path]; !taken && r.spec.Path != "" && !slices.Contains(also[path], r) {
				also[path] = append(also[path], r)
			}
		}
	}
	for path, rs := range also {
		if len(rs) == 1 { // else it would be anybody's guess
			t.byPath[a.cfg.MountPath+path], t.byURL[a.cfg.Endpoint+path] = rs[0], rs[0]
		}
	}
	if len(a.publishing) > 0 {
		t.publish = a.publishLogged
		for _, m := range slices.Backward(a.publishing) {
			if next := m(t.publish); next != nil {
				t.publish = next
			}
		}
	}
	if len(a.enqueueing) > 0 {
		t.enqueue = a.sendAll
		for _, m := range slices.Backward(a.enqueueing) {
			if next := m(t.enqueue); next != nil {
				t.enqueue = next
			}
		}
	}
	a.table.Store(t)
}

func (a *App) route(d Definition) *route {
	r := &route{spec: d.Spec()}
	r.handler = r.spec.Handle
	for _, m := range slices.Backward(a.middleware) {
		r.handler = m(r.handler)
	}
	r.timeout = r.spec.Timeout
	if r.timeout == 0 {
		r.timeout = transport.DefaultTimeout
	}
	r.queue = or(r.spec.Queue, a.cfg.Queue)
	if t, ok := d.(interface{ definition() *definition }); ok {
		r.def = t.definition()
		r.base = &r.def.settings
		r.header = r.def.baseHeader(a.cfg.Codec)
	} else {
		r.base = &settings{queue: r.spec.Queue}
		if r.spec.Kind != KindSubscriber { // whose timeout is for messages
			r.base.timeout = r.spec.Timeout
		}
		r.header = cloneHeader(r.spec.Header, 1)
		if _, set := r.header[headerContentType]; !set {
			r.header[headerContentType] = []string{"application/json"}
		}
	}
	r.policy = r.base.policy.Or(a.cfg.EnqueueRetry)
	r.retries = r.policy.Enabled() && !a.eager // the function failed then, not the enqueue
	return r
}

// paths lists where a definition is served, below the mount point; the first is its own name's.
func (a *App) paths(s Spec) []string {
	if s.Path == "" {
		return nil
	}
	var paths []string
	for _, p := range append([]string{s.Path}, s.Aliases...) {
		paths = append(paths, a.path(s, p))
	}
	return paths
}

func (a *App) path(s Spec, name string) string {
	if s.Kind == KindSubscriber {
		return "/" + a.cfg.SubscriptionsPath + "/" + name
	}
	return "/" + a.cfg.TasksPath + "/" + name
}

// now is the transport's time where it keeps its own.
func (a *App) now() time.Time {
	if a.clock != nil {
		return a.clock.Now()
	}
	return time.Now()
}

// String names the App in errors.
func (a *App) String() string {
	if a.cfg.Name == "" {
		return "the App"
	}
	return fmt.Sprintf("the App %q", a.cfg.Name)
}
