package tasktest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

type (
	// Reader reads itself and is written field by field.
	Reader struct {
		Name string `json:"name" validate:"required"`
		Note string `json:"note,omitempty"`
	}
	// Renamed is a Reader whose field has another name.
	Renamed struct {
		FullName string `json:"full_name" validate:"required"`
		Note     string `json:"note,omitempty"`
	}
	// Plain is a Reader without the method.
	Plain Reader
	// Both writes itself, too.
	Both struct {
		Name string `json:"name"`
	}
	// Worded is written as text.
	Worded struct {
		Name string `json:"name"`
	}
	// Spoken reads text.
	Spoken struct {
		Name string `json:"name"`
	}
	// Lot reads itself, and is no struct.
	Lot []string
	// Outer has the method of what it embeds.
	Outer struct {
		Reader
		More int `json:"more"`
	}
	Readers struct {
		One    Reader            `json:"one" validate:"required"`
		Many   []*Reader         `json:"many"`
		By     map[string]Reader `json:"by"`
		Both   Both              `json:"both"`
		Worded Worded            `json:"worded"`
		Spoken Spoken            `json:"spoken"`
		Lot    Lot               `json:"lot"`
		Outer  Outer             `json:"outer"`
	}
)

func (r *Reader) UnmarshalJSON(b []byte) error  { return json.Unmarshal(b, (*Plain)(r)) }
func (r *Renamed) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.FullName) }
func (*Both) UnmarshalJSON([]byte) error        { return nil }
func (Both) MarshalJSON() ([]byte, error)       { return []byte(`""`), nil }
func (*Worded) UnmarshalJSON([]byte) error      { return nil }
func (Worded) MarshalText() ([]byte, error)     { return nil, nil }
func (*Spoken) UnmarshalText([]byte) error      { return nil }
func (*Lot) UnmarshalJSON([]byte) error         { return nil }

func TestGolden_ReadsItself_PinsItsFields(t *testing.T) {
	t.Parallel()
	dir := pinned(t, tasks.New(nothing[Readers]), tasks.New(nothing[*Reader]), pubsub.NewPublisher[Reader](pubsub.WithName("Reader"), pubsub.Topic("projects/shop/topics/readers")))
	equalText(t, read(t, dir, "task.Reader.golden"), `
		# task Reader: path in JSON, type, validation rules
		@decodes UnmarshalJSON
		name string required
		note string
	`)
	equalText(t, read(t, dir, "task.Readers.golden"), `
		# task Readers: path in JSON, type, validation rules
		both custom:tasktest_test.Both
		by map
		by{} object
		by{}.name string required
		by{}.note string
		by{}@decodes UnmarshalJSON
		lot custom:tasktest_test.Lot
		many list
		many[] object
		many[].name string required
		many[].note string
		many[]@decodes UnmarshalJSON
		one object required
		one.name string required
		one.note string
		one@decodes UnmarshalJSON
		outer object
		outer.more int
		outer.name string required
		outer.note string
		outer@decodes UnmarshalJSON
		spoken custom:tasktest_test.Spoken
		worded custom:tasktest_test.Worded
	`)
	equalText(t, read(t, dir, "publisher.Reader.golden"), `
		# publisher Reader: path in JSON, type, validation rules
		@topic projects/shop/topics/readers
		name string required
		note string
	`)
}

func TestGolden_ReadsItself_ChangesAreTold(t *testing.T) {
	t.Parallel()
	const mark = "@decodes"
	for name, c := range map[string]struct {
		was, is tasks.Definition
		want    []string
	}{
		"a field renamed":    {invoice[Reader](), invoice[Renamed](), []string{"- name string required strands queued work: what it carries here is dropped", "+ full_name string required strands queued work: it lacks this and does not validate"}},
		"its method is new":  {invoice[Plain](), invoice[Reader](), []string{"+ " + mark + " UnmarshalJSON harmless"}},
		"its method is gone": {invoice[Reader](), invoice[Plain](), []string{"- " + mark + " UnmarshalJSON strands queued work: what it carries here is dropped"}},
		"nothing":            {invoice[Reader](), invoice[*Reader](), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := pinned(t, c.was)
			var got []string
			for _, err := range changed(t, dir, c.is) {
				lines := strings.Split(err, "\n")
				for _, line := range lines[1 : len(lines)-1] {
					if !strings.HasPrefix(line, "  ") { // a hint
						continue
					}
					got = append(got, strings.Join(strings.Fields(line), " "))
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
