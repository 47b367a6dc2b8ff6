package gcptest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/internal/gcp/gcptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMetadataServer_AnswersAsGooglesDoes(t *testing.T) {
	address := gcptest.MetadataServer(t, map[string]string{"project/project-id": "shop"})
	conns := &http.Transport{}
	defer conns.CloseIdleConnections()
	for _, c := range []struct {
		path, flavor string
		status       int
		body         string
	}{
		{"project/project-id", "Google", 200, "shop"},
		{"project/project-id", "", 404, ""},
		{"instance/zone", "Google", 404, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/computeMetadata/v1/"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Metadata-Flavor", c.flavor)
		resp, err := (&http.Client{Transport: conns}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || c.body != "" && string(body) != c.body {
			t.Errorf("%s: %d %q, %v", c.path, resp.StatusCode, body, err)
		}
	}
}

// deaf is a TB that keeps what it is told.
type deaf struct {
	cleanups []func()
	fatal    []any
}

func (d *deaf) Helper()           {}
func (d *deaf) Cleanup(f func())  { d.cleanups = append(d.cleanups, f) }
func (d *deaf) Fatal(args ...any) { d.fatal = args }

func TestListen_TakenAddress_IsFatal(t *testing.T) {
	l := gcptest.Listen(t, "")
	defer l.Close()
	d := &deaf{}
	gcptest.Listen(d, l.Addr().String())
	if len(d.fatal) != 1 {
		t.Errorf("Fatal was called with %v", d.fatal)
	}
}

func TestPipes_ConnectBothEndsUntilClosed(t *testing.T) {
	p := gcptest.NewPipes()
	if got := p.Addr().String(); got != "pipe" {
		t.Errorf("address %s", got)
	}
	dialed := make(chan net.Conn)
	go func() {
		c, err := p.Dial(t.Context(), "")
		if err != nil {
			t.Error(err)
		}
		dialed <- c
	}()
	server, err := p.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client := <-dialed
	go func() { _, _ = client.Write([]byte("x")) }()
	if b := make([]byte, 1); true {
		if _, err := server.Read(b); err != nil || b[0] != 'x' {
			t.Errorf("read %q, %v", b, err)
		}
	}
	_, _ = server.Close(), client.Close()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Dial(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial of nobody: %v", err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	_, acceptErr := p.Accept()
	_, dialErr := p.Dial(t.Context(), "")
	if !errors.Is(acceptErr, net.ErrClosed) || !errors.Is(dialErr, net.ErrClosed) {
		t.Errorf("closed: %v, %v", acceptErr, dialErr)
	}
}

func TestTracers_CountThoseOfGRPC(t *testing.T) {
	p := &gcptest.Tracers{}
	p.Tracer("go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc").Start(t.Context(), "x")
	p.Tracer("another").Start(t.Context(), "x")
	if p.Asked != 1 {
		t.Errorf("%d were asked for", p.Asked)
	}
}

func TestNobodyThere_TellsWhatIsWrong(t *testing.T) {
	if c, err := net.Dial("tcp", gcptest.Refused(t)); err == nil {
		_ = c.Close()
		t.Error("it is not refused")
	}
	d := &deaf{}
	gcptest.NobodyThere(d, "localhost:1, as X says", map[string]func(context.Context) error{
		"quick": func(context.Context) error { return errors.New("connection refused") },
	})
	for _, part := range []string{"quick: ", "took ", "is not context deadline exceeded", "is not <nil>", "has code Unknown", "does not end with", "how long it tried", "what ended it"} {
		if !strings.Contains(fmt.Sprint(d.fatal...), part) {
			t.Errorf("%v does not tell that it %s", d.fatal, part)
		}
	}
}

func TestPipes_Late_AreRefusedUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := gcptest.NewPipes()
		dial := p.Late(time.Now().Add(time.Minute))
		if _, err := dial(t.Context(), ""); err == nil || err.Error() != "connection refused" {
			t.Errorf("error %v", err)
		}
		<-time.After(time.Minute)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := dial(t.Context(), ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}
