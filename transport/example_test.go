package transport_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// stamped adds a header to every task. What it wraps keeps its other abilities, because Unwrap shows them; batches
// go through Enqueue one by one, because nothing may go past it.
type stamped struct{ transport.Transport }

func (s stamped) Unwrap() transport.Transport { return s.Transport }

func (s stamped) Enqueue(ctx context.Context, t *transport.Task) (transport.Receipt, error) {
	c := *t // the caller's own is not changed
	c.Header = t.Header.Clone()
	if c.Header == nil {
		c.Header = http.Header{}
	}
	c.Header.Set("X-Release", "v42")
	return s.Transport.Enqueue(ctx, &c)
}

// A decorator is a Transport with an Unwrap method.
func ExampleAs() {
	t := stamped{memory.New()}
	if _, err := t.Enqueue(context.Background(), &transport.Task{ID: "a", Queue: "mail", URL: "https://shop.example.com/x"}); err != nil {
		fmt.Println(err)
	}
	in, err := transport.As[transport.Inspector](t)
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := in.Get(context.Background(), "mail", "a")
	fmt.Println(w.Header.Get("X-Release"), err)

	_, err = transport.As[transport.Batcher](t)
	fmt.Println(err)
	// Output:
	// v42 <nil>
	// look up: not supported by this transport: transport_test.stamped is no transport.Batcher
}
