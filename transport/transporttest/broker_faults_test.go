package transporttest_test

import (
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport/transporttest"
)

func TestCheckBroker_BadDriver_FailsTheCasesAboutItsMistake(t *testing.T) {
	for _, c := range []struct{ fault, cases string }{ // ... means that the mistake shows in others too
		{"publishes under an ended context", "publish/cancelled batch/ended"},
		{"ignores an ended context", "publish/cancelled batch/ended"},
		{"changes the message", "ownership/message-changed ..."},
		{"writes behind the data", "ownership/message-changed"},
		{"returns bare sentinels", "publish/error"},
		{"accepts messages over the limit", "limits/message-size batch/fails-alone"},
		{"accepts any message", "limits/message-refused publish/error batch/fails-alone batch/key"},
		{"refuses the largest message", "limits/message-size"},
		{"publishes after the end", "closed/publish closed/batch"},
		{"refuses unknown topics", "publish/new-topic publish/nobody ..."},
		{"uses ids twice", "publish/id ..."},
		{"answers another id", "publish/id publish/fields ..."},
		{"loses a message now and then", "publish/concurrent publish/id ..."},
		{"delivers twice", "publish/id publish/concurrent receive/ack ..."},
		{"gives a message to one subscription only", "subscribe/fan-out ..."},
		{"mixes topics up", "subscribe/topics ..."},
		{"shows what was published before", "subscribe/new ..."},
		{"ignores filters", "filter/attributes filter/backlog push/filter batch/large"},
		{"takes any filter", "filter/refused ..."},
		{"loses zero bytes", "publish/data"},
		{"loses empty attributes", "publish/attributes dead-letter/message"},
		{"folds keys", "publish/attributes ..."},
		{"loses the ordering key", "publish/fields order/key ..."},
		{"tells the local time", "publish/fields"},
		{"tells the topic", "publish/fields"},
		{"believes the publisher's fields", "publish/fields"},
		{"aliases the data", "ownership/message-kept"},
		{"aliases the attributes", "ownership/message-kept"},
		{"loses the data when it comes again", "ownership/message-unchanged ..."},
		{"acknowledges nothing", "receive/ack ..."},
		{"acknowledges everything", "receive/nack receive/panic ..."},
		{"takes a panic for success", "receive/panic push/panic"},
		{"hands out one at a time", "receive/at-once ..."},
		{"does not extend leases", "receive/lease flow/extension ..."},
		{"extends leases for ever", "flow/extension ..."},
		{"receives from nowhere", "receive/missing"},
		{"leaves what is out of the backlog", "receive/backlog"},
		{"does not wait for handlers", "receive/waits ..."},
		{"goes on after its context", "receive/waits receive/ended ..."},
		{"ends the handlers' contexts", "receive/contexts ..."},
		{"reports the end of its context", "receive/waits receive/ended ..."},
		{"forgets what is decided after the end", "receive/last-words ..."},
		{"keeps what is refused until its lease ends", "receive/gives-back redelivery/at-once ..."},
		{"ignores the bound on messages", "flow/messages ..."},
		{"ignores the bound on bytes", "flow/bytes"},
		{"ignores ordering", "order/key order/nack order/keys order/restart ..."},
		{"orders everything", "order/free ..."},
		{"lets others of a key pass a pause", "push/order"},
		{"sends what is refused to the end", "order/nack ..."},
		{"blocks all keys", "order/keys ..."},
		{"always pauses", "redelivery/at-once ..."},
		{"ignores the retry policy", "redelivery/policy update/retry push/policy ..."},
		{"does not double pauses", "redelivery/policy push/policy"},
		{"exceeds the largest pause", "redelivery/policy update/retry"},
		{"counts attempts always", "redelivery/no-attempt ..."},
		{"counts no attempts", "redelivery/attempts dead-letter/once push/message push/dead-letter"},
		{"makes one attempt too many", "dead-letter/once dead-letter/default dead-letter/order push/dead-letter ..."},
		{"never gives up", "dead-letter/once update/dead-letter ..."},
		{"keeps dead letters", "dead-letter/once ..."},
		{"buries without attributes", "dead-letter/message"},
		{"does not say where a dead letter is from", "dead-letter/message"},
		{"buries twice", "dead-letter/once dead-letter/many ..."},
		{"stops batches at the request limit", "batch/large"},
		{"goes on under a key that failed", "batch/key"},
		{"ends a batch at its first error", "batch/fails-alone batch/key"},
		{"answers batches out of order", "batch/results ..."},
		{"answers batches in part", "batch/results batch/fails-alone closed/batch ..."},
		{"takes any name", "topics/invalid"},
		{"creates topics again", "topics/exists topics/race"},
		{"loses labels", "topics/create topics/exists"},
		{"finds every topic", "topics/missing"},
		{"takes any settings", "subscriptions/invalid update/invalid declare/invalid"},
		{"subscribes to unknown topics", "subscriptions/missing"},
		{"creates subscriptions again", "subscriptions/exists subscriptions/race"},
		{"keeps what the last of its name had waiting", "subscriptions/delete ..."},
		{"keeps the caller's subscription", "subscriptions/create declare/kept ..."},
		{"lends out its own subscription", "subscriptions/create"},
		{"loses the push settings", "subscriptions/create update/field ..."},
		{"makes up an ack deadline", "subscriptions/defaults ..."},
		{"loses the second page", "subscriptions/list"},
		{"lists twice", "subscriptions/list"},
		{"lists under an ended context", "subscriptions/list"},
		{"updates what is not named", "update/field update/clear"},
		{"updates one field at a time", "update/several"},
		{"cannot clear the dead-letter policy", "update/clear"},
		{"updates any field", "update/invalid"},
		{"drops the backlog at an update", "update/backlog ..."},
		{"pushes without the message", "push/message ..."},
		{"takes any error for a refusal", "push/acknowledged"},
		{"takes 203 for success", "push/refused"},
		{"lets pushes overstay", "push/deadline"},
		{"declares no dead-letter topic", "declare/made"},
		{"drops the backlog of what is declared again", "declare/again"},
		{"ignores what is declared again", "declare/again"},
		{"cannot be closed twice", "closed/publish"},
		{"receives after the end", "closed/receive"},
		{"answers a batch of none", "batch/none"},
		{"makes one attempt too few", "dead-letter/spared dead-letter/once ..."},
		{"takes zero settings for ten messages", "flow/zero"},
		{"refuses the longest key", "limits/message-accepted"},
		{"refuses messages without data", "publish/empty ..."},
		{"ends a message with its publisher's context", "publish/afterwards ..."},
		{"pushes one at a time", "push/at-once"},
		{"never pushes what was pulled", "push/update"},
		{"keeps what it held at its end", "receive/again receive/gives-back ..."},
		{"forgets what is acknowledged where receivers share", "receive/shared"},
		{"pauses everything", "redelivery/others ..."},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			wantBrokerFailures(t, c.cases, bubbled(c.fault))
		})
	}
}

func TestCheckBroker_BadDriverOnRealClock_FailsTheCaseAboutItsMistake(t *testing.T) {
	t.Parallel()
	wantBrokerFailures(t, "publish/data", func(testing.TB) transporttest.BrokerDriver {
		return transporttest.BrokerDriver{Broker: newBroker("loses zero bytes"), Grace: 10 * time.Millisecond}
	})
}

func TestCheckBroker_BadEagerDriver_FailsTheCasesAboutItsMistake(t *testing.T) {
	for _, c := range []struct{ fault, cases string }{
		{"runs later", "eager/subscribers-ran ..."},
		{"swallows errors", "eager/subscriber-error eager/subscriber-panic eager/statuses"},
		{"tries again", "eager/subscriber-error"},
		{"leaves out who comes after an error", "eager/subscriber-error"},
		{"takes a panic for success", "eager/subscriber-panic"},
		{"takes 203 for success", "eager/statuses"},
	} {
		t.Run(c.fault, func(t *testing.T) { wantBrokerFailures(t, c.cases, subscribersInCaller(c.fault)) })
	}
}

func wantBrokerFailures(t *testing.T, cases string, newDriver func(testing.TB) transporttest.BrokerDriver) {
	t.Helper()
	compareFailures(t, cases, transporttest.CheckBroker(t, newDriver))
}
