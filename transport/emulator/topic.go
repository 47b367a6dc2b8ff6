package emulator

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/types/known/durationpb"

	limits "github.com/typedtasks/typedtasks/internal/subscription"
)

const (
	maxLabels = 64
	maxLabel  = 63 // characters of a key or a value
)

// topicUpdates is what an update of a topic may name.
func topicUpdates() updatable {
	return updatableIn("UpdateTopicRequest", &pubsubpb.Topic{}, "name", "state", "satisfies_pzs", "tags")
}

func newTopic(name string) *pubsubpb.Topic {
	return &pubsubpb.Topic{Name: name, State: pubsubpb.Topic_ACTIVE}
}

// completeTopic checks a topic and completes it, in place, as it is to be stored.
func completeTopic(t *pubsubpb.Topic) error {
	if err := checkTopicName(t.Name); err != nil {
		return err
	}
	switch {
	case t.KmsKeyName != "":
		return unimplemented("Customer-managed keys are", "leave kms_key_name unset")
	case t.SchemaSettings != nil:
		return unimplemented("Schemas are", "leave schema_settings unset")
	case t.IngestionDataSourceSettings != nil:
		return unimplemented("Ingestion from other sources is", "leave ingestion_data_source_settings unset")
	case len(t.MessageTransforms) > 0:
		return unimplemented("Message transforms are", "leave message_transforms unset")
	}
	if t.MessageRetentionDuration != nil {
		if err := checkRetention(t.MessageRetentionDuration); err != nil {
			return err
		}
	}
	t.State, t.SatisfiesPzs, t.Tags = pubsubpb.Topic_ACTIVE, false, nil // output only, or input only
	return checkLabels(t.Labels)
}

func checkRetention(d *durationpb.Duration) error {
	if v := d.AsDuration(); !d.IsValid() || v < limits.MinRetention || v > limits.MaxRetention {
		return invalid("The value for message_retention_duration is out of bounds. You passed %s in the request, but the duration must be between 10 minutes and 31 days.", v)
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return invalid("%d labels, at most %d.", len(labels), maxLabels)
	}
	for k, v := range labels {
		if first, _ := utf8.DecodeRuneInString(k); !unicode.IsLetter(first) || !isLabel(k) || strings.HasPrefix(k, "goog") {
			return invalid("%q is not a label's key: a lower case letter, then those, digits, \"_\" and \"-\", at most %d, not beginning with \"goog\".", k, maxLabel)
		}
		if !isLabel(v) {
			return invalid("%q is not a label's value: lower case letters, digits, \"_\" and \"-\", at most %d.", v, maxLabel)
		}
	}
	return nil
}

func isLabel(s string) bool {
	return utf8.RuneCountInString(s) <= maxLabel && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsDigit(r) && (!unicode.IsLetter(r) || unicode.IsUpper(r))
	})
}
