package service

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/typedtasks/typedtasks/tasks"
)

// NewLogger writes lines of JSON as Cloud Logging reads them: with "severity" and "message".
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: forCloudLogging}))
}

func forCloudLogging(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String("severity", severity(level))
		}
	}
	return a
}

// severity is a level in Cloud Logging's words.
func severity(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	default:
		return "DEBUG"
	}
}

// logRefused logs what a customer's request failed to enqueue, and whether that is the customer's fault.
func (s *Service) logRefused(ctx context.Context, task string, err error) {
	level := slog.LevelError
	if _, ok := errors.AsType[*tasks.ValidationError](err); ok {
		level = slog.LevelInfo
	}
	s.logger.Log(ctx, level, "task not enqueued", "task", task, "error", err)
}

// quarantine keeps a delivery that would be lost or loop in the log, for as long as Cloud Logging keeps that (30 days
// by default). Where payloads must not be logged, or more is at stake, use tasks.QuarantineTo.
func (s *Service) quarantine(ctx context.Context, q tasks.Quarantined) error {
	s.logger.ErrorContext(ctx, "quarantined", "delivery", q)
	return nil
}
