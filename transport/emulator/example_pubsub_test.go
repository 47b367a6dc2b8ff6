package emulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/typedtasks/typedtasks/transport/emulator"
)

// An endpoint, an emulator, and Google's own client: a message is published, and pushed to the endpoint.
func Example_pubSub() {
	ctx := context.Background()
	pushed := make(chan string)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var push struct {
			Message struct {
				Data       []byte
				Attributes map[string]string
			}
			Subscription string
		}
		if err := json.NewDecoder(r.Body).Decode(&push); err != nil {
			log.Fatal(err)
		}
		w.WriteHeader(http.StatusNoContent) // acknowledges
		pushed <- fmt.Sprintf("%s: %q from %s", push.Subscription, push.Message.Data, push.Message.Attributes["region"])
	}))
	defer endpoint.Close()

	e, err := emulator.New(emulator.WithTopics("projects/shop/topics/orders"))
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	address, err := e.Start()
	if err != nil {
		log.Fatal(err)
	}
	client, err := pubsub.NewClient(ctx, "shop", option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	s, err := client.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{
		Name: "projects/shop/subscriptions/audit", Topic: "projects/shop/topics/orders", Filter: `attributes.region = "emea"`,
		PushConfig: &pubsubpb.PushConfig{PushEndpoint: endpoint.URL},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Name, "within", s.AckDeadlineSeconds, "s")
	orders := client.Publisher("orders")
	defer orders.Stop()
	for _, region := range []string{"apac", "emea"} {
		m := &pubsub.Message{Data: []byte("order 7"), Attributes: map[string]string{"region": region}}
		if _, err := orders.Publish(ctx, m).Get(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(<-pushed)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	fmt.Println("shut down:", e.Shutdown(ctx))
	left, err := e.SubscriptionBacklog(s.Name)
	fmt.Println("waiting:", left, err)
	// Output:
	// projects/shop/subscriptions/audit within 10 s
	// projects/shop/subscriptions/audit: "order 7" from emea
	// shut down: <nil>
	// waiting: 0 <nil>
}
