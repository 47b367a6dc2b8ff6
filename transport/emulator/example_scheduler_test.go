package emulator_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	cloudscheduler "cloud.google.com/go/scheduler/apiv1"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// A worker, an emulator, and Google's own client: a job is created, and run without waiting for three o'clock.
func Example_cloudScheduler() {
	ctx := context.Background()
	fired := make(chan string)
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatal(err)
		}
		fired <- fmt.Sprintf("%s: %s", r.Header.Get("X-CloudScheduler-JobName"), body)
	}))
	defer worker.Close()

	e, err := emulator.New()
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	address, err := e.Start()
	if err != nil {
		log.Fatal(err)
	}
	client, err := cloudscheduler.NewCloudSchedulerClient(ctx, option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	job, err := client.CreateJob(ctx, &schedulerpb.CreateJobRequest{
		Parent: "projects/shop/locations/local",
		Job: &schedulerpb.Job{
			Name: "projects/shop/locations/local/jobs/nightly", Schedule: "0 3 * * 1-5", TimeZone: "America/Sao_Paulo",
			Target: &schedulerpb.Job_HttpTarget{HttpTarget: &schedulerpb.HttpTarget{Uri: worker.URL, Body: []byte(`{"full":true}`)}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Name, "is", job.State)
	if _, err := client.RunJob(ctx, &schedulerpb.RunJobRequest{Name: job.Name}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-fired)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	fmt.Println("shut down:", e.Shutdown(ctx))
	// Output:
	// projects/shop/locations/local/jobs/nightly is ENABLED
	// nightly: {"full":true}
	// shut down: <nil>
}
