package emulator

import (
	"net/url"
	"strings"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/typedtasks/typedtasks/transport"
)

const (
	// pushVersion is the attribute of a push configuration that tells the form of the body.
	pushVersion = "x-goog-version"
	v1          = "v1"
)

// completePush checks where a subscription is pushed to. Without an endpoint it is pulled.
func completePush(s *pubsubpb.Subscription) error {
	if s.PushConfig == nil {
		s.PushConfig = &pubsubpb.PushConfig{} // as the service answers it
	}
	c := s.PushConfig
	if c.PushEndpoint == "" {
		c.Attributes, c.AuthenticationMethod, c.Wrapper = nil, nil, nil
		return nil
	}
	if !isEndpoint(c.PushEndpoint) {
		return invalid("Invalid push endpoint given (endpoint=%s). Refer to https://cloud.google.com/pubsub/docs/create-push-subscription for more information.", c.PushEndpoint)
	}
	if s.EnableExactlyOnceDelivery {
		return invalid("Exactly-once delivery is not supported for push subscriptions.")
	}
	if o := c.GetOidcToken(); o != nil && o.ServiceAccountEmail == "" {
		return invalid("PushConfig.oidc_token: service_account_email must be specified.")
	}
	return completePushVersion(c)
}

func completePushVersion(c *pubsubpb.PushConfig) error {
	switch version := c.Attributes[pushVersion]; version {
	case "":
		if c.Attributes == nil {
			c.Attributes = make(map[string]string, 1)
		}
		c.Attributes[pushVersion] = v1
	case v1, "v1beta2":
	case "v1beta1":
		return unimplemented("The push format v1beta1 is", "use v1")
	default:
		return invalid("Invalid push_config.attributes given: %q is not a known %s.", version, pushVersion)
	}
	return nil
}

// isEndpoint recognizes what can be pushed to. The service takes https alone; here, workers run beside it.
func isEndpoint(s string) bool {
	u, err := url.Parse(encodeURL(s))
	return err == nil && u.Host != "" && (strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://"))
}

// toPush returns a complete configuration as the broker takes it, nil for one without an endpoint.
func toPush(c *pubsubpb.PushConfig) *transport.PushConfig {
	if c.GetPushEndpoint() == "" {
		return nil
	}
	return &transport.PushConfig{
		Endpoint:       c.PushEndpoint,
		ServiceAccount: c.GetOidcToken().GetServiceAccountEmail(),
		Audience:       c.GetOidcToken().GetAudience(),
		Unwrapped:      c.GetNoWrapper() != nil,
		WriteMetadata:  c.GetNoWrapper().GetWriteMetadata(),
	}
}
