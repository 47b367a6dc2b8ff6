package emulator

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// applyMask copies from one message into another of the same type what mask names; what is unset in the source
// is cleared. Paths may be in snake_case or camelCase and may lead into messages. No path, or "*", is all.
func applyMask(into, from proto.Message, mask *fieldmaskpb.FieldMask) error {
	paths := mask.GetPaths()
	fields := make([][]protoreflect.FieldDescriptor, len(paths))
	all := len(paths) == 0
	for i, path := range paths {
		if path == "*" {
			all = true
			continue
		}
		var ok bool
		if fields[i], ok = fieldPath(into.ProtoReflect().Descriptor(), path); !ok {
			return invalid("The update mask holds an unknown field: %q.", path)
		}
	}
	if all {
		proto.Reset(into)
		proto.Merge(into, from)
		return nil
	}
	for _, path := range fields {
		copyField(into.ProtoReflect(), from.ProtoReflect(), path)
	}
	return nil
}

// fieldPath resolves a dotted path. Only its last field may be repeated.
func fieldPath(in protoreflect.MessageDescriptor, path string) (fields []protoreflect.FieldDescriptor, ok bool) {
	for name := range strings.SplitSeq(path, ".") {
		if in == nil {
			return nil, false
		}
		f := in.Fields().ByName(protoreflect.Name(name))
		if f == nil {
			f = in.Fields().ByJSONName(name)
		}
		if f == nil {
			return nil, false
		}
		fields = append(fields, f)
		in = nil
		if f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() {
			in = f.Message()
		}
	}
	return fields, true
}

func copyField(into, from protoreflect.Message, path []protoreflect.FieldDescriptor) {
	f := path[0]
	switch {
	case len(path) > 1 && (from.Has(f) || into.Has(f)):
		copyField(into.Mutable(f).Message(), from.Get(f).Message(), path[1:])
	case len(path) > 1:
	case from.Has(f):
		into.Set(f, proto.Clone(from.Interface()).ProtoReflect().Get(f))
	default:
		into.Clear(f)
	}
}
