package payload

import "reflect"

// Box erases a payload: what codecs and validation see is always a pointer, for a T that is one T itself.
func Box[T any](p *T) any {
	if isPointer[T]() {
		return *p
	}
	return p
}

// Unbox recovers the T that Box erased.
func Unbox[T any](v any) T {
	if p, ok := v.(*T); ok {
		return *p
	}
	return v.(T)
}

// Target returns what makes what a T is decoded into: a *T, or for a pointer type a T that points to a zero value.
func Target[T any]() func() any {
	if isPointer[T]() {
		elem := reflect.TypeFor[T]().Elem()
		return func() any { return reflect.New(elem).Interface() }
	}
	return func() any { return new(T) }
}

func isPointer[T any]() bool { return reflect.TypeFor[T]().Kind() == reflect.Pointer }
