package payload_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// protobuf is the codec that users of protobuf write. A payload is a pointer to a message, so Unmarshal gets a
// pointer to that pointer.
type protobuf struct{}

func (protobuf) Name() string { return "protobuf" }

func (protobuf) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no proto.Message", v)
	}
	return proto.Marshal(m)
}

func (protobuf) Unmarshal(data []byte, v any) error {
	ptr := reflect.ValueOf(v).Elem()
	ptr.Set(reflect.New(ptr.Type().Elem()))
	return proto.Unmarshal(data, ptr.Interface().(proto.Message))
}

func TestPlan_ProtobufPayload_GoesThereAndBack(t *testing.T) {
	nested, err := structpb.NewStruct(map[string]any{"a": []any{1, "x", map[string]any{"b": nil}}})
	if err != nil {
		t.Fatal(err)
	}
	thereAndBack(t, wrapperspb.String("hello"))
	thereAndBack(t, nested)
}

func thereAndBack[T proto.Message](t *testing.T, sent T) {
	t.Helper()
	plan, val := planFor[T](t), payload.NewValidator(nil)
	if err := errors.Join(val.Check(plan), val.Validate(plan, &sent)); err != nil {
		t.Fatal(err)
	}
	data, err := protobuf{}.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := plan.Decode(protobuf{}, data, &got); err != nil {
		t.Fatal(err)
	}
	if err := val.Validate(plan, &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, sent) {
		t.Errorf("got %v, want %v", got, sent)
	}
}

func TestPlan_ProtobufPayload_ErrorsAreOfTheSameKinds(t *testing.T) {
	plan := planFor[*wrapperspb.StringValue](t)
	var got *wrapperspb.StringValue
	if err := payload.NewValidator(nil).Validate(plan, &got); !errors.Is(err, payload.ErrNil) {
		t.Errorf("got %v", err)
	}
	err := plan.Decode(protobuf{}, []byte("\xff"), &got)
	if d, ok := errors.AsType[*payload.DecodeError](err); !ok || d.Codec != "protobuf" || !errors.Is(err, proto.Error) {
		t.Errorf("got %v", err)
	}
}
