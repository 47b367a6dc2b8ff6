//lint:file-ignore SA5008,U1000 Tags and fields that mean nothing are what codecs may disagree about.

package payload_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Types of the kinds that payloads are made of, each with something that codecs disagree about.
type (
	scalars struct {
		Bool    bool
		Int     int
		Int8    int8
		Int64   int64 `json:"int_64"`
		Uint    uint
		Uint8   uint8
		Float32 float32
		Float64 float64
		String  string
		Named   color
		Wait    time.Duration
		Any     any
	}

	numbers struct {
		Number json.Number
		Many   []json.Number
		By     map[json.Number]int
		Any    any
	}

	color string

	pointers struct {
		Bool   *bool
		Int    **int
		String *string
		Time   *time.Time
		Self   *pointers
		Any    *any
		Raw    *json.RawMessage
	}

	collections struct {
		Bytes    []byte
		Array    [3]int
		Small    [4]byte
		Strings  []string
		Nested   [][]int16
		Structs  []leaf
		Pointers []*leaf
		Map      map[string]string
		ByInt    map[int]leaf
		ByUint8  map[uint8]bool
		ByText   map[textKey]int
		ByAddr   map[netip.Addr]string
		Maps     map[string]map[string]any
		Octets   []octet
	}

	octet uint8

	leaf struct {
		A string `json:"a"`
		B int    `json:"b,omitempty"`
	}

	quoted struct {
		Bool   bool     `json:",string"`
		Int    int      `json:"int,string"`
		Uint8  uint8    `json:",string"`
		Float  float64  `json:",string"`
		String string   `json:",string"`
		Ptr    *int     `json:",string"`
		Slice  []int    `json:",string"` // means nothing here
		Struct leaf     `json:",string"` // nor here
		Any    any      `json:",string"`
		Text   textKey  `json:",string"`
		Wait   duration `json:",string"`
	}

	duration = time.Duration

	embedding struct {
		leaf
		Base
		*Extra
		Named `json:"named"`
		color
		A2 string `json:"a2"`
		B  int    `json:"b"` // hides leaf's
	}

	Base struct {
		ID    string `json:"id"`
		Clash int
	}
	Extra struct {
		Note  string
		Clash int
	}
	Named struct{ X, Y int }

	hiddenPointer struct {
		*leaf // cannot be set, as its type is not exported
		C     int
	}

	names struct {
		Exact   string `json:"exact"`
		EXACT   string `json:"EXACT"`
		Snake   string `json:"snake_case"`
		Dashed  string `json:"-,"`
		Ignored string `json:"-"`
		Long_s  string `json:"ſ"` // folds to s
		Kelvin  string `json:"K"` // folds to k
		Empty   string `json:",omitempty"`
		hidden  string
	}

	oddNames struct {
		Odd string `json:"a.b/c~d$%&"`
		Bad string `json:"a\"b"`
	}

	inlined struct {
		Base `json:",inline"`
		Leaf leaf      `json:",inline"`
		Zero time.Time `json:"zero,omitzero"`
	}

	options struct {
		Unknown  map[string]any `json:"rest,whatever"`
		Quoted   string         `json:"'quoted'"`
		Complete string         `json:"complete,omitempty,string"`
	}

	times struct {
		At   time.Time   `json:"at"`
		Ats  []time.Time `json:"ats"`
		Wait time.Duration
		URL  url.URL
		IP   netip.Addr
		Big  big.Int
		BigP *big.Int
	}

	methods struct {
		Upper  upper
		UpperP *upper
		Text   textKey
		TextP  *textKey
		Picky  picky
		Raw    json.RawMessage
		Values map[string]upper
		Keys   map[upper]int
		Slice  []picky
		Iface  interface{ String() string }
		Func   func() `json:",omitempty"`
		Chan   chan int
		Cplx   complex64
	}

	recursive struct {
		Name     string
		Children []recursive
		ByName   map[string]*recursive
		Parent   *recursive
	}

	bools       bool
	list        []any
	page[T any] struct {
		Items []T
		Next  *page[T]
	}
)

// upper keeps what it was given, in upper case.
type upper string

func (u *upper) UnmarshalJSON(b []byte) error {
	*u = upper(strings.ToUpper(string(b)))
	return nil
}

func (u upper) MarshalJSON() ([]byte, error) { return json.Marshal(string(u)) }

// textKey has methods for text.
type textKey struct{ S string }

func (k *textKey) UnmarshalText(b []byte) error {
	if strings.Contains(string(b), "bad") {
		return errors.New("bad text: " + string(b))
	}
	k.S = "<" + string(b) + ">"
	return nil
}

func (k textKey) MarshalText() ([]byte, error) { return []byte(k.S), nil }

// picky takes objects only.
type picky struct{ raw string }

var errPicky = errors.New("picky takes objects only")

func (p *picky) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return errPicky
	}
	p.raw = string(b)
	return nil
}

// twice has two fields of one name, which vet would not let us write.
var twice = reflect.StructOf([]reflect.StructField{
	{Name: "Twice1", Type: reflect.TypeFor[string](), Tag: `json:"twice"`},
	{Name: "Twice2", Type: reflect.TypeFor[string](), Tag: `json:"twice"`},
	{Name: "Spaced", Type: reflect.TypeFor[string](), Tag: `json:"spaced, omitempty"`},
	{Name: "Other", Type: reflect.TypeFor[int](), Tag: `json:"other"`},
})

// versioned is decoded one way by version 1 and another by version 2.
type versioned struct{ By string }

func (v *versioned) UnmarshalJSON([]byte) error { v.By = "UnmarshalJSON"; return nil }

func (v *versioned) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v.By = "UnmarshalJSONFrom"
	return d.SkipValue()
}

var jsonTypes = []reflect.Type{
	reflect.TypeFor[versioned](), reflect.TypeFor[map[string][]*versioned](),
	reflect.TypeFor[numbers](), reflect.TypeFor[oddNames](), reflect.TypeFor[inlined](), twice,
	reflect.TypeFor[scalars](), reflect.TypeFor[*pointers](), reflect.TypeFor[collections](), reflect.TypeFor[quoted](),
	reflect.TypeFor[embedding](), reflect.TypeFor[hiddenPointer](), reflect.TypeFor[names](), reflect.TypeFor[options](),
	reflect.TypeFor[times](), reflect.TypeFor[methods](), reflect.TypeFor[recursive](), reflect.TypeFor[page[leaf]](),
	reflect.TypeFor[any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[list](), reflect.TypeFor[bools](),
	reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[2]leaf](), reflect.TypeFor[map[color]*leaf](),
	reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[time.Time](), reflect.TypeFor[struct{}](),
	reflect.TypeFor[float64](), reflect.TypeFor[int8](), reflect.TypeFor[map[int64]string](), reflect.TypeFor[[]map[string][]leaf](),
}
