package pubsub

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// definition is what publishers and subscribers have in common, their data's type erased.
type definition struct {
	typ   reflect.Type // M
	name  string       // as given
	topic string       // as given
	codec tasks.Codec  // nil: the App's
	errs  []error

	ordered bool
}

func (d *definition) problem(format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf(format, args...))
}

func (d *definition) setName(name string) {
	if d.name = name; name == "" {
		d.problem("WithName: the name is empty")
	}
}

func (d *definition) setTopic(id string) {
	d.topic = id
	d.given("Topic", id)
}

// given finds what is wrong with the name of a resource that an option gives.
func (d *definition) given(option, id string) {
	if id == "" {
		d.problem("%s: the id is empty: leave the option out for a derived one", option)
	} else if err := transport.CheckTopic(transport.ResourceID(id)); err != nil {
		d.problem("%s: %w", option, err)
	}
}

func (d *definition) setCodec(c tasks.Codec) {
	switch d.codec = c; {
	case c == nil:
		d.problem("WithCodec: the codec is nil")
	case d.isRaw():
		d.problem("WithCodec: Raw data knows no codec: leave the option out")
	}
}

// isRaw reports whether the data is bytes that no codec touches.
func (d *definition) isRaw() bool { return isRaw(d.typ) }

// typeName is the name of M's type, empty where it gives none.
func (d *definition) typeName() string {
	t := d.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() == "" || d.isRaw() || !isName(t.Name()) {
		return ""
	}
	return t.Name()
}

// topicUnder is the topic's name in an App.
func (d *definition) topicUnder(cfg tasks.Config) (string, error) {
	if d.topic != "" {
		return d.topic, checkResource("topic", d.topic)
	}
	name := derive(cfg, d.typeName())
	if name == "" {
		return "", errors.New("the type of the data gives no name for the topic: add pubsub.Topic")
	}
	if err := checkResource("topic", name); err != nil {
		return "", fmt.Errorf("%w: add pubsub.Topic", err)
	}
	return name, nil
}

// codecUnder is the codec in an App.
func (d *definition) codecUnder(cfg tasks.Config) tasks.Codec {
	if d.codec != nil {
		return d.codec
	}
	return cfg.Codec
}

// checkPayload asks the App whether M can be validated.
func (d *definition) checkPayload(app *tasks.App) error {
	if err := checkData(app, d.typ); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// checkData asks the App whether data of type t can be validated.
func checkData(app *tasks.App, t reflect.Type) error {
	if isRaw(t) {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return app.CheckPayload(t)
}

// derive is a name under the App's prefix, empty where there is nothing to derive it from.
func derive(cfg tasks.Config, name string) string {
	if name == "" {
		return ""
	}
	if cfg.Name == "" {
		return kebab(name)
	}
	return cfg.Name + cfg.Delimiter + kebab(name)
}

// sameTopic reports whether two names may be of one topic: by their ids, and by their projects where both have one.
func sameTopic(a, b string) bool {
	aID, bID := transport.ResourceID(a), transport.ResourceID(b)
	return aID == bID && (a == b || a == aID || b == bID)
}

func checkResource(kind, name string) error {
	if err := transport.CheckTopic(transport.ResourceID(name)); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// isName reports whether s can be a definition's name.
func isName(s string) bool {
	return s != "" && len(s) <= 200 && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_", r)
	})
}

// kebab writes OrderPaid as order-paid and HTTPServer as http-server.
func kebab(s string) string {
	var b strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		if r == '_' || r == '.' {
			r = '-'
		}
		if i > 0 && unicode.IsUpper(r) && rs[i-1] != '-' && rs[i-1] != '_' && rs[i-1] != '.' &&
			(!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
