package transport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/typedtasks/typedtasks/transport"
)

// sentinels in the order of their kinds, from KindNotFound.
func sentinels() []error {
	return []error{
		transport.ErrNotFound, transport.ErrExists, transport.ErrGone, transport.ErrQueueMissing, transport.ErrUnsupported,
		transport.ErrClosed, transport.ErrCapacity, transport.ErrTooLarge, transport.ErrTooFar, transport.ErrInvalid,
	}
}

func TestKind_EachHasAName_AndASentinelThatMatches(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for i, sentinel := range sentinels() {
		k := transport.KindNotFound + transport.Kind(i)
		err := fmt.Errorf("while testing: %w", &transport.Error{Op: transport.OpEnqueue, Queue: "q", ID: "a", Kind: k, Err: context.Canceled})
		if k.Sentinel() != sentinel || !errors.Is(err, sentinel) || transport.KindOf(err) != k || transport.KindOf(sentinel) != k {
			t.Errorf("kind %d (%s) and %v do not belong together", k, k, sentinel)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s hides its cause", k)
		}
		for j, other := range sentinels() {
			if i != j && errors.Is(err, other) {
				t.Errorf("%s matches %v", k, other)
			}
		}
		if names[k.String()] || k.String() == transport.KindOther.String() {
			t.Errorf("kind %d has no name of its own: %s", k, k)
		}
		names[k.String()] = true
	}
	if last := transport.KindNotFound + transport.Kind(len(sentinels())); last.String() != "other" || last.Sentinel() != nil {
		t.Errorf("kind %d (%s) is new: add its sentinel to this test", last, last)
	}
	if transport.KindOf(nil) != transport.KindOther || transport.KindOf(context.Canceled) != transport.KindOther {
		t.Error("an error without a kind is of another than KindOther")
	}
}

func TestKindOf_LooksBelowAnErrorWithoutKind(t *testing.T) {
	t.Parallel()
	err := &transport.Error{Op: transport.OpGet, Err: fmt.Errorf("driver: %w", transport.ErrGone)}
	if got := transport.KindOf(err); got != transport.KindGone {
		t.Errorf("kind %s, want gone", got)
	}
}

func TestError_Text_ShowsWhatIsSet(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*transport.Error{
		`enqueue task "a" on queue "mail": the queue does not exist: no such host`: {Op: transport.OpEnqueue, Queue: "mail", ID: "a", Kind: transport.KindQueueMissing, Err: errors.New("no such host")},
		`pause queue "mail": out of coffee`:                                        {Op: transport.OpPause, Queue: "mail", Err: errors.New("out of coffee")},
		`read queue "mail": the queue does not exist`:                              {Op: transport.OpQueue, Queue: "mail", Kind: transport.KindQueueMissing},
		`delete queue "mail": out of coffee`:                                       {Op: transport.OpDeleteQueue, Queue: "mail", Err: errors.New("out of coffee")},
		`delete on queue "mail": the transport is shut down`:                       {Op: transport.OpDelete, Queue: "mail", Kind: transport.KindClosed},
		`get task "a": no such task`:                                               {Op: transport.OpGet, ID: "a", Kind: transport.KindNotFound},
		`serve: the transport is shut down`:                                        {Op: transport.OpServe, Kind: transport.KindClosed},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if errors.Is(&transport.Error{}, nil) {
		t.Error("an error without a kind matches nil")
	}
}
