package tasktest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

type Address struct {
	City string `json:"city"`
	Zip  string `json:"zip,omitempty"`
}

type Everything struct {
	At       time.Time       `json:"at"`
	Wait     time.Duration   `json:"wait"`
	Tags     []string        `json:"tags"`
	Optional []string        `json:"optional,omitempty"`
	Meta     map[string]any  `json:"meta"`
	Home     *Address        `json:"home"`
	Raw      json.RawMessage `json:"raw,omitempty"`
	Data     []byte          `json:"data"`
	IP       netip.Addr      `json:"ip"`
	Big      *big.Int        `json:"big"`
	Any      any             `json:"any"`
	Pair     [2]int          `json:"pair"`
	Flag     bool            `json:"flag"`
	ByID     map[int]Address `json:"by_id"`
	Skipped  string          `json:"-"`
	private  int
}

// Cents travels as text and drops what is below a cent.
type Cents struct{ Millis int }

func (c Cents) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%d"`, c.Millis/10), nil }
func (c *Cents) UnmarshalJSON(b []byte) error {
	_, err := fmt.Sscanf(string(b), `"%d"`, &c.Millis)
	c.Millis *= 10
	return err
}

// differences enqueues a payload and returns what Args(want) has against it, "" for nothing.
func differences[T any](t *testing.T, enqueued, want T) string {
	t.Helper()
	task := tasks.New(nothing[T], tasks.WithName("Sample"))
	rec := tasktest.New(t, task)
	enqueue(t, rec.Context(), task, enqueued, tasks.WithID("s1"))
	fake := try(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, task, tasktest.Args(want)) })
	if len(fake.fatals) == 0 {
		return ""
	}
	text := fake.fatals[0]
	_, text, found := strings.Cut(text, "\nnearest\n    #1 ")
	if !found {
		t.Fatalf("no nearest entry in\n%s", fake.fatals[0])
	}
	text, _, _ = strings.Cut(text, "\nrecorded")
	return strings.ReplaceAll(text, "\n       ", "\n")
}

func TestArgs_ComparesAsTheCodecCarriesIt(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC)
	lisbon, tokyo := time.FixedZone("Lisbon", 0), time.FixedZone("", 9*3600)
	for _, c := range []struct {
		name      string
		got, want Everything
		miss      string
	}{
		{name: "equal"},
		{name: "a monotonic clock", got: Everything{At: time.Now()}, want: Everything{At: time.Now().Round(0)}, miss: "differs"},
		{name: "a zone of the same offset", got: Everything{At: noon.In(tokyo)}, want: Everything{At: noon.In(time.FixedZone("JST", 9*3600))}},
		{name: "a zone that is UTC", got: Everything{At: noon}, want: Everything{At: noon.In(lisbon)}},
		{
			name: "the same instant in another zone", got: Everything{At: noon.In(tokyo)}, want: Everything{At: noon},
			miss: "At  got 2026-11-24T21:00:00.123456789+09:00, want 2026-11-24T12:00:00.123456789Z (the same instant, written differently)",
		},
		{
			name: "another time", got: Everything{At: noon}, want: Everything{At: noon.Add(time.Second)},
			miss: "At  got 2026-11-24T12:00:00.123456789Z, want 2026-11-24T12:00:01.123456789Z",
		},
		{name: "what the codec drops", got: Everything{Skipped: "a", private: 1}, want: Everything{Skipped: "b", private: 2}},
		{name: "a duration", got: Everything{Wait: time.Hour}, want: Everything{Wait: time.Minute}, miss: "Wait  got 1h0m0s, want 1m0s"},
		{name: "empty for nil", got: Everything{Tags: []string{}}, miss: "Tags  got len 0, want nil"},
		{name: "nil for empty", want: Everything{Tags: []string{}}, miss: "Tags  got nil, want len 0"},
		{name: "empty for nil, both omitted", got: Everything{Optional: []string{}}},
		{
			name: "an element more", got: Everything{Tags: []string{"a", "b"}}, want: Everything{Tags: []string{"a"}},
			miss: "Tags     got len 2, want len 1\nTags[1]  got \"b\", want nothing",
		},
		{name: "another element", got: Everything{Pair: [2]int{1, 2}}, want: Everything{Pair: [2]int{1, 3}}, miss: "Pair[1]  got 2, want 3"},
		{
			name: "a map", got: Everything{Meta: map[string]any{"a": 1, "b": true}}, want: Everything{Meta: map[string]any{"a": "1", "b": true}},
			miss: `Meta["a"]  got 1, want "1"`,
		},
		{name: "numbers of other types in any", got: Everything{Any: 1}, want: Everything{Any: int64(1)}},
		{name: "a struct in any", got: Everything{Any: Address{City: "Rio"}}, want: Everything{Any: map[string]any{"city": "Rio"}}},
		{name: "nil in any", got: Everything{Any: 1}, miss: "Any  got 1, want nil"},
		{
			name: "a map of structs", got: Everything{ByID: map[int]Address{2: {City: "Rio"}}}, want: Everything{ByID: map[int]Address{2: {City: "Bahia"}, 1: {}}},
			miss: "ByID          got len 1, want len 2\nByID[1].City  got nothing, want \"\"\nByID[1].Zip   got nothing, want \"\"\nByID[2].City  got \"Rio\", want \"Bahia\"",
		},
		{name: "what pointers point to", got: Everything{Home: &Address{City: "Rio"}}, want: Everything{Home: &Address{City: "Rio"}}},
		{
			name: "nil for a pointer", want: Everything{Home: &Address{City: "Rio"}},
			miss: "Home       got nil, want a value\nHome.City  got nothing, want \"Rio\"\nHome.Zip   got nothing, want \"\"",
		},
		{name: "raw JSON", got: Everything{Raw: json.RawMessage(`{"a": 1}`)}, want: Everything{Raw: json.RawMessage(`{"a":1}`)}},
		{name: "other raw JSON", got: Everything{Raw: json.RawMessage(`[1]`)}, want: Everything{Raw: json.RawMessage(`[2]`)}, miss: `Raw  got "[1]", want "[2]"`},
		{name: "bytes", got: Everything{Data: []byte("ab\x00")}, want: Everything{Data: []byte("ac")}, miss: `Data  got "ab\x00", want "ac"`},
		{name: "a type that writes itself", got: Everything{IP: netip.MustParseAddr("10.0.0.1")}, want: Everything{IP: netip.MustParseAddr("10.0.0.2")}, miss: "IP  got 10.0.0.1, want 10.0.0.2"},
		{name: "a big number", got: Everything{Big: big.NewInt(5)}, want: Everything{Big: big.NewInt(6)}, miss: "Big  got 5, want 6"},
		{name: "a flag", got: Everything{Flag: true}, miss: "Flag  got true, want false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.miss == "differs" { // only the clock reading does
				c.want.At = c.got.At.Round(0)
				c.miss = ""
			}
			if got := differences(t, c.got, c.want); got != c.miss {
				t.Errorf("got\n%s\nwant\n%s", got, c.miss)
			}
		})
	}
}

func TestArgs_PayloadsOfOtherKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		got  string
		want string
	}{
		{"pointer", differences(t, &Address{City: "Rio"}, &Address{City: "Rio"}), ""},
		{"another pointer", differences(t, &Address{City: "Rio"}, &Address{City: "Bahia"}), `City  got "Rio", want "Bahia"`},
		{"scalar", differences(t, 5, 6), "payload  got 5, want 6"},
		{"slice", differences(t, []int{1}, []int{2}), "[0]  got 1, want 2"},
		{"map", differences(t, map[string]int{"a": 1}, map[string]int{"a": 2}), `["a"]  got 1, want 2`},
		{"nil interface", differences[any](t, 5, nil), "payload  got 5, want nil"},
		{"a long text of many bytes a letter", differences(t, strings.Repeat("é", 300), strings.Repeat("é", 299)), "payload  got ..." +
			strings.Repeat("é", 25) + `é", want ...` + strings.Repeat("é", 25) + `"`},
		{"too deep", differences(t, chain(150, 1), chain(150, 2)), "payload  differs in what has no text, or lies too deep to show"},
		{"empty struct", differences(t, struct{}{}, struct{}{}), ""},
		{"custom marshaler", differences(t, Cents{Millis: 129}, Cents{Millis: 123}), ""},
		{"custom marshaler, other value", differences(t, Cents{Millis: 129}, Cents{Millis: 133}), "Millis  got 120, want 130"},
		{"a long text", differences(t, strings.Repeat("a", 500)+"X"+strings.Repeat("b", 500), strings.Repeat("a", 500)+"Y"), "payload  got ..." +
			strings.Repeat("a", 50) + "X" + strings.Repeat("b", 149) + `... (552 bytes), want ...` + strings.Repeat("a", 50) + `Y"`},
	} {
		if c.got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, c.got, c.want)
		}
	}
}

// Chain is a payload as deep as it is long.
type Chain struct {
	Next *Chain
	N    int
}

func chain(length, n int) *Chain {
	if length == 0 {
		return &Chain{N: n}
	}
	return &Chain{Next: chain(length-1, n)}
}

// Ring is what a codec other than JSON may carry.
type Ring struct {
	Next *Ring
	N    int
	Func func()
}

// identity is a codec that hands payloads over as they are.
type identity struct{ values *[]any }

func (identity) Name() string { return "identity" }
func (c identity) Marshal(v any) ([]byte, error) {
	*c.values = append(*c.values, v)
	return []byte{0xff, byte(len(*c.values) - 1)}, nil
}
func (c identity) Unmarshal(b []byte, v any) error {
	reflect.ValueOf(v).Elem().Set(reflect.ValueOf((*c.values)[b[1]]).Elem())
	return nil
}

func TestArgs_UnderAnotherCodec(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Ring])
	rec := tasktest.NewWith(t, tasks.Config{Codec: identity{new([]any)}}, task)
	enqueue(t, rec.Context(), task, Ring{Next: &Ring{N: 1}}, tasks.WithID("r1"))
	mustPass(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, task, tasktest.Args(Ring{Next: &Ring{N: 1}})) })

	self := Ring{}
	self.Next = &self
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, task, tasktest.Args(self)) })
	contains(t, got, "    Args({Next:0x", "nearest\n    #1 Next.Next ", "got nil, want a value\n", "\n       ... and ", `    #1 Ring "\xff\x00" on "tasks", id r1`)
}

func TestArgs_DifferenceThatHasNoText(t *testing.T) {
	t.Parallel()
	task := tasks.New(nothing[Ring])
	rec := tasktest.NewWith(t, tasks.Config{Codec: identity{new([]any)}}, task)
	same := func() {}
	enqueue(t, rec.Context(), task, Ring{Func: same})
	got := mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, task, tasktest.Args(Ring{Func: same})) })
	contains(t, got, "nearest\n    #1 payload  differs in what has no text, or lies too deep to show")
}

func TestMatchers_ForAnotherPayloadType_NameBoth(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order) // nothing is enqueued: it fails all the same
	for _, c := range []struct {
		m    tasktest.Matcher
		want string
	}{
		{tasktest.Args(ana()), "tasktest: Order: Args is made for payloads of type tasktest_test.Welcome, but its payloads are of type tasktest_test.Order"},
		{tasktest.Args(&Order{}), "tasktest: Order: Args is made for payloads of type *tasktest_test.Order, but its payloads are of type tasktest_test.Order"},
		{tasktest.Where(func(Welcome) bool { return true }), "tasktest: Order: Where is made for payloads of type tasktest_test.Welcome, but its payloads are of type tasktest_test.Order"},
	} {
		for name, f := range map[string]func(t testing.TB){
			"RequireEnqueued":    func(t testing.TB) { tasktest.RequireEnqueued(t, rec, order, c.m) },
			"RequireEnqueuedN":   func(t testing.TB) { tasktest.RequireEnqueuedN(t, rec, order, 0, c.m) },
			"RequireNotEnqueued": func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, c.m) },
		} {
			if got := mustFail(t, f); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		}
	}
}

func TestMatchers_ThatCannotMatch_FailRatherThanPassSilently(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	pointer := tasks.New(nothing[*Order], tasks.WithName("Pointer"))
	float := tasks.New(nothing[float64], tasks.WithName("Float"))
	rec := tasktest.New(t, order, pointer, float)
	nan := func() float64 { zero := 0.0; return zero / zero }()
	for _, c := range []struct {
		f    func(t testing.TB)
		want string
	}{
		{func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, tasktest.OnQueue("a"), nil) }, "tasktest: Order: matcher 2 is nil: leave it out"},
		{func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, tasktest.Where[Order](nil)) }, "tasktest: Order: Where is given no function"},
		{func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, tasktest.DueIn(time.Hour, -1)) }, "tasktest: Order: DueIn(1h, -1ns) has a negative tolerance, which nothing satisfies"},
		{func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, pointer, tasktest.Args((*Order)(nil))) }, "tasktest: Pointer: Args is given nil, which is never enqueued"},
		{func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, float, tasktest.Args(nan)) }, "tasktest: Float: Args is given a payload that the codec refuses, so it is never enqueued: "},
	} {
		if got := mustFail(t, c.f); !strings.HasPrefix(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestMatchers_Accept(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	rec.Advance(time.Hour) // due is measured from when a task was enqueued
	enqueue(t, rec.Context(), order, Order{1}, tasks.OnQueue("mail"), tasks.In(time.Hour), tasks.WithID("o1"), tasks.WithHeader("X-Tenant", "acme"))
	enqueue(t, rec.Context(), order, Order{2})
	rec.Advance(time.Minute)
	for _, c := range []struct {
		name string
		m    tasktest.Matcher
		want int
	}{
		{"Args", tasktest.Args(Order{1}), 1},
		{"Where", tasktest.Where(func(o Order) bool { return o.ID < 3 }), 2},
		{"OnQueue", tasktest.OnQueue("mail"), 1},
		{"DueIn", tasktest.DueIn(time.Hour, 0), 1},
		{"DueIn within the tolerance, from above", tasktest.DueIn(59*time.Minute, time.Minute), 1},
		{"DueIn within the tolerance, from below", tasktest.DueIn(61*time.Minute, time.Minute), 1},
		{"DueIn outside", tasktest.DueIn(61*time.Minute, time.Minute-1), 0},
		{"DueIn at once", tasktest.DueIn(0, 0), 1},
		{"DueIn both", tasktest.DueIn(30*time.Minute, 30*time.Minute), 2},
		{"WithID", tasktest.WithID("o1"), 1},
		{"WithHeader", tasktest.WithHeader("X-Tenant", "acme"), 1},
		{"WithHeader in another case", tasktest.WithHeader("x-tenant", "acme"), 1},
		{"WithHeader without a value", tasktest.WithHeader("X-Tenant", ""), 0},
	} {
		mustPass(t, func(t testing.TB) { tasktest.RequireEnqueuedN(t, rec, order, c.want, c.m) })
		fake := try(t, func(t testing.TB) { tasktest.RequireEnqueuedN(t, rec, order, c.want+1, c.m) })
		if len(fake.fatals) != 1 {
			t.Errorf("%s: more than %d match", c.name, c.want)
		}
	}
}

func TestMatchers_PrintThemselves(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]tasktest.Matcher{
		`Args({"id":1})`:              tasktest.Args(Order{1}),
		`Args(+Inf)`:                  tasktest.Args(math.Inf(1)),
		`Where(nil)`:                  tasktest.Where[Order](nil),
		`OnQueue("mail")`:             tasktest.OnQueue("mail"),
		`DueIn(1h30m, 1.5s)`:          tasktest.DueIn(90*time.Minute, 1500*time.Millisecond),
		`DueIn(0s, 10µs)`:             tasktest.DueIn(0, 10*time.Microsecond),
		`WithID("a")`:                 tasktest.WithID("a"),
		`WithHeader("X-Tenant", "a")`: tasktest.WithHeader("X-Tenant", "a"),
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMatchers_MustAllHold(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	enqueue(t, rec.Context(), order, Order{1}, tasks.OnQueue("mail"))
	enqueue(t, rec.Context(), order, Order{2})
	if got := tasktest.RequireEnqueued(t, rec, order, tasktest.OnQueue("tasks"), tasktest.Where(func(o Order) bool { return o.ID > 0 })); got.Args.ID != 2 {
		t.Errorf("got %+v", got)
	}
	tasktest.RequireNotEnqueued(t, rec, order, tasktest.OnQueue("mail"), tasktest.Args(Order{2}))
}

func TestEnqueued_PayloadThatNoLongerDecodes_FailsWithIt(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	rec := tasktest.New(t, order)
	rec.App().UseEnqueue(func(next tasks.EnqueueFunc) tasks.EnqueueFunc {
		return func(ctx context.Context, ts []*transport.Task) []tasks.Result {
			ts[0].Body = []byte("{")
			return next(ctx, ts)
		}
	})
	enqueue(t, rec.Context(), order, Order{1})
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireEnqueued(t, rec, order) }),
		`tasktest: #1 Order { on "tasks", id 1: the payload does not decode: `)
}
