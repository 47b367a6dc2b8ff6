package emulator

import (
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"

	"github.com/typedtasks/typedtasks/transport"
)

// jobAgent is what requests of jobs call themselves.
const jobAgent = "Google-Cloud-Scheduler"

// completeHTTPTarget checks what is to be sent and adds what the service keeps with it.
func completeHTTPTarget(t *schedulerpb.HttpTarget) error {
	if err := checkTargetURL("HttpTarget.uri", "HttpTarget.uri", t.Uri); err != nil {
		return err
	}
	if t.HttpMethod == schedulerpb.HttpMethod_HTTP_METHOD_UNSPECIFIED {
		t.HttpMethod = schedulerpb.HttpMethod_POST
	}
	switch t.HttpMethod {
	case schedulerpb.HttpMethod_POST, schedulerpb.HttpMethod_PUT, schedulerpb.HttpMethod_PATCH:
	default:
		if _, known := schedulerpb.HttpMethod_name[int32(t.HttpMethod)]; !known {
			return invalid("HttpTarget.httpMethod %d is not valid.", t.HttpMethod)
		}
		if len(t.Body) > 0 {
			return invalid("HttpTarget.body is allowed only if the HttpTarget.httpMethod is POST, PUT, or PATCH.")
		}
	}
	switch a := t.AuthorizationHeader.(type) {
	case *schedulerpb.HttpTarget_OidcToken:
		if a.OidcToken.GetServiceAccountEmail() == "" {
			return invalid("HttpTarget.oidcToken.serviceAccountEmail is required.")
		}
	case *schedulerpb.HttpTarget_OauthToken:
		if a.OauthToken.GetServiceAccountEmail() == "" {
			return invalid("HttpTarget.oauthToken.serviceAccountEmail is required.")
		}
	}
	var err error
	t.Headers, err = completeHeaders("HttpTarget.headers", t.Headers, jobAgent)
	return err
}

// checkPubsubTarget refuses what cannot be published. Whether the topic exists shows when the job runs.
func checkPubsubTarget(t *schedulerpb.PubsubTarget, project string) error {
	if t.TopicName == "" {
		return invalid("PubsubTarget.topicName is required.")
	}
	if checkTopicName(t.TopicName) != nil {
		return invalid(`PubsubTarget.topicName must be formatted: "projects/<PROJECT_ID>/topics/<TOPIC_ID>".`)
	}
	if projectOf(t.TopicName) != project {
		return invalid("The topic in PubsubTarget.topicName must be in the project of the job, %s, not in %s.", project, projectOf(t.TopicName))
	}
	if len(t.Data) == 0 && len(t.Attributes) == 0 {
		return invalid("PubsubTarget must contain either non-empty data, or at least one attribute.")
	}
	if err := (&transport.Message{Topic: t.TopicName, Data: t.Data, Attributes: t.Attributes}).Check(); err != nil {
		return invalid("PubsubTarget is not a valid message: %s.", causeOf(err))
	}
	return nil
}
