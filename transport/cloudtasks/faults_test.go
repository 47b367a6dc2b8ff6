package cloudtasks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/typedtasks/typedtasks/backoff"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
)

type numbered struct {
	N int `json:"n"`
}

func newApp(t *testing.T, tr transport.Transport, retry backoff.Policy) (*tasks.Task[numbered], context.Context) {
	t.Helper()
	app, err := tasks.NewApp(tasks.Config{
		Name: "shop", Queue: "mail", Endpoint: "https://shop.example.com/_tasks", Transport: tr, EnqueueRetry: retry,
		Quarantine: func(context.Context, tasks.Quarantined) error { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	task := tasks.New(func(context.Context, numbered) error { return nil }, tasks.WithName("Numbered"))
	if err := app.Register(task); err != nil {
		t.Fatal(err)
	}
	return task, app.Context(t.Context())
}

func TestEnqueue_Faults_WithRetries_LoseAndDoubleNothing(t *testing.T) {
	const n = 10_000 // half by Enqueue, half by EnqueueAll
	s := newServer("mail")
	var calls atomic.Int64
	faults := make(chan int64, n)
	s.hook = func(_ context.Context, method string, _ proto.Message, handle func() (any, error)) (any, error) {
		// Prime numbers, so that every kind of call meets every kind of fault.
		switch i := calls.Add(1); {
		case i%499 == 0:
			faults <- i // the connection is cut during this call, or the server restarted
			return handle()
		case i%7 == 0:
			return nil, status.Error(codes.Unavailable, "injected")
		case i%11 == 0:
			return nil, status.Error(codes.ResourceExhausted, "injected")
		case i%13 == 0:
			return nil, status.Error(codes.DeadlineExceeded, "injected")
		case i%17 == 0: // the answer is lost
			_, _ = handle()
			return nil, status.Error(codes.Unavailable, "injected, too late")
		case i%19 == 0:
			_, _ = handle()
			return nil, status.Error(codes.DeadlineExceeded, "injected, too late")
		}
		return handle()
	}
	p := newProxy(t, s.start(t))
	stop := make(chan struct{})
	var breaking sync.WaitGroup
	breaking.Go(func() {
		for {
			select {
			case i := <-faults:
				if p.cut(); i%998 == 0 {
					s.grpc.Stop()
					s.start(t)
				}
			case <-stop:
				return
			}
		}
	})
	defer breaking.Wait()
	defer close(stop)

	tr := connect(t, cloudtasks.WithEndpoint(p.address()), cloudtasks.WithInFlight(4), cloudtasks.WithClientOptions(option.WithGRPCDialOption(
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: grpcbackoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond}}))))
	task, ctx := newApp(t, tr, backoff.Policy{
		On:      backoff.Codes(codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded),
		Initial: time.Millisecond, Maximum: 50 * time.Millisecond, Deadline: time.Minute,
	})
	var all sync.WaitGroup
	for g := range 32 {
		all.Go(func() {
			for i := g; i < n/2; i += 32 {
				var opts []tasks.EnqueueOption
				named := i%4 == 0
				if named {
					opts = append(opts, tasks.WithID(fmt.Sprintf("named-%d", i)))
				}
				if r, err := task.Enqueue(ctx, numbered{i}, opts...); err != nil || r.ID == "" || r.Duplicate && !named {
					t.Errorf("%d: %+v, %v", i, r, err)
				}
			}
		})
	}
	all.Go(func() {
		for i := n / 2; i < n; i += 500 {
			payloads := make([]numbered, 500)
			for j := range payloads {
				payloads[j].N = i + j
			}
			for j, r := range task.EnqueueAll(ctx, payloads) {
				if r.Err != nil || r.Receipt.ID == "" || r.Receipt.Duplicate {
					t.Errorf("%d: %+v", i+j, r)
				}
			}
		}
	})
	all.Wait()

	s.mu.Lock()
	defer s.mu.Unlock()
	times := map[string]int{}
	for _, stored := range s.tasks {
		times[string(stored.GetHttpRequest().GetBody())]++
	}
	for i := range n {
		if got := times[fmt.Sprintf(`{"n":%d}`, i)]; got != 1 {
			t.Errorf("payload %d is there %d times", i, got)
		}
	}
	if cuts := p.cuts.Load(); len(s.tasks) != n || cuts < 5 {
		t.Errorf("%d tasks after %d cuts, want %d after several", len(s.tasks), cuts, n)
	}
}

func TestEnqueue_Fault_WithoutRetries_IsThePlatformsErrorWithTaskAndQueue(t *testing.T) {
	s := newServer("mail")
	p := newProxy(t, s.start(t))
	var fault func(ctx context.Context, handle func() (any, error)) (any, error)
	s.hook = func(ctx context.Context, _ string, _ proto.Message, handle func() (any, error)) (any, error) {
		return fault(ctx, handle)
	}
	task, ctx := newApp(t, connect(t, cloudtasks.WithEndpoint(p.address())), backoff.Policy{})
	for name, c := range map[string]struct {
		fault func(context.Context, func() (any, error)) (any, error)
		code  codes.Code
	}{
		"refused": {func(context.Context, func() (any, error)) (any, error) {
			return nil, status.Error(codes.ResourceExhausted, "injected")
		}, codes.ResourceExhausted},
		"answer lost": {func(_ context.Context, handle func() (any, error)) (any, error) {
			_, _ = handle()
			return nil, status.Error(codes.DeadlineExceeded, "injected")
		}, codes.DeadlineExceeded},
		"connection cut": {func(ctx context.Context, _ func() (any, error)) (any, error) {
			p.cut()
			<-ctx.Done()
			return nil, ctx.Err()
		}, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			fault = c.fault
			_, err := task.Enqueue(ctx, numbered{1})
			e, ok := errors.AsType[*transport.Error](err)
			if !ok || e.Queue != "mail" || e.Kind != transport.KindOther || status.Code(err) != c.code || !strings.Contains(err.Error(), "Numbered") {
				t.Errorf("error %v, code %s; want code %s, the task's name and the queue", err, status.Code(err), c.code)
			}
			results := task.EnqueueAll(ctx, []numbered{{1}, {2}})
			for _, r := range results {
				if status.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), "Numbered") || !strings.Contains(r.Err.Error(), `"mail"`) {
					t.Errorf("error %v", r.Err)
				}
			}
		})
	}
}

// proxy passes bytes between a client and a server, until it cuts.
type proxy struct {
	l    net.Listener
	to   string
	cuts atomic.Int64
	done sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, conns: map[net.Conn]bool{}}
	p.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.pass(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.done.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.l.Addr().String() }

func (p *proxy) pass(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, c := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(c[0], c[1])
			_ = c[0].Close()
			_ = c[1].Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

// cut closes every connection, in the middle of whatever it carries.
func (p *proxy) cut() {
	p.cuts.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}
