package eager

import (
	"context"
	"fmt"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

type Transport struct{ h map[string]transport.Handler }

func New() *Transport { return &Transport{map[string]transport.Handler{}} }
func (t *Transport) Serve(e string, h transport.Handler) error { t.h[e] = h; return nil }
func (t *Transport) Shutdown(context.Context) error { return nil }
func (t *Transport) Enqueue(ctx context.Context, x *transport.Task) (transport.Receipt, error) {
	for e, h := range t.h {
		if strings.HasPrefix(x.URL, e) {
			st, _, err := h(ctx, &transport.Delivery{Task: *x, Attempt: 1})
			if err == nil && st >= 300 {
				err = fmt.Errorf("status %d", st)
			}
			return transport.Receipt{ID: "1", Queue: x.Queue}, err
		}
	}
	return transport.Receipt{}, transport.ErrNotFound
}
