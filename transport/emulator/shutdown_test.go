package emulator_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestShutdown_WaitsForAttempts_WhichMayStillCreate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		created := make(chan error, 1)
		r.worker.answers(func(http.ResponseWriter, *http.Request) {
			time.Sleep(time.Minute)
			_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("child")})
			created <- err
		})
		r.create(r.task("parent"))
		synctest.Wait()
		began := time.Now()
		if err := r.e.Shutdown(t.Context()); err != nil || time.Since(began) != time.Minute {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
		if err := <-created; err != nil {
			t.Errorf("the attempt could not create a task: %v", err)
		}
		if n := len(r.worker.seen()); n != 1 {
			t.Errorf("%d attempts, one of them after Shutdown began", n)
		}
		if err := r.e.Shutdown(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
		_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("late")})
		wantStatus(t, err, codes.Unavailable, "")
	})
}

func TestShutdown_OutOfPatience_BreaksAttemptsOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := startHere(t)
		r.worker.hold()
		r.create(r.task("x"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.e.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Shutdown after %s: %v", time.Since(began), err)
		}
		if n := r.e.Backlog(); n != 1 {
			t.Errorf("%d tasks left, want the one that was broken off", n)
		}
	})
}

func TestClose_BreaksCallsOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		entered := make(chan struct{})
		r := startHere(t, emulator.WithServerOptions(grpc.UnaryInterceptor(
			func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
				close(entered)
				<-ctx.Done()
				return nil, status.FromContextError(ctx.Err()).Err()
			})))
		failed := make(chan error)
		go func() {
			_, err := r.CreateTask(r.ctx(), &cloudtaskspb.CreateTaskRequest{Parent: queueA, Task: r.task("")})
			failed <- err
		}()
		<-entered
		go func() { _ = r.e.Close() }()
		if err := <-failed; err == nil {
			t.Error("a call that was broken off succeeded")
		}
	})
}

func TestServe_Ended_ReturnsNil(t *testing.T) {
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	if host, _, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" {
		t.Errorf("address %q, %v", address, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serve(l); err != nil {
		t.Errorf("Serve of one that has ended: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}

func TestServe_BadListener_IsAnError(t *testing.T) {
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Serve(l); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error %v", err)
	}
}

func TestRegisterService_SharesThePort(t *testing.T) {
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var registrar grpc.ServiceRegistrar = e
	grpc_health_v1.RegisterHealthServer(registrar, health.NewServer())
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	r.dial(address)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // more than Cloud Tasks takes
	defer cancel()
	if _, err := grpc_health_v1.NewHealthClient(r.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}

func TestWithHTTPClient_IsUsedAndLeftOpen(t *testing.T) {
	used := make(chan string, 1)
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		used <- r.URL.Host
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})}
	r := start(t, emulator.WithHTTPClient(client), nil)
	task := r.task("")
	task.GetHttpRequest().Url = "http://nowhere.test/"
	r.create(task)
	if host := <-used; host != "nowhere.test" {
		t.Errorf("request to %s", host)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
