package emulator

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The service's texts about names.
const (
	textQueueName = `Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".`
	textTaskName  = `Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>"`
)

const (
	maxQueueID = 100
	maxTaskID  = 500
)

// checkQueueName refuses what is no queue's full name.
func checkQueueName(name string) error {
	if location, id, ok := cutQueue(name); !ok || !isLocation(location) || !isID(id, maxQueueID, "-") {
		return status.Error(codes.InvalidArgument, textQueueName)
	}
	return nil
}

// checkQueueParent refuses what cannot be the queue that a call is about. The service looks at permissions first,
// and nobody has any on what does not have the form of a queue's name.
func checkQueueParent(name, permission string) error {
	location, id, ok := cutQueue(name)
	if !ok || !isLocation(location) {
		return denied(name, permission)
	}
	if !isID(id, maxQueueID, "-") {
		return status.Error(codes.InvalidArgument, textQueueName)
	}
	return nil
}

// checkLocationParent likewise, for calls about a location.
func checkLocationParent(name, permission string) error {
	if !isLocation(name) {
		return denied(name, permission)
	}
	return nil
}

func denied(name, permission string) error {
	return status.Errorf(codes.PermissionDenied,
		"The principal (user or service account) lacks IAM permission %q for the resource %q (or the resource may not exist).", permission, name)
}

// splitTaskName returns a task's queue and id.
func splitTaskName(name string) (queue, id string, err error) {
	at := strings.LastIndex(name, "/tasks/") // the last: a queue may be called "tasks"
	if at < 0 {
		return "", "", status.Error(codes.InvalidArgument, textTaskName)
	}
	queue, id = name[:at], name[at+len("/tasks/"):]
	if strings.Contains(id, "/") || checkQueueName(queue) != nil {
		return "", "", status.Error(codes.InvalidArgument, textTaskName)
	}
	if !isID(id, maxTaskID, "-_") {
		return "", "", status.Errorf(codes.InvalidArgument, "Task ID %q can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), "+
			"or underscores (_). Task ID must between 1 and 500 characters.", id)
	}
	return queue, id, nil
}

// cutQueue splits a queue's name into location and id.
func cutQueue(name string) (location, id string, ok bool) {
	location, id, ok = strings.Cut(name, "/queues/")
	return location, id, ok && !strings.Contains(id, "/")
}

// locationOf returns the location's full name in a valid name of something within it.
func locationOf(name string) string {
	location, _, _ := strings.Cut(name, "/queues/")
	return location
}

// shortID returns the last part of a full name.
func shortID(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// isLocation recognizes projects/P/locations/L.
func isLocation(name string) bool {
	rest, ok := strings.CutPrefix(name, "projects/")
	if !ok {
		return false
	}
	project, location, ok := strings.Cut(rest, "/locations/")
	return ok && isID(project, len(project), "-:.") && isID(location, len(location), "-")
}

// isID reports whether s is 1 to most letters, digits and bytes of others.
func isID(s string, most int, others string) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return true
}
