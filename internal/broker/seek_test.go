package broker_test

import (
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/transport"
)

// seekRig publishes "old" and, a minute later, "new", which it returns the time of.
func seekRig(r *rig, changes ...change) time.Time {
	r.t.Helper()
	r.pulled(audit, changes...)
	r.publishKeyed("k", "old1", "old2")
	r.publish("old3")
	time.Sleep(time.Minute)
	at := r.Now()
	r.publishKeyed("k", "new1", "new2")
	r.publish("new3")
	return at
}

func TestSeek_AcknowledgesWhatWasBefore(t *testing.T) {
	for name, changes := range map[string][]change{"plain": nil, "ordered": {ordered}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				at := seekRig(r, changes...)
				lease := r.one(audit)
				r.must(r.Seek(audit, at))
				wantError(t, r.Acknowledge(audit, lease.AckID)[0], transport.KindNotFound, "")
				r.wantBacklog(audit, 3)
				if name == "ordered" {
					r.wantTexts(audit, "new1", "new3")
					r.wantTexts(audit, "new2")
				} else {
					r.wantTexts(audit, "new1", "new2", "new3")
				}
				r.must(r.Seek(audit, r.start)) // nothing was kept
				r.wantBacklog(audit, 0)
			})
		})
	}
}

func TestSeek_BringsBackWhatIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at := seekRig(r, retained)
		r.nack(audit, r.one(audit))
		r.wantTexts(audit, "old2", "old3", "old1", "new1", "new2", "new3")
		r.must(r.Seek(audit, at))
		r.wantTexts(audit, "new1", "new2", "new3")
		r.must(r.Seek(audit, r.start))
		r.wantTexts(audit, "old1", "old2", "old3", "new1", "new2", "new3")
		time.Sleep(7*24*time.Hour - time.Minute)
		r.must(r.Seek(audit, r.start))
		r.wantTexts(audit, "new1", "new2", "new3") // the others are too old
	})
}

func TestSeek_Ordered_LineIsAsPublished(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		seekRig(r, retained, ordered, deadLetter)
		r.wantTexts(audit, "old1", "old3", "new3")
		r.nack(audit, r.one(audit)) // old2
		r.wantTexts(audit, "old2")
		held := r.one(audit)
		if string(held.Message.Data) != "new1" {
			t.Fatalf("holds %q", held.Message.Data)
		}
		r.must(r.Seek(audit, r.start))
		r.wantBacklog(audit, 6)
		r.wantTexts(audit, "old3", "new3") // new1 is still out, and one of a key is enough
		r.nack(audit, held)
		for _, want := range []string{"old1", "old2", "new1", "new2"} {
			m := r.one(audit)
			if string(m.Message.Data) != want || want == "new1" && m.Message.DeliveryAttempt != 2 || want == "old2" && m.Message.DeliveryAttempt != 1 {
				t.Errorf("got %+v, want %q", m.Message, want)
			}
			r.ack(audit, m)
		}
		r.wantBacklog(audit, 0)
	})
}

func TestSeek_Ordered_HeldMessageAcknowledgedOutOfLine(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, retained, ordered)
		r.publishKeyed("k", "one", "two", "three")
		r.wantTexts(audit, "one")
		two := r.one(audit)
		r.must(r.Seek(audit, r.start))
		r.ack(audit, two)
		r.wantTexts(audit, "one")
		r.wantTexts(audit, "three")
		r.wantBacklog(audit, 0)
	})
}

func TestSeek_ExtendedLeases_CountOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.pulled(audit, retained)
		r.publish("one", "two")
		m := r.one(audit)
		for _, d := range []time.Duration{30 * time.Second, 20 * time.Second, 30 * time.Second, 20 * time.Second} {
			r.must(r.ModifyAckDeadline(audit, d, m.AckID)[0])
		}
		time.Sleep(time.Second)
		r.must(r.Seek(audit, r.Now()))
		r.wantBacklog(audit, 0)
		r.must(r.Seek(audit, r.start))
		r.wantBacklog(audit, 2)
		r.wantTexts(audit, "one", "two")
	})
}

func TestSeek_Missing_IsNotFound(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		wantError(t, r.Seek("nobody", r.start), transport.KindNotFound, `seek on subscription "nobody"`)
	})
}
