// Command raw enqueues one task with Google's client and ends: BenchmarkColdStart times it.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/go-playground/validator/v10"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

type welcome struct {
	UserID int64  `json:"user_id" validate:"required"`
	Email  string `json:"email" validate:"required,email"`
}

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	client, err := cloudtasks.NewClient(ctx, option.WithEndpoint(os.Getenv("CLOUD_TASKS_EMULATOR_HOST")), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		return err
	}
	defer client.Close()
	w := welcome{UserID: 1, Email: "ana@example.com"}
	if err := validator.New(validator.WithRequiredStructEnabled()).Struct(w); err != nil {
		return err
	}
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	_, err = client.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{
		Parent: "projects/emulator/locations/local/queues/mail",
		Task: &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url: "https://shop.example.com/_tasks/tasks/welcome", Headers: map[string]string{"Content-Type": "application/json"}, Body: body,
		}}},
	})
	return err
}
