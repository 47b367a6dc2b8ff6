package cloudpubsub

import (
	"fmt"
	"strings"

	"github.com/typedtasks/typedtasks/transport"
)

// What resources are called in their full names, projects/P/topics/T.
const (
	topics        = "topics"
	subscriptions = "subscriptions"
)

// fullName is the name of a topic or subscription as the API wants it. A full name is used as it is.
func (b *Broker) fullName(collection, name string) (string, error) {
	if !strings.HasPrefix(name, "projects/") {
		if err := transport.CheckTopic(name); err != nil {
			return "", err
		}
		return "projects/" + b.project + "/" + collection + "/" + name, nil
	}
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[1] == "" || parts[2] != collection {
		return "", fmt.Errorf("name %q is neither an id nor of the form projects/PROJECT/%s/ID", name, collection)
	}
	if err := transport.CheckTopic(parts[3]); err != nil {
		return "", err
	}
	return name, nil
}

// shortName is the id of what belongs to the broker's project, and any other name as it is.
func (b *Broker) shortName(collection, name string) string {
	if id, ok := strings.CutPrefix(name, "projects/"+b.project+"/"+collection+"/"); ok {
		return id
	}
	return name
}

// projectOf is the project in a full name.
func projectOf(fullName string) string {
	project, _, _ := strings.Cut(strings.TrimPrefix(fullName, "projects/"), "/")
	return project
}

func topicResource(name string) string        { return fmt.Sprintf("topic %q", name) }
func subscriptionResource(name string) string { return fmt.Sprintf("subscription %q", name) }
