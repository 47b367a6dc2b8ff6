package tasks_test

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func TestEnqueue_Time(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		lisbon := time.FixedZone("WET", 3600)
		for _, c := range []struct {
			why  string
			opt  tasks.EnqueueOption
			want time.Time // zero: at once
		}{
			{"In is from now", tasks.In(90 * time.Second), now.Add(90 * time.Second)},
			{"In, nothing", tasks.In(0), time.Time{}},
			{"In, less than nothing", tasks.In(-time.Hour), time.Time{}},
			{"In, the most", tasks.In(720 * time.Hour), now.Add(720 * time.Hour)},
			{"At is as given", tasks.At(now.Add(time.Hour).In(lisbon)), now.Add(time.Hour)},
			{"At, now", tasks.At(now), time.Time{}},
			{"At, the past", tasks.At(now.Add(-time.Hour)), time.Time{}},
			{"At, the zero time", tasks.At(time.Time{}), time.Time{}},
			{"Within, nothing", tasks.Within(0), time.Time{}},
			{"Before, the past", tasks.Before(now.Add(-1)), time.Time{}},
		} {
			fake := &enqFake{}
			task := tasks.New(enqDone[enqMail])
			enqApp(t, tasks.Config{Transport: fake}, task)
			r := enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, c.opt))(t)
			if got := fake.only(t).ETA; !got.Equal(c.want) || !r.ETA.Equal(c.want) {
				t.Errorf("%s: due %s, receipt says %s, want %s", c.why, got, r.ETA, c.want)
			}
		}
	})
}

func TestEnqueue_RandomTime_IsSpreadEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, opt := range []tasks.EnqueueOption{tasks.Within(time.Hour), tasks.Before(now.Add(time.Hour))} {
			fake := &enqFake{}
			task := tasks.New(enqDone[enqMail])
			enqApp(t, tasks.Config{Transport: fake}, task)
			task.EnqueueAll(t.Context(), enqMails(1200), opt)
			var quarters [4]int
			for _, s := range fake.all() {
				d := s.ETA.Sub(now)
				if d < 0 || d >= time.Hour {
					t.Fatalf("%v: due in %s", opt, d)
				}
				quarters[d/(15*time.Minute)]++
			}
			for i, n := range quarters {
				if n < 200 || n > 400 { // 300, over six standard deviations around it
					t.Errorf("%v: %d of 1200 are due in quarter %d of the hour", opt, n, i)
				}
			}
		}
	})
}

// enqMails makes n payloads, to "0", "1", ...
func enqMails(n int) []enqMail {
	ms := make([]enqMail, n)
	for i := range ms {
		ms[i].To = strconv.Itoa(i)
	}
	return ms
}

func TestEnqueue_TooFar_ReturnsErrTooFar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		over := 720*time.Hour + 1
		for _, c := range []struct {
			most time.Duration
			opt  tasks.EnqueueOption
			says []string
		}{
			{0, tasks.In(over), []string{"In: ", "at most 720h0m0s"}},
			{0, tasks.At(now.Add(over)), []string{"At: ", "at most 720h0m0s"}},
			{0, tasks.Within(over), []string{"Within: ", "at most 720h0m0s"}},
			{0, tasks.Before(now.Add(over)), []string{"Before: ", "at most 720h0m0s"}},
			{0, tasks.At(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), []string{"At: ", "at most 720h0m0s"}},
			{time.Hour, tasks.In(2 * time.Hour), []string{"In: 2h0m0s ahead", "at most 1h0m0s"}},
			{time.Hour, tasks.Before(now.Add(time.Hour + 1)), []string{"Before: ", "at most 1h0m0s"}},
		} {
			fake := &enqFake{}
			task := tasks.New(enqDone[enqMail])
			enqApp(t, tasks.Config{Transport: fake, MaxETA: c.most}, task)
			_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, c.opt)
			if !errors.Is(err, tasks.ErrTooFar) || transport.KindOf(err) != transport.KindTooFar {
				t.Errorf("%v: %v, want ErrTooFar", c.opt, err)
			}
			enqSays(t, err, c.says...)
			if fake.calls != 0 {
				t.Errorf("%v: the transport was called", c.opt)
			}
		}
	})
}

func TestEnqueue_TwoTimes_ExcludeEachOther(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake}, task)
	_, err := task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.In(time.Hour), tasks.At(time.Now()))
	if !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	enqSays(t, err, "In and At exclude each other")
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.In(time.Hour), tasks.In(0)))(t)
	if eta := fake.only(t).ETA; !eta.IsZero() {
		t.Errorf("due %s: the last In does not count", eta)
	}
}

func TestEnqueue_ClockOfTheTransport_IsWhatNowMeans(t *testing.T) {
	t.Parallel()
	clock := enqClocked{&enqFake{}, time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)}
	task := tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: clock}, task)
	enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}, tasks.In(time.Hour)))(t)
	if eta, want := clock.only(t).ETA, clock.now.Add(time.Hour); !eta.Equal(want) {
		t.Errorf("due %s, want %s", eta, want)
	}
}

type enqClocked struct {
	*enqFake
	now time.Time
}

func (c enqClocked) Now() time.Time { return c.now }
