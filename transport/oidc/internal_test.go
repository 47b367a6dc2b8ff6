package oidc

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"testing"
	"time"
)

func TestSeen_IsBounded_AndForgetsExpiredTokensFirst(t *testing.T) {
	var s seen
	now := time.Unix(1_800_000_000, 0)
	hash := func(n int) (h [sha256.Size]byte) {
		binary.BigEndian.PutUint64(h[:], uint64(n))
		return h
	}
	put := func(n int, live time.Duration) {
		s.put(hash(n), verified{claims: claims{Expires: numericDate{now.Add(live)}}}, now)
	}
	known := func(n int) bool { _, ok := s.get(hash(n)); return ok }

	if known(0) {
		t.Error("the zero value knows a token")
	}
	for n := range maxSeen {
		live := time.Hour
		if n%2 == 0 {
			live = time.Minute
		}
		put(n, live)
	}
	now = now.Add(time.Minute)
	if !known(0) || !known(1) || len(s.tokens) != maxSeen {
		t.Errorf("%d tokens are known, want %d", len(s.tokens), maxSeen)
	}
	put(maxSeen, time.Hour)
	if known(0) || !known(1) || !known(maxSeen) || len(s.tokens) != maxSeen/2+1 {
		t.Errorf("%d tokens are known, want those that have not expired", len(s.tokens))
	}
	for n := range 10 * maxSeen {
		put(2*maxSeen+n, time.Hour)
		if len(s.tokens) > maxSeen {
			t.Fatalf("%d tokens are known, at most %d", len(s.tokens), maxSeen)
		}
	}
	if !known(12*maxSeen - 1) {
		t.Error("the last one is not known")
	}
}

func TestKeepSame_KeyThatHasNotChanged_IsTheSame(t *testing.T) {
	key := func(n int64) *rsa.PublicKey { return &rsa.PublicKey{N: big.NewInt(n), E: 65537} }
	old := &keys{byID: map[string]*rsa.PublicKey{"kept": key(1), "changed": key(2), "gone": key(3)}}
	got := keepSame(map[string]*rsa.PublicKey{"kept": key(1), "changed": key(4), "new": key(5)}, old)
	if len(got) != 3 || got["kept"] != old.byID["kept"] || !got["changed"].Equal(key(4)) || !got["new"].Equal(key(5)) {
		t.Errorf("got %v", got)
	}
	if got := keepSame(map[string]*rsa.PublicKey{"new": key(5)}, nil); len(got) != 1 {
		t.Errorf("got %v, with no keys before", got)
	}
}
