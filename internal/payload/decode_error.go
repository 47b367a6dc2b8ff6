package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeError says that bytes are no payload of the type wanted. Its text names the place and what was wanted
// there; what the payload holds stays out of it, and may be in the texts of Err.
type DecodeError struct {
	Codec  string // the codec's name
	Field  string // where, like "items[2].qty" or "prices[...]"; empty for the payload as a whole or where the codec cannot tell
	Offset int64  // how many bytes had been read; negative where the codec cannot tell
	Reason string // what was wanted; fit for showing to whoever sent the payload
	Err    error  // the codec's own error, as encoding/json's *SyntaxError and *UnmarshalTypeError
}

// asDecodeError wraps err, unless it is one already, with its text as the reason: codecs that users wrote return any
// error.
func asDecodeError(codec string, err error) *DecodeError {
	if d, ok := errors.AsType[*DecodeError](err); ok {
		return d
	}
	return &DecodeError{Codec: codec, Offset: -1, Reason: err.Error(), Err: err}
}

// Error reads like `payload is not valid json: items[2].qty: want int, got string (offset 31)`.
func (e *DecodeError) Error() string {
	var b strings.Builder
	b.WriteString("payload is not valid " + e.Codec + ": ")
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Reason)
	if e.Offset >= 0 {
		b.WriteString(" (offset " + strconv.FormatInt(e.Offset, 10) + ")")
	}
	return b.String()
}

// Unwrap returns the codec's own error.
func (e *DecodeError) Unwrap() error { return e.Err }

// explainJSON describes err, encoding/json's refusal of data as a t, with the more exact places of version 2's.
// Neither's text is used: both may quote the value, and so may the errors of UnmarshalJSON methods.
func explainJSON(t reflect.Type, data []byte, v2, err error) *DecodeError {
	e := &DecodeError{Codec: JSON{}.Name(), Offset: -1, Reason: "it does not fit the type", Err: err}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		e.Offset, e.Reason = syntax.Offset, syntax.Error()
		if len(bytes.TrimSpace(data)) == 0 {
			e.Reason = "it is empty"
		}
		return e
	}
	if s, ok := errors.AsType[*jsonv2.SemanticError](v2); ok {
		e.Offset, e.Field = s.ByteOffset, jsonPath(t, s)
		e.Reason = mismatch(s)
		return e
	}
	return e
}

func mismatch(s *jsonv2.SemanticError) string {
	if errors.Is(s, jsonv2.ErrUnknownName) {
		return "there is no such field"
	}
	if s.GoType == nil {
		return "it does not fit the type"
	}
	want, got := typeName(s.GoType), kindName(s.JSONKind)
	switch {
	case got == "":
		return "nothing decodes to " + want
	case errors.Is(s, strconv.ErrRange), errors.Is(s, strconv.ErrSyntax) && got == "number":
		return want + " cannot hold this " + got
	case s.Err != nil:
		return want + " does not take this " + got
	}
	return "want " + want + ", got " + got
}

func typeName(t reflect.Type) string {
	if t.Name() == "" {
		switch t.Kind() {
		case reflect.Struct, reflect.Map:
			return "object"
		case reflect.Slice, reflect.Array:
			if t.Elem().Kind() != reflect.Uint8 {
				return "array"
			}
		}
	}
	return t.String()
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 0:
		return ""
	case '{', '}':
		return "object"
	case '[', ']':
		return "array"
	case 't', 'f':
		return "boolean"
	}
	return k.String()
}
