package engine

// entry is a task while the engine has it. Millions of them may wait, so it is small: what tasks share is in
// env, what few tasks have is in more, and the places that hold no task form a list.
type entry struct {
	data []byte // the body, then the packed headers of this task alone
	env  *envelope
	more *details

	eta     int64 // Unix nanoseconds, like all times in the engine
	created int64

	body       uint32 // length of the body within data; in a free place, the next free one plus one
	gen        uint32 // which tenant of this place; changes when the task leaves
	ver        uint32 // which scheduling; changes when refs in heap and FIFO become stale
	dispatches uint32
	seq        uint32 // order of creation; manual mode only
	inflight   uint16 // attempts that run
	where      where
	flags      flags
}

// details are what named tasks and those that failed before have.
type details struct {
	name       string   // explicit id; empty: generated
	first      int64    // when the first attempt began; 0: none has failed
	err        error    // of the last failure
	last       *attempt // likewise, if times are kept
	seen       uint32   // attempts that got an answer
	executions uint32   // of these, with a status other than 5xx
	status     int32    // of the last failure
}

// where tells which structure holds a valid ref to the entry.
type where uint8

const (
	nowhere where = iota // free, running, or waiting in manual mode
	inReady
	inDue
)

type flags uint8

const (
	occupied flags = 1 << iota
	paysEnvelope
	forced // RunNow in manual mode
)

func (ent *entry) name() string {
	if ent.more == nil {
		return ""
	}
	return ent.more.name
}

// packed is the part of data that holds the task's own headers.
func (ent *entry) packed() []byte { return ent.data[ent.body:] }

// size is what the task counts towards the engine's capacity in bytes.
func (ent *entry) size() int {
	n := len(ent.data) + len(ent.name())
	if ent.flags&paysEnvelope != 0 {
		n += ent.env.size()
	}
	return n
}

// slab keeps entries in chunks, so that it grows without copying and an entry never moves.
type slab struct {
	chunks []*[slabChunk]entry
	used   uint32 // places that ever held a task since the slab was last reset
	free   uint32 // first free place plus one; 0: none
	live   int

	firstGen uint32 // of places not used yet
	lastGen  uint32 // the greatest ever given out
	most     uint32 // the greatest used ever was
}

const (
	slabBits  = 8
	slabChunk = 1 << slabBits
	slabKept  = 16 // chunks that an empty slab keeps
)

func (s *slab) at(idx uint32) *entry { return &s.chunks[idx>>slabBits][idx&(slabChunk-1)] }

// get returns the entry at idx if gen still holds the place, else nil.
func (s *slab) get(idx, gen uint32) *entry {
	if idx >= s.used {
		return nil
	}
	if ent := s.at(idx); ent.gen == gen && ent.flags&occupied != 0 {
		return ent
	}
	return nil
}

// had reports whether a task that has left was at this place.
func (s *slab) had(idx, gen uint32) bool {
	if idx >= s.used {
		return idx < s.most && gen != 0 && gen <= s.lastGen
	}
	return gen != 0 && gen < s.at(idx).gen
}

func (s *slab) take() (uint32, *entry) {
	s.live++
	if s.free != 0 {
		idx := s.free - 1
		ent := s.at(idx)
		s.free, ent.body = ent.body, 0
		ent.flags = occupied
		return idx, ent
	}
	idx := s.used
	if int(idx>>slabBits) == len(s.chunks) {
		s.chunks = append(s.chunks, new([slabChunk]entry))
	}
	s.used++
	s.most = max(s.most, s.used)
	ent := s.at(idx)
	ent.gen = s.firstGen + 1
	s.lastGen = max(s.lastGen, ent.gen)
	ent.flags = occupied
	return idx, ent
}

// release frees the place. It reports whether it emptied a slab that was worth dropping: all refs are stale then.
func (s *slab) release(idx uint32) (dropped bool) {
	ent := s.at(idx)
	*ent = entry{gen: ent.gen + 1, ver: ent.ver + 1, body: s.free}
	s.lastGen = max(s.lastGen, ent.gen)
	s.free = idx + 1
	s.live--
	if s.live > 0 || len(s.chunks) <= slabKept {
		return false
	}
	s.chunks, s.used, s.free, s.firstGen = nil, 0, 0, s.lastGen
	return true
}
