package tasks_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/plan"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// sqCloud is Google's client over the emulator, and somebody who changes queues by hand.
type sqCloud struct {
	*cloudtasks.Transport
	hand cloudtaskspb.CloudTasksClient

	mu     sync.Mutex
	writes []string                     // methods and queues, the driver's
	deny   func(method, id string) bool // answers PermissionDenied to the driver
}

const sqLocation = "projects/p/locations/l"

func newSqCloud(t testing.TB) *sqCloud {
	t.Helper()
	c := &sqCloud{}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	e, err := emulator.New(emulator.WithLogger(log), emulator.WithServerOptions(grpc.ChainUnaryInterceptor(c.intercept)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	c.Transport, err = cloudtasks.New(t.Context(), cloudtasks.WithEndpoint(address), cloudtasks.WithProject("p"), cloudtasks.WithLocation("l"),
		cloudtasks.WithLogger(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("hand"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c.hand = cloudtaskspb.NewCloudTasksClient(conn)
	return c
}

func (c *sqCloud) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if md, _ := metadata.FromIncomingContext(ctx); strings.Contains(strings.Join(md.Get("user-agent"), " "), "hand") {
		return next(ctx, req)
	}
	method := path.Base(info.FullMethod)
	var id string
	switch r := req.(type) {
	case interface{ GetName() string }:
		id = path.Base(r.GetName())
	case *cloudtaskspb.UpdateQueueRequest:
		id = path.Base(r.GetQueue().GetName())
	case *cloudtaskspb.ListTasksRequest:
		id = path.Base(r.GetParent())
	}
	c.mu.Lock()
	if !strings.HasPrefix(method, "Get") && !strings.HasPrefix(method, "List") {
		c.writes = append(c.writes, method+" "+id)
	}
	denied := c.deny != nil && c.deny(method, id)
	c.mu.Unlock()
	if denied {
		return nil, status.Error(codes.PermissionDenied, "The principal lacks IAM permission for "+method)
	}
	return next(ctx, req)
}

func (c *sqCloud) wrote() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := slices.Sorted(slices.Values(c.writes))
	c.writes = nil
	return writes
}

func (c *sqCloud) wantWrites(t testing.TB, want ...string) {
	t.Helper()
	if got := c.wrote(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func (c *sqCloud) get(t testing.TB, id string) *cloudtaskspb.Queue {
	t.Helper()
	q, err := c.hand.GetQueue(t.Context(), &cloudtaskspb.GetQueueRequest{Name: sqLocation + "/queues/" + id})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// change replaces a queue by hand, or creates it.
func (c *sqCloud) change(t testing.TB, id string, f func(*cloudtaskspb.Queue)) {
	t.Helper()
	q, err := c.hand.GetQueue(t.Context(), &cloudtaskspb.GetQueueRequest{Name: sqLocation + "/queues/" + id})
	if err != nil {
		q = &cloudtaskspb.Queue{Name: sqLocation + "/queues/" + id}
	}
	f(q)
	if _, err := c.hand.UpdateQueue(t.Context(), &cloudtaskspb.UpdateQueueRequest{Queue: q}); err != nil {
		t.Fatal(err)
	}
}

func TestSyncQueues_Cloud_CreatesThenChangesNothing(t *testing.T) {
	t.Parallel()
	c := newSqCloud(t)
	c.change(t, "foreign", func(q *cloudtaskspb.Queue) {})
	foreign := c.get(t, "foreign")
	declared := map[string]transport.QueueConfig{
		"mail": {MaxDispatchesPerSecond: 2.5, MaxConcurrentDispatches: 10, Retry: transport.RetryConfig{MaxAttempts: 3, MinBackoff: time.Second, MaxBackoff: time.Minute}},
		"fast": {MaxDispatchesPerSecond: transport.NoRateLimit, MaxBurst: 7},
		"news": {},
		"sure": {Retry: transport.RetryConfig{MaxAttempts: transport.UnlimitedAttempts, MaxRetryDuration: 36 * time.Hour, MinBackoff: 250 * time.Millisecond}},
	}
	want := []string{
		"[+] queue fast: created",
		"[+] queue mail: created: rate 2.5/s, concurrent 10, attempts 3, backoff 1s to 1m, doublings 0",
		"[+] queue news: created",
		"[+] queue sure: created: attempts no limit, retry duration 36h, backoff 250ms to 1h, doublings 0",
	}
	app := sqApp(t, c, declared)
	sqPlan(t, sqMust(t, app, tasks.QueuesDryRun()), want...)
	c.wantWrites(t)
	sqPlan(t, sqMust(t, app), want...)
	c.wantWrites(t, "UpdateQueue fast", "UpdateQueue mail", "UpdateQueue news", "UpdateQueue sure")
	sqPlan(t, sqMust(t, app), "[=] queue fast", "[=] queue mail", "[=] queue news", "[=] queue sure")
	c.wantWrites(t)
	mail := c.get(t, "mail")
	if r, l := mail.RetryConfig, mail.RateLimits; l.MaxDispatchesPerSecond != 2.5 || l.MaxConcurrentDispatches != 10 || r.MaxAttempts != 3 || r.MaxDoublings != 0 {
		t.Errorf("it is %v", mail)
	}
	if got := c.get(t, "foreign"); !proto.Equal(got, foreign) {
		t.Errorf("another's queue was %v and is %v", foreign, got)
	}
}

func TestSyncQueues_Cloud_DriftByHand_IsUndone(t *testing.T) {
	t.Parallel()
	c := newSqCloud(t)
	app := sqApp(t, c, map[string]transport.QueueConfig{"mail": {
		MaxDispatchesPerSecond: 2.5, MaxConcurrentDispatches: 10,
		Retry: transport.RetryConfig{MaxAttempts: 3, MaxRetryDuration: time.Hour, MinBackoff: time.Second, MaxBackoff: time.Minute, MaxDoublings: 4},
	}})
	sqMust(t, app)
	c.wrote()
	for name, drift := range map[string]struct {
		by   func(*cloudtaskspb.Queue)
		text string
	}{
		"rate":           {func(q *cloudtaskspb.Queue) { q.RateLimits.MaxDispatchesPerSecond = 500 }, "rate: 500/s -> 2.5/s"},
		"concurrent":     {func(q *cloudtaskspb.Queue) { q.RateLimits.MaxConcurrentDispatches = 0 }, "concurrent: 1000 -> 10"},
		"attempts":       {func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxAttempts = -1 }, "attempts: no limit -> 3"},
		"retry duration": {func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxRetryDuration = nil }, "retry duration: no limit -> 1h"},
		"min backoff":    {func(q *cloudtaskspb.Queue) { q.RetryConfig.MinBackoff.Seconds = 7 }, "backoff: 7s to 1m -> 1s to 1m"},
		"max backoff":    {func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxBackoff.Seconds = 90 }, "backoff: 1s to 1m30s -> 1s to 1m"},
		"doublings":      {func(q *cloudtaskspb.Queue) { q.RetryConfig.MaxDoublings = 0 }, "doublings: 0 -> 4"},
		"all": {
			func(q *cloudtaskspb.Queue) { q.RateLimits, q.RetryConfig = nil, nil },
			"rate: 500/s -> 2.5/s; concurrent: 1000 -> 10; attempts: 100 -> 3; retry duration: no limit -> 1h; backoff: 100ms to 1h -> 1s to 1m; doublings: 16 -> 4",
		},
	} {
		was := c.get(t, "mail")
		c.change(t, "mail", drift.by)
		line := "[~] queue mail: updated: " + drift.text
		sqPlan(t, sqMust(t, app, tasks.QueuesDryRun()), line)
		c.wantWrites(t)
		sqPlan(t, sqMust(t, app), line)
		c.wantWrites(t, "UpdateQueue mail")
		if got := c.get(t, "mail"); !proto.Equal(got, was) {
			t.Errorf("%s: the queue was %v and is %v", name, was, got)
		}
		sqSame(t, app)
	}
}

func TestSyncQueues_Cloud_LeavesAloneWhatItDoesNotDeclare(t *testing.T) {
	t.Parallel()
	c := newSqCloud(t)
	c.change(t, "mail", func(q *cloudtaskspb.Queue) {
		q.RateLimits = &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 9}
		q.StackdriverLoggingConfig = &cloudtaskspb.StackdriverLoggingConfig{SamplingRatio: 0.5}
	})
	if _, err := c.hand.PauseQueue(t.Context(), &cloudtaskspb.PauseQueueRequest{Name: sqLocation + "/queues/mail"}); err != nil {
		t.Fatal(err)
	}
	sqPlan(t, sqMust(t, sqApp(t, c, map[string]transport.QueueConfig{"mail": {}})), "[~] queue mail: updated: rate: 9/s -> 500/s")
	c.wantWrites(t, "UpdateQueue mail")
	if q := c.get(t, "mail"); q.State != cloudtaskspb.Queue_PAUSED || q.GetStackdriverLoggingConfig().GetSamplingRatio() != 0.5 {
		t.Errorf("it is %v", q)
	}
}

func TestSyncQueues_Cloud_PermissionDeniedOnSome(t *testing.T) {
	t.Parallel()
	c := newSqCloud(t)
	declared := map[string]transport.QueueConfig{}
	for i := range 20 {
		declared[fmt.Sprintf("queue-%02d", i)] = transport.QueueConfig{MaxConcurrentDispatches: i + 1}
	}
	for _, id := range []string{"queue-05", "old-1", "old-2", "old-3"} {
		c.change(t, id, func(*cloudtaskspb.Queue) {})
	}
	denied := []string{"GetQueue queue-03", "GetQueue queue-05", "UpdateQueue queue-07", "GetQueue old-1", "DeleteQueue old-2"}
	c.deny = func(method, id string) bool { return slices.Contains(denied, method+" "+id) }
	app := sqApp(t, c, declared)
	opt := tasks.DeleteQueues("old-1", "old-2", "old-3")
	p, err := tasks.SyncQueues(t.Context(), app, opt)
	if status.Code(err) != codes.PermissionDenied && !strings.Contains(fmt.Sprint(err), "PermissionDenied") {
		t.Errorf("error %v", err)
	}
	enqSays(t, err, `read queue "queue-03"`, `read queue "queue-05"`, `put queue "queue-07"`, `read queue "old-1"`, `delete queue "old-2"`, "roles/cloudtasks.admin")
	if p.Count(plan.Failed) != 5 || p.Count(plan.Created) != 17 || p.Count(plan.Deleted) != 1 || len(p.Changes) != 23 {
		t.Errorf("the plan is\n%s", p)
	}
	if got := c.get(t, "queue-05"); got.RateLimits.MaxConcurrentDispatches != 1000 {
		t.Errorf("what could not be looked at is %v", got)
	}
	for _, id := range []string{"old-1", "old-2"} {
		c.get(t, id)
	}
	c.mu.Lock()
	c.deny = nil
	c.mu.Unlock()
	if p := sqMust(t, app, opt); p.Summary() != "2 created, 1 updated, 2 deleted, 18 unchanged" {
		t.Errorf("the second run does\n%s", p)
	}
	sqSame(t, app, opt)
}

func TestSyncQueues_Cloud_DeletesWhatItIsTold(t *testing.T) {
	t.Parallel()
	c := newSqCloud(t)
	ctx := t.Context()
	app := sqApp(t, c, map[string]transport.QueueConfig{"mail": {}})
	for _, id := range []string{"old", "empty", "kept"} {
		c.change(t, id, func(*cloudtaskspb.Queue) {})
	}
	for range 3 {
		if _, err := c.Enqueue(ctx, &transport.Task{Queue: "old", URL: "https://shop.example.com", ETA: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	c.wrote()
	opt := tasks.DeleteQueues("old", "empty", "never")
	want := []string{"[+] queue mail: created", "[-] queue old: deleted: 3 tasks that wait in it are lost", "[-] queue empty: deleted: nothing waits in it", "[=] queue never: gone"}
	sqPlan(t, sqMust(t, app, opt, tasks.QueuesDryRun()), want...)
	c.wantWrites(t)
	sqPlan(t, sqMust(t, app, opt), want...)
	c.wantWrites(t, "DeleteQueue empty", "DeleteQueue old", "UpdateQueue mail")
	sqSame(t, app, opt)
	c.get(t, "kept")

	again := sqApp(t, c, map[string]transport.QueueConfig{"mail": {}, "old": {}}) // its name is held for days
	p, err := tasks.SyncQueues(ctx, again)
	enqSays(t, err, `put queue "old"`, "existed too recently")
	if p.Summary() != "1 unchanged, 1 failed" {
		t.Errorf("the plan is\n%s", p)
	}
}

// sqRandom is a valid configuration, with unset, extreme and common values.
func sqRandom(r *rand.Rand) transport.QueueConfig {
	pick := func(ns ...int) int { return ns[r.IntN(len(ns))] }
	span := func() time.Duration {
		return []time.Duration{0, 0, time.Millisecond, 100 * time.Millisecond, time.Second, 90 * time.Second, time.Hour, time.Duration(r.Int64N(int64(100 * time.Hour)))}[r.IntN(8)]
	}
	cfg := transport.QueueConfig{
		MaxDispatchesPerSecond:  []float64{0, 0, transport.NoRateLimit, 500, 0.001, 1.0 / 3, float64(1 + r.IntN(500)), 500 * (1 - r.Float64())}[r.IntN(8)],
		MaxBurst:                pick(0, 0, 1, 100, r.IntN(1000)),
		MaxConcurrentDispatches: pick(0, 1, 1000, 5000, r.IntN(5001)),
		Retry: transport.RetryConfig{
			MaxAttempts: pick(0, -1, 1, 100, r.IntN(1_000_000)), MaxDoublings: pick(0, 0, 1, 16, r.IntN(100)),
			MaxRetryDuration: span(), MinBackoff: span(), MaxBackoff: span(),
		},
	}
	if retry := &cfg.Retry; retry.MaxBackoff > 0 && retry.MinBackoff > retry.MaxBackoff {
		retry.MinBackoff, retry.MaxBackoff = retry.MaxBackoff, retry.MinBackoff
	}
	return cfg
}

// Whatever is there and whatever is declared: once synced, it is what is declared, and a second run changes nothing.
func TestSyncQueues_AnyConfigurationOverAnyOther_SettlesAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) transport.Transport{
		"memory":                       func(testing.TB) transport.Transport { return memory.New() },
		"memory with Cloud Tasks' own": func(testing.TB) transport.Transport { return memory.New(memory.WithCloudTasksDefaults()) },
		"cloudtasks":                   func(t testing.TB) transport.Transport { return newSqCloud(t) },
		"a driver that says nothing":   func(testing.TB) transport.Transport { return newSqFake(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := open(t)
			admin := enqMust(transport.As[transport.QueueAdmin](tr))(t)
			r := rand.New(rand.NewPCG(7, 11))
			for round := range 15 {
				declared, wrong := map[string]transport.QueueConfig{}, 0
				for i := range 12 {
					id := fmt.Sprintf("queue-%d-%d", round, i)
					declared[id] = sqRandom(r)
					switch i % 3 {
					case 0: // somebody's
						wrong++
						fallthrough
					case 1: // an earlier version's, or what is declared already
						cfg := declared[id]
						if i%3 == 0 {
							cfg = sqRandom(r)
						}
						if err := admin.PutQueue(t.Context(), id, cfg); err != nil {
							t.Fatalf("%+v: %v", cfg, err)
						}
					}
				}
				app := sqApp(t, tr, declared)
				p := sqMust(t, app)
				if n := p.Count(plan.Updated); n > wrong {
					t.Errorf("%d of %d were not as declared, and %d updated:\n%s", wrong, len(declared), n, p)
				}
				sqSame(t, app)
				for id, cfg := range declared {
					got := enqMust(admin.Queue(t.Context(), id))(t)
					asked := cfg.Retry.WithDefaults()
					if got.Retry != asked {
						t.Errorf("%+v was declared, and is %+v", cfg, got)
					}
					if rate := cfg.MaxDispatchesPerSecond; rate > 0 && rate <= 500 && got.MaxDispatchesPerSecond != rate {
						t.Errorf("%+v was declared, and is %+v", cfg, got)
					}
				}
				if err := app.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if name != "cloudtasks" && name != "a driver that says nothing" { // it went with its App
					tr = open(t)
					admin = enqMust(transport.As[transport.QueueAdmin](tr))(t)
				}
			}
		})
	}
}
