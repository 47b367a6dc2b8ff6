// Package headers tells which headers Google's services set by themselves, whatever a sender says. Names are in the
// canonical form of net/textproto.
package headers

import "strings"

// Retry holds the retry settings of a task of ours that has its own.
const Retry = "Typedtasks-Retry"

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
