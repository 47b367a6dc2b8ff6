package emulator

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// updatable says what the update masks of a kind of resource may name.
type updatable struct {
	request, kind string
	of            protoreflect.MessageDescriptor
	fixed         []string // fields that nobody changes
}

func updatableIn(request string, of proto.Message, fixed ...string) updatable {
	d := of.ProtoReflect().Descriptor()
	return updatable{request, string(d.Name()), d, fixed}
}

// check refuses a mask that is empty, or names what is no field or cannot be changed. It returns the fields of the
// resource that the mask touches, each once. Unlike Cloud Tasks, Pub/Sub takes names in snake_case only.
func (u updatable) check(mask *fieldmaskpb.FieldMask) (touched []string, err error) {
	if len(mask.GetPaths()) == 0 {
		return nil, invalid("The update_mask in the %s must be set, and must contain a non-empty paths list.", u.request)
	}
	for _, path := range mask.Paths {
		fields, ok := fieldPath(u.of, path)
		if !ok || snakeCase(fields) != path {
			return nil, invalid("Invalid update_mask provided in the %s: '%s' is not a known %s field. "+
				"Note that field paths must be of the form 'push_config' rather than 'pushConfig'.", u.request, path, u.kind)
		}
		name := string(fields[0].Name())
		if slices.Contains(u.fixed, name) {
			return nil, invalid("Invalid update_mask provided in the %s: the '%s' field in the %s is not mutable.", u.request, name, u.kind)
		}
		if !slices.Contains(touched, name) {
			touched = append(touched, name)
		}
	}
	return touched, nil
}

func snakeCase(fields []protoreflect.FieldDescriptor) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(f.Name())
	}
	return strings.Join(names, ".")
}
