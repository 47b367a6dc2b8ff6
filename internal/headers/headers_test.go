package headers_test

import (
	"net/textproto"
	"testing"

	"github.com/typedtasks/typedtasks/internal/headers"
)

func TestOf_WhatTheServicesSet(t *testing.T) {
	t.Parallel()
	const none, tasks, scheduler, both = "", "tasks", "scheduler", "tasks and scheduler"
	for name, want := range map[string]string{
		"host": both, "content-length": both, "user-agent": both, "te": both, "connection": both, "transfer-encoding": both, "trailer": both, "upgrade": both,
		"X-Google-Anything": both, "X-AppEngine-QueueName": both,
		"X-CloudScheduler": scheduler, "X-CloudScheduler-JobName": scheduler, "X-CloudSchedulerish": scheduler,
		"X-CloudTasks-TaskETA": tasks, "X-CloudTasks-QueueName": tasks, "X-CloudTasks-TaskRetryReason": tasks,
		"X-CloudTasks-Projectname": none, "X-Goog-Anything": none, "X-Googlish": none, "Content-Type": none, "Authorization": none, headers.Retry: none,
	} {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if got := headers.OfTasks(name); got != (want == tasks || want == both) {
			t.Errorf("%s of Cloud Tasks: %t", name, got)
		}
		if got := headers.OfScheduler(name); got != (want == scheduler || want == both) {
			t.Errorf("%s of Cloud Scheduler: %t", name, got)
		}
		if got := headers.OfGoogle(name); got != (want == both) {
			t.Errorf("%s of both: %t", name, got)
		}
	}
	if textproto.CanonicalMIMEHeaderKey(headers.Retry) != headers.Retry {
		t.Errorf("%s is not canonical", headers.Retry)
	}
}
