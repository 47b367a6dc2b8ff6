package transporttest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

func serveLaws() []law {
	return []law{
		{"serve/longest", "A task goes to the longest endpoint that its URL is or continues with \"/\" or \"?\".", serveLongest},
		{"serve/any", "The empty endpoint matches every URL, and any other that matches wins over it.", serveAny},
		{"serve/nobody", "While nobody serves, tasks wait; waiting for that is no attempt.", serveNobody},
		{"serve/unmatched", "Where others are served, a task that no endpoint matches fails with 404 and is retried.", serveUnmatched},
		{"serve/taken", "Serving an endpoint that is served already is an error of KindExists and changes nothing.", serveTaken},
		{"serve/withdraw", "Withdraw stops deliveries to its endpoint alone, says how many are left and frees it to be served again.", serveWithdraw},
		{"serve/backlog", "Backlog counts the tasks that wait, running ones included.", serveBacklog},
	}
}

// served gives one endpoint an inbox.
func (t *trial) served(s transport.Server, endpoint string) *inbox {
	b := t.inbox()
	if err := s.Serve(endpoint, b.recording(done)); err != nil {
		t.fatalf("Serve(%q): %v", endpoint, err)
	}
	return b
}

// enqueueTo enqueues a task that is retried until somebody serves its URL.
func (t *trial) enqueueTo(url string) {
	task := t.task("")
	task.URL = url
	task.Retry = &transport.RetryConfig{MaxAttempts: 1000, MinBackoff: t.unit, MaxBackoff: t.unit}
	t.enqueue(task)
}

func serveLongest(t *trial) {
	s := ability[transport.Server](t)
	mail, vip := t.served(s, t.Endpoint+"/mail"), t.served(s, t.Endpoint+"/mail/vip")
	for _, c := range []struct {
		path string
		want *inbox
	}{
		{"/mail", mail}, {"/mail/x", mail}, {"/mail?x=1", mail}, {"/mail/", mail}, {"/mail/vipx", mail},
		{"/mail/vip", vip}, {"/mail/vip/x", vip}, {"/mail/vip?x=1", vip},
	} {
		t.enqueueTo(t.Endpoint + c.path)
		if d := c.want.next(); d.URL != t.Endpoint+c.path {
			t.errorf("%s was delivered where %s belongs", d.URL, c.path)
		}
	}
	mail.none("each task went to one endpoint")
	vip.none("each task went to one endpoint")
}

func serveAny(t *trial) {
	s := ability[transport.Server](t)
	rest, mail := t.served(s, ""), t.served(s, t.Endpoint+"/mail")
	t.enqueueTo(t.Endpoint + "/mail/x")
	mail.next()
	t.enqueueTo(t.Endpoint + "/mailbox")
	rest.next()
	rest.none("the other task went to its own endpoint")
}

func serveNobody(t *trial) {
	t.needsQueueing()
	ability[transport.Server](t)
	for i := range 3 {
		t.enqueue(t.retried(fmt.Sprintf("waits-%d", i)))
	}
	t.pass(time.Hour)
	box := t.receive(done)
	for range 3 {
		if d := box.next(); d.Attempt != 1 || d.PreviousResponse != 0 {
			t.errorf("task %q was served on attempt %d, after response %d; want 1, 0", d.ID, d.Attempt, d.PreviousResponse)
		}
	}
}

func serveUnmatched(t *trial) {
	t.needsQueueing()
	s := ability[transport.Server](t)
	mail := t.served(s, t.Endpoint+"/mail")
	t.enqueueTo(t.Endpoint + "/mailbox")
	t.pass(t.unit / 2)
	mailbox := t.served(s, t.Endpoint+"/mailbox")
	d := mailbox.next()
	if d.Attempt < 2 || d.PreviousResponse != http.StatusNotFound || d.Executions != d.Attempt-1 {
		t.errorf("once it is served: attempt %d, executions %d, previous response %d; want at least 2, one less, 404", d.Attempt, d.Executions, d.PreviousResponse)
	}
	mail.none("its endpoint is another")
}

func serveTaken(t *trial) {
	s := ability[transport.Server](t)
	box := t.served(s, t.Endpoint)
	if err := s.Serve(t.Endpoint, t.inbox().recording(answers(500))); transport.KindOf(err) != transport.KindExists {
		t.errorf("Serve of the served endpoint %q: error %q, want one of KindExists", t.Endpoint, text(err))
	}
	t.enqueueTo(t.Endpoint)
	box.next()
}

func serveWithdraw(t *trial) {
	t.needsQueueing()
	s, sharer := ability[transport.Server](t), ability[transport.Sharer](t)
	mail, news := t.served(s, t.Endpoint+"/mail"), t.served(s, t.Endpoint+"/news")
	if left := sharer.Withdraw(t.Endpoint + "/mail"); left != 1 {
		t.errorf("Withdraw of one endpoint of two leaves %d, want 1", left)
	}
	t.enqueueTo(t.Endpoint + "/mail")
	t.enqueueTo(t.Endpoint + "/news")
	news.next()
	mail.none("its endpoint was withdrawn")
	again := t.served(s, t.Endpoint+"/mail")
	again.next()
	sharer.Withdraw(t.Endpoint + "/mail")
	if left := sharer.Withdraw(t.Endpoint + "/news"); left != 0 {
		t.errorf("Withdraw of the last endpoint leaves %d, want 0", left)
	}
	if left := sharer.Withdraw(t.Endpoint + "/never"); left != 0 {
		t.errorf("Withdraw of an endpoint that is not served leaves %d, want 0", left)
	}
}

func serveBacklog(t *trial) {
	t.needsDelay()
	ability[transport.Server](t)
	log := ability[transport.Backlogger](t)
	g := t.gate()
	box := t.receive(g.before(done))
	if n := log.Backlog(); n != 0 {
		t.errorf("a fresh driver has a backlog of %d", n)
	}
	t.enqueue(t.due("waits", distant))
	t.enqueue(t.task("runs"))
	box.next()
	if n := log.Backlog(); n != 2 {
		t.errorf("with one task waiting and one running, the backlog is %d, want 2", n)
	}
	g.open()
	t.eventually("after one of two tasks is done, the backlog is 1", func() bool { return log.Backlog() == 1 })
}
