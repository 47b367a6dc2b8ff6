package transporttest

import "slices"

// laws lists every case in the order in which they run: the simplest first, so that the first failure tells
// most.
func laws() []law {
	return slices.Concat(
		enqueueLaws(),
		idLaws(),
		timeLaws(),
		contextLaws(),
		limitLaws(),
		ownershipLaws(),
		eagerLaws(),
		retryLaws(),
		timingLaws(),
		batchLaws(),
		abilityLaws(),
		inspectLaws(),
		deleteLaws(),
		queueLaws(),
		queueDeleteLaws(),
		rateLaws(),
		serveLaws(),
		shutdownLaws(),
	)
}
