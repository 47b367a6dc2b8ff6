package payload_test

import (
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/typedtasks/typedtasks/internal/payload"
)

// pin redacts itself.
type pin string

func (pin) LogValue() slog.Value { return slog.StringValue("****") }

// Types that may hold something that redacts itself, and so are walked, field by field.
type (
	openEmbedding struct {
		embedding
		Any any
	}
	openPointers struct {
		*Extra
		hiddenPointer
		Any any
	}
	openNames struct {
		names
		inlined
		Any any
	}
	openOptions struct {
		options
		quoted
		Texts map[textKey]any
		Keys  map[int8]any
	}
	openTimes struct {
		times
		Recursive recursive
		Lists     [][]any
	}
)

func TestShown_NothingRedacted_IsAsEncodingJSONHasIt(t *testing.T) {
	types := append([]reflect.Type{
		reflect.TypeFor[openEmbedding](), reflect.TypeFor[openPointers](), reflect.TypeFor[openNames](), reflect.TypeFor[openOptions](), reflect.TypeFor[openTimes](),
	}, jsonTypes...)
	shown := 0
	for _, typ := range types {
		r := rand.New(rand.NewPCG(3, 4))
		for range 500 {
			v := reflect.New(typ).Interface()
			if json.Unmarshal([]byte(document(r, typ, 4)), v) != nil {
				continue
			}
			want, err := json.Marshal(v)
			if err != nil {
				continue
			}
			shown++
			if got := payload.Shown(v, 1<<20); got != string(want) {
				t.Fatalf("%v: got\n%s, want\n%s", typ, got, want)
			}
			if text, ok := payload.Redacted(v, 1<<20); ok {
				t.Fatalf("%v: redacted %s", typ, text)
			}
		}
	}
	if shown < 3000 {
		t.Errorf("only %d documents were shown", shown)
	}
}

func TestPlan_MayRedact_WhereALogValuerCanBe(t *testing.T) {
	type node struct {
		Next *node
		PIN  []map[string]*pin
	}
	type writer struct {
		times
		hidden pin
	}
	_ = writer{hidden: ""}
	type embedded struct{ pin }
	for typ, want := range map[reflect.Type]bool{
		reflect.TypeFor[pin](): true, reflect.TypeFor[*pin](): true, reflect.TypeFor[node](): true, reflect.TypeFor[*node](): true, reflect.TypeFor[map[pin]int](): true,
		reflect.TypeFor[[]any](): true, reflect.TypeFor[struct{ E error }](): true, reflect.TypeFor[embedded](): true, reflect.TypeFor[ownText](): true,
		reflect.TypeFor[*structpb.Struct](): true,
		reflect.TypeFor[order]():            false, reflect.TypeFor[times](): false, reflect.TypeFor[time.Time](): false, reflect.TypeFor[recursive](): false,
		reflect.TypeFor[writer](): false, reflect.TypeFor[string](): false,
		reflect.TypeFor[struct {
			PIN pin `json:"-"`
		}](): false,
	} {
		plan, err := payload.PlanFor(typ)
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.MayRedact(); got != want {
			t.Errorf("%v: %t", typ, got)
		}
	}
}

// ownText shows by its method what is in it.
type ownText struct{ hidden any }

func (o ownText) MarshalText() ([]byte, error) { return json.Marshal(o.hidden) }

func TestRedacted_WrittenByOwnMethod_IsTakenApartOnlyIfSomethingIsInIt(t *testing.T) {
	fields, err := structpb.NewStruct(map[string]any{"a": []any{1, "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := payload.Redacted(fields, 100); ok {
		t.Errorf("got %s", text)
	}
	if got, want := payload.Shown([]any{fields, pin("1")}, 100), `[{"a":[1,"x"]},"****"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if text, ok := payload.Redacted(ownText{pin("1")}, 100); !ok || text != "{}" {
		t.Errorf("got %s, %t", text, ok)
	}
}

// unsteady panics where it is asked.
type unsteady struct{ Any any }

func (unsteady) IsZero() bool { panic("asked") }

func TestShown_CannotPanic(t *testing.T) {
	for _, v := range []any{nil, struct {
		U unsteady `json:",omitzero"`
	}{unsteady{1}}, []any{func() {}, make(chan int), 1i, picky{}, map[any]any{nil: 1}}} {
		if got := payload.Shown(v, 100); got == "" {
			t.Errorf("%T is not shown", v)
		}
	}
}
