package manage_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/typedtasks/typedtasks/transport"
)

// late lets obsolete things appear, as another deploy might.
func (s *shop) late(t testing.TB) {
	t.Helper()
	s.job("shop--Late", "https://shop.example.com/_tasks/tasks/Late")
	sub := &transport.Subscription{Name: "shop--late", Topic: "orders", Labels: map[string]string{"managed-by": "typedtasks", "typedtasks-app": "shop"}}
	if err := s.mem.CreateSubscription(t.Context(), sub); err != nil {
		t.Error(err)
	}
}

func TestSync_WhatComesWhileItAsks_IsNotDeleted(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		w, answer := onTerminal(""), strings.NewReader("y\n")
		w.in = readerFunc(func(p []byte) (int, error) {
			if answer.Len() == 2 {
				s.late(t)
			}
			return answer.Read(p)
		})
		e := w.run(t, s.app, "sync")
		e.want(t, 1, "delete schedules shop--Hourly and shop--Weekly? [y/N]", "1 created, 2 updated, 2 deleted, 2 unchanged, 2 blocked",
			"[!] schedule shop--Late: blocked: not in the plan that was confirmed: sync again",
			"[!] subscription shop--late: blocked: not in the plan that was confirmed: sync again", "Error: sync: 2 of 9 changes blocked\n")
		if got := s.written(); !slices.Equal(got, drift()) {
			t.Errorf("wrote %q", got)
		}
		run(t, s.app, "sync").want(t, 3, "refused to delete subscription shop--late, delete schedule shop--Late:")
		run(t, s.app, "sync", "--yes").want(t, 0, "2 deleted")
	})
}

// Nothing was asked about, so nothing was confirmed.
func TestSync_WhatComesAfterAHarmlessPlan_IsNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		delete(s.jobs, "shop--Sweep")
		lists := 0
		s.onRead = func(what string) {
			if what == "list subscriptions" {
				if lists++; lists == 2 {
					s.late(t)
				}
			}
		}
		run(t, s.app, "sync").want(t, 1, "1 created, 4 unchanged, 2 blocked")
		if got := s.written(); !slices.Equal(got, []string{"put job shop--Sweep"}) {
			t.Errorf("wrote %q", got)
		}
		s.onRead = nil
		delete(s.jobs, "shop--Late")
		if err := s.mem.DeleteSubscription(t.Context(), "shop--late"); err != nil {
			t.Fatal(err)
		}
		lists = 0
		s.onRead = func(what string) {
			if lists++; what == "list jobs" {
				s.job("shop--Later", "https://shop.example.com/_tasks/tasks/Later")
			}
		}
		run(t, s.app, "sync", "--yes").want(t, 0, "[-] schedule shop--Later: deleted") // as was allowed
	})
}

func TestSync_DeleteQueue_BadName_IsRefusedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.drifted(t)
		for _, args := range [][]string{{"--delete", "bad name"}, {"--delete", "old", "--delete", "bad_name", "--yes"}, {"--delete", "", "--dry-run"}} {
			run(t, s.app, append([]string{"sync", "queues"}, args...)...).want(t, 2, "Error: --delete: ")
		}
		if got := s.written(); len(got) > 0 {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestDelete_DeletesAllThatWaitWhenItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		run(t, s.app, "enqueue", "Welcome", "--data", ana, "--id", "a", "--in", "1h").want(t, 0)
		w, answer := onTerminal(""), strings.NewReader("y\n")
		w.in = readerFunc(func(p []byte) (int, error) {
			if answer.Len() == 2 {
				run(t, s.app, "enqueue", "Welcome", "--data", ana, "--id", "b", "--in", "1h").want(t, 0)
			}
			return answer.Read(p)
		})
		w.run(t, s.app, "delete", "Welcome").want(t, 0, "delete all tasks of Welcome that wait on queue mail (1 now)? [y/N] ", "deleted 2 tasks")
	})
}
