package main

import (
	"context"

	"cloud.google.com/go/pubsub/v2/pstest"

	"github.com/typedtasks/typedtasks/transport/cloudpubsub"
)

// connect makes the broker over an emulator of Pub/Sub. In production it is cloudpubsub.New(ctx), and with
// PUBSUB_EMULATOR_HOST set that is enough here, too.
func connect(ctx context.Context, host, project string) (*cloudpubsub.Broker, error) {
	return cloudpubsub.New(ctx, cloudpubsub.WithEndpoint(host), cloudpubsub.WithProject(project))
}

// startFake starts Google's fake of Pub/Sub in this process.
func startFake() *pstest.Server { return pstest.NewServer() }
