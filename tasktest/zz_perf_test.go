package tasktest_test

import (
	"context"
	"testing"
	"time"
	"fmt"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

type P struct{ N int }

func TestPerf(t *testing.T) {
	for _, n := range []int{1000, 2000, 4000, 9999} {
		for _, spread := range []bool{false, true} {
			tk := tasks.New(func(context.Context, P) error { return nil })
			rec := tasktest.New(t, tk)
			for i := range n {
				var o []tasks.EnqueueOption
				if spread { o = append(o, tasks.In(time.Duration(i+1)*time.Second)) }
				tk.Enqueue(rec.Context(), P{i}, o...)
			}
			b := time.Now()
			rec.Drain()
			fmt.Println(n, spread, time.Since(b))
		}
	}
}
