package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// JSON is the codec for JSON, with encoding/json's meaning to the byte: its output, its field tags and methods,
// its leniency about case, duplicate names and invalid UTF-8. It takes one thing more: a time.Time written with \u
// escapes, as JSON strings may be. Unknown members are ignored unless Strict.
type JSON struct {
	Strict bool // refuse members that the payload has no field for
}

// Decoding goes through the coming encoding/json/v2 under options that keep version 1's meaning, encoding through
// encoding/json, each being the faster (BenchmarkJSON_Decode and BenchmarkJSON_Encode have the figures).
//
// Version 1 also reads the whole text for syntax before it starts, which a fifth of the time goes into, to leave a
// target alone that it cannot fill. Unmarshal clears the target instead, and so switches that off.
var (
	lenient = jsonv2.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false))
	strict  = jsonv2.JoinOptions(lenient, jsonv2.RejectUnknownMembers(true))
)

// Name returns "json".
func (JSON) Name() string { return "json" }

// Marshal encodes v as encoding/json does.
func (JSON) Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("payload of type %T cannot be encoded: %w", v, err)
	}
	return data, nil
}

// Unmarshal decodes data, one JSON value and white space around it, into what v points to, which should be a zero
// value. Nothing decoded refers to data afterwards. An error is a [*DecodeError], and *v is zero then.
// [Plan.Decode] does the same faster, as it knows the type.
func (c JSON) Unmarshal(data []byte, v any) error {
	return c.unmarshal(data, v, needsV1(reflect.TypeOf(v)))
}

// unmarshal decodes by encoding/json if v1 is set, and otherwise only what version 2 refuses: encoding/json has the
// last word, as it takes some that version 2 never does (a name that two fields claim, say).
func (c JSON) unmarshal(data []byte, v any, v1 bool) error {
	opts := lenient
	if c.Strict {
		opts = strict
	}
	var refusal error
	if !v1 {
		if refusal = jsonv2.Unmarshal(data, v, opts); refusal == nil {
			return nil
		}
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return &DecodeError{Codec: c.Name(), Offset: -1, Reason: fmt.Sprintf("a %T is no pointer to decode to", v), Err: refusal}
	}
	target.Elem().SetZero()
	if err := c.unmarshalV1(data, v); err != nil {
		target.Elem().SetZero()
		if v1 { // ask for the place
			refusal = jsonv2.Unmarshal(data, reflect.New(target.Type().Elem()).Interface(), opts)
		}
		return explainJSON(target.Type().Elem(), data, refusal, err)
	}
	return nil
}

func (c JSON) unmarshalV1(data []byte, v any) error {
	if !c.Strict {
		return json.Unmarshal(data, v)
	}
	// A Decoder stops after the first value, so the text is looked at as a whole first.
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
