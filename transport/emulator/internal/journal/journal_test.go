package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/transport/emulator/internal/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func path(t testing.TB) string { return filepath.Join(t.TempDir(), "journal") }

// open opens a journal and returns what it holds.
func open(t testing.TB, file string) (*journal.Log, []string) {
	t.Helper()
	var records []string
	l, err := journal.Open(file, func(r []byte) error { records = append(records, string(r)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, records
}

// reopen returns what a journal that is closed holds.
func reopen(t testing.TB, file string) []string {
	t.Helper()
	l, records := open(t, file)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return records
}

func add(t testing.TB, l *journal.Log, records ...string) {
	t.Helper()
	var b [][]byte
	for _, r := range records {
		b = append(b, []byte(r))
	}
	if err := l.Append(true, b...).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLog_RecordsAreThereAgain(t *testing.T) {
	file := path(t)
	l, records := open(t, file)
	if len(records) != 0 {
		t.Errorf("a new journal holds %q", records)
	}
	large := strings.Repeat("large", 1<<20)
	add(t, l, "one")
	add(t, l, "two", "", large)
	l.Append(false, []byte("not waited for"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	want := []string{"one", "two", "", large, "not waited for"}
	if got := reopen(t, file); !slices.Equal(got, want) {
		t.Errorf("read %d records: %.40q", len(got), got)
	}
	l, _ = open(t, file)
	add(t, l, "later")
	l.Close()
	if got := reopen(t, file); len(got) != 6 || got[5] != "later" {
		t.Errorf("after another session: %d records", len(got))
	}
}

func TestLog_ManyAtOnce_KeepTheOrderOfEach(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	const writers, each = 16, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := l.Append(i%3 == 0, fmt.Appendf(nil, "%d %d", w, i), fmt.Appendf(nil, "%d %d+", w, i)).Wait(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	l.Close()
	got := reopen(t, file)
	if len(got) != 2*writers*each {
		t.Fatalf("%d records", len(got))
	}
	next := make([]int, writers)
	for at := 0; at < len(got); at += 2 {
		var w, i int
		if _, err := fmt.Sscanf(got[at], "%d %d", &w, &i); err != nil {
			t.Fatal(err)
		}
		if i != next[w] || got[at+1] != got[at]+"+" {
			t.Fatalf("record %q followed by %q, want number %d", got[at], got[at+1], next[w])
		}
		next[w]++
	}
}

func TestOpen_CutAnywhere_KeepsWholeFrames(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	sizes := []int64{l.Size()}
	for _, frame := range [][]string{{"first"}, {"second", "with it"}, {"third"}} {
		add(t, l, frame...)
		sizes = append(sizes, l.Size())
	}
	l.Close()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"first", "second", "with it", "third"}
	counts := []int{0, 1, 3, 4}
	for cut := range len(whole) + 1 {
		torn := filepath.Join(t.TempDir(), "torn")
		if err := os.WriteFile(torn, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for i, size := range sizes {
			if int64(cut) >= size {
				want = counts[i]
			}
		}
		l, got := open(t, torn)
		if !slices.Equal(got, all[:want]) {
			t.Fatalf("cut at %d: read %q, want %q", cut, got, all[:want])
		}
		add(t, l, "after")
		l.Close()
		if got := reopen(t, torn); !slices.Equal(got, append(slices.Clone(all[:want]), "after")) {
			t.Fatalf("cut at %d and written to: read %q", cut, got)
		}
	}
}

func TestOpen_Damage(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	begin := int(l.Size())
	add(t, l, "first")
	second := int(l.Size())
	add(t, l, "second")
	l.Close()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x40
		return b
	}
	for _, tc := range []struct {
		name    string
		content []byte
		want    []string
		err     error
	}{
		{"in the middle", flip(begin + 10), nil, journal.ErrDamaged},
		{"in a checksum", flip(begin + 5), nil, journal.ErrDamaged},
		{"in the last frame", flip(second + 10), []string{"first"}, nil},
		{"zeros at the end", append(bytes.Clone(whole), make([]byte, 5000)...), []string{"first", "second"}, nil},
		{"zeros and something", append(append(bytes.Clone(whole), make([]byte, 50)...), 1), nil, journal.ErrDamaged},
		{"another file", []byte("another file altogether"), nil, journal.ErrDamaged},
		{"a short other file", []byte("x"), nil, journal.ErrDamaged},
		{"nothing", nil, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			var got []string
			l, err := journal.Open(file, func(r []byte) error { got = append(got, string(r)); return nil })
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err != nil {
				if after, _ := os.ReadFile(file); !bytes.Equal(after, tc.content) {
					t.Error("the file was changed")
				}
				return
			}
			defer l.Close()
			if !slices.Equal(got, tc.want) {
				t.Errorf("read %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOpen_Refusals(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	add(t, l, "x")
	none := func([]byte) error { return nil }
	if _, err := journal.Open(file, none); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	l.Close()
	bad := errors.New("bad record")
	if _, err := journal.Open(file, func([]byte) error { return bad }); !errors.Is(err, bad) || !strings.Contains(err.Error(), file) {
		t.Errorf("a record that the reader refuses: %v", err)
	}
	if _, err := journal.Open(t.TempDir(), none); err == nil {
		t.Error("a directory was opened")
	}
	if _, err := journal.Open(filepath.Join(file, "x"), none); err == nil {
		t.Error("a file in a file was opened")
	}
}

func TestLog_Closed_RefusesRecords(t *testing.T) {
	l, _ := open(t, path(t))
	l.Close()
	if err := l.Append(true, []byte("x")).Wait(t.Context()); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if err := l.Rewrite(func(func([]byte) error) error { return nil }); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Rewrite: %v", err)
	}
}

func TestGroup_Wait_EndsWithItsContext(t *testing.T) {
	l, _ := open(t, path(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // the group may be done as soon
		if err := l.Append(true, []byte("x")).Wait(ctx); errors.Is(err, context.Canceled) {
			return
		}
	}
	t.Error("Wait never ended with its context")
}

func TestRewrite_KeepsWhatIsAppendedMeanwhile(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	for i := range 1000 {
		l.Append(false, fmt.Appendf(nil, "old %d", i))
	}
	add(t, l)
	before := l.Size()
	err := l.Rewrite(func(put func([]byte) error) error {
		add(t, l, "meanwhile")
		return put([]byte("state"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.Size() >= before {
		t.Errorf("the journal has %d bytes, it had %d", l.Size(), before)
	}
	add(t, l, "later")
	none := func([]byte) error { return nil }
	if _, err := journal.Open(file, none); err == nil {
		t.Error("the new file is not locked")
	}
	l.Close()
	if got := reopen(t, file); !slices.Equal(got, []string{"state", "meanwhile", "later"}) {
		t.Errorf("read %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, %v", info, err)
	}
}

func TestRewrite_UnderLoad_LosesNothing(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	var mu sync.Mutex
	state := map[string]bool{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				r := fmt.Sprintf("%d-%d", w, i)
				mu.Lock()
				state[r] = true
				g := l.Append(i%10 == 0, []byte(r))
				mu.Unlock()
				if i%10 == 0 {
					if err := g.Wait(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 10 {
		if err := l.Rewrite(func(put func([]byte) error) error {
			mu.Lock()
			defer mu.Unlock()
			for r := range state {
				if err := put([]byte(r)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	l.Close()
	got := map[string]bool{}
	for _, r := range reopen(t, file) {
		got[r] = true
	}
	if len(got) != 2000 {
		t.Errorf("%d records of 2000 are there", len(got))
	}
}

func TestRewrite_ThatFails_ChangesNothing(t *testing.T) {
	file := path(t)
	l, _ := open(t, file)
	add(t, l, "kept")
	bad := errors.New("bad state")
	if err := l.Rewrite(func(put func([]byte) error) error {
		if err := put([]byte("half")); err != nil {
			return err
		}
		return bad
	}); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(file + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new file is left: %v", err)
	}
	add(t, l, "and more")
	if err := os.Mkdir(file+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Rewrite(func(func([]byte) error) error { return nil }); err == nil {
		t.Error("rewritten where it could not be written")
	}
	l.Close()
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := reopen(t, file); !slices.Equal(got, []string{"kept", "and more"}) {
		t.Errorf("read %q", got)
	}
}

func FuzzOpen(f *testing.F) {
	file := path(f)
	l, _ := open(f, file)
	add(f, l, "one", "two")
	add(f, l, "three")
	l.Close()
	whole, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		file := path(t)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		l, err := journal.Open(file, func([]byte) error { n++; return nil })
		if err != nil {
			return
		}
		add(t, l, "x")
		l.Close()
		if got := reopen(t, file); len(got) != n+1 {
			t.Errorf("%d records, then one more, and %d were read", n, len(got))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			l, _ := open(b, path(b))
			record := make([]byte, 400)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := l.Append(true, record).Wait(context.Background()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
