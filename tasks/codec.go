package tasks

import (
	"github.com/typedtasks/typedtasks/internal/payload"
)

// Codec turns payloads into bytes and back; Name says which it is, in errors and logs. Marshal and Unmarshal are
// given a pointer to the payload: for a task of Welcome a *Welcome, and for a task of *Welcome the same. Unmarshal
// must not keep data. All must be safe for concurrent use.
//
// What Marshal refuses is an error of Enqueue. What Unmarshal refuses is never retried blindly: it is
// quarantined, or answered with 400.
type Codec interface {
	Name() string
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// ContentTyper is a Codec that says how its bytes are labelled. Without it, the codec named "json" sends
// application/json and any other application/octet-stream.
type ContentTyper interface {
	ContentType() string
}

// JSONCodec is JSON with the meaning of encoding/json. Trailing bytes and NaN are refused; unknown fields are
// accepted, so that a new version may enqueue for an old one while a deploy rolls, unless its one field is set:
//
//	JSONCodec{Strict: true}
type JSONCodec = payload.JSON

// ValidationError lists every field of a payload that failed its rules, by JSON path. Enqueue returns it;
// over HTTP it is answered with 400. It holds no payload values. Its fields:
//
//	Fields []FieldError // empty if only a Validate method objects
//	Err    error        // validator.ValidationErrors, or what Validate returned; errors.Is and As reach it
type ValidationError = payload.ValidationError

// FieldError is one failed rule of one field. Its fields, and their names as JSON in lower case:
//
//	Field string // where, like "address.zip", "items[2].email" or, in a map whose keys are data, "prices[...]"
//	Rule  string // like "required" or "max"
//	Param string // like "3" of "max=3"
type FieldError = payload.FieldError

// DecodeError is a body that is no payload of its task. It quotes none of it. Its fields:
//
//	Codec, Field string // the codec's name; where in the payload, if known
//	Offset       int64  // in bytes; -1 where it is not known
//	Reason       string
//	Err          error  // the codec's own
type DecodeError = payload.DecodeError
