package emulator_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// A worker, an emulator, and Google's own client: the first attempt fails, the second succeeds.
func Example() {
	ctx := context.Background()
	answers := make(chan string)
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		retries := r.Header.Get("X-CloudTasks-TaskRetryCount")
		if retries == "0" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		answers <- fmt.Sprintf("%s %s %q, retry count %s", r.Method, r.URL.Path, body, retries)
	}))
	defer worker.Close()

	e, err := emulator.New(emulator.WithQueues("projects/shop/locations/local/queues/mail"))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	address, err := e.Start()
	if err != nil {
		log.Fatal(err)
	}
	client, err := cloudtasks.NewClient(ctx, option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	task, err := client.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{
		Parent: "projects/shop/locations/local/queues/mail",
		Task: &cloudtaskspb.Task{
			Name: "projects/shop/locations/local/queues/mail/tasks/welcome-ana",
			MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
				Url: worker.URL + "/welcome", Body: []byte("ana@example.com"),
			}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Name, "within", task.DispatchDeadline.AsDuration())
	fmt.Println(<-answers)
	fmt.Println(<-answers)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	fmt.Println("shut down:", e.Shutdown(ctx), "waiting:", e.Backlog())
	// Output:
	// projects/shop/locations/local/queues/mail/tasks/welcome-ana within 10m0s
	// POST /welcome "ana@example.com", retry count 0
	// POST /welcome "ana@example.com", retry count 1
	// shut down: <nil> waiting: 0
}
