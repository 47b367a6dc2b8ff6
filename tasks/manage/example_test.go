package manage_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/manage"
	"github.com/typedtasks/typedtasks/transport/memory"
)

func ExampleCommand() {
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Transport: memory.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	send := tasks.New(func(_ context.Context, w Welcome) error {
		fmt.Println("welcome,", w.Email)
		return nil
	}, tasks.OnQueue("mail"), tasks.WithTimeout(30*time.Second))
	if err := app.Register(send); err != nil {
		fmt.Println(err)
		return
	}

	root := &cobra.Command{Use: "shop"}
	root.AddCommand(manage.Command(app))
	root.SetErr(os.Stdout) // for the output below

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, args := range [][]string{ // a program has os.Args
		{"tasks", "list"},
		{"tasks", "run", "Welcome", "--data", `{"user_id": 7, "email": "ana@example.com"}`},
		{"tasks", "run", "Welcome", "--data", `{"user_id": 7, "email": "ana"}`},
	} {
		root.SetArgs(args)
		err := root.ExecuteContext(ctx)
		fmt.Println("exit", manage.ExitCode(err)) // os.Exit
	}
	// Output:
	// Tasks
	//   NAME     QUEUE  TIMEOUT  PAYLOAD  PATH
	//   Welcome  mail   30s      Welcome  /tasks/Welcome
	//
	// Queues
	//   NAME  SETTINGS                                USED BY
	//   mail  not declared: made with its first task  Welcome
	// exit 0
	// welcome, ana@example.com
	// Welcome: done
	// exit 0
	// Error: Welcome: payload is not valid: email fails rule email
	// exit 2
}
