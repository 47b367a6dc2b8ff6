package cloudtasks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkColdStart compares the life of a program that enqueues one task over the driver with that of one
// that does so by Google's client, in turns.
func BenchmarkColdStart(b *testing.B) {
	dir, addr := b.TempDir(), (&echo{}).start(b)
	for _, name := range []string{"ours", "raw"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./testdata/coldstart/"+name).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	run := func(name string) float64 {
		cmd := exec.Command(filepath.Join(dir, name))
		cmd.Env = append(os.Environ(), "CLOUD_TASKS_EMULATOR_HOST="+addr)
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v: %s", name, err, out)
		}
		return float64(time.Since(began).Microseconds()) / 1000
	}
	var ours, raw, ratios []float64
	for b.Loop() {
		o, r := run("ours"), run("raw")
		r2, o2 := run("raw"), run("ours")
		ours, raw, ratios = append(ours, o, o2), append(raw, r, r2), append(ratios, (o+o2)/(r+r2))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "ours-ms")
	b.ReportMetric(median(raw), "raw-ms")
	b.ReportMetric(median(ratios), "ratio")
}
