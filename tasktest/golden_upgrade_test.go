package tasktest_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

// The versions of an invoice.
type (
	V1 struct {
		ID   int    `json:"id"`
		Mail string `json:"mail" validate:"required"`
	}
	V1Loose struct { // takes what a V1 does, and more
		ID   int64  `json:"id"`
		Mail string `json:"mail"`
	}
	V1Less struct {
		ID int `json:"id"`
	}
	V1Stricter struct {
		ID   int    `json:"id" validate:"required"`
		Mail string `json:"mail" validate:"required"`
	}
	V2 struct {
		ID    int    `json:"id"`
		Email string `json:"email" validate:"required"`
	}
	V2Free struct {
		ID    int    `json:"id"`
		Email string `json:"email"`
	}
	V3 struct {
		Number string   `json:"number" validate:"required"`
		Emails []string `json:"emails" validate:"required"`
	}
	// Typed has an id of another type, and nothing that is required.
	Typed struct {
		ID string `json:"id"`
	}
	// Sparse is a V1 whose id need not be there.
	Sparse struct {
		ID   int    `json:"id,omitempty"`
		Mail string `json:"mail"`
	}
	Dense struct {
		ID   int    `json:"id"`
		Mail string `json:"mail"`
	}
	Nested struct {
		To   Inner   `json:"to"`
		Many []Inner `json:"many"`
		ID   int     `json:"id"`
	}
	Inner     struct{ Zip string }
	NestedNew struct {
		To   InnerNew   `json:"to"`
		Many []InnerNew `json:"many" validate:"dive"`
		ID   int        `json:"id"`
	}
	Lists struct {
		Many []Inner `json:"many"`
	}
	ListsLazy struct {
		Many []InnerNew `json:"many"`
	}
	Pointed struct {
		To *Inner `json:"to"`
		ID int    `json:"id"`
	}
	PointedLess struct {
		To *InnerNew `json:"to"`
	}
	NestedLess struct { // refuses for To what it has lost beside that
		To   InnerNew `json:"to"`
		Many []Inner  `json:"many"`
	}
	InnerNew struct {
		Code string `json:"code" validate:"required"`
	}
)

// up is an option that upgrades from an Old, upMessage one of subscribers.
func up[Old, T any]() tasks.Option {
	return tasks.UpgradeFrom(func(context.Context, Old) (t T, err error) { return })
}

func invoices[T any](opts ...tasks.Option) tasks.Definition {
	return tasks.New(nothing[T], append(opts, tasks.WithName("Invoice"))...)
}

func upMessage[Old, M any]() pubsub.SubscriberOption {
	return pubsub.UpgradeFrom(func(context.Context, Old) (m M, err error) { return })
}

func TestGolden_Upgrades_ArePinned(t *testing.T) {
	t.Parallel()
	dir := pinned(t, invoices[V3](up[V2, V3](), up[V1, V3](), up[map[string]any, V3]()), takes[V2](upMessage[V1, V2](), upMessage[pubsub.Raw, V2]()))
	equalText(t, read(t, dir, "task.Invoice.golden"), `
		# task Invoice: path in JSON, type, validation rules
		emails list required
		emails[] string
		number string required
		@upgrade tasktest_test.V2
		  email string required
		  id int
		@upgrade tasktest_test.V1
		  id int
		  mail string required
		@upgrade map[string]interface {}
		  payload map
		  {} any
	`)
	equalText(t, read(t, dir, "subscriber.Event.golden"), `
		# subscriber Event: path in JSON, type, validation rules
		@topic events
		@subscription event
		email string required
		id int
		@upgrade tasktest_test.V1
		  id int
		  mail string required
		@upgrade pubsub.Raw
		  payload raw
	`)
	mustPass(t, func(t testing.TB) {
		tasktest.Golden(t, app(t, invoices[V3](up[V2, V3](), up[V1, V3](), up[map[string]any, V3]()), takes[V2](upMessage[V1, V2](), upMessage[pubsub.Raw, V2]())), dir)
	})
}

func TestGolden_Upgrades_CoverAChange(t *testing.T) {
	t.Parallel()
	const (
		dropped = "strands queued work: what it carries here is dropped"
		lacking = "strands queued work: it lacks this and does not validate"
		retyped = "strands queued work: what it carries here does not decode"
		from    = "harmless: upgraded from tasktest_test."
		cure    = "Take what waits with tasks.UpgradeFrom, from a type that has the shape in the file."
		require = "Give the payload a required field that the old one lacks, or a codec that is Strict."
	)
	never := func(name string) string {
		return "tasktest_test." + name + " has the shape in the file, but what waits may never get there: the payload takes it, and drops what it has no field for."
	}
	type renamed V1
	for _, c := range []struct {
		name    string
		was, is tasks.Definition
		strict  bool
		want    []string // the lines between the first and the last
	}{
		{name: "an Old of the very shape", was: invoices[V1](), is: invoices[V2](up[V1, V2]()), want: []string{
			"- mail string required " + from + "V1", "+ email string required " + from + "V1", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "an Old that takes more", was: invoices[V1](), is: invoices[V2](up[V1Loose, V2]()), want: []string{
			"- mail string required " + from + "V1Loose", "+ email string required " + from + "V1Loose", "+ @upgrade tasktest_test.V1Loose harmless",
		}},
		{name: "the second of two", was: invoices[V1](), is: invoices[V3](up[V2, V3](), up[V1, V3]()), want: []string{
			"- id int " + from + "V1", "- mail string required " + from + "V1",
			"+ emails list required " + from + "V1", "+ emails[] string harmless", "+ number string required " + from + "V1",
			"+ @upgrade tasktest_test.V2 harmless", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "an Old that is anything", was: invoices[V1](), is: invoices[V2](up[json.RawMessage, V2]()), want: []string{
			"- mail string required harmless: upgraded from json.RawMessage", "+ email string required harmless: upgraded from json.RawMessage",
			"+ @upgrade json.RawMessage harmless",
		}},
		{name: "an Old that is any object", was: invoices[V1](), is: invoices[V2](up[map[string]any, V2]()), want: []string{
			"- mail string required harmless: upgraded from map[string]interface {}", "+ email string required harmless: upgraded from map[string]interface {}",
			"+ @upgrade map[string]interface {} harmless",
		}},
		{name: "an Old that is any object, of a list", was: invoices[[]V1](), is: invoices[[]V2](up[map[string]any, []V2]()), want: []string{
			"- [].mail string required " + dropped, "+ [].email string required " + lacking, "+ @upgrade map[string]interface {} harmless",
			cure, "map[string]interface {} does not take it: - [] object",
		}},
		{name: "no Old", was: invoices[V1](), is: invoices[V2](), want: []string{"- mail string required " + dropped, "+ email string required " + lacking, cure}},
		{name: "an Old that lacks a field", was: invoices[V1](), is: invoices[V2](up[V1Less, V2]()), want: []string{
			"- mail string required " + dropped, "+ email string required " + lacking, "+ @upgrade tasktest_test.V1Less harmless",
			cure, "tasktest_test.V1Less does not take it: - mail string required",
		}},
		{name: "an Old that is stricter", was: invoices[V1](), is: invoices[V2](up[V1Stricter, V2]()), want: []string{
			"- mail string required " + dropped, "+ email string required " + lacking, "+ @upgrade tasktest_test.V1Stricter harmless",
			cure, "tasktest_test.V1Stricter does not take it: ~ id int -> int required",
		}},
		{name: "a payload that takes it first", was: invoices[V1](), is: invoices[V2Free](up[V1, V2Free]()), want: []string{
			"- mail string required " + dropped, "+ email string harmless", "+ @upgrade tasktest_test.V1 harmless", never("V1"), require,
		}},
		{name: "a payload that would take it, but its codec is strict", strict: true, was: invoices[V1](), is: invoices[V2Free](up[V1, V2Free]()), want: []string{
			"- mail string required " + from + "V1", "+ email string harmless", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "another type refuses what always has it", was: invoices[Dense](), is: invoices[Typed](up[Dense, Typed]()), want: []string{
			"~ id int -> string " + from + "Dense", "- mail string " + from + "Dense", "+ @upgrade tasktest_test.Dense harmless",
		}},
		{name: "another type does not refuse what may lack it", was: invoices[Sparse](), is: invoices[Typed](up[Sparse, Typed]()), want: []string{
			"~ id int -> string " + retyped, "- mail string " + dropped, "+ @upgrade tasktest_test.Sparse harmless", never("Sparse"), require,
		}},
		{name: "a list in an object's place", was: invoices[V1](), is: invoices[[]string](up[V1, []string]()), want: []string{
			"- id int " + from + "V1", "- mail string required " + from + "V1", "+ [] string harmless", "+ payload list harmless", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "what is required beside what is gone", was: invoices[Nested](), is: invoices[NestedNew](up[Nested, NestedNew]()), want: []string{
			"~ many list -> list dive " + from + "Nested", "- many[].Zip string " + from + "Nested", "- to.Zip string " + from + "Nested",
			"+ many[].code string required " + from + "Nested", "+ to.code string required " + from + "Nested", "+ @upgrade tasktest_test.Nested harmless",
		}},
		{name: "what is required where nobody looks", was: invoices[Lists](), is: invoices[ListsLazy](up[Lists, ListsLazy]()), want: []string{
			"- many[].Zip string " + dropped, "+ many[].code string required " + lacking, "+ @upgrade tasktest_test.Lists harmless", never("Lists"), require,
		}},
		{name: "what is required in what is always there", was: invoices[Nested](), is: invoices[NestedLess](up[Nested, NestedLess]()), want: []string{
			"- id int " + from + "Nested", "- to.Zip string " + from + "Nested", "+ to.code string required " + from + "Nested", "+ @upgrade tasktest_test.Nested harmless",
		}},
		{name: "what is required in what may not be there", was: invoices[Pointed](), is: invoices[PointedLess](up[Pointed, PointedLess]()), want: []string{
			"- id int " + dropped, "- to.Zip string " + dropped, "+ to.code string required " + lacking, "+ @upgrade tasktest_test.Pointed harmless", never("Pointed"), require,
		}},

		{name: "the next version", was: invoices[V2](up[V1, V2]()), is: invoices[V3](up[V2, V3](), up[V1, V3]()), want: []string{
			"- email string required " + from + "V2", "- id int " + from + "V2",
			"+ emails list required " + from + "V2", "+ emails[] string harmless", "+ number string required " + from + "V2", "+ @upgrade tasktest_test.V2 harmless",
		}},
		{name: "removed", was: invoices[V2](up[V1, V2]()), is: invoices[V2](), want: []string{
			"- @upgrade tasktest_test.V1 strands queued work: nothing takes this older payload any more",
			"Keep tasks.UpgradeFrom from a type that has the older shape in the file, as long as something of it may wait.",
		}},
		{name: "two removed", was: invoices[V3](up[V2, V3](), up[V1, V3]()), is: invoices[V3](), want: []string{
			"- @upgrade tasktest_test.V2 strands queued work: nothing takes this older payload any more",
			"- @upgrade tasktest_test.V1 strands queued work: nothing takes this older payload any more",
			"Keep tasks.UpgradeFrom from a type that has the older shape in the file, as long as something of it may wait.",
		}},
		{name: "removed, and another takes it", was: invoices[V2](up[V1, V2]()), is: invoices[V2](up[V1Loose, V2]()), want: []string{
			"- @upgrade tasktest_test.V1 " + from + "V1Loose", "+ @upgrade tasktest_test.V1Loose harmless",
		}},
		{name: "removed, and the payload takes it", was: invoices[V1Loose](up[V1Less, V1Loose]()), is: invoices[V1Loose](), want: []string{
			"- @upgrade tasktest_test.V1Less harmless: the payload takes it",
		}},
		{name: "of another name", was: invoices[V2](up[V1, V2]()), is: invoices[V2](up[renamed, V2]())},
		{name: "in another order", was: invoices[V3](up[V1, V3](), up[V2, V3]()), is: invoices[V3](up[V2, V3](), up[V1, V3]())},
		{name: "one more", was: invoices[V2](), is: invoices[V2](up[V1, V2]()), want: []string{"+ @upgrade tasktest_test.V1 harmless"}},
		{name: "its payload requires nothing any more", was: invoices[V2](up[V1, V2]()), is: invoices[V2Free](up[V1, V2Free]()), want: []string{
			"~ email string required -> string harmless",
			"~ @upgrade tasktest_test.V1 strands queued work: nothing takes this older payload any more",
			"tasktest_test.V1 has this older shape, but what waits may never get there: the payload takes it, and drops what it has no field for.", require,
		}},
		{name: "its payload never required anything", was: invoices[V2Free](up[V1, V2Free]()), is: invoices[V2Free](up[V1, V2Free]())},
		{name: "a periodic task", was: yearly(V1{Mail: "m"}), is: yearly(V2{Email: "m"}), want: []string{
			"- mail string required " + dropped, "+ email string required " + lacking, strings.ReplaceAll(cure, "tasks.UpgradeFrom", "schedule.Task(tasks.UpgradeFrom(...))"),
		}},
		{name: "a periodic task with an Old", was: yearly(V1{Mail: "m"}), is: yearly(V2{Email: "m"}, up[V1, V2]()), want: []string{
			"- mail string required " + from + "V1", "+ email string required " + from + "V1", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "messages", was: takes[V1](), is: takes[V2](upMessage[V1, V2]()), want: []string{
			"- mail string required " + from + "V1", "+ email string required " + from + "V1", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "raw messages", was: takes[V1](), is: takes[V2](upMessage[pubsub.Raw, V2]()), want: []string{
			"- mail string required harmless: upgraded from pubsub.Raw", "+ email string required harmless: upgraded from pubsub.Raw", "+ @upgrade pubsub.Raw harmless",
		}},
		{name: "messages, another codec", was: takes[V1](), is: takes[V2](upMessage[V1, V2](), pubsub.WithCodec(reversed{})), want: []string{
			"- mail string required " + from + "V1", "+ @codec reversed strands queued messages: they do not decode", "+ email string required " + from + "V1", "+ @upgrade tasktest_test.V1 harmless",
		}},
		{name: "messages, removed", was: takes[V2](upMessage[V1, V2]()), is: takes[V2](), want: []string{
			"- @upgrade tasktest_test.V1 strands queued messages: nothing takes this older data any more",
			"Keep pubsub.UpgradeFrom from a type that has the older shape in the file, as long as something of it may wait.",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := pinned(t, c.was)
			now := tasktest.NewWith(t, tasks.Config{Codec: tasks.JSONCodec{Strict: c.strict}}, c.is).App()
			fake := try(t, func(t testing.TB) { tasktest.Golden(t, now, dir) })
			var got []string
			for _, err := range fake.errors {
				lines := strings.Split(err, "\n")
				for _, line := range lines[1 : len(lines)-1] {
					got = append(got, strings.Join(strings.Fields(line), " "))
				}
			}
			if got, want := strings.Join(got, "\n"), strings.Join(c.want, "\n"); got != want || len(fake.fatals) > 0 {
				t.Errorf("got\n%s\nwant\n%s\nfatals %q", got, want, fake.fatals)
			}
		})
	}
}

func yearly[T any](payload T, opts ...tasks.Option) tasks.Definition {
	opts = append(opts, tasks.WithName("Invoice"))
	var all []schedule.Option
	for _, o := range opts {
		all = append(all, schedule.Task(o))
	}
	return schedule.New(nothing[T], schedule.Cron("@yearly"), all...).WithPayload(payload)
}

// changedOld is another type of the name V1.
func changedOld() tasks.Definition {
	type V1 struct {
		ID   string `json:"id"`
		Note string `json:"note"`
		Mail string `json:"mail" validate:"required"`
	}
	return invoices[V2](up[V1, V2]())
}

func TestGolden_ChangedOld_TellsHow(t *testing.T) {
	t.Parallel()
	dir := pinned(t, invoices[V2](up[V1, V2]()))
	want := `tasktest: golden: task Invoice has changed:
  ~ @upgrade       tasktest_test.V1  strands queued work: nothing takes this older payload any more
  ~ @upgrade id    int -> string     strands queued work: what it carries here does not decode
  + @upgrade note  string            harmless
Keep tasks.UpgradeFrom from a type that has the older shape in the file, as long as something of it may wait.
If that is meant, run the test once with TASKTEST_UPDATE=1 and commit ` + filepath.Join("DIR", "task.Invoice.golden") + "."
	if errs := changed(t, dir, changedOld()); len(errs) != 1 || errs[0] != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(errs, "\n"), want)
	}
}

func TestGolden_Upgrade_AliasIsHeldToIt(t *testing.T) {
	t.Parallel()
	dir := pinned(t, invoices[V1]())
	errs := changed(t, dir, tasks.New(nothing[V2], tasks.WithName("Bill"), tasks.WithAliases("Invoice"), up[V1, V2]()))
	if len(errs) != 1 || !strings.Contains(errs[0], "harmless: upgraded from tasktest_test.V1") || strings.Contains(errs[0], "strands") {
		t.Errorf("got %q", errs)
	}
}

// The whole way of a user: update once, then keep the option.
func TestGolden_Upgrade_UpdatedThenRemoved_Fails(t *testing.T) {
	dir := pinned(t, invoices[V1]())
	now := func() tasks.Definition { return invoices[V2](up[V1, V2]()) }
	if errs := changed(t, dir, now()); len(errs) != 1 || strings.Contains(errs[0], "strands") {
		t.Errorf("before the update: %q", errs)
	}
	t.Setenv("TASKTEST_UPDATE", "1")
	if errs := changed(t, dir, now()); len(errs) != 0 {
		t.Errorf("the update: %q", errs)
	}
	t.Setenv("TASKTEST_UPDATE", "")
	if errs := changed(t, dir, now()); len(errs) != 0 {
		t.Errorf("after the update: %q", errs)
	}
	if errs := changed(t, dir, invoices[V2]()); len(errs) != 1 || !strings.Contains(errs[0], "strands queued work: nothing takes this older payload") {
		t.Errorf("without the option: %q", errs)
	}
}

// What Golden says of a change is what becomes of an older payload.
func TestGolden_Upgrades_SayWhatHappens(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(t *testing.T){
		"a required field":                 happens[V1, V2](V1{1, "m"}, true),
		"nothing required":                 happens[V1, V2Free](V1{1, "m"}, false),
		"always of another type":           happens[Dense, Typed](Dense{Mail: "m"}, true),
		"of another type, if at all":       happens[Sparse, Typed](Sparse{Mail: "m"}, false),
		"a list":                           happens[V1, []string](V1{1, "m"}, true),
		"required in elements":             happens[Nested, NestedNew](Nested{Many: []Inner{{"z"}}}, true),
		"required in an object":            happens[Nested, NestedLess](Nested{ID: 1}, true),
		"required in an object, if at all": happens[Pointed, PointedLess](Pointed{ID: 1}, false),
		"required where nobody looks":      happens[Lists, ListsLazy](Lists{Many: []Inner{{"z"}}}, false),
	} {
		t.Run(name, check)
	}
}

// happens is a test that old is upgraded to a T, or that it runs as a T that has lost something; and that Golden says so.
func happens[Old, T any](old Old, upgraded bool) func(t *testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		asked := false
		now := invoices[T](tasks.UpgradeFrom(func(context.Context, Old) (v T, err error) { asked = true; return v, tasks.Discard(nil) }))
		body, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := app(t, now).RunBody(t.Context(), now, body); err != nil || asked != upgraded {
			t.Errorf("%s: upgraded: %t, %v, want %t", body, asked, err, upgraded)
		}
		errs := changed(t, pinned(t, invoices[Old]()), now)
		if len(errs) != 1 || strings.Contains(errs[0], "harmless: upgraded from") != upgraded || strings.Contains(errs[0], "strands") == upgraded {
			t.Errorf("got %q", errs)
		}
	}
}
