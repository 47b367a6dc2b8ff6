package payload

import "fmt"

// ContentType is how what c writes is labelled: as its method of that name says, see tasks.ContentTyper.
func ContentType(c Codec) string {
	if t, ok := c.(interface{ ContentType() string }); ok {
		return t.ContentType()
	}
	if c.Name() == "json" {
		return "application/json"
	}
	return "application/octet-stream"
}

// Encode is c.Marshal for where a panic of the payload's own methods would end more than the call: it is an error.
func Encode(c Codec, v any) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s codec: panic: %v", c.Name(), p)
		}
	}()
	return c.Marshal(v)
}
