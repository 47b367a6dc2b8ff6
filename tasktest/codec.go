package tasktest

import (
	"reflect"
	"slices"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// rawCodec carries pubsub.Raw as it is.
type rawCodec struct{}

// Name implements tasks.Codec.
func (rawCodec) Name() string { return "raw" }

// Marshal implements tasks.Codec.
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*pubsub.Raw), nil }

// Unmarshal implements tasks.Codec.
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*pubsub.Raw) = slices.Clone(data)
	return nil
}

// codecOf is the codec of a publisher or a subscriber.
func codecOf(d pubsub.Description) tasks.Codec {
	if d.Raw {
		return rawCodec{}
	}
	return d.Codec
}

// roundTrip carries v through the codec, as a payload is carried.
func roundTrip[T any](c tasks.Codec, v T) (T, error) {
	var out T
	data, err := c.Marshal(boxed(&v))
	if err != nil {
		return out, err
	}
	return out, c.Unmarshal(data, target(&out))
}

// boxed and target hand a codec what packages tasks and pubsub do: a pointer to the payload, or the payload where it
// is a pointer itself.
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
