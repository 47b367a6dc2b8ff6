package payload_test

import (
	"errors"
	"testing"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// named is a codec of that name; typed says how it is labelled too.
type named string

func (n named) Name() string              { return string(n) }
func (named) Marshal(any) ([]byte, error) { panic("no zero values") }
func (named) Unmarshal([]byte, any) error { return errors.ErrUnsupported }

type typed struct{ named }

func (typed) ContentType() string { return "application/x-typed" }

func TestContentType(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]payload.Codec{"application/json": named("json"), "application/octet-stream": named("gob"), "application/x-typed": typed{"json"}} {
		if got := payload.ContentType(c); got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
}

func TestEncode_PanicIsAnError(t *testing.T) {
	t.Parallel()
	if body, err := payload.Encode(named("gob"), 1); body != nil || err == nil || err.Error() != "gob codec: panic: no zero values" {
		t.Errorf("%q, %v", body, err)
	}
	if body, err := payload.Encode(payload.JSON{}, 1); string(body) != "1" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}
