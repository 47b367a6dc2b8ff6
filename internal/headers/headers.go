// Package headers tells which headers Google's services set by themselves, whatever a sender says, and which are no
// sender's to set. Names are in the canonical form of net/textproto.
package headers

import (
	"net/textproto"
	"strings"
)

// Retry holds the retry settings of a task of ours that has its own.
const Retry = "Typedtasks-Retry"

// Traceparent carries traceparent once more, where a task comes back over HTTP: Cloud Run's front end, for one, has a
// span of its own, puts it into traceparent, and mostly does not report it.
const Traceparent = "Typedtasks-Traceparent"

// OfGoogle reports whether any service of Google's ignores or replaces a header that a sender sets, those that belong
// to the connection included.
func OfGoogle(name string) bool {
	switch name {
	case "Host", "Content-Length", "User-Agent", "Connection", "Transfer-Encoding", "Trailer", "Upgrade", "Te":
		return true
	}
	return strings.HasPrefix(name, "X-Google-") || strings.HasPrefix(name, "X-Appengine-")
}

// OfScheduler reports whether Cloud Scheduler does.
func OfScheduler(name string) bool {
	return OfGoogle(name) || strings.HasPrefix(name, "X-Cloudscheduler")
}

// OfTasks reports whether Cloud Tasks does. Others that begin with X-CloudTasks- are sent: services have put their own
// there.
func OfTasks(name string) bool {
	switch name {
	case "X-Cloudtasks-Queuename", "X-Cloudtasks-Taskname", "X-Cloudtasks-Taskretrycount", "X-Cloudtasks-Taskexecutioncount",
		"X-Cloudtasks-Tasketa", "X-Cloudtasks-Taskpreviousresponse", "X-Cloudtasks-Taskretryreason":
		return true
	}
	return OfGoogle(name)
}

// Reserved reports whether a header belongs to HTTP, to the platform or to this library, so that neither users nor
// messages may set it: what frames a message or ends at the next hop, what says who calls, and the name spaces of the
// platform's services. An underscore counts as a hyphen, as it does to servers in the manner of CGI.
func Reserved(canonical string) bool {
	if strings.IndexByte(canonical, '_') >= 0 {
		canonical = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(canonical, "_", "-"))
	}
	switch canonical {
	case "Host", "Content-Length", "Content-Encoding", "Expect", "User-Agent",
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Authorization", "Proxy-Authorization", "Proxy-Authenticate", "X-Serverless-Authorization":
		return true
	}
	if len(canonical) < 7 || canonical[0] != 'X' && canonical[0] != 'T' { // spares nearly all the rest
		return false
	}
	for _, prefix := range [...]string{"X-Cloudtasks-", "X-Cloudscheduler", "X-Google-", "X-Goog-", "X-Appengine-", "Typedtasks-"} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return false
}
