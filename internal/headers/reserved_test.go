package headers_test

import (
	"net/textproto"
	"testing"

	"github.com/typedtasks/typedtasks/internal/headers"
)

func TestReserved(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"host": true, "Content-Length": true, "content-encoding": true, "EXPECT": true, "user-agent": true,
		"connection": true, "keep-alive": true, "proxy-connection": true, "TE": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
		"authorization": true, "proxy-authorization": true, "X-Serverless-Authorization": true,
		"X-CloudTasks-TaskName": true, "x-cloudtasks-": true, "X-CloudScheduler": true, "X-CloudScheduler-JobName": true, "X-Google-Cloud": true,
		"X-Goog-IAP-JWT-Assertion": true, "x-goog-pubsub-message-id": true, "X-AppEngine-QueueName": true, "Typedtasks-Anything": true,
		"X_CloudTasks_TaskName": true, "X-CloudTasks_TaskName": true, "Transfer_Encoding": true, "typedtasks_id": true,

		"": false, "Content-Type": false, "traceparent": false, "tracestate": false, "baggage": false, "X-Cloud-Trace-Context": false, "X-Request-ID": false,
		"X-Tenant": false, "Cookie": false, "X-CloudTasks": false, "Authorizations": false, "X-Goog": false, "Typedtasks": false, "Xx-Google-": false, "Te_Xt": false, "Tea-Time": false,
	} {
		if got := headers.Reserved(textproto.CanonicalMIMEHeaderKey(name)); got != want {
			t.Errorf("%q is reserved: %t, want %t", name, got, want)
		}
	}
}
