package servicetest

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
)

// What the App takes: see App.ServeHTTP.
const (
	taskLimit    = 1 << 20
	messageLimit = 14 << 20
	messageData  = 10_000_000 // the most that Pub/Sub takes of a message
)

const (
	pushPath    = "/_tasks/tasks/Order"
	messagePath = "/_tasks/subscriptions/Large"
)

func (s Service) testLimits(t *testing.T) {
	data := make(chan int, 1)
	subscriber := pubsub.NewSubscriber(func(_ context.Context, m pubsub.Message[pubsub.Raw]) error {
		data <- len(m.Data)
		return nil
	}, pubsub.Topic("large"), pubsub.Subscription("large"), pubsub.WithName("Large"))
	sh := s.open(t, tasks.Config{}, orders(ignore), subscriber)
	order := `{"id":1}`
	message := `{"message":{"data":"` + base64.StdEncoding.EncodeToString(make([]byte, messageData)) +
		`","messageId":"1","publishTime":"2026-11-24T06:00:00Z"},"subscription":"projects/p/subscriptions/large"}`
	for _, c := range []struct {
		name, path, body string
		size             int
		status           int
		appStatus        string
	}{
		{"the largest task", pushPath, order, taskLimit, 200, "executed"},
		{"a task too large", pushPath, order, taskLimit + 1, 413, "too_large"},
		{"a task much too large", pushPath, order, messageLimit, 413, "too_large"},
		{"the largest message", messagePath, message, messageLimit, 200, "executed"},
		{"a message too large", messagePath, message, messageLimit + 1, 413, "too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := c.body + strings.Repeat(" ", c.size-len(c.body))
			sh.post(t, c.path, strings.NewReader(body)).want(t, c.status, c.appStatus)
			if c.path == messagePath && c.status == 200 {
				if n := receive(t, data); n != messageData {
					t.Errorf("the message has %d bytes, want %d", n, messageData)
				}
			} else {
				sh.post(t, c.path, chunked(body)).want(t, c.status, c.appStatus)
			}
			sh.post(t, pushPath, strings.NewReader(order)).want(t, 200, "executed") // the caller goes on
		})
	}
}

// testConnections looks at what a refusal does to its connection.
func (s Service) testConnections(t *testing.T) {
	sh := s.open(t, tasks.Config{}, orders(ignore))
	push := func(length int, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", pushPath, length, body)
	}
	good := push(8, `{"id":1}`)
	large := strings.Repeat(good, taskLimit/len(good)+1) // would be executed if it were taken for requests
	for _, c := range []struct {
		name, text string
		status     int
		goesOn     bool // must, rather than may
	}{
		{"executed", good, 200, true},
		{"rejected", push(2, `{}`), 400, true},
		{"no such task", strings.Replace(good, "Order", "Nothing", 1), 404, false},
		{"not POST", strings.Replace(good, "POST", "PUT", 1), 405, false},
		{"too large", push(len(large), large), 413, false},
		{"too large, the body never comes", push(s.early(), ""), 413, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sh.raw(t, c.text+good, 2)
			switch {
			case len(got) == 0:
				t.Fatal("not answered")
			case got[0].status != c.status:
				t.Fatalf("answered with %d %s, want %d", got[0].status, got[0].body, c.status)
			case len(got) == 2 && got[1].appStatus() != "executed":
				t.Errorf("what follows is answered with %d %s, want 200", got[1].status, got[1].body)
			case len(got) == 2 && got[0].closes:
				t.Error("the connection is said to close, and goes on")
			case len(got) == 1 && (c.goesOn || !got[0].closes):
				t.Error("the connection closes, and nothing said so")
			}
		})
	}
}

// early is a length that is refused before the body has come.
func (s Service) early() int {
	if s.Buffers {
		return 64 << 20 // by the framework's own limit
	}
	return taskLimit + 1
}
