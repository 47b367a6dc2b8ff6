package transporttest

import (
	"reflect"

	"github.com/typedtasks/typedtasks/transport"
)

func abilityLaws() []law {
	return []law{
		{"abilities/decorated", "A decorator with Unwrap shows the abilities of its driver, all but Batcher.", abilitiesDecorated},
		{"abilities/reached", "An ability found through a decorator acts on the driver's own tasks.", abilitiesReached},
	}
}

// decorator is what middleware around a driver looks like.
type decorator struct{ transport.Transport }

func (d decorator) Unwrap() transport.Transport { return d.Transport }

func abilitiesDecorated(t *trial) {
	sameAbility[transport.Inspector](t)
	sameAbility[transport.QueueAdmin](t)
	sameAbility[transport.QueueDeclarer](t)
	sameAbility[transport.QueueDeleter](t)
	sameAbility[transport.QueueResolver](t)
	sameAbility[transport.Server](t)
	sameAbility[transport.Sharer](t)
	sameAbility[transport.Backlogger](t)
	sameAbility[transport.Clock](t)
	sameAbility[transport.Broker](t)
	sameAbility[transport.Receiver](t)
	sameAbility[transport.Scheduler](t)
	_, err := transport.As[transport.Batcher](decorator{t.Transport})
	t.wantError(err, transport.ErrUnsupported, "a decorator asked for transport.Batcher, which would bypass its Enqueue")
}

func sameAbility[A any](t *trial) {
	_, bare := transport.As[A](t.Transport)
	_, wrapped := transport.As[A](decorator{t.Transport})
	if (bare == nil) != (wrapped == nil) {
		t.errorf("%s: the driver answers %q, a decorator of it %q", reflect.TypeFor[A](), text(bare), text(wrapped))
	}
}

func abilitiesReached(t *trial) {
	t.needsDelay()
	ability[transport.Inspector](t)
	t.receive(done)
	outer := decorator{decorator{t.Transport}}
	ctx, cancel := t.context()
	defer cancel()
	task := t.due("through", distant)
	_, err := outer.Enqueue(ctx, task)
	t.wantError(err, nil, "Enqueue through a decorator")
	insp, err := transport.As[transport.Inspector](outer)
	if err != nil {
		t.fatalf("As[Inspector] through a decorator: %v", err)
	}
	if w, err := insp.Get(ctx, t.Queue, task.ID); err != nil || w.ID != task.ID {
		t.errorf("Get through a decorator: %+v, error %q", w, text(err))
	}
}
