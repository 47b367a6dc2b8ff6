package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"go.uber.org/goleak"
)

// Settings are those of a soak.
type Settings struct {
	Seed          uint64
	Clients, Slow int           // how many clients, how many of them slow
	Rate          float64       // requests a second of the others together
	Long          time.Duration // the run that ends in peace
	Sample        time.Duration // between two looks at the heap
	Quiet         time.Duration // how long a look lets connections end that net/http closes slowly, buffers in hand
	Flat          bool          // the heap at the end is compared with the one a sixth into the run
	Rounds        int           // that end in the middle of the load
	RoundMost     time.Duration // how long a round has load, at most
	HeaderTimeout time.Duration // of the server
	Patience      time.Duration // of slow clients, at most
	Grace         time.Duration // for goroutines to end, once all is over
	Planted       Planted
	Progress      func(format string, args ...any)
}

// Report is what came of a soak.
type Report struct {
	Settings Settings
	Tally    *Tally
	Faults   []string
	Samples  []Sample
	Elapsed  time.Duration // of the long run
	Requests int64         // likewise
	Long     Ledgers
	Rounds   []Round
}

// Sample is a look at the process between two requests: all that is left to do in memory has been done, and garbage
// collected.
type Sample struct {
	At         time.Duration
	Heap       uint64
	Goroutines int
}

// Round is a shutdown under load.
type Round struct {
	Seed   uint64
	Load   time.Duration // until it began
	Order  Order
	Took   time.Duration
	InTime bool // nothing was broken off
	Left   int  // of the promised work, how much waited in memory
	Ledgers
}

// Ledgers sums up the books.
type Ledgers struct{ Promised, Runs, Repeats int64 }

// Soak runs it all. What must not be is in the report.
func Soak(s Settings) *Report {
	r := &Report{Settings: s, Tally: NewTally()}
	faults := &Faults{}
	if s.Long > 0 {
		r.long(s, faults)
	}
	random := rand.New(rand.NewPCG(s.Seed, 1))
	for i := range s.Rounds {
		r.Rounds = append(r.Rounds, round(s, r.Tally, faults, i, random.Uint64()))
		s.Progress("%s", r.Rounds[i])
	}
	r.Faults = faults.List()
	return r
}

// long loads a service, lets all that is promised run, and ends it.
func (r *Report) long(s Settings, faults *Faults) {
	before := goleak.IgnoreCurrent()
	service, err := NewService(s.HeaderTimeout, faults, s.Planted)
	if err != nil {
		faults.Addf("the service does not start: %v", err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.Flat {
		if err := service.Sides[0].warm(ctx); err != nil {
			faults.Addf("warming up: %v", err)
		}
	}
	crowd := &Crowd{service: service, tally: r.Tally, faults: faults, patience: s.Patience, rate: s.Rate}
	began := time.Now()
	crowd.Start(ctx, s.Seed, s.Clients, s.Slow)
	for at := s.Sample; at <= s.Long; at += s.Sample {
		wait(ctx, time.Until(began.Add(at)))
		sample := crowd.sample(began, s.Quiet)
		r.Samples = append(r.Samples, sample)
		s.Progress("%s, %d requests", sample, r.Tally.Total())
	}
	wait(ctx, time.Until(began.Add(s.Long)))
	r.Elapsed, r.Requests = time.Since(began), r.Tally.Total()
	if s.Flat {
		checkFlat(r.Samples, s.Long, faults)
	}
	cancel()
	crowd.Wait()
	if !service.drained(30 * time.Second) {
		tasks, messages := service.Waiting()
		faults.Addf("%d tasks and %d messages wait, half a minute after the last request", tasks, messages)
	}
	if !service.Stop(Order{Patience: 30 * time.Second}) {
		faults.Addf("an idle service did not shut down in 30 s")
	}
	if left := service.Settle(); left > 0 {
		faults.Addf("%d that were promised did not run", left)
	}
	r.Long = service.ledgers()
	checkGoroutines(before, s.Grace, faults)
}

// round loads a service and ends it in the middle of that.
func round(s Settings, tally *Tally, faults *Faults, i int, seed uint64) Round {
	before := goleak.IgnoreCurrent()
	random := rand.New(rand.NewPCG(seed, 2))
	r := Round{Seed: seed, Load: time.Duration((0.1 + 0.9*random.Float64()) * float64(s.RoundMost)), Order: Order{Patience: 30 * time.Second}}
	if i%3 == 1 { // too little for some of what runs
		r.Order.Patience = time.Duration(random.IntN(200)) * time.Millisecond
	}
	r.Order.AppsFirst = i%4 == 3
	service, err := NewService(s.HeaderTimeout, faults, s.Planted)
	if err != nil {
		faults.Addf("the service does not start: %v", err)
		return r
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	crowd := &Crowd{service: service, tally: tally, faults: faults, patience: min(s.Patience, 2*time.Second), rate: s.Rate}
	crowd.Start(ctx, seed, s.Clients, s.Slow)
	service.underWay(ctx)
	wait(ctx, r.Load)
	crowd.ending.Store(true)
	began := time.Now()
	r.InTime = service.Stop(r.Order)
	r.Took = time.Since(began)
	if !r.InTime && r.Order.Patience >= 30*time.Second {
		faults.Addf("round %d did not shut down in %s", i+1, r.Order.Patience)
	}
	cancel()
	crowd.Wait()
	checkGoroutines(before, s.Grace, faults) // functions that were broken off, too
	r.Left = service.Settle()
	if backlog, _ := service.Waiting(); r.InTime && service.log.Left() != backlog {
		faults.Addf("round %d: the log says that %d tasks are left, and %d wait", i+1, service.log.Left(), backlog)
	}
	if r.Ledgers = service.ledgers(); r.Promised == 0 {
		faults.Addf("round %d proves nothing: no work was promised", i+1)
	}
	return r
}

// underWay waits for the load to have begun, which takes its time on a busy machine.
func (s *Service) underWay(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for s.ledgers().Promised < 20 && wait(ctx, time.Millisecond) {
	}
}

func (s *Service) ledgers() (sum Ledgers) {
	for _, book := range s.Books {
		promised, runs, repeats := book.Counts()
		sum.Promised, sum.Runs, sum.Repeats = sum.Promised+promised, sum.Runs+runs, sum.Repeats+repeats
	}
	return sum
}

// drained waits until nothing waits in memory.
func (s *Service) drained(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); wait(context.Background(), 5*time.Millisecond) {
		if tasks, messages := s.Waiting(); tasks+messages == 0 {
			return true
		}
	}
	return false
}

// sample stops the brisk clients for a moment, and looks: several times where it is to be quiet, of which the least
// counts. What a slow client, or net/http for its sake, has in hand at one time and not at the next is no leak.
func (c *Crowd) sample(began time.Time, quiet time.Duration) Sample {
	c.pause.Lock()
	defer c.pause.Unlock()
	wait(context.Background(), quiet)
	c.service.drained(5 * time.Second) // if not, it shows
	least := look()
	if quiet > 0 {
		for range 4 {
			wait(context.Background(), quiet/2)
			if s := look(); s.Heap < least.Heap {
				least = s
			}
		}
	}
	least.At = time.Since(began)
	return least
}

func look() Sample {
	runtime.GC()
	runtime.GC() // which empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Sample{Heap: m.HeapAlloc, Goroutines: runtime.NumGoroutine()}
}

// mostGrowth is how much larger than a sixth into the run the heap may be at its end.
const mostGrowth = 0.10

// checkFlat compares the heap at the end of the run with the one at a sixth of it: minute five of thirty.
func checkFlat(samples []Sample, long time.Duration, faults *Faults) {
	from, to, ok := ends(samples, long)
	if !ok {
		faults.Addf("%d samples of the heap are too few to compare", len(samples))
		return
	}
	if float64(to.Heap) > (1+mostGrowth)*float64(from.Heap) {
		faults.Addf("the heap grew from %s to %s", from, to)
	}
}

// ends are the two samples to compare.
func ends(samples []Sample, long time.Duration) (from, to Sample, ok bool) {
	for _, s := range samples {
		if s.At >= long/6 {
			to = samples[len(samples)-1]
			return s, to, s != to
		}
	}
	return from, to, false
}

// checkGoroutines waits for all goroutines to end that were not there before.
func checkGoroutines(before goleak.Option, grace time.Duration, faults *Faults) {
	var err error
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); {
		if err = goleak.Find(before); err == nil { // it tries again for some time
			return
		}
	}
	faults.Addf("goroutines are left: %.2000s", err)
}

// String tells a sample in a line.
func (s Sample) String() string {
	return fmt.Sprintf("%s: heap %.2f MB, %d goroutines", s.At.Round(100*time.Millisecond), float64(s.Heap)/1e6, s.Goroutines)
}

// String tells a round in a line.
func (r Round) String() string {
	return fmt.Sprintf("round of seed %d: load %s, %s, took %s, in time %t; promised %d, ran %d, again %d, left %d",
		r.Seed, r.Load.Round(time.Millisecond), r.Order, r.Took.Round(time.Millisecond), r.InTime, r.Promised, r.Runs, r.Repeats, r.Left)
}

// String tells an order in a few words.
func (o Order) String() string {
	who := "server first"
	if o.AppsFirst {
		who = "apps first"
	}
	return fmt.Sprintf("%s within %s", who, o.Patience)
}
