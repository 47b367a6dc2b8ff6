package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// logCard redacts itself.
type logCard struct {
	Number string `json:"number" validate:"required"`
	Owner  string `json:"owner"`
}

func (c logCard) LogValue() slog.Value {
	return slog.GroupValue(slog.String("number", "****"), slog.String("owner", c.Owner))
}

// logNote shows whatever its function does.
type logNote struct {
	Text string `json:"text"`
}

func (n *logNote) LogValue() slog.Value {
	switch n.Text {
	case "deep":
		return slog.GroupValue(slog.Any("card", logCard{Number: "4111", Owner: "ana"}), slog.Group("in", slog.Int("n", 7)))
	case "long":
		return slog.StringValue(strings.Repeat("é", 1<<20))
	case "many":
		attrs := make([]slog.Attr, 10_000)
		for i := range attrs {
			attrs[i] = slog.Int("attribute", i)
		}
		return slog.GroupValue(attrs...)
	case "long inside":
		return slog.GroupValue(slog.String("a", strings.Repeat("x", 1<<20)), slog.String("b", strings.Repeat("x", 1<<20)))
	case "any":
		return slog.AnyValue(map[string]string{"a": strings.Repeat("x", 1<<20)})
	case "small any":
		return slog.AnyValue(map[string]int{"a": 1})
	case "error":
		return slog.AnyValue(errors.New("a\n" + strings.Repeat("x", 1<<20)))
	case "odd":
		return slog.AnyValue(func() {})
	case "panics":
		panic("out of ink")
	}
	return slog.StringValue("note: " + n.Text)
}

// logLine delivers body to a task of T with payloads logged, and returns the line.
func logLine[T any](t *testing.T, body string, cfg tasks.Config) map[string]any {
	t.Helper()
	var b bytes.Buffer
	cfg.Logger = slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Quarantine = func(context.Context, tasks.Quarantined) error { return errDlv } // without which there is a warning
	app := dlvApp(t, cfg, tasks.New(func(context.Context, T) error { return nil }, tasks.WithName("order")))
	app.ServeHTTP(&discardWriter{header: http.Header{}}, dlvPost("/tasks/order", body))
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 1 || b.Len() > 8<<10 {
		t.Fatalf("%d lines of %d bytes", n, b.Len())
	}
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func TestLog_Payload_OnlyWhenAsked(t *testing.T) {
	t.Parallel()
	if line := logLine[logCard](t, `{"number": "4111"}`, tasks.Config{}); line["payload"] != nil || line["msg"] != "task executed" {
		t.Errorf("logged %v", line)
	}
	for _, body := range []string{`{"number": 4111}`, `{"owner": "ana"}`, `4111`} { // nothing that could redact itself has come of it
		if line := logLine[logCard](t, body, tasks.Config{LogPayloads: true}); line["payload"] != nil || line["outcome"] != "rejected" {
			t.Errorf("%s: logged %v", body, line)
		}
	}
}

func TestLog_Payload_RedactsItself(t *testing.T) {
	t.Parallel()
	asked := tasks.Config{LogPayloads: true}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const card = `{"number": "4111", "owner": "ana"}`
	for name, c := range map[string]struct {
		got  any
		want string
	}{
		"by a method of the value":             {logLine[logCard](t, card, asked)["payload"], `{"number":"****","owner":"ana"}`},
		"by one of the value, given a pointer": {logLine[*logCard](t, card, asked)["payload"], `{"number":"****","owner":"ana"}`},
		"by a method of the pointer":           {logLine[logNote](t, `{"text": "hi"}`, asked)["payload"], `"note: hi"`},
		"inside":                               {logLine[logNote](t, `{"text": "deep"}`, asked)["payload"], `{"card":{"number":"****","owner":"ana"},"in":{"n":7}}`},
		"has no method: its JSON":              {logLine[dlvOrder](t, `{"id": 7, "unknown": "secret"}`, asked)["payload"], `"{\"id\":7}"`},
		"a map":                                {logLine[map[string]int](t, `{"a": 1}`, asked)["payload"], `"{\"a\":1}"`},
		"a scalar":                             {logLine[int](t, `7`, asked)["payload"], `"7"`},
		"a small value of any type":            {logLine[logNote](t, `{"text": "small any"}`, asked)["payload"], `{"a":1}`},
	} {
		if got := text(c.got); got != c.want {
			t.Errorf("%s: logged %s, want %s", name, got, c.want)
		}
	}
}

func TestLog_Payload_IsBounded(t *testing.T) {
	t.Parallel()
	for _, note := range []string{"long", "many", "long inside", "any", "error", "odd", "panics"} { // logLine counts the bytes
		if line := logLine[logNote](t, `{"text": "`+note+`"}`, tasks.Config{LogPayloads: true}); line["payload"] == nil {
			t.Errorf("%s: logged %v", note, line)
		}
	}
	line := logLine[[]string](t, `["`+strings.Repeat("x", 100<<10)+`"]`, tasks.Config{LogPayloads: true})
	if got, _ := line["payload"].(string); !strings.HasPrefix(got, `["xxx`) || !strings.HasSuffix(got, "x... (102404 bytes)") {
		t.Errorf("logged %.20q...", got)
	}
}

// logPIN redacts itself by the value's method, logKey by the pointer's.
type (
	logPIN    string
	logKey    struct{ Bits string }
	logKind   int
	logOut    struct{ Cards []logCard }
	logClosed struct {
		Card   logCard
		hidden logPIN
	}
	logOpen  struct{ V any }
	logTwo   struct{ Card logCard }
	logThree struct{ Card *logCard }
	LogBase  struct {
		PIN  logPIN `json:"pin"`
		Note string `json:"note"`
	}
	logTree struct {
		Kids []*logTree `json:"kids,omitempty"`
		PIN  logPIN     `json:"pin,omitzero"`
		Any  any        `json:"any,omitempty"`
	}
)

func (logPIN) LogValue() slog.Value  { return slog.StringValue("<***>") }
func (*logKey) LogValue() slog.Value { return slog.StringValue("(a key)") }
func (o logOut) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("cards", o.Cards), slog.Any("", slog.GroupValue(slog.Int("n", len(o.Cards)))))
}
func (k logKind) MarshalText() ([]byte, error) { return []byte(strings.Repeat("i", int(k))), nil }
func (c logClosed) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.Card.Number + string(c.hidden))
}
func (o logOpen) MarshalJSON() ([]byte, error)  { return json.Marshal([]any{o.V}) }
func (o *logOpen) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &o.V) }

// logPanic is silent about why.
type logPanic string

func (p logPanic) LogValue() slog.Value { panic(string(p)) }

// logLoop says more of itself each time that it is asked.
type logLoop struct{ Width int }

func (l logLoop) LogValue() slog.Value {
	if l.Width == 0 {
		return slog.GroupValue(slog.Any("", l), slog.Any("", &l))
	}
	return slog.AnyValue(slices.Repeat([]any{map[string]any{"again": l}}, l.Width))
}

// logged runs a task of payload T in the caller, which a codec carries as it is, and returns the payload's attribute.
func logged[T any](t *testing.T, v T) string {
	t.Helper()
	log := &dlvLog{least: slog.LevelDebug}
	task := tasks.New(func(context.Context, T) error { return nil }, tasks.WithName("any"))
	dlvApp(t, tasks.Config{Logger: slog.New(log), LogPayloads: true, Codec: logByHand{v}}, task)
	if err := task.Run(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	rs := log.taken()
	if len(rs) != 1 || rs[0].attrs["payload"] == "" || len(rs[0].attrs["payload"]) > 8<<10 {
		t.Fatalf("%d lines, logged %d bytes: %.300s", len(rs), len(rs[0].attrs["payload"]), rs[0].attrs["payload"])
	}
	return rs[0].attrs["payload"]
}

// logByHand hands a payload over as it is, with what no codec of bytes could carry.
type logByHand struct{ v any }

func (logByHand) Name() string                { return "hand" }
func (logByHand) Marshal(any) ([]byte, error) { return []byte("hand"), nil }
func (h logByHand) Unmarshal(_ []byte, v any) error {
	to, from := reflect.ValueOf(v).Elem(), reflect.ValueOf(h.v)
	if from.IsValid() && from.Kind() == reflect.Pointer && from.Type() != to.Type() { // it is given what the pointer points to
		from = from.Elem()
	}
	to.Set(from)
	return nil
}

func TestLog_Payload_WhatIsInside_RedactsItself(t *testing.T) {
	t.Parallel()
	const secret = "4111"
	card, pin, key := logCard{Number: secret, Owner: "ana"}, logPIN(secret), logKey{secret}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const shown = `{"number":"****","owner":"ana"}`
	for name, c := range map[string]struct{ got, want string }{
		"in a field": {logged(t, struct {
			ID    int       `json:"id"`
			PIN   logPIN    `json:"pin"`
			Key   logKey    `json:"key"`
			Out   string    `json:"-"`
			Empty string    `json:"empty,omitempty"`
			Never time.Time `json:"never,omitzero"`
			At    time.Time `json:"at"`
			Sum   int64     `json:"sum,string"`
			Bytes []byte    `json:"bytes"`
			Text  string    `json:"text"`
			Kind  logKind   `json:"kind"`
			None  *logPIN   `json:"none"`
			left  logPIN
		}{7, pin, key, secret, "", time.Time{}, at, 8, []byte("hi"), "<b>", 3, nil, pin}),
			`{"id":7,"pin":"\u003c***\u003e","key":"(a key)","at":"2026-01-02T03:04:05Z","sum":"8","bytes":"aGk=","text":"\u003cb\u003e","kind":"iii","none":null}`},
		"in a pointer's field":    {logged(t, &logTwo{card}), `{"Card":` + shown + `}`},
		"behind a pointer":        {logged(t, logThree{&card}), `{"Card":` + shown + `}`},
		"behind pointers":         {logged(t, struct{ P **logKey }{new(&key)}), `{"P":"(a key)"}`},
		"in elements":             {logged(t, []logCard{card, card}), `[` + shown + `,` + shown + `]`},
		"in elements, by pointer": {logged(t, []logKey{key}), `["(a key)"]`},
		"in an array":             {logged(t, [1][]logPIN{{pin}}), `[["\u003c***\u003e"]]`},
		"in values of a map":      {logged(t, map[string]logCard{"b": card, "a": card}), `{"a":` + shown + `,"b":` + shown + `}`},
		"in values, by pointer":   {logged(t, map[int]logKey{7: key}), `{"7":"(a key)"}`},
		"in keys of a map":        {logged(t, map[logPIN]int{pin: 7}), `{"\u003c***\u003e":7}`},
		"in keys, by pointer":     {logged(t, map[logKey]int{key: 7}), `{"(a key)":7}`},
		"deep in keys":            {logged(t, map[struct{ P logPIN }]int{{pin}: 7}), `{"{\"P\":\"\\u003c***\\u003e\"}":7}`},
		"with keys of text":       {logged(t, map[logKind]logPIN{2: pin}), `{"ii":"\u003c***\u003e"}`},
		"in an interface":         {logged[any](t, card), shown},
		"in a field's":            {logged(t, struct{ V any }{map[string]any{"a": []any{&card, 1}}}), `{"V":{"a":[` + shown + `,1]}}`},
		"in an embedded struct":   {logged(t, struct{ LogBase }{LogBase{pin, "n"}}), `{"pin":"\u003c***\u003e","note":"n"}`},
		"in an embedded pointer":  {logged(t, struct{ *LogBase }{&LogBase{pin, "n"}}), `{"pin":"\u003c***\u003e","note":"n"}`},
		"no embedded pointer": {logged(t, struct {
			*LogBase
			PIN logPIN
		}{nil, pin}), `{"PIN":"\u003c***\u003e"}`},
		"embedded twice": {logged(t, struct {
			logCard
			logPIN
			N int
		}{card, pin, 7}), `{"logCard":"...","N":7}`},
		"in what it says of itself": {logged(t, logOut{[]logCard{card}}), "[cards=[" + shown + "] =[n=1]]"},
		"in what one inside says":   {logged(t, []logOut{{[]logCard{card}}}), `[{"cards":[` + shown + `],"n":1}]`},
		"whose own method encodes":  {logged(t, []logClosed{{card, pin}}), `[{"Card":` + shown + `}]`},
		"in an interface of such":   {logged(t, []logOpen{{card}}), `[{"V":` + shown + `}]`},
		"none in an interface of such": {logged(t, struct {
			O logOpen
			P logPIN
		}{logOpen{7}, pin}), `{"O":[7],"P":"\u003c***\u003e"}`},
		"none in an interface": {logged(t, []any{1, "<", nil, map[string]any{}}), `[1,"\u003c",null,{}]`},
		"beside keys of all kinds": {logged(t, map[any]any{pin: 1, uint8(7): 2, -7: 3, logKind(1): 4, 1.5: 5, struct{ left logPIN }{pin}: 6}),
			`{"-7":3,"1.5":5,"7":2,"\u003c***\u003e":1,"i":4,"{}":6}`},
		"beside what is no JSON": {logged(t, struct {
			P logPIN
			F float64
			C chan int
		}{pin, math.NaN(), nil}), `{"P":"\u003c***\u003e","F":"NaN","C":"(chan int)"}`},
	} {
		if strings.Contains(c.got, secret) {
			t.Errorf("%s: %s gives the secret away", name, c.got)
		}
		if c.got != c.want {
			t.Errorf("%s:\nlogged %s,\n  want %s", name, c.got, c.want)
		}
	}
}

func TestLog_Payload_WhatIsInside_IsBounded(t *testing.T) {
	t.Parallel()
	ring := &logTree{PIN: "4111"}
	ring.Kids = []*logTree{ring}
	self := map[string]any{"pin": logPIN("4111")}
	self["self"] = self
	bare := []any{nil}
	bare[0] = bare
	deep := &logTree{PIN: "4111"}
	for range 9000 {
		deep = &logTree{Kids: []*logTree{deep}}
	}
	for name, c := range map[string]struct{ got, start string }{
		"long":               {logged(t, []any{logPIN(""), strings.Repeat("x", 1<<20)}), `["\u003c***\u003e","xxx`},
		"many":               {logged(t, slices.Repeat([]logPIN{"4111"}, 1<<20)), `["\u003c***\u003e","\u003c`},
		"many keys":          {logged(t, manyKeys(1<<17)), `{"\u003c***\u003e":0`},
		"a pointer's cycle":  {logged(t, ring), `{"kids":[{"kids":[{"kids"`},
		"a map's":            {logged(t, self), `{"pin":"\u003c***\u003e","self":{"pin":`},
		"one of nothing":     {logged[any](t, bare), `[[[[`},
		"deep":               {logged(t, deep), `{"kids":[{"kids":[{"kids"`},
		"a loop of methods":  {logged(t, []logLoop{{1}}), `[[{"again":[{"again"`},
		"one that grows":     {logged(t, []logLoop{{1000}}), `[[{"again":[{"again"`},
		"one without a text": {logged(t, []logLoop{{}}), `[{`},
		"a loop by itself":   {logged(t, logLoop{}), `[`},
		"a panic":            {logged(t, []logPanic{"4111"}), `["\"LogValue panicked\\n`},
	} {
		if strings.Contains(c.got, "4111") || !strings.HasPrefix(c.got, c.start) {
			t.Errorf("%s: logged %.200s, want %s...", name, c.got, c.start)
		}
	}
}

// manyKeys is a map that shows the same key n times.
func manyKeys(n int) map[logPIN]int {
	m := make(map[logPIN]int, n)
	for i := range n {
		m[logPIN("4111"+strconv.Itoa(i))] = 0
	}
	return m
}

// logCodec is not JSON's, and neither is what it carries.
type logCodec struct{}

func (logCodec) Name() string                { return "fn" }
func (logCodec) Marshal(any) ([]byte, error) { return []byte("fn"), nil }
func (logCodec) Unmarshal(b []byte, v any) error {
	v.(*logAny).V = make(chan int)
	v.(*logAny).S = "a\nb"
	return nil
}

type logAny struct {
	V any
	S string
}

func TestLog_Payload_ThatIsNoJSON_IsShownOnOneLine(t *testing.T) {
	t.Parallel()
	line := logLine[logAny](t, "x", tasks.Config{LogPayloads: true, Codec: logCodec{}})
	if got, want := line["payload"], `{"V":"(chan int)","S":"a\nb"}`; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}

func TestLog_Payload_OfARunInTheCaller(t *testing.T) {
	t.Parallel()
	log := &dlvLog{least: slog.LevelDebug}
	task := tasks.New(func(context.Context, logCard) error { return nil })
	dlvApp(t, tasks.Config{Logger: slog.New(log), LogPayloads: true}, task)
	if err := task.Run(t.Context(), logCard{Number: "4111"}); err != nil {
		t.Fatal(err)
	}
	rs := log.taken()
	if len(rs) != 1 || !strings.Contains(rs[0].attrs["payload"], "****") || strings.Contains(rs[0].attrs["payload"], "4111") {
		t.Errorf("logged %+v", rs)
	}
	if _, err := task.Enqueue(t.Context(), logCard{Number: "4111"}, tasks.In(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if rs := log.taken(); len(rs) != 1 || rs[0].attrs["payload"] != "" {
		t.Errorf("an enqueue logged %+v", rs)
	}
}

// logTyped is an error that cannot say what it is.
type logTyped struct{ text string }

func (e *logTyped) Error() string { return e.text }

type logBroken struct{ Grouped bool }

func (l logBroken) LogValue() slog.Value {
	var none *logTyped
	if l.Grouped {
		return slog.GroupValue(slog.Any("err", none))
	}
	return slog.AnyValue(none)
}

// What has run must not fail for the sake of its log.
func TestLog_Payload_WhoseErrorPanics_FailsNothing(t *testing.T) {
	t.Parallel()
	for _, p := range []string{`{"Grouped": true}`, `{}`} {
		log := &dlvLog{least: slog.LevelDebug}
		app := dlvApp(t, tasks.Config{Logger: slog.New(log), LogPayloads: true}, tasks.New(func(context.Context, logBroken) error { return nil }, tasks.WithName("order")))
		log.taken()
		dlvWant(t, dlvServe(t, app, dlvPost("/tasks/order", p)), http.StatusOK, "executed")
		if rs := log.taken(); len(rs) == 0 || rs[len(rs)-1].message != "task executed" || rs[len(rs)-1].attrs["payload"] != "(it panics)" {
			t.Errorf("%s: logged %+v", p, rs)
		}
	}
}

// The longest id that there may be has to be found again.
func TestLog_LongID_IsWhole(t *testing.T) {
	t.Parallel()
	log, id := &dlvLog{least: slog.LevelDebug}, strings.Repeat("a", 497)+"END"
	app := dlvApp(t, tasks.Config{Logger: slog.New(log)}, dlvTask(dlvReturns(nil)))
	dlvServe(t, app, dlvPost("/tasks/order", dlvBody, "X-CloudTasks-TaskName", id))
	if rs := log.taken(); len(rs) == 0 || rs[len(rs)-1].attrs["id"] != id {
		t.Errorf("logged %+v", rs)
	}
}
