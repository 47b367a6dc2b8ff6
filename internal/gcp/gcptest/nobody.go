package gcptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Refused is an address that refuses connections.
func Refused(tb TB) string {
	tb.Helper()
	l := Listen(tb, "")
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	return l.Addr().String()
}

// Late is a Dial that is refused until then.
func (p *Pipes) Late(then time.Time) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		if time.Now().Before(then) {
			return nil, errors.New("connection refused")
		}
		return p.Dial(ctx, addr)
	}
}

// NobodyThere holds calls, which it makes all at once, to what the drivers promise where an emulator's address refuses
// connections: they give up after 3 s, and say so in the same words. at is "ADDRESS, as SOURCE says".
func NobodyThere(tb TB, at string, calls map[string]func(context.Context) error) {
	tb.Helper()
	var (
		mu    sync.Mutex
		wrong []error
		all   sync.WaitGroup
	)
	for name, call := range calls {
		for _, end := range []ending{never, deadline, cancel} {
			all.Go(func() {
				if err := end.hold(at, call); err != nil {
					mu.Lock()
					defer mu.Unlock()
					wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
				}
			})
		}
	}
	all.Wait()
	if len(wrong) > 0 {
		tb.Fatal(errors.Join(wrong...))
	}
}

// ending is how the caller's context ends.
type ending int

const (
	never ending = iota
	deadline
	cancel
)

const soon = 300 * time.Millisecond

func (e ending) context() (context.Context, context.CancelFunc) {
	switch e {
	case deadline:
		return context.WithTimeout(context.Background(), soon)
	case cancel:
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(soon, cancel)
		return ctx, cancel
	default:
		return context.WithCancel(context.Background())
	}
}

// hold makes a call and tells what is wrong with its error.
func (e ending) hold(at string, call func(context.Context) error) error {
	began := time.Now()
	ctx, cancel := e.context()
	defer cancel()
	err := call(ctx)
	took := time.Since(began)
	least, is, suffix := soon, ctx.Err(), "(from the emulator at "+at+")"
	if e == never {
		least, is, suffix = 2900*time.Millisecond, context.DeadlineExceeded, "(from the emulator at "+at+"; does it run?)"
	}
	var wrong []error
	for _, c := range []struct {
		ok   bool
		what string
	}{
		{took >= least && took < least+7*time.Second, "took " + took.String()},
		{errors.Is(err, is), "is not " + fmt.Sprint(is)},
		{status.Code(err) == codes.Unavailable, "has code " + status.Code(err).String()},
		{strings.HasSuffix(fmt.Sprint(err), suffix), "does not end with " + suffix},
		{e != never || strings.Contains(fmt.Sprint(err), ": no connection in 3s: "), "does not say how long it tried"},
		{strings.Count(fmt.Sprint(err), "connection refused") == 1, "does not say once what went wrong"},
		{strings.Count(fmt.Sprint(err), fmt.Sprint(is)) == 1, "does not say once what ended it"},
		{strings.Count(fmt.Sprint(err), "rpc error") <= 1, "introduces itself twice"},
	} {
		if !c.ok {
			wrong = append(wrong, errors.New(c.what))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("error %q: %w", fmt.Sprint(err), errors.Join(wrong...))
	}
	return nil
}
