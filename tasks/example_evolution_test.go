package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"

	"github.com/typedtasks/typedtasks/tasks"
)

// LetterV1 is what version 1 enqueued, and what may still wait when version 2 is deployed.
type LetterV1 struct {
	To string `json:"to" validate:"required"`
}

// A Letter is what version 2 enqueues. Its new field is required, so that no old body passes for a new one.
type Letter struct {
	Recipients []string `json:"recipients" validate:"required,min=1"`
}

func ExampleUpgradeFrom() {
	send := tasks.New(func(ctx context.Context, l Letter) error {
		fmt.Println("to", strings.Join(l.Recipients, " and "))
		return nil
	}, tasks.UpgradeFrom(func(ctx context.Context, old LetterV1) (Letter, error) {
		return Letter{Recipients: []string{old.To}}, nil
	}))
	push(send, "/tasks/Letter",
		`{"recipients": ["Ana", "Bo"]}`, // of version 2
		`{"to": "Ana"}`,                 // of version 1
		`{"too": "Ana"}`)                // of neither
	// Output:
	// to Ana and Bo
	// 200
	// to Ana
	// 200
	// 400 payload is not valid: recipients fails rule required
}

// A Parcel was called Package once, and its task after it.
type Parcel struct {
	Number int `json:"number" validate:"required"`
}

// What waits names its task. A task that is renamed, or whose payload's type is, stays served under its old name.
func ExampleWithAliases() {
	ship := tasks.New(func(ctx context.Context, p Parcel) error {
		fmt.Println("ships", p.Number)
		return nil
	}, tasks.WithAliases("Package"))
	push(ship, "/tasks/Package", `{"number": 7}`)
	// Output:
	// ships 7
	// 200
}

// A Customer has a field that was called "name" once.
type Customer struct {
	FullName string `json:"full_name" validate:"required"`
}

// UnmarshalJSON takes both names: those who wrote "name" are still in the queue.
func (c *Customer) UnmarshalJSON(b []byte) error {
	type plain Customer // without this method
	old := struct {
		*plain
		Name string `json:"name"`
	}{plain: (*plain)(c)}
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if c.FullName == "" {
		c.FullName = old.Name
	}
	return nil
}

func Example_renamedField() {
	greet := tasks.New(func(ctx context.Context, c Customer) error {
		fmt.Println("hello,", c.FullName)
		return nil
	})
	push(greet, "/tasks/Customer", `{"name": "Ana"}`, `{"full_name": "Bo"}`)
	// Output:
	// hello, Ana
	// 200
	// hello, Bo
	// 200
}

// push delivers bodies as they come out of a queue, and prints the answers.
func push(task tasks.Definition, path string, bodies ...string) {
	app, err := tasks.NewApp(tasks.Config{Eager: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := app.Register(task); err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range bodies {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
		var answer struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			fmt.Println(err)
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", answer.Error)))
	}
}
