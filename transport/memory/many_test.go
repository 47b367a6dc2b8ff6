package memory_test

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/memory"
)

// Many messages, handlers that fail at random, and a consumer that is stopped and started again in the middle: none
// is lost, each key is handled in order, and the dead letters are exactly those that failed each time.
func TestReceive_ManyMessages_ConsumerRestarts(t *testing.T) {
	n := 100_000
	if underRace || testing.Short() {
		n = 20_000
	}
	for _, pushed := range []bool{false, true} {
		t.Run(map[bool]string{false: "pulled", true: "pushed"}[pushed], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { manyMessages(t, n, pushed) })
		})
	}
}

const (
	manyKeys     = 500
	manyAttempts = 5
)

func manyMessages(t *testing.T, n int, pushed bool) {
	tr := memory.New()
	s := transport.Subscription{
		Name: audit, Ordered: true, Retry: &transport.BackoffRange{Min: time.Second, Max: 20 * time.Second},
		DeadLetter: &transport.DeadLetterPolicy{Topic: "orders-dead", MaxAttempts: manyAttempts},
	}
	if pushed {
		s.Push = &transport.PushConfig{Endpoint: endpoint}
	}
	declare(t, tr, s)
	c := &manyConsumer{seed: maphash.MakeSeed(), takes: 10 * time.Millisecond, done: map[int]int{}, attempts: map[int]int{}, last: map[string]int{}, running: map[string]bool{}}
	if pushed {
		c.takes = 0 // so that nothing is pushed at the moment when nobody serves
	}

	var publishing sync.WaitGroup
	for p := range 4 { // each publishes keys of its own, so that their order is known
		publishing.Go(func() {
			for i := p; i < n; i += 4 {
				key := ""
				if i%5 != 0 {
					key = fmt.Sprint("key-", i%manyKeys)
				}
				m := &transport.Message{Topic: topic, OrderingKey: key, Data: strconv.AppendInt(nil, int64(i), 10)}
				if _, err := tr.Publish(t.Context(), m); err != nil {
					t.Error(err)
				}
				if i%1000 == p {
					time.Sleep(time.Second)
				}
			}
		})
	}
	start := func() (stop func()) {
		if pushed {
			if err := tr.Serve(endpoint, c.serve); err != nil {
				t.Fatal(err)
			}
			return func() { tr.Withdraw(endpoint) }
		}
		ctx, cancel := context.WithCancel(t.Context())
		var receiving sync.WaitGroup
		receiving.Go(func() {
			if err := tr.Receive(ctx, audit, c.handle); err != nil {
				t.Error(err)
			}
		})
		return func() { cancel(); receiving.Wait() }
	}

	stop := start()
	time.Sleep(time.Duration(n/4000/2)*time.Second + 15*time.Millisecond) // some are being handled
	stop()
	if c.count() == 0 || c.count() == n {
		t.Errorf("%d of %d were handled before the restart", c.count(), n)
	}
	if !pushed { // a push that nobody serves has failed
		time.Sleep(time.Minute)
	}
	stop = start()
	publishing.Wait()
	for deadline := time.Now().Add(24 * time.Hour); ; time.Sleep(10 * time.Second) {
		left, err := tr.SubscriptionBacklog(t.Context(), audit)
		if err != nil || left > 0 && time.Now().After(deadline) {
			t.Errorf("%d messages do not come to an end (%v)", left, err)
			break
		}
		if left == 0 {
			break
		}
	}
	stop()
	c.check(t, n, deadLetters(t, tr))
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// manyConsumer is the consumer of manyMessages.
type manyConsumer struct {
	seed  maphash.Seed
	takes time.Duration // a handler's time, at most three of it

	mu       sync.Mutex
	done     map[int]int    // message -> how often it succeeded
	attempts map[int]int    // message -> how often it was tried
	last     map[string]int // key -> the latest message
	running  map[string]bool
	disorder []string
}

var errMany = errors.New("it fails this time")

func (c *manyConsumer) handle(_ context.Context, m *transport.Message) error {
	i, err := strconv.Atoi(string(m.Data))
	if err != nil {
		return err
	}
	c.begin(i, m.OrderingKey)
	time.Sleep(time.Duration(i%4) * c.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[m.OrderingKey] = false
	if c.fails(i, m.DeliveryAttempt) {
		return errMany
	}
	c.done[i]++
	return nil
}

func (c *manyConsumer) begin(i int, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts[i]++
	if key == "" {
		return
	}
	if last, ok := c.last[key]; ok && last > i || c.running[key] {
		c.disorder = append(c.disorder, fmt.Sprintf("%d after %d of %s", i, last, key))
	}
	c.last[key], c.running[key] = i, true
}

func (c *manyConsumer) serve(ctx context.Context, d *transport.Delivery) (int, time.Duration, error) {
	if err := c.handle(ctx, d.Message); err != nil {
		return 500, 0, err
	}
	return 200, 0, nil
}

// fails decides at random, but always the same: one message in 50 fails each time, of the others one attempt in 5.
func (c *manyConsumer) fails(i, attempt int) bool {
	return c.doomed(i) || attempt < manyAttempts && maphash.Comparable(c.seed, [2]int{i, attempt})%5 == 0
}

func (c *manyConsumer) doomed(i int) bool { return maphash.Comparable(c.seed, i)%50 == 0 }

func (c *manyConsumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.done)
}

// deadLetters receives those there are: how often each is among them.
func deadLetters(t *testing.T, tr *memory.Transport) map[int]int {
	t.Helper()
	dead := map[int]int{}
	var mu sync.Mutex
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := tr.Receive(ctx, "orders-dead", func(_ context.Context, m *transport.Message) error {
		i, err := strconv.Atoi(string(m.Data))
		mu.Lock()
		defer mu.Unlock()
		dead[i]++
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return dead
}

func (c *manyConsumer) check(t *testing.T, n int, dead map[int]int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.disorder) > 0 {
		t.Errorf("out of order, %d times: %s", len(c.disorder), strings.Join(c.disorder[:min(5, len(c.disorder))], "; "))
	}
	wrong, doomed := 0, 0
	for i := range n {
		wantDone, wantDead := 1, 0
		if c.doomed(i) {
			wantDone, wantDead = 0, 1
			doomed++
		}
		if c.done[i] == wantDone && dead[i] == wantDead && c.attempts[i] <= manyAttempts {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("message %d: done %d times, want %d; dead %d times, want %d; after %d attempts", i, c.done[i], wantDone, dead[i], wantDead, c.attempts[i])
		}
	}
	if wrong > 5 {
		t.Errorf("and %d more", wrong-5)
	}
	if doomed == 0 {
		t.Error("none was to fail each time: the test proves less than it should")
	}
}
