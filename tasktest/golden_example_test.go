package tasktest_test

import (
	"context"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
)

type (
	chargeV1 struct{ Amount int }
	charge   struct {
		Cents    int    `validate:"required"`
		Currency string `validate:"required"`
	}
)

func upgradeCharge(_ context.Context, old chargeV1) (charge, error) {
	return charge{old.Amount * 100, "EUR"}, nil
}

// A change that an UpgradeFrom covers is as harmless as any: Golden asks for the update once, and pins the older type.
func ExampleGolden_upgradeFrom() {
	t := &exampleT{}
	defer t.end()
	before := tasks.New(nothing[chargeV1], tasks.WithName("Charge"))
	after := tasks.New(nothing[charge], tasks.WithName("Charge"), tasks.UpgradeFrom(upgradeCharge))
	forgotten := tasks.New(nothing[charge], tasks.WithName("Charge"))

	dir := t.TempDir() // in a test, "testdata/tasks"
	tasktest.Golden(t, tasktest.New(t, before).App(), dir)
	tasktest.Golden(t, tasktest.New(t, after).App(), dir)

	updated := t.TempDir() // as after the update
	tasktest.Golden(t, tasktest.New(t, after).App(), updated)
	tasktest.Golden(t, tasktest.New(t, forgotten).App(), updated)
	// Output:
	// tasktest: golden: task Charge has changed:
	//   - Amount    int                     harmless: upgraded from tasktest_test.chargeV1
	//   + Cents     int required            harmless: upgraded from tasktest_test.chargeV1
	//   + Currency  string required         harmless: upgraded from tasktest_test.chargeV1
	//   + @upgrade  tasktest_test.chargeV1  harmless
	// If that is meant, run the test once with TASKTEST_UPDATE=1 and commit DIR/task.Charge.golden.
	// tasktest: golden: task Charge has changed:
	//   - @upgrade  tasktest_test.chargeV1  strands queued work: nothing takes this older payload any more
	// Keep tasks.UpgradeFrom from a type that has the older shape in the file, as long as something of it may wait.
	// If that is meant, run the test once with TASKTEST_UPDATE=1 and commit DIR/task.Charge.golden.
}
