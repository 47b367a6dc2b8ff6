package manage

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// published is the document of publish.
type published struct {
	Publisher string `json:"publisher"`
	Topic     string `json:"topic"`
	ID        string `json:"id,omitempty"`
	DryRun    bool   `json:"dry_run"`
}

func (m *manager) publish() *cobra.Command {
	var data dataFlag
	var attributes []string
	var key string
	cmd := &cobra.Command{
		Use:               "publish NAME",
		Short:             "Publish a message by its publisher",
		Example:           "  tasks publish orders --data '{\"id\": 7}' --attribute region=emea",
		SilenceUsage:      true,
		Args:              arguments(1, 1, "the NAME of a publisher"),
		ValidArgsFunction: completeNames(1, func() []cobra.Completion { return m.completions(tasks.KindPublisher) }),
	}
	data.add(cmd)
	cmd.Flags().StringArrayVar(&attributes, "attribute", nil, "of the message, as `key=value` (repeatable)")
	cmd.Flags().StringVar(&key, "key", "", "the ordering key (default the data's own)")
	completeFlag(cmd, "attribute", cobra.NoFileCompletions)
	completeFlag(cmd, "key", cobra.NoFileCompletions)
	cmd.RunE = m.does("", func(c *call, args []string) error {
		d, err := c.find(args[0], "publisher", tasks.KindPublisher)
		if err != nil {
			return err
		}
		msg := &transport.Message{OrderingKey: key}
		if msg.Attributes, err = pairs("attribute", attributes); err != nil {
			return err
		}
		if err := c.fillMessage(d, &data, msg); err != nil {
			return err
		}
		return c.publishMessage(d, msg)
	})
	return cmd
}

// fillMessage gives a message what its publisher would.
func (c *call) fillMessage(d tasks.Definition, data *dataFlag, msg *transport.Message) error {
	s := d.Spec()
	is, err := pubsub.Describe(c.cfg, d)
	if err != nil {
		return err
	}
	if is.Topic == "" {
		return usagef("%s: each of its messages brings a topic of its own: it cannot be published from here", s.Name)
	}
	msg.Topic = is.Topic
	if !data.given() {
		if is.Raw {
			return usagef("%s needs data: pass it with --data", s.Name)
		}
		return usagef("%s needs data: pass it with --data%s", s.Name, like(s.Payload))
	}
	if msg.Data, err = data.read(c, transport.MaxMessageSize); err != nil {
		return err
	}
	if !is.Raw {
		v, err := c.decode(s, msg.Data)
		if err != nil {
			return err
		}
		if keyed, ok := v.(interface{ OrderingKey() string }); ok && msg.OrderingKey == "" {
			msg.OrderingKey = keyed.OrderingKey()
		}
		if msg.Data, err = payload.Encode(is.Codec, v); err != nil {
			return err
		}
		msg.Data = bytes.Clone(msg.Data) // a codec may have kept it
	}
	if is.Ordered && msg.OrderingKey == "" {
		return usagef("%s is ordered, and the message has no ordering key: pass --key", s.Name)
	}
	if err := msg.Check(); err != nil {
		return usageError(err)
	}
	return nil
}

func (c *call) publishMessage(d tasks.Definition, msg *transport.Message) error {
	doc := published{Publisher: d.Spec().Name, Topic: msg.Topic, DryRun: c.dryRun}
	if !c.dryRun {
		var err error
		if doc.ID, err = c.app.PublishMessage(c, msg); err != nil {
			return fmt.Errorf("%s: %w", doc.Publisher, err)
		}
		c.noteLocal(c.localBroker())
	}
	return c.print(doc, func() string {
		if doc.DryRun {
			return oneLine(fmt.Sprintf("dry run, nothing was published: %s to topic %s: %s", doc.Publisher, doc.Topic, msg.Data))
		}
		return oneLine(fmt.Sprintf("published %s to topic %s as %s", doc.Publisher, doc.Topic, doc.ID))
	})
}
