package emulator

import (
	"strings"

	"github.com/typedtasks/typedtasks/internal/broker"
	"github.com/typedtasks/typedtasks/transport"
)

const (
	topicsPart        = "/topics/"
	subscriptionsPart = "/subscriptions/"

	// deletedTopic is the topic of a subscription whose topic was deleted.
	deletedTopic = broker.DeletedTopic
)

// checkTopicName refuses what is no topic's full name.
func checkTopicName(name string) error { return checkResource(name, topicsPart) }

// checkSubscriptionName refuses what is no subscription's full name.
func checkSubscriptionName(name string) error { return checkResource(name, subscriptionsPart) }

func checkResource(name, part string) error {
	project, id, ok := strings.Cut(name, part)
	if !ok || !isProject(project) || transport.CheckTopic(id) != nil {
		return badName(name)
	}
	return nil
}

// checkProject refuses what is no project's full name.
func checkProject(name string) error {
	if !isProject(name) {
		return badName(name)
	}
	return nil
}

func isProject(name string) bool {
	id, ok := strings.CutPrefix(name, "projects/")
	return ok && isID(id, len(id), "-:.")
}

func badName(name string) error {
	return invalid("Invalid resource name given (name=%s). Refer to https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names for more information.", name)
}

// projectOf returns the project's full name in a valid name of something within it.
func projectOf(name string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(name, "projects/"), "/")
	return "projects/" + id
}
