package engine

import "time"

// brake slows a queue down whose worker answers 429 or 503. Cloud Tasks does so too, by rules that it does not
// tell; these are ours: such an answer, one a second at most, halves the rate, down to one dispatch a second;
// each second without one doubles it, up to what the queue's settings say.
type brake struct {
	level   uint8 // how often the rate is halved
	pressed int64 // when level was last raised
	since   int64 // the last such answer, or when level was lowered after it
}

const (
	brakeStep     = int64(time.Second)
	brakeInterval = int64(time.Second) // between dispatches at the least rate
)

// slowed returns b at the brake's level. Nothing is saved up for a burst while it is on.
func (k *brake) slowed(b bucket) bucket {
	if k.level > 0 && b.interval > 0 {
		b.interval, b.burst = b.interval<<k.level, 1
	}
	return b
}

// slow is called for each answer that asks for less.
func (q *queue) slow(now int64) {
	k := &q.brake
	q.relax(now)
	k.since = now
	base := newBucket(q.cfg).interval
	if base == 0 || base<<k.level >= brakeInterval || k.level > 0 && now-k.pressed < brakeStep {
		return
	}
	k.level++
	k.pressed = now
	q.setRate(now)
}

// relax lowers the level for the time that has passed without such an answer.
func (q *queue) relax(now int64) {
	k := &q.brake
	steps := (now - k.since) / brakeStep
	if k.level == 0 || steps <= 0 {
		return
	}
	k.level -= uint8(min(steps, int64(k.level)))
	k.since += steps * brakeStep
	q.setRate(now)
}
