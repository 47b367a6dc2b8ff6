package taskotel

import (
	"sync"
	"testing"
)

func TestTable_RemembersABoundedNumber_ForAllAtOnce(t *testing.T) {
	var tab table[int, int]
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for k := range 2 * mostEntries {
				if got := tab.get(k, func() int { return k + 1 }); got != k+1 {
					t.Errorf("%d is %d", k, got)
				}
			}
		})
	}
	all.Wait()
	if n := len(*tab.m.Load()); n != mostEntries {
		t.Errorf("it remembers %d, want %d", n, mostEntries)
	}
	made := 0
	for k := range 2 {
		tab.get(k*2*mostEntries, func() int { made++; return 0 })
	}
	if made != 1 {
		t.Errorf("of one that is known and one that is not, %d were made", made)
	}
}
