package oidc

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fetchTimeout = 5 * time.Second
	firstRetry   = time.Second      // after a fetch that failed; twice as long after each further one,
	lastRetry    = 30 * time.Second // and that at most
	staleFor     = 24 * time.Hour   // how much longer than max-age keys serve that cannot be fetched anew
)

// keySet holds the keys that signatures are verified with, and fetches them when they are needed.
type keySet struct {
	url    string
	client *http.Client
	logger *slog.Logger

	current atomic.Pointer[keys] // nil: none was fetched yet

	mu       sync.Mutex
	inFlight *fetch    // the only one; nil: none
	unknown  budget    // of fetches for keys that are not there
	again    time.Time // after a fetch that failed none begins before
	failures int       // fetches that failed since the last that did not
	lastErr  error     // of the last fetch
}

// keys are the result of a fetch. They do not change.
type keys struct {
	byID   map[string]*rsa.PublicKey
	fresh  time.Time // until then nobody asks for new ones
	usable time.Time // until then they serve
}

// fetch is one on its way. Whoever needs its result waits for done.
type fetch struct{ done chan struct{} }

func newKeySet(s settings) *keySet {
	set := &keySet{url: s.keysURL, client: keysClient(s.client), logger: s.logger}
	if set.logger == nil {
		set.logger = slog.Default()
	}
	return set
}

// get returns the key with that id. One that is known is there at once; another may have to be waited for, for two
// fetches at most.
func (s *keySet) get(ctx context.Context, id string) (*rsa.PublicKey, error) {
	now := time.Now()
	current := s.current.Load()
	if key := current.find(id, now); key != nil {
		if !now.Before(current.fresh) {
			s.refresh(id, now) // for those who come later
		}
		return key, nil
	}
	for range 2 { // what is on its way already may have left before the key was there
		f, ours := s.refresh(id, time.Now())
		if f == nil {
			break
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, refuse(ReasonNoKeys, "kid", fmt.Errorf("waiting for keys: %w", context.Cause(ctx)))
		}
		if ours {
			break
		}
	}
	if key := s.current.Load().find(id, time.Now()); key != nil {
		return key, nil
	}
	if err := s.trouble(); err != nil {
		return nil, refuse(ReasonNoKeys, "kid", err)
	}
	return nil, differs(ReasonKey, "kid", id, "a key of "+s.url)
}

func (k *keys) find(id string, now time.Time) *rsa.PublicKey {
	if k == nil || !now.Before(k.usable) {
		return nil
	}
	return k.byID[id]
}

// refresh returns the fetch that is on its way, or begins one, which is ours; nil where there is nothing to fetch, or it
// is too early. Only a fetch for a key that fresh ones do not have costs something of the budget.
func (s *keySet) refresh(id string, now time.Time) (f *fetch, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current.Load()
	fresh := current != nil && now.Before(current.fresh)
	switch {
	case fresh && current.find(id, now) != nil: // it has come in the meantime
		return nil, false
	case s.inFlight != nil:
		return s.inFlight, false
	case now.Before(s.again), fresh && !s.unknown.spend(now):
		return nil, false
	}
	s.inFlight = &fetch{make(chan struct{})}
	go s.run(s.inFlight)
	return s.inFlight, true
}

// run fetches keys for all who wait. Its time is its own: it ends with none of their contexts.
func (s *keySet) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	found, maxAge, err := s.fetch(ctx)
	failures, again := s.take(found, maxAge, err)
	close(f.done)
	s.tell(failures, again, err)
}

// take keeps the result of a fetch. It returns how many failed in a row, this one or those before it, and when it may be
// tried again.
func (s *keySet) take(found map[string]*rsa.PublicKey, maxAge time.Duration, err error) (failures int, again time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight, s.lastErr = nil, err
	now := time.Now()
	if err != nil {
		s.failures++
		s.again = now.Add(retryAfter(s.failures))
		return s.failures, s.again
	}
	fresh := now.Add(maxAge)
	s.current.Store(&keys{byID: keepSame(found, s.current.Load()), fresh: fresh, usable: fresh.Add(staleFor)})
	failures, s.failures = s.failures, 0
	return failures, s.again
}

// tell logs a fetch that failed, and the first that does not any more.
func (s *keySet) tell(failures int, again time.Time, err error) {
	if failures == 0 {
		return
	}
	if err == nil {
		s.logger.Info("oidc: the keys are fetched again", "url", s.url, "failures", failures)
		return
	}
	attrs := []any{"url", s.url, "error", err, "failures", failures, "again_at", again}
	if old := s.current.Load(); old != nil && time.Now().Before(old.usable) {
		s.logger.Warn("oidc: the keys cannot be fetched; those of before serve", append(attrs, "until", old.usable)...)
		return
	}
	s.logger.Error("oidc: the keys cannot be fetched, and there are none: nobody is let in", attrs...)
}

// trouble is why the last fetch failed, nil if it did not.
func (s *keySet) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastErr
}

// retryAfter is how long to wait after so many failures.
func retryAfter(failures int) time.Duration {
	return min(firstRetry<<min(failures-1, 10), lastRetry)
}

// keepSame takes over what has not changed, so that a key is the same as long as it counts.
func keepSame(fetched map[string]*rsa.PublicKey, old *keys) map[string]*rsa.PublicKey {
	if old == nil {
		return fetched
	}
	for id, key := range fetched {
		if same := old.byID[id]; same != nil && same.Equal(key) {
			fetched[id] = same
		}
	}
	return fetched
}
