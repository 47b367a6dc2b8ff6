package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pubsubClient is Google's client as an application makes it: it finds the program by PUBSUB_EMULATOR_HOST alone.
func pubsubClient(t *testing.T, address string) *pubsub.Client {
	t.Helper()
	t.Setenv("PUBSUB_EMULATOR_HOST", address)
	c, err := pubsub.NewClient(t.Context(), "emulator")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestProgram_PublishesPushesAndPulls(t *testing.T) {
	pushed := make(chan string, 10)
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var push struct{ Message struct{ Data []byte } }
		if err := json.NewDecoder(r.Body).Decode(&push); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
		pushed <- string(push.Message.Data)
	}))
	defer worker.Close()
	data := filepath.Join(t.TempDir(), "data")
	p := launch(t, "-topic", "orders", "-topic", "projects/other/topics/orders", "-data", data)
	c := pubsubClient(t, p.ready.GRPC)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, endpoint := range map[string]string{"pushed": worker.URL, "pulled": ""} {
		_, err := c.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{
			Name: "projects/emulator/subscriptions/" + name, Topic: "projects/emulator/topics/orders", PushConfig: &pubsubpb.PushConfig{PushEndpoint: endpoint},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	publisher := c.Publisher("orders")
	defer publisher.Stop()
	publish := func(text string) {
		t.Helper()
		if _, err := publisher.Publish(ctx, &pubsub.Message{Data: []byte(text)}).Get(ctx); err != nil {
			t.Fatal(err)
		}
	}
	publish("one")
	if got := <-pushed; got != "one" {
		t.Errorf("pushed %q", got)
	}
	receiving, stop := context.WithCancel(ctx)
	err := c.Subscriber("pulled").Receive(receiving, func(_ context.Context, m *pubsub.Message) {
		if string(m.Data) != "one" {
			t.Errorf("received %q", m.Data)
		}
		m.Ack()
		stop()
	})
	if err != nil {
		t.Error(err)
	}
	p.signal(syscall.SIGKILL)
	_ = p.Wait()

	p = launch(t, "-data", data, "-verbose") // topics and subscriptions are there without being named
	c = pubsubClient(t, p.ready.GRPC)
	publisher = c.Publisher("orders")
	defer publisher.Stop()
	publish("two")
	if got := <-pushed; got != "two" {
		t.Errorf("pushed %q: the messages before the restart are gone", got)
	}
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, standard error: %s", code, p.stderr)
	}
	for _, part := range []string{
		"export PUBSUB_EMULATOR_HOST=" + p.ready.GRPC + "\n", "export CLOUD_TASKS_EMULATOR_HOST=" + p.ready.GRPC + "\n",
		"messages of Pub/Sub are in memory alone", "message pushed",
	} {
		if !strings.Contains(p.stderr.String(), part) {
			t.Errorf("standard error does not say %q:\n%s", part, p.stderr)
		}
	}
}

func TestRun_TopicsOnDemand_AndStreamTime(t *testing.T) {
	ready, log, end := start(t, "-topics-on-demand", "-stream-time", "50ms", "-log", "json", "-host", "0.0.0.0")
	_, port, _ := strings.Cut(ready.GRPC, "]:")
	if port == "" {
		_, port, _ = strings.Cut(ready.GRPC, ":")
	}
	c := pubsubClient(t, "127.0.0.1:"+port)
	s, err := c.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: "projects/emulator/subscriptions/audit", Topic: "projects/emulator/topics/unheard-of",
	})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.SubscriptionAdminClient.StreamingPull(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pubsubpb.StreamingPullRequest{Subscription: s.Name, StreamAckDeadlineSeconds: 10}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err == io.EOF || status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if code := end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if text := log.String(); !strings.Contains(text, `"PUBSUB_EMULATOR_HOST":"localhost:`+port+`"`) {
		t.Errorf("the log does not tell where it is: %s", text)
	}
}
