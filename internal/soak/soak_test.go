// Package soak_test serves an App over real HTTP and lets a crowd of clients, good, bad, slow and cut off, loose on it:
// every task that got its 200 must have run, what must not run must not, and memory and goroutines must stay. The
// clients keep books of what they were promised, and the functions of what they did.
//
// go test runs it for some seconds, make soak for as long as it says.
package soak_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	soakLong   = flag.Duration("soak", 0, "how long the load lasts, before ten rounds that end in the middle of it; 0: a few seconds in all")
	soakSeed   = flag.Uint64("soak.seed", 0, "what the clients' choices are made of; 0: by chance, or 1 for a short run")
	soakRate   = flag.Float64("soak.rate", 0, "requests a second; 0: 2000, or 1000 for a short run")
	soakRounds = flag.Int("soak.rounds", 10, "how many rounds follow a long run")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSoak_EveryPromiseIsKept_NothingLeaks(t *testing.T) {
	s := shortSettings(t)
	if *soakLong > 0 {
		s = longSettings(*soakLong)
	}
	if *soakSeed != 0 {
		s.Seed = *soakSeed
	}
	if *soakRate != 0 {
		s.Rate = *soakRate
	}
	s.Progress("seed %d", s.Seed)
	r := Soak(s)
	for _, f := range r.Faults {
		t.Error(f)
	}
	if *soakLong > 0 {
		fmt.Fprint(os.Stdout, r.Table())
	}
	if t.Failed() {
		t.Logf("again, as far as chance goes: -soak.seed=%d", s.Seed)
	}
}

func longSettings(long time.Duration) Settings {
	return Settings{
		Seed: rand.Uint64(), Clients: 32, Slow: 8, Rate: 2000,
		Long: long, Sample: max(long/30, 5*time.Second), Quiet: 700 * time.Millisecond, Flat: true,
		Rounds: *soakRounds, RoundMost: 10 * time.Second,
		HeaderTimeout: 10 * time.Second, Patience: 45 * time.Second, Grace: 10 * time.Second,
		Progress: func(format string, args ...any) {
			fmt.Fprintf(os.Stdout, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
		},
	}
}

// shortSettings are for a run of some seconds, too short for the heap to tell anything. The server cuts off nobody then:
// on a busy machine it would hit the good ones, too.
func shortSettings(t *testing.T) Settings {
	return Settings{
		Seed: 1, Clients: 32, Slow: 8, Rate: 1000,
		Long: 1500 * time.Millisecond, Sample: 500 * time.Millisecond,
		Rounds: 4, RoundMost: 500 * time.Millisecond,
		HeaderTimeout: 5 * time.Second, Patience: time.Second, Grace: 10 * time.Second,
		Progress: t.Logf,
	}
}
