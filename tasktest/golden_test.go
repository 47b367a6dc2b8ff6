package tasktest_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

// app is an App with the definitions.
func app(t testing.TB, defs ...tasks.Definition) *tasks.App {
	t.Helper()
	return tasktest.New(t, defs...).App()
}

// pinned writes golden files of the definitions and returns their directory.
func pinned(t testing.TB, defs ...tasks.Definition) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "testdata", "tasks")
	mustPass(t, func(t testing.TB) { tasktest.Golden(t, app(t, defs...), dir) })
	return dir
}

func read(t testing.TB, dir, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

// changed returns the errors of Golden over the definitions, with the directory left out.
func changed(t testing.TB, dir string, defs ...tasks.Definition) []string {
	t.Helper()
	fake := try(t, func(t testing.TB) { tasktest.Golden(t, app(t, defs...), dir) })
	if len(fake.fatals) > 0 {
		t.Fatalf("fatals %q", fake.fatals)
	}
	for i := range fake.errors {
		fake.errors[i] = strings.ReplaceAll(fake.errors[i], dir, "DIR")
	}
	return fake.errors
}

func TestGolden_FirstRun_Writes_ThenPasses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "golden")
	defs := []tasks.Definition{tasks.New(nothing[Welcome]), tasks.New(nothing[Order], tasks.WithName("orders.new")), nightly()}
	fake := try(t, func(t testing.TB) { tasktest.Golden(t, app(t, defs...), dir) })
	want := []string{
		"tasktest: golden: wrote " + filepath.Join(dir, "periodic.Nightly.golden") + ": commit it",
		"tasktest: golden: wrote " + filepath.Join(dir, "task.Welcome.golden") + ": commit it",
		"tasktest: golden: wrote " + filepath.Join(dir, "task.orders.new.golden") + ": commit it",
	}
	if !slices.Equal(fake.logs, want) || len(fake.errors)+len(fake.fatals) > 0 {
		t.Errorf("logs %q, errors %q, fatals %q, want the logs %q", fake.logs, fake.errors, fake.fatals, want)
	}
	equalText(t, read(t, dir, "task.Welcome.golden"), `
		# task Welcome: path in JSON, type, validation rules
		email string required,email
		user_id int64 required
	`)
	equalText(t, read(t, dir, "periodic.Nightly.golden"), "# periodic Nightly: path in JSON, type, validation rules")

	fake = try(t, func(t testing.TB) { tasktest.Golden(t, app(t, defs...), dir) })
	if len(fake.logs)+len(fake.errors)+len(fake.fatals) > 0 {
		t.Errorf("the second run: logs %q, errors %q, fatals %q", fake.logs, fake.errors, fake.fatals)
	}
}

type (
	Base   struct{ Tenant, Note string }
	Kept   struct{ Hidden string }
	ID     string
	Text   struct{ s string }
	Marker struct{}

	Tree struct {
		Left, Right *Tree
		Leaves      []Tree
		ByName      map[string]Tree
	}

	Shapes struct {
		Base
		*Kept
		ID
		time.Duration `json:"-"`
		Named         Base               `json:"named"`
		Note          int                // hides that of Base
		Tag           string             `json:",omitempty" validate:"omitempty,oneof=red green"`
		Quoted        int64              `json:"quoted,string"`
		At            *time.Time         `json:"at"`
		Amount        json.Number        `json:"amount"`
		Raw           json.RawMessage    `json:"raw"`
		Any           any                `json:"any"`
		Bytes         []byte             `json:"bytes"`
		Pair          [2]uint8           `json:"pair" validate:"dive,max=9"`
		Lists         [][]string         `json:"lists"`
		Prices        map[string]Cents   `json:"prices" validate:"required"`
		Texts         map[int]*Text      `json:"texts"`
		Tree          Tree               `json:"tree"`
		Home          *Address           `json:"home" validate:"required"`
		Homes         []Address          `json:"homes,omitempty"`
		Unnamed       struct{ X, Y int } `json:"unnamed"`
		Marker        Marker             `json:"marker"`
		Skipped       string             `json:"-"`
		hidden        string
	}
)

func (Text) MarshalText() ([]byte, error)  { return nil, nil }
func (*Text) UnmarshalText(b []byte) error { return nil }

func TestGolden_DescribesWhatTravels(t *testing.T) {
	t.Parallel()
	_ = Shapes{hidden: ""}
	_ = Text{s: ""}
	dir := pinned(t, tasks.New(nothing[Shapes]), tasks.New(nothing[[]*Order], tasks.WithName("List")), tasks.New(nothing[Tree]),
		tasks.New(nothing[map[string]int], tasks.WithName("Map")), tasks.New(nothing[*Cents], tasks.WithName("Custom")), tasks.New(nothing[uint8], tasks.WithName("Scalar")))
	equalText(t, read(t, dir, "task.Shapes.golden"), `
		# task Shapes: path in JSON, type, validation rules
		Hidden string
		ID string
		Note int
		Tag string omitempty,oneof=red green
		Tenant string
		amount number
		any any
		at time
		bytes bytes
		home object required
		home.city string
		home.zip string
		homes list
		homes[] object
		homes[].city string
		homes[].zip string
		lists list
		lists[] list
		lists[][] string
		marker object
		named object
		named.Note string
		named.Tenant string
		pair list dive,max=9
		pair[] uint8
		prices map required
		prices{} custom:tasktest_test.Cents
		quoted quoted:int64
		raw any
		texts map
		texts{} custom:tasktest_test.Text
		tree object
		tree.ByName map
		tree.ByName{} recursive:Tree
		tree.Leaves list
		tree.Leaves[] recursive:Tree
		tree.Left recursive:Tree
		tree.Right recursive:Tree
		unnamed object
		unnamed.X int
		unnamed.Y int
	`)
	equalText(t, read(t, dir, "task.Tree.golden"), `
		# task Tree: path in JSON, type, validation rules
		ByName map
		ByName{} recursive:Tree
		Leaves list
		Leaves[] recursive:Tree
		Left recursive:Tree
		Right recursive:Tree
	`)
	equalText(t, read(t, dir, "task.List.golden"), `
		# task List: path in JSON, type, validation rules
		[] object
		[].id int
		payload list
	`)
	equalText(t, read(t, dir, "task.Map.golden"), `
		# task Map: path in JSON, type, validation rules
		payload map
		{} int
	`)
	equalText(t, read(t, dir, "task.Custom.golden"), `
		# task Custom: path in JSON, type, validation rules
		payload custom:tasktest_test.Cents
	`)
	equalText(t, read(t, dir, "task.Scalar.golden"), `
		# task Scalar: path in JSON, type, validation rules
		payload uint8
	`)
}

// invoice makes a task Invoice of payloads T.
func invoice[T any]() tasks.Definition {
	return tasks.New(func(context.Context, T) error { return nil }, tasks.WithName("Invoice"))
}

// cure is what Golden says where the payload's lines tell of work that is stranded.
func cure(d tasks.Definition, lines []string) string {
	option := map[string]string{tasks.KindTask: "tasks.UpgradeFrom", tasks.KindSubscriber: "pubsub.UpgradeFrom"}[d.Spec().Kind]
	payload := func(line string) bool { return !strings.Contains(line, " @") && strings.Contains(line, "strand") }
	if option == "" || !slices.ContainsFunc(lines, payload) {
		return ""
	}
	return "\nTake what waits with " + option + ", from a type that has the shape in the file."
}

func TestGolden_Change_FailsWithItsConsequence(t *testing.T) {
	t.Parallel()
	const (
		harmless = "harmless"
		dropped  = "strands queued work: what it carries here is dropped"
		retyped  = "strands queued work: what it carries here does not decode"
		lacking  = "strands queued work: it lacks this and does not validate"
		stricter = "may strand queued work: the rules have changed"
	)
	type (
		id       struct{ ID int32 }
		wider    struct{ ID int64 }
		text     struct{ ID string }
		unsigned struct{ ID uint32 }
		pointer  struct{ ID *int32 }
		renamed  struct{ Number int32 }
		none     struct{}
		more     struct {
			ID   int32
			Note string
		}
		required struct {
			ID   int32
			Note string `validate:"required"`
		}
		optional struct {
			ID   int32
			Note string `validate:"omitempty,email"`
		}
		ruled struct {
			ID   int32
			Note string `validate:"email"`
		}
		tagged struct {
			ID int32 `validate:"required"`
		}
		limited struct {
			ID int32 `validate:"required,max=9"`
		}
		otherwise struct {
			ID int32 `validate:"required,max=8"`
		}
		ifThere struct {
			ID int32 `validate:"omitempty,max=9"`
		}
		always struct {
			ID int32 `validate:"max=9"`
		}
		list  struct{ ID []int32 }
		dived struct {
			ID []int32 `validate:"omitempty,dive,required"`
		}
	)
	for _, c := range []struct {
		name     string
		was, is  tasks.Definition
		wantLine []string
	}{
		{"nothing", invoice[id](), invoice[pointer](), nil},
		{"a wider number", invoice[id](), invoice[wider](), []string{"~ ID  int32 -> int64  " + harmless}},
		{"a narrower number", invoice[wider](), invoice[id](), []string{"~ ID  int64 -> int32  " + retyped}},
		{"a number of another sign", invoice[id](), invoice[unsigned](), []string{"~ ID  int32 -> uint32  " + retyped}},
		{"a wider number of another sign", invoice[unsigned](), invoice[wider](), []string{"~ ID  uint32 -> int64  " + harmless}},
		{"another type", invoice[id](), invoice[text](), []string{"~ ID  int32 -> string  " + retyped}},
		{"a list", invoice[id](), invoice[list](), []string{"~ ID    int32 -> list  " + retyped, "+ ID[]  int32          " + harmless}},
		{"a field gone", invoice[id](), invoice[none](), []string{"- ID  int32  " + dropped}},
		{"a field renamed", invoice[id](), invoice[renamed](), []string{"- ID      int32  " + dropped, "+ Number  int32  " + harmless}},
		{"a field more", invoice[id](), invoice[more](), []string{"+ Note  string  " + harmless}},
		{"a required field more", invoice[id](), invoice[required](), []string{"+ Note  string required  " + lacking}},
		{"an optional field more", invoice[id](), invoice[optional](), []string{"+ Note  string omitempty,email  " + harmless}},
		{"a field with rules more", invoice[id](), invoice[ruled](), []string{"+ Note  string email  " + stricter}},
		{"required", invoice[id](), invoice[tagged](), []string{"~ ID  int32 -> int32 required  " + lacking}},
		{"no longer required", invoice[tagged](), invoice[id](), []string{"~ ID  int32 required -> int32  " + harmless}},
		{"a rule more", invoice[tagged](), invoice[limited](), []string{"~ ID  int32 required -> int32 required,max=9  " + stricter}},
		{"a rule less", invoice[limited](), invoice[tagged](), []string{"~ ID  int32 required,max=9 -> int32 required  " + harmless}},
		{"another rule", invoice[limited](), invoice[otherwise](), []string{"~ ID  int32 required,max=9 -> int32 required,max=8  " + stricter}},
		{"elements required", invoice[list](), invoice[dived](), []string{"~ ID  list -> list omitempty,dive,required  " + stricter}},
		{"a list of required elements more", invoice[none](), invoice[dived](), []string{"+ ID    list omitempty,dive,required  " + harmless, "+ ID[]  int32                         " + harmless}},
		{"omitempty added", invoice[always](), invoice[ifThere](), []string{"~ ID  int32 max=9 -> int32 omitempty,max=9  " + harmless}},
		{"omitempty dropped", invoice[ifThere](), invoice[always](), []string{"~ ID  int32 omitempty,max=9 -> int32 max=9  " + stricter}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := pinned(t, c.was)
			errs := changed(t, dir, c.is)
			if c.wantLine == nil {
				if len(errs) != 0 {
					t.Errorf("errors %q", errs)
				}
				return
			}
			want := "tasktest: golden: task Invoice has changed:\n  " + strings.Join(c.wantLine, "\n  ") + cure(c.is, c.wantLine) +
				"\nIf that is meant, run the test once with TASKTEST_UPDATE=1 and commit " + filepath.Join("DIR", "task.Invoice.golden") + "."
			if len(errs) != 1 || errs[0] != want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(errs, "\n"), want)
			}
		})
	}
}

func TestGolden_Rename_StrandsUnlessAliased(t *testing.T) {
	t.Parallel()
	dir := pinned(t, tasks.New(nothing[Order], tasks.WithName("Purchase")))

	errs := changed(t, dir, tasks.New(nothing[Order]))
	want := "tasktest: golden: task Purchase is no longer registered: what waits under its name is stranded.\n" +
		"Keep the name served with tasks.WithAliases, and tasks.UpgradeFrom if the payload is another now, or delete " + filepath.Join("DIR", "task.Purchase.golden") + " once nothing waits under it."
	if len(errs) != 1 || errs[0] != want {
		t.Errorf("got %q, want %q", errs, want)
	}

	if errs := changed(t, dir, tasks.New(nothing[Order], tasks.WithAliases("Purchase"))); len(errs) != 0 {
		t.Errorf("with an alias: %q", errs)
	}
	type Changed struct{ Total int }
	errs = changed(t, dir, tasks.New(nothing[Changed], tasks.WithName("Order"), tasks.WithAliases("Purchase")))
	if len(errs) != 2 || !strings.Contains(errs[0], "task Purchase has changed") || !strings.Contains(errs[1], "task Order has changed") {
		t.Errorf("with an alias and another payload: %q", errs)
	}
}

func TestGolden_Update_WritesWhatIsServed(t *testing.T) {
	type Changed struct{ Total int }
	dir := pinned(t, tasks.New(nothing[Order], tasks.WithName("Purchase")), tasks.New(nothing[Welcome]))
	now := tasks.New(nothing[Changed], tasks.WithName("Order"), tasks.WithAliases("Purchase"))

	t.Setenv("TASKTEST_UPDATE", "1")
	if errs := changed(t, dir, now); len(errs) != 1 || !strings.Contains(errs[0], "task Welcome is no longer registered") {
		t.Errorf("errors %q, want one for Welcome", errs)
	}
	read(t, dir, "task.Welcome.golden") // kept

	t.Setenv("TASKTEST_UPDATE", "")
	if err := os.Remove(filepath.Join(dir, "task.Welcome.golden")); err != nil {
		t.Fatal(err)
	}
	if errs := changed(t, dir, now); len(errs) != 0 {
		t.Errorf("after the update: %q", errs)
	}
	contains(t, read(t, dir, "task.Purchase.golden"), "\nTotal int")
}

func TestGolden_LeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustPass(t, func(t testing.TB) { tasktest.Golden(t, app(t, tasks.New(nothing[Order])), dir) })
	if got := read(t, dir, "README.md"); got != "mine" {
		t.Errorf("README.md holds %q", got)
	}
}

func TestGolden_NothingToPin_Refused(t *testing.T) {
	t.Parallel()
	got := mustFail(t, func(t testing.TB) { tasktest.Golden(t, app(t), t.TempDir()) })
	if want := "tasktest: golden: nothing is registered with the App: register before calling Golden"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGolden_DirectoryThatCannotBeUsed_FailsWithIt(t *testing.T) {
	t.Parallel()
	order := tasks.New(nothing[Order])
	for name, prepare := range map[string]func(t *testing.T) (dir string){
		"a file in its place": func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return file
		},
		"a directory in a file's place": func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "task.Order.golden"), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"a link to nowhere": func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(dir, "no", "where"), filepath.Join(dir, "task.Order.golden")); err != nil {
				t.Skip(err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := prepare(t)
			contains(t, mustFail(t, func(t testing.TB) { tasktest.Golden(t, app(t, order), dir) }), "tasktest: golden: ")
		})
	}
}
