package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Of Google's client: the first is started by an import, the second ends with its next ping, half a minute later.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
	)
}

func TestRun_TellsTheSameStoryOverEveryBroker(t *testing.T) {
	for _, c := range []struct {
		name string
		args func(*testing.T) []string
		says []string
	}{
		{"memory", func(*testing.T) []string { return nil }, []string{"Events in memory"}},
		{"pstest", func(*testing.T) []string { return []string{"-pstest"} }, []string{"[+] subscription audit-emea: created", "[+] topic orders-dead: created"}},
		{"emulator, pushed to", overEmulator, []string{"[+] subscription audit-emea: created: push to http://127.0.0.1:"}},
		{"emulator, pulling", func(t *testing.T) []string { return append(overEmulator(t), "-pull") }, []string{"[+] subscription audit-emea: created: pulled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), c.args(t), &out, io.Discard); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			for _, want := range append(c.says,
				"shipping  failed   order 3", "shipping  shipped  order 3", "support   called   order 13",
				"refused   422 payload is not valid: region fails rule oneof=emea apac",
				"All done: four orders shipped, one with support, three in the books of emea.") {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the story lacks %q:\n%s", want, out.String())
				}
			}
			if got, want := audited(out.String()), []string{"1", "3", "13"}; !slices.Equal(got, want) {
				t.Errorf("emea was noted in the order %q, want %q", got, want)
			}
		})
	}
}

// overEmulator starts ours.
func overEmulator(t *testing.T) []string {
	e, err := emulator.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	address, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"-emulator", address}
}

// audited lists the orders in the books, as they came.
func audited(story string) (ids []string) {
	for _, m := range regexp.MustCompile(`audit +noted +order (\d+)`).FindAllStringSubmatch(story, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestRun_Interrupted_SaysWhatIsMissing(t *testing.T) {
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if err := run(ctx, nil, io.Discard, io.Discard); !errors.Is(err, context.Canceled) && !errors.Is(err, interrupted) {
		t.Errorf("run = %v, want it to be interrupted", err)
	}
}

func TestRun_Arguments(t *testing.T) {
	var logs bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, io.Discard, &logs); err != nil || !strings.Contains(logs.String(), "-pstest") {
		t.Errorf("-h: %v\n%s", err, logs.String())
	}
	if err := run(t.Context(), []string{"-nonsense"}, io.Discard, io.Discard); err == nil {
		t.Error("-nonsense is accepted")
	}
}
