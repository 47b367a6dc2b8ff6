package manage

import "github.com/typedtasks/typedtasks/transport"

// What is in this process ends with it: a command that changes it there says so, as its program may just have missed
// its configuration.

func (c *call) localTransport() bool {
	_, err := transport.As[transport.Backlogger](c.cfg.Transport)
	return err == nil
}

func (c *call) localBroker() bool {
	_, err := transport.BrokerAs[transport.Backlogger](c.cfg.Broker)
	return err == nil
}

func (c *call) localScheduler() bool {
	_, err := transport.SchedulerAs[transport.JobDeclarer](c.cfg.Scheduler)
	return err == nil
}

// noteLocal warns of what was put into a transport, a broker or a scheduler that keeps it in this process.
func (c *call) noteLocal(local bool) {
	if local {
		c.console.note("note: it is kept in this process, and lost where that ends before it has run")
	}
}

// noteEnds warns of what is changed in those of this process: "transport", "broker", "scheduler".
func (c *call) noteEnds(local ...string) {
	verb := "are"
	switch len(local) {
	case 0:
		return
	case 1:
		verb = "is"
	}
	c.console.note("note: the %s %s in this process: what is changed ends with it", and(local), verb)
}
