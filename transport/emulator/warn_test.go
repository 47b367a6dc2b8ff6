package emulator_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

func TestDispatch_FailedAttempts_AreToldOfNowAndThen(t *testing.T) {
	log := &logs{}
	r := start(t, emulator.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	r.worker.statuses(404, 404, 404, 404, 404, 200)
	task := r.task("lost")
	task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Millisecond), MaxBackoff: durationpb.New(time.Millisecond)}
	r.create(task)
	r.await(6)
	text := log.String()
	if n := strings.Count(text, "attempt failed"); n != 1 || !strings.Contains(text, "status=404") || !strings.Contains(text, r.worker.url) {
		t.Errorf("logged %d failed attempts of five within a second, want one with its URL and status:\n%s", n, text)
	}
}

func TestLog_EmptyAttributes_AreLeftOut(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelWarn, slog.LevelDebug} {
		log := &logs{}
		r := start(t, emulator.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))))
		r.worker.statuses(404, 200)
		task := r.task("lost")
		task.RetryConfig = &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Millisecond), MaxBackoff: durationpb.New(time.Millisecond)}
		r.create(task)
		r.await(2)
		text := log.String()
		if !strings.Contains(text, "status=404") || strings.Contains(text, "error=") || strings.Contains(text, "more=") {
			t.Errorf("level %s, logged:\n%s", level, text)
		}
	}
}
