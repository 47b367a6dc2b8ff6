package tasktest

import (
	"reflect"
	"testing"

	"github.com/typedtasks/typedtasks/tasks"
)

// roundTrip carries v through the codec, as a payload is carried.
func roundTrip[T any](c tasks.Codec, v T) (T, error) {
	var out T
	data, err := c.Marshal(boxed(&v))
	if err != nil {
		return out, err
	}
	return out, c.Unmarshal(data, target(&out))
}

// decode returns a pointer to the entry's payload, of the sample's type.
func decode(t testing.TB, c tasks.Codec, e *entry, sample any) any {
	t.Helper()
	ptr := reflect.New(reflect.TypeOf(sample).Elem()).Interface()
	if err := c.Unmarshal(e.Body, target(ptr)); err != nil {
		t.Fatalf("tasktest: #%d %s: the payload does not decode: %v", e.number, e.Record, err)
	}
	return ptr
}

// boxed and target hand a codec what package tasks does: a pointer to the payload, or the payload where it is
// a pointer itself.
func boxed(ptr any) any {
	if v := reflect.ValueOf(ptr).Elem(); v.Kind() == reflect.Pointer {
		return v.Interface()
	}
	return ptr
}

func target(ptr any) any {
	v := reflect.ValueOf(ptr).Elem()
	if v.Kind() != reflect.Pointer {
		return ptr
	}
	v.Set(reflect.New(v.Type().Elem()))
	return v.Interface()
}
