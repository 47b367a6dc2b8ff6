package gcp

import (
	"context"
	"errors"
	"fmt"
)

// Ended is err together with ctx's error where ctx has ended, so that errors.Is finds both.
func Ended(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err)
	}
	return err
}

// NotAllowed is a refusal, and what would lift it, such as "roles/pubsub.editor".
func NotAllowed(err error, grant string) error {
	return fmt.Errorf("%w (grant the caller %s)", err, grant)
}

// NotConnected says why a driver's client was not made, and where credentials come from.
func NotConnected(d Driver, err error) error {
	return fmt.Errorf("%s: connect: %w (outside Google Cloud: gcloud auth application-default login, or %s for an emulator)", d.Name, err, d.Emulator)
}

// AtEmulator is said behind an error that means that nobody answered; empty where v is no endpoint.
func (v Value) AtEmulator() string {
	if v.Text == "" {
		return ""
	}
	return fmt.Sprintf(" (from the emulator at %s, as %s says; does it run?)", v.Text, v.Source)
}
